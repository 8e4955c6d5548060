"""A spec is read with every mistake found, each where it stands."""

from __future__ import annotations

import pytest

from orchestrator.errors import WrongRequest
from orchestrator.spec import load

GOOD = """\
name: good
data: {layout: profiles, train: data/train, test: data/eval}
folds: {k: 3}
defaults: {image_size: [96, 72], epochs: 6, lr: 1e-3}
members:
  - {name: effnet, model: test_efficientnet, loss: f1}
  - {name: resnet, model: test_resnet, seeds: [1, 2]}
search:
  members: [effnet]
  space: {lr: {log_uniform: [1.0e-4, 1.0e-2]}, loss: {choice: [f1, cross_entropy]}}
small:
  folds: {k: 2}
  defaults: {epochs: 1}
  members: {effnet: {model: test_convnext}}
"""


@pytest.fixture
def spec_file(tmp_path):
    def write(text: str):
        path = tmp_path / "spec.yaml"
        path.write_text(text)
        return path

    return write


def problems(path, **options) -> list[str]:
    with pytest.raises(WrongRequest) as error:
        load(path, **options)
    return error.value.problems


def test_defaults_reach_every_member_and_its_own_keys_win(spec_file):
    spec = load(spec_file(GOOD.replace("loss: f1}", "loss: f1, lr: 5e-4}", 1)))
    effnet, resnet = spec.members
    assert (effnet.recipe.lr, resnet.recipe.lr) == (5e-4, 1e-3)
    assert effnet.recipe.image_size == (96, 72)
    assert resnet.seeds == (1, 2)


def test_the_resolved_spec_reads_back_as_the_same_spec(spec_file, tmp_path):
    spec = load(spec_file(GOOD))
    resolved = tmp_path / "resolved.yaml"
    resolved.write_text(spec.to_yaml())
    assert load(resolved) == spec


def test_small_is_merged_over_the_rest_and_members_by_name(spec_file):
    spec = load(spec_file(GOOD), small=True)
    assert spec.name == "good-small"
    assert (spec.folds.k, spec.folds.scheme) == (2, "kfold")
    assert spec.member("effnet").recipe.model == "test_convnext"
    assert spec.member("effnet").recipe.loss == "f1"
    assert all(m.recipe.epochs == 1 for m in spec.members)
    assert all(m.recipe.image_size == (96, 72) for m in spec.members)


def test_small_leaves_out_members_that_it_maps_to_null(spec_file):
    text = GOOD.replace("[effnet]\n", "[resnet]\n").replace(
        "{effnet: {model: test_convnext}}", "{effnet: null}"
    )
    spec = load(spec_file(text), small=True)
    assert [m.name for m in spec.members] == ["resnet"]
    assert [m.name for m in load(spec_file(text)).members] == ["effnet", "resnet"]
    (problem,) = problems(spec_file(text.replace("seeds: [1, 2]", "sedes: [1]")), small=True)
    assert "line 7" in problem
    (problem,) = problems(
        spec_file(text.replace("members: [resnet]", "members: [effnet]")), small=True
    )
    assert "effnet" in problem


def test_set_overrides_a_key_and_finds_members_by_name(spec_file):
    sets = ["members.effnet.lr=1e-2", "folds.k=4", "resources.cpus=2"]
    spec = load(spec_file(GOOD), sets=sets)
    assert spec.member("effnet").recipe.lr == 0.01
    assert (spec.folds.k, spec.resources.cpus) == (4, 2)


def test_environment_variables_are_filled_in_with_their_defaults(spec_file, monkeypatch):
    text = GOOD.replace("train: data/train", "train: '${PHOTOS:-elsewhere}'")
    assert load(spec_file(text)).data.train == "elsewhere"
    monkeypatch.setenv("PHOTOS", "/photos")
    assert load(spec_file(text)).data.train == "/photos"


def test_off_is_a_word_and_1e_3_is_a_number(spec_file):
    spec = load(spec_file(GOOD.replace("lr: 1e-3", "lr: 1e-3, mixed_precision: off")))
    assert spec.members[0].recipe.mixed_precision == "off"
    assert spec.members[0].recipe.lr == 0.001


WRONG = [
    ("folds: {k: 3}", "folds: {kk: 3}", ["line 3", "'kk'", "Did you mean 'k'", "Allowed"]),
    (
        "folds: {k: 3}",
        "folds: {k: 1}",
        ["line 3", "folds.k", "greater than or equal to 2", "got 1"],
    ),
    ("folds: {k: 3}", "folds: {k: many}", ["line 3", "folds.k", "'many'"]),
    ("folds: {k: 3}", "folds: {scheme: kfolds}", ["line 3", "Did you mean 'kfold'", "holdout"]),
    ("epochs: 6", "epoch: 6", ["line 4", "'epoch'", "Did you mean 'epochs'"]),
    ("loss: f1}", "losss: f1}", ["line 6", "members.effnet", "'losss'", "Did you mean 'loss'"]),
    ("loss: f1}", "loss: focl}", ["line 6", "members.effnet", "'focl'", "Did you mean 'focal'"]),
    ("loss: f1}", "ema: 2}", ["line 6", "ema: input should be less than 1, got 2"]),
    ("loss: f1}", "ema: {decay: 0.9, warmup_powr: 1}}", ["line 6", "Did you mean 'warmup_power'?"]),
    ("loss: f1}", "auto_augment: rand-x9}", ["line 6", "'x9' is no section of 'rand'"]),
    ("loss: f1}", "augmentation: bas}", ["line 6", "'bas'", "Did you mean 'base'"]),
    ("seeds: [1, 2]", "epochs: 0", ["line 7", "members.resnet.epochs", "got 0"]),
    ("name: resnet", "name: effnet", ["line 7", "two members are called 'effnet'", "line 6"]),
    (
        "name: resnet",
        "name: [resnet]",
        ["line 7", "name: got ['resnet']. Allowed: a text."],
    ),
    ("name: resnet", "name: ../resnet", ["line 7", "'../resnet'", "A name becomes a folder"]),
    ("name: good", "name: ../good", ["line 1", "'../good'", "A name becomes a folder"]),
    ("name: good", "names: good", ["'names'", "Did you mean 'name'", "missing"]),
    ("members: [effnet]", "members: [effnett]", ["line 9", "Did you mean 'effnet'"]),
    ("{lr: {log_uniform", "{lrr: {log_uniform", ["line 10", "'lrr'", "Did you mean 'lr'"]),
    ("[f1, cross_entropy]", "[f1, nonsense]", ["line 10", "loss", "'nonsense'"]),
    ("[1.0e-4, 1.0e-2]", "[1.0e-2, 1.0e-4]", ["line 10", "below the high end"]),
    ("train: data/train", "train: '${NOWHERE_SET}/x'", ["line 2", "NOWHERE_SET", "is not set"]),
    ("model: test_resnet", "targets: [agee], model: test_resnet", ["line 7", "Did you mean 'age'"]),
    ("model: test_resnet, ", "", ["line 7", "members.resnet", "'model' is missing"]),
]


@pytest.mark.parametrize(("old", "new", "expected"), WRONG, ids=[w[1][:30] for w in WRONG])
def test_a_mistake_is_named_with_its_line_and_what_is_allowed(spec_file, old, new, expected):
    text = GOOD.replace(old, new)
    assert text != GOOD
    found = "\n".join(problems(spec_file(text)))
    for part in expected:
        assert part in found


def test_a_recipe_s_keys_reach_its_member_and_the_spec_s_own_come_first(spec_file):
    text = GOOD.replace("model: test_resnet, seeds", "recipe: swin_large_384, lr: 7e-6, seeds")
    recipe = load(spec_file(text)).member("resnet").recipe
    assert recipe.model.startswith("swin_large_patch4_window12_384")
    assert recipe.schedule == "step"  # the recipe file's
    assert recipe.epochs == 6  # the spec's defaults, before the recipe file's 5
    assert recipe.lr == 7e-6  # the member's own, before both


def test_a_resolved_spec_has_a_recipe_s_keys_and_no_longer_its_name(spec_file):
    spec = load(spec_file(GOOD.replace("model: test_resnet", "recipe: base_cnn")))
    assert "recipe: base_cnn" not in spec.to_yaml()
    assert load(spec_file(spec.to_yaml())) == spec


def test_an_unknown_recipe_is_named_with_its_nearest(spec_file):
    text = GOOD.replace("model: test_resnet", "recipe: efficientnet_b33")
    (problem,) = problems(spec_file(text))
    assert "line 7" in problem
    assert "members.resnet.recipe" in problem
    assert "Did you mean 'efficientnet_b3'" in problem


def test_age_boundaries_are_a_member_s_own(spec_file):
    text = GOOD.replace("model: test_resnet,", "model: test_resnet, age_bounds: [29, 58],")
    spec = load(spec_file(text))
    assert [member.age_bounds for member in spec.members] == [None, (29, 58)]
    assert load(spec_file(spec.to_yaml())) == spec


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("model: test_resnet,", "model: test_resnet, age_bounds: [58, 29],", "two rising ages"),
        (
            "model: test_resnet,",
            "model: test_resnet, targets: [mask], age_bounds: [29, 58],",
            "resnet does not learn ages",
        ),
        ("{k: 3}", "{scheme: balanced_holdot}", "Did you mean 'balanced_holdout'"),
        ("{k: 3}", "{scheme: balanced_holdout, n: 0}", "greater than or equal to 1"),
    ],
)
def test_splits_and_labels_that_cannot_be_are_refused(spec_file, before, after, told):
    assert told in "\n".join(problems(spec_file(GOOD.replace(before, after))))


def test_all_mistakes_are_reported_at_once(spec_file):
    text = (
        GOOD.replace("folds: {k: 3}", "folds: {k: 1}")
        .replace("loss: f1}", "loss: focl}")
        .replace("epochs: 6", "epochz: 6")
        .replace("train: data/train", "trian: data/train")
    )
    found = problems(spec_file(text))
    assert len(found) == 5  # trian is unknown and train is missing
    assert all("spec.yaml, line" in problem for problem in found)


@pytest.mark.parametrize("members", ["members: []", "members:", "member_list: []"])
def test_a_spec_without_members_is_refused(spec_file, members):
    text = f"name: none\ndata: {{train: x}}\n{members}\n"
    assert "at least one member" in "\n".join(problems(spec_file(text)))


def test_invalid_yaml_is_refused_with_line_and_column(spec_file):
    (problem,) = problems(spec_file("name: x\nmembers: [a, {b: }\n"))
    assert "line 3" in problem
    assert "not valid YAML" in problem


def test_a_key_that_stands_twice_is_refused(spec_file):
    assert "stands twice" in "\n".join(problems(spec_file(GOOD + "name: again\n")))


def test_a_missing_file_offers_the_nearest_name(spec_file):
    path = spec_file(GOOD)
    (problem,) = problems(path.with_name("spek.yaml"))
    assert "Did you mean 'spec.yaml'" in problem


def test_small_without_a_small_block_is_refused(spec_file):
    text = GOOD[: GOOD.index("small:")]
    assert "no `small:` block" in problems(spec_file(text), small=True)[0]


def test_wrong_overrides_are_named_as_given(spec_file):
    sets = ["members.effnett.lr=1", "folds.k=one", "nonsense", "folds.kk=2"]
    found = problems(spec_file(GOOD), sets=sets)
    assert len(found) == 4
    for text, problem in zip(sorted(sets), sorted(found), strict=True):
        assert f"--set {text}" in problem


def test_mistakes_in_the_small_block_point_at_it(spec_file):
    text = GOOD.replace("{model: test_convnext}", "{modell: test_convnext}")
    assert "line 14" in problems(spec_file(text), small=True)[0]
    (problem,) = problems(spec_file(text.replace("effnet: {modell", "effnt: {modell")), small=True)
    assert "Did you mean 'effnet'" in problem


def test_a_search_that_cannot_stop_anybody_is_refused(spec_file):
    text = GOOD + "\n"
    text = text.replace("  members: [effnet]\n", "  members: [effnet]\n  asha: {grace_epochs: 9}\n")
    assert "no candidate could ever be stopped" in "\n".join(problems(spec_file(text)))


def test_a_metric_s_alias_is_read_as_its_name_so_that_no_hash_depends_on_the_spelling(spec_file):
    def text(metric, searched, objective):
        own = f"loss: f1, metric: {metric}}}"
        search = f"search:\n  metric: {searched}"
        found = GOOD.replace("loss: f1}", own, 1).replace("search:", search, 1)
        return f"{found}vote: {{objective: {objective}}}\n"

    plain = load(spec_file(text("mcc", "macro_f1", "roc_auc:age")))
    assert load(spec_file(text("matthews_corrcoef", "f1_macro", "roc_auc_ovr:age"))) == plain
    assert plain.members[0].recipe.metric == "mcc"
    default = load(spec_file(GOOD)).members[0]
    assert load(spec_file(text("f1_macro", "f1_macro", "mcc"))).members[0] == default


def test_an_unknown_metric_is_named_with_its_line_and_the_nearest_name(spec_file):
    text = GOOD.replace("lr: 1e-3}", "lr: 1e-3, metric: f1_makro}")
    (found,) = problems(spec_file(text))
    assert "line 4: defaults.metric: got 'f1_makro'. Did you mean 'f1_macro'?" in found
    assert "quadratic_kappa" in found


def test_a_search_by_a_metric_that_its_members_epochs_are_not_scored_by_is_refused(spec_file):
    text = GOOD.replace("search:", "search:\n  metric: mcc", 1)
    (found,) = problems(spec_file(text))
    assert "search.metric: the epochs of effnet are not scored by mcc" in found
    load(spec_file(text.replace("loss: f1}", "loss: f1, metric: mcc}", 1)))


def test_the_help_of_vote_names_every_objective():
    from pathlib import Path

    from ensembles.scores.metrics import METRICS
    from orchestrator.cli import votes

    help_text = Path(votes.__file__).read_text().split("what weights are fitted for:")[1][:200]
    assert [name for name in METRICS if name not in help_text] == []
