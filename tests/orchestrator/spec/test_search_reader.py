"""A search block in our words or in NNI's, inline or in a file; what is wrong, and where."""

from __future__ import annotations

import json

import pytest

from orchestrator.errors import WrongRequest
from orchestrator.spec import load
from orchestrator.spec.search import Distribution

SPEC = """\
name: searched
data: {train: data/train}
defaults: {image_size: [96, 72], epochs: 6}
members:
  - {name: a, model: test_resnet}
  - {name: b, model: test_vit, targets: [age]}
  - {name: c, model: test_vit, targets: [mask, gender], loss: f1}
search:
  members: [a]
  space: SPACE
"""

# what a team that trained EfficientNet-b6 under NNI had: 50 trials, 12 hours, best accuracy
NNI = {
    "batchSize": {"_type": "choice", "_value": [8, 16, 32]},
    "lr": {"_type": "choice", "_value": [1e-3, 1e-4, 1e-5]},
    "network": {"_type": "choice", "_value": ["efficientnet_b4", "efficientnet_b6"]},
    "criterion": {"_type": "choice", "_value": ["cross_entropy", "focal", "label_smoothing", "f1"]},
    "augmentation": {"_type": "choice", "_value": ["base", "custom", "heads"]},
}
NAMES = "{batchSize: batch_size, network: model, criterion: loss}"
S4 = """\
name: s4
data: {train: data/train}
folds: {scheme: holdout}
members:
  - name: b6
    recipe: efficientnet_b6
    epochs: 30
    schedule: milestones
    milestones: [10, 20, 25]
    gamma: 0.1
    metric: accuracy
search:
  members: [b6]
  space: search_space.json
  names: {batchSize: batch_size, network: model, criterion: loss}
  sampler: tpe
  candidates: 50
  hours: 12
  metric: accuracy
"""


def problems(path) -> list[str]:
    with pytest.raises(WrongRequest) as error:
        load(path)
    return error.value.problems


def test_nni_s_five_kinds_are_read_as_they_are(write):
    inline = (
        "{loss: {_type: choice, _value: [f1, bce]}, dropout: {_type: uniform, _value: [0, 0.5]},"
        " lr: {_type: loguniform, _value: [1e-4, 1e-2]},"
        " batch_size: {_type: quniform, _value: [16, 64, 16]},"
        " step_epochs: {_type: randint, _value: [2, 5]}, plateau_epochs: {_type: randint, _value: [2, 3]},"
        " smoothing: {uniform: [0.1, 0.2]}, schedule: {choice: [step, plateau]}}"
    )
    spec = load(write(SPEC, inline))
    assert spec.search.space == {
        "loss": Distribution(choice=["f1", "bce"]),
        "dropout": Distribution(uniform=[0, 0.5]),
        "lr": Distribution(log_uniform=[1e-4, 1e-2]),
        "batch_size": Distribution(quniform=[16, 64, 16]),
        "step_epochs": Distribution(int_uniform=[2, 4]),  # NNI's upper end is excluded
        "plateau_epochs": Distribution(choice=[2]),
        "smoothing": Distribution(uniform=[0.1, 0.2]),
        "schedule": Distribution(choice=["step", "plateau"]),
    }


@pytest.mark.parametrize("place", ["search_space_json", "specs__search_space_json"])
@pytest.mark.parametrize("indent", [None, 4, "\t"])
def test_the_whole_set_up_of_an_nni_team_is_a_spec(write, place, indent):
    """Their file as it is, in the working folder or beside the spec, its keys translated."""
    spec = load(write(S4, **{place: json.dumps(NNI, indent=indent)}))
    search, member = spec.search, spec.member("b6")
    assert search.space == {
        "batch_size": Distribution(choice=[8, 16, 32]),
        "lr": Distribution(choice=[1e-3, 1e-4, 1e-5]),
        "model": Distribution(choice=["efficientnet_b4", "efficientnet_b6"]),
        "loss": Distribution(choice=["cross_entropy", "focal", "label_smoothing", "f1"]),
        "augmentation": Distribution(choice=["base", "custom", "heads"]),
    }
    assert (search.sampler, search.candidates, search.hours) == ("tpe", 50, 12)
    assert (search.metric, member.recipe.metric) == ("accuracy", "accuracy")
    assert member.recipe.schedule == "milestones"
    assert (member.recipe.milestones, member.recipe.gamma) == ((10, 20, 25), 0.1)


def test_the_resolved_spec_has_the_space_inline_and_reads_back_the_same(write, tmp_path):
    spec = load(write(S4, search_space_json=json.dumps(NNI)))
    elsewhere = tmp_path / "resolved.yaml"
    elsewhere.write_text(spec.to_yaml())
    assert "criterion" not in elsewhere.read_text()
    assert load(elsewhere) == spec


def test_a_file_in_our_own_form_is_read_too(write):
    spec = load(write(SPEC, "space.yaml", **{"space.yaml": "lr: {log_uniform: [1e-4, 1e-2]}\n"}))
    assert spec.search.space == {"lr": Distribution(log_uniform=[1e-4, 1e-2])}


@pytest.mark.parametrize(
    ("space", "told"),
    [
        # how it is drawn
        ("{lr: {_type: logunifrm, _value: [1, 2]}}",
         ["line 10", "search.space.lr", "unknown _type 'logunifrm'", "Did you mean 'loguniform'",
          "Allowed: choice, loguniform, quniform, randint, uniform"]),
        ("{lr: {_type: [uniform], _value: [1, 2]}}", ["unknown _type"]),
        ("{lr: {_type: uniform}}", ["_type and _value, got _type only"]),
        ("{lr: {_type: uniform, _valeu: [1, 2]}}", ["unknown key '_valeu'", "Did you mean '_value'"]),
        ("{lr: {_type: uniform, _value: [1]}}", ["uniform takes _value: [low, high]; got [1]"]),
        ("{lr: {_type: uniform, _value: 1}}", ["uniform takes _value: [low, high]; got 1"]),
        ("{lr: {_type: uniform, _value: [a, b]}}", ["got ['a', 'b']"]),
        ("{lr: {_type: uniform, _value: [2, 1]}}",
         ["uniform: the low end must be below the high end, got [2, 1]"]),
        ("{lr: {_type: loguniform, _value: [0, 1]}}", ["loguniform needs values above 0"]),
        ("{lr: {_type: quniform, _value: [0, 1]}}", ["quniform takes _value: [low, high, q]"]),
        ("{lr: {_type: quniform, _value: [0.1, 1, 5]}}", ["the step must be above 0"]),
        ("{epochs: {_type: randint, _value: [1.5, 3]}}", ["the upper one excluded; got [1.5, 3]"]),
        ("{epochs: {_type: randint, _value: [3, 3]}}", ["randint: the low end must be below"]),
        ("{loss: {_type: choice, _value: []}}", ["choice takes _value: a list of values; got []"]),
        ("{model: {_type: choice, _value: [{_name: vgg}]}}", ["_name", "a member and a search of its own"]),
        ("{lr: [1e-3, 1e-4]}", ["say how it is drawn", "{choice: [0.001, 0.0001]}"]),
        ("{lr: 1e-3}", ["{choice: [0.001]}; got 0.001"]),
        ("{lr: {choise: [1e-3]}}", ["line 10", "unknown key 'choise'", "Did you mean 'choice'"]),
        ("{}", ["line 10", "a mapping of recipe key"]),
        ("[lr]", ["line 10", "a mapping of recipe key", "['lr']"]),
        # which key
        ("{batchSize: {_type: choice, _value: [8]}}",
         ["line 10", "unknown key 'batchSize'", "Did you mean 'batch_size'",
          "search.names", "`names: {batchSize: batch_size}`"]),
        ("{criterion: {_type: choice, _value: [f1]}}", ["Did you mean 'loss'", "`names: {criterion: loss}`"]),
        ("{qqq: {_type: choice, _value: [1]}}", ["unknown key 'qqq'. Where", "`names: {qqq: KEY}`"]),
        # values that a recipe cannot have
        ("{loss: {choice: [f1, focl]}}", ["line 10", "search.space.loss", "Did you mean 'focal'"]),
        ("{lr: {uniform: [0, 1]}}", ["search.space.lr", "greater than 0"]),
        ("{batch_size: {uniform: [16, 64]}}",
         ["batch_size is a whole number", "int_uniform: [16, 64]", "NNI: randint", "quniform"]),
        ("{image_size: {log_uniform: [16, 64]}}", ["image_size is a whole number"]),
        ("{patience: {quniform: [1, 4, 0.5]}}", ["search.space.patience", "got 1.5"]),
        ("{min_lr: {choice: [1e-5, 1e-3]}, lr: {choice: [1e-2, 1e-4]}}",
         ["min_lr must be at most lr (0.0001), got 0.001"]),
        ("{schedule: {choice: [cosine, milestones]}}", ["milestones: [10, 20, 25]"]),
    ],
)  # fmt: skip
def test_a_wrong_space_is_told_with_its_line_and_what_to_write(write, space, told):
    found = "\n".join(problems(write(SPEC, space)))
    for part in told:
        assert part in found


def test_settings_that_go_well_together_are_not_refused_for_going_badly_alone(write):
    space = "{schedule: {choice: [cosine, milestones]}, milestones: {choice: [[2, 4], [3]]}}"
    assert load(write(SPEC, space)).search.space["milestones"].size() == 2


def test_mistakes_of_a_space_file_are_told_with_file_line_and_key(write):
    space = {**NNI, "lr": {"_type": "lognormal", "_value": [0, 1]}, "cropp": NNI["lr"]}
    path = write(S4, search_space_json=json.dumps(space, indent=1))
    lr, crop = problems(path)
    line = json.dumps(space, indent=1).split("\n").index(' "lr": {') + 1
    assert lr.startswith(f"search_space.json, line {line}: search.space.lr: ")
    assert "unknown _type 'lognormal'" in lr
    assert crop.startswith("search_space.json, line ")
    assert "'cropp'" in crop
    assert "Did you mean 'crop'" in crop


def test_a_wrong_value_is_told_under_the_name_that_the_recipe_has_for_it(write):
    space = {**NNI, "criterion": {"_type": "choice", "_value": ["CrossEntropy"]}}
    (problem,) = problems(write(S4, search_space_json=json.dumps(space, indent=1)))
    assert problem.startswith("search_space.json, line ")
    assert "search.space.loss: 'CrossEntropy' is no known loss" in problem


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{'lr': 1}", ["search_space.json, line 1, column 2", "not valid JSON"]),
        ("[1, 2]", ["search_space.json: a search space is a mapping"]),
        ("{}", ["search_space.json: a search space is a mapping"]),
        ('{"lr": {}, "lr": {}}', ["search_space.json, line 1", "lr stands twice"]),
    ],
)
def test_a_file_that_is_no_space_is_refused(write, content, told):
    found = "\n".join(problems(write(S4, search_space_json=content)))
    for part in told:
        assert part in found


def test_a_missing_file_is_told_with_where_it_was_looked_for_and_the_nearest(write, tmp_path):
    path = write(S4, **{"specs__search_spaces_json": "{}"})
    (problem,) = problems(path)
    assert "line 14: search.space" in problem
    assert f"no file 'search_space.json' in {tmp_path} or {tmp_path / 'specs'}" in problem
    assert "Did you mean 'search_spaces.json'" in problem


def test_a_file_that_is_no_text_is_refused(write, tmp_path):
    path = write(S4)
    (tmp_path / "search_space.json").write_bytes(b"\xff\xfe\x00")
    assert "cannot be read as UTF-8 text" in problems(path)[0]


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ("{batchSize: batch_size, network: model, criterion: los}",
         ["line 15: search.names.criterion", "unknown recipe key 'los'", "Did you mean 'loss'"]),
        ("{batchSize: batch_size, network: model, criterion: lr}",
         ["'lr' and 'criterion' are both read as 'lr'"]),
        ("[criterion, loss]", ["line 15: search.names", "a mapping of their name -> recipe key"]),
        ("{batchSize: [batch_size]}", ["search.names.batchSize", "unknown recipe key"]),
    ],
)  # fmt: skip
def test_wrong_names_are_refused(write, names, told):
    text = S4.replace(NAMES, names)
    assert text != S4
    found = "\n".join(problems(write(text, search_space_json=json.dumps(NNI))))
    for part in told:
        assert part in found


def test_an_unknown_key_of_the_search_names_those_allowed(write):
    text = S4.replace("  hours: 12", "  hour: 12").replace("  names:", "  namess:")
    found = "\n".join(problems(write(text, search_space_json=json.dumps(NNI))))
    assert "Did you mean 'hours'" in found
    assert "Did you mean 'names'" in found


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("members: [a]", "members: [a]\n  hours: 0", "search.hours"),
        ("members: [a]", "members: [a]\n  sampler: gird", "Did you mean 'grid'"),
        ("members: [a]", "members: [a]\n  scope: ensembel", "Did you mean 'ensemble'"),
        ("members: [a]", "members: [a]\n  candidates: 0", "greater than or equal to 1"),
        ("members: [a]", "members: [a]\n  metric: loss", "cannot be compared by their loss"),
        (
            "members: [a]",
            "members: [a, b]\n  scope: ensemble",
            "must predict the same targets, but these do not: a all, b age",
        ),
        (
            "members: [a]",
            "members: [b]\n  scope: ensemble\njoin: {name: j, of: [b, c]}",
            "b may be left out, but the join j needs it",
        ),
    ],
)
def test_limits_and_rivals_that_cannot_be_are_refused(write, before, after, told):
    text = SPEC.replace(before, after.split("\njoin")[0])
    text += "join" + after.split("\njoin")[1] + "\n" if "\njoin" in after else ""
    found = "\n".join(problems(write(text, "{loss: {choice: [f1, focal]}}")))
    assert told in found


def test_members_with_different_losses_do_not_compete_by_loss(write):
    text = SPEC.replace("members: [a]", "members: [a, d]\n  scope: ensemble\n  metric: loss")
    text = text.replace("search:", "  - {name: d, model: test_vit, loss: f1}\nsearch:")
    (problem,) = problems(write(text, "{lr: {choice: [1e-3, 1e-4]}}"))
    assert "line 11: search.scope: members with different losses" in problem
    load(
        write(text.replace("loss: f1}\nsearch", "dropout: 0.1}\nsearch"), "{lr: {choice: [1e-3]}}")
    )


def test_a_grid_over_a_continuous_range_is_refused_with_what_to_write(write):
    text = SPEC.replace("members: [a]", "members: [a]\n  sampler: grid")
    found = problems(write(text, "{lr: {log_uniform: [1e-4, 1e-2]}, dropout: {uniform: [0, 0.5]}}"))
    assert len(found) == 2
    assert "line 11: search.space.lr: a grid cannot list every number of log_uniform" in found[0]
    assert "choice: [0.0001, 0.001, 0.01]" in found[0]
    assert "choice: [0, 0.25, 0.5]" in found[1]
    assert "quniform: [low, high, step]" in found[1]


def test_a_space_of_the_small_block_replaces_the_large_one(write):
    small = "small: {search: {space: {lr: {choice: [1e-3]}}, hours: 0.1}}\n"
    path = write(S4 + small, search_space_json=json.dumps(NNI))
    assert load(path, small=True).search.space == {"lr": Distribution(choice=[1e-3])}


def test_set_names_another_space_file(write):
    other = json.dumps({"lr": NNI["lr"], "epochs": {"_type": "rand", "_value": [1, 2]}})
    path = write(S4, search_space_json=json.dumps(NNI), other_json=other)
    with pytest.raises(WrongRequest) as error:
        load(path, sets=["search.space=other.json"])
    (problem,) = error.value.problems
    assert problem.startswith("other.json, line 1: search.space.epochs: unknown _type 'rand'")
    with pytest.raises(WrongRequest) as error:
        load(path, sets=["search.space=nowhere.json"])
    assert "--set search.space=nowhere.json" in error.value.problems[0]
