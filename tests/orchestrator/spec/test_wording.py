"""How a spec's mistakes are said: by the keys that were written, once, with what is allowed."""

from __future__ import annotations

import pytest

from orchestrator.errors import WrongRequest
from orchestrator.spec import load

SPEC = """\
name: mine
data: {layout: table, train: photos.csv}
defaults: {lr: 1.0e-3}
members:
  - {name: a, model: test_resnet}
  - {name: b, model: test_vit, lr: 1.0e-4}
resources:
  cpus: 2
"""


def said(tmp_path, *sets, text=SPEC, small=False):
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(WrongRequest) as caught:
        load(file, sets=sets, small=small)
    return [problem.replace(f"{tmp_path}/", "") for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("key", "value", "texts"),
    [
        ("defaults.normalize", "{mean: 1}",
         ["defaults.normalize.mean: got 1. Allowed: a list.",
          "defaults.normalize: the key 'std' is missing"]),
        ("defaults.normalize", "{mean: [1], std: [1, 2, x]}",
         ["defaults.normalize.mean: a list of 3, got [1]",
          "defaults.normalize.std.2: got 'x'. Allowed: a number."]),
        ("defaults.sampling", "{power: x}",
         ["defaults.sampling: the key 'balance' is missing",
          "defaults.sampling: unknown key 'power'. Allowed: balance."]),
        ("defaults.sampling", "3",
         ["defaults.sampling: got 3. Allowed: 'shuffle', or a mapping with keys of balance."]),
        ("defaults.class_weights", "[1, a]", ["defaults.class_weights.1: got 'a'. Allowed: a number."]),
        ("defaults.ema", "2", ["defaults.ema: input should be less than 1, got 2"]),
        ("defaults.ema", "high",
         ["defaults.ema: got 'high'. Allowed: a number, or a mapping with keys of decay, warmup_power, "
          "warmup_gamma."]),
        ("defaults.pretrained", "3", ["defaults.pretrained: got 3. Allowed: true or false, or a text."]),
        ("defaults.mixing", "{kind: mixup, partners: x}",
         ["defaults.mixing.partners: got 'x'. Allowed: 'random', or a mapping."]),
        ("defaults.mixing", "mixup",
         ["defaults.mixing: got 'mixup'. Allowed: a mapping with keys of kind, probability, last_epoch, "
          "alpha, switch, mode, partners."]),
        ("defaults.views", "[up]",
         ["defaults.views.0: got 'up'. Allowed: 'plain', 'flip' or 'crops'."]),
        ("defaults.views", "[]", ["defaults.views: a list of 1 or more, got []"]),
        ("defaults.image_size", "[1, 2, 3]",
         ["defaults.image_size: a list of 2 at most, got [1, 2, 3]"]),
        ("defaults.image_size", "[96]", ["defaults.image_size: a list of 2, got [96]"]),
        ("defaults.image_size", "large",
         ["defaults.image_size: [height, width] in pixels, or one number for a square; got 'large'"]),
        ("defaults.image_size", "[]", ["defaults.image_size: a list of 2, got []"]),
        ("search", "{members: [a], space: {lr: {quniform: [1]}}}",
         ["search.space.lr.quniform: a list of 3, got [1]"]),
        ("resources.gpus", "all", ["resources.gpus: got 'all'. Allowed: 'auto', or a number."]),
        ("resources.gpus", "2",
         ["resources.gpus: auto, 1, 0, or the share of a GPU that a training process gets, e.g. 0.25; got 2. "
          "A process uses one GPU at most; for several a unit write workers: 2, or more"]),
        ("join", "{of: [a, b]}", ["join: the key 'name' is missing"]),
        ("data.columns", "{label: 3}", ["data.columns.label: got 3. Allowed: a text, or a list."]),
        ("members.a.targets", "[agee]",
         ["members.a.targets: unknown target 'agee'. Allowed: label."]),
        ("hours", "soon", ["hours: got 'soon'. Allowed: a number."]),
        ("members", "[]",
         ["members: a spec needs at least one member: `members: [{name: effnet, model: efficientnet_b3}]`"]),
    ],
)  # fmt: skip
def test_of_a_value_that_may_be_of_several_kinds_the_mistakes_of_what_was_meant(
    tmp_path, key, value, texts
):
    option = f"{key}={value}"
    assert said(tmp_path, option) == [f"--set {option}: {text}" for text in texts]


def test_a_mistake_of_the_defaults_is_said_once_at_their_line(tmp_path):
    text = SPEC.replace("lr: 1.0e-3", "epochs: 0, metric: mcx")
    lr, metric = said(tmp_path, text=text)
    assert (
        lr
        == "mine.yaml, line 3: defaults.epochs: input should be greater than or equal to 1, got 0"
    ) or lr.startswith("mine.yaml, line 3: defaults.metric: got 'mcx'.")
    assert {lr.split(":")[1], metric.split(":")[1]} == {" defaults.epochs", " defaults.metric"}


def test_a_member_s_own_key_is_its_own_mistake(tmp_path):
    wrong = SPEC.replace("lr: 1.0e-4", "lr: -1")
    (own,) = said(tmp_path, text=wrong)
    assert own == "mine.yaml, line 6: members.b.lr: input should be greater than 0, got -1"
    # what the defaults say of the same key counts for the other member alone
    both = said(tmp_path, "defaults.lr=0", text=wrong)
    assert both == ["--set defaults.lr=0: defaults.lr: input should be greater than 0, got 0", own]


def test_what_small_says_is_found_at_its_line(tmp_path):
    text = SPEC + "small:\n  defaults: {epochs: 0}\n  members:\n    b: {batch_size: 0}\n"
    assert said(tmp_path, text=text, small=True) == [
        "mine.yaml, line 10: defaults.epochs: input should be greater than or equal to 1, got 0",
        "mine.yaml, line 12: members.b.batch_size: input should be greater than or equal to 1, got 0",
    ]


def test_what_options_make_of_a_block_is_said_with_them(tmp_path):
    (found,) = said(tmp_path, "resources.workers=2", "resources.gpus=.5")
    assert found.startswith(
        "mine.yaml, line 7, with --set resources.workers=2 --set resources.gpus=.5: resources: 2 workers"
    )
    clipped = said(
        tmp_path, "defaults.clip_grad_norm=1", "defaults.clip_grad_agc=.1", "folds.seed=1"
    )
    place = "with --set defaults.clip_grad_norm=1 --set defaults.clip_grad_agc=.1: members."
    assert [f"line {line}, {place}{name}: " in problem for line, name, problem in
            zip((5, 6), "ab", clipped, strict=True)] == [True, True]  # fmt: skip


def test_a_member_that_is_wrong_is_none_that_a_search_lacks(tmp_path):
    text = SPEC.replace("model: test_resnet", "modle: test_resnet") + (
        "search: {members: [a], candidates: 2, space: {lr: {choice: [0.1, 0.2]}}}\n"
    )
    assert all("members.a: " in problem for problem in said(tmp_path, text=text))
