"""Recipe keys that do nothing beside another key are refused where a member writes them itself."""

from __future__ import annotations

import pytest

from members.recipe.recipe import Recipe
from members.recipe.without_effect import USES
from orchestrator.spec import load
from orchestrator.spec.load import load_recorded
from tests.orchestrator.spec.changed import Changed

SPEC = Changed(
    "name: x\ndata: {train: photos}\ndefaults: {image_size: 32, epochs: 8}\nmembers:\n"
    "  - {name: a, model: test_resnet}\n  - {name: b, model: test_vit}\n"
)
OWN = "model: test_resnet}"


@pytest.mark.parametrize(
    ("keys", "key", "says"),
    [
        ("smoothing: 0.2", "smoothing", "0.2 has no effect beside `loss: cross_entropy`. Write `loss: "
         "label_smoothing` or `bce`, or leave smoothing out"),
        ("smoothing: 0.1", "smoothing", "0.1 has no effect beside `loss: cross_entropy`"),
        ("loss: {f1: 1, focal: 1}, smoothing: 0.2", "smoothing", "`loss: {'f1': 1.0, 'focal': 1.0}`"),
        ("loss: f1, focal_gamma: 1", "focal_gamma", "Write `loss: focal`, or leave focal_gamma out"),
        ("step_epochs: 3", "step_epochs", "beside `schedule: cosine`. Write `schedule: step`"),
        ("milestones: [2, 4]", "milestones", "Write `schedule: milestones`"),
        ("schedule: step, plateau_epochs: 3", "plateau_epochs", "Write `schedule: plateau`"),
        ("gamma: 0.1", "gamma", "Write `schedule: step` or `milestones` or `plateau`"),
        ("schedule: constant, min_lr: 1e-6", "min_lr", "beside `schedule: constant`"),
        ("mixing: {kind: half_face, alpha: 0.4}", "mixing.alpha", "which has one half of each"),
        ("mixing: {kind: cutmix, switch: {kind: half_face, alpha: 1}}", "mixing.switch.alpha", "leave"),
    ],
)  # fmt: skip
def test_what_a_member_writes_without_effect_is_refused(tmp_path, keys, key, says):
    (problem,) = SPEC.refused(tmp_path, (OWN, f"model: test_resnet, {keys}}}"))
    assert problem.startswith(f"spec.yaml, line 5: members.a.{key}: ")
    assert says in problem


@pytest.mark.parametrize(
    "keys",
    [
        "loss: label_smoothing, smoothing: 0.2",
        "loss: {f1: 1, bce: 1}, smoothing: 0.2",
        "loss: {f1: 1, focal: 1}, focal_gamma: 1",
        "schedule: step, step_epochs: 3, gamma: 0.1, min_lr: 1e-6",
        "schedule: milestones, milestones: [2], gamma: 0.1",
        "schedule: plateau, plateau_epochs: 3, gamma: 0.1",
        "mixing: {kind: half_face, switch: {kind: mixup, alpha: 0.4}}",
        "smoothing: 0, min_lr: 0, milestones: []",  # which is so
    ],
)
def test_what_has_an_effect_is_taken(tmp_path, keys):
    SPEC.read(tmp_path, (OWN, f"model: test_resnet, {keys}}}"))


def test_what_stands_for_all_may_be_for_the_others(tmp_path):
    keys = "epochs: 8, loss: label_smoothing, smoothing: 0.2, schedule: step, gamma: 0.1"
    other = (OWN, "model: test_resnet, loss: focal, schedule: cosine}")
    spec = SPEC.read(tmp_path, ("epochs: 8", keys), other)
    assert spec.member("a").recipe.smoothing == spec.member("b").recipe.smoothing == 0.2
    # and so may what a recipe file says
    SPEC.read(tmp_path, (OWN, "recipe: resnet34, schedule: constant}"))


def test_what_the_command_line_sets_is_the_member_s_own(tmp_path):
    (problem,) = SPEC.refused(tmp_path, sets=["members.b.smoothing=0.3"])
    assert problem.startswith(
        "--set members.b.smoothing=0.3: members.b.smoothing: 0.3 has no effect"
    )
    label = (OWN, "model: test_resnet, loss: label_smoothing, smoothing: 0.3}")
    (problem,) = SPEC.refused(tmp_path, label, sets=["members.a.loss=f1"])
    assert "beside `loss: f1`" in problem
    SPEC.read(tmp_path, label, sets=["members.a.loss=f1", "members.a.smoothing=0"])


def test_what_the_full_run_needs_is_no_mistake_of_the_small_one(tmp_path):
    keys = (OWN, "model: test_resnet, schedule: step, gamma: 0.1}")
    small = ("members:\n", "small: {members: {a: {schedule: cosine}}}\nmembers:\n")
    SPEC.read(tmp_path, keys, small, small=True)
    worse = (
        "members:\n",
        "small: {members: {a: {schedule: cosine, min_lr: 1e-6, focal_gamma: 1}}}\nmembers:\n",
    )
    (problem,) = SPEC.refused(tmp_path, keys, worse, small=True)
    assert problem.startswith("spec.yaml, line 4: members.a.focal_gamma: 1 has no effect")


def test_a_written_out_spec_is_read_back(tmp_path):
    keys = "epochs: 8, smoothing: 0.2, gamma: 0.3"
    spec = SPEC.read(tmp_path, ("epochs: 8", keys))
    (tmp_path / "again.yaml").write_text(spec.to_yaml())
    assert load(tmp_path / "again.yaml") == spec


def test_the_spec_of_an_earlier_run_is_read_whatever_it_says(tmp_path):
    text = SPEC.text.replace(OWN, "model: test_resnet, smoothing: 0.3}")
    assert load_recorded(text, "spec.yaml").member("a").recipe.smoothing == 0.3


def test_a_stack_among_the_members_moves_no_key(tmp_path):
    stack = "members:\n  - {name: s, stack: {of: [a, b]}}\n"
    changes = [("members:\n", stack), ("model: test_vit}", "model: test_vit, focal_gamma: 1}")]
    (problem,) = SPEC.refused(tmp_path, *changes)
    assert problem.startswith("spec.yaml, line 7: members.b.focal_gamma: 1 has no effect")


# -- searched --------------------------------------------------------------------------------------


def searched(space: str) -> tuple[str, str]:
    return ("members:\n", f"search: {{members: [a], space: {{{space}}}}}\nmembers:\n")


def test_a_key_has_an_effect_where_one_candidate_has_the_loss_for_it(tmp_path):
    own = (OWN, "model: test_resnet, smoothing: 0.2, focal_gamma: 1}")
    some = searched("loss: {choice: [f1, {focal: 1}, bce]}")
    SPEC.read(tmp_path, own, some)
    (problem,) = SPEC.refused(tmp_path, own, searched("loss: {choice: [f1, bce]}"))
    assert "members.a.focal_gamma: 1 has no effect" in problem


def test_a_searched_key_that_no_candidate_uses_is_refused(tmp_path):
    space = "smoothing: {uniform: [0.1, 0.3]}"
    (problem,) = SPEC.refused(tmp_path, searched(space))
    assert "search.space.smoothing: smoothing has no influence on a candidate's score" in problem
    assert "`loss: label_smoothing or bce`" in problem
    SPEC.read(tmp_path, searched(f"{space}, loss: {{choice: [f1, label_smoothing]}}"))
    SPEC.read(tmp_path, searched(space), (OWN, "model: test_resnet, loss: bce}"))


def test_every_key_named_here_is_one_of_a_recipe():
    for key, use in USES.items():
        assert {key, use.of} <= {*Recipe.model_fields}
