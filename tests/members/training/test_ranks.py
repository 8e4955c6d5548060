"""One network trained by two processes: the same as by one."""

from __future__ import annotations

import math
from unittest import mock

import numpy as np
import pytest
import torch

from members.networks.models import build_model
from members.training import feed
from members.training.fit import Diverged, best_weights, fit
from members.training.predict import predict
from members.training.ranks import ALONE, LostContact, Ranks
from tests.members.drawn import SHAPES, shapes
from tests.members.pair import together
from tests.members.trained import TRAIN, VALID, recipe, same_weights, states

# 18 photos: batches of 8, 8 and 2. No batch norm, no dropout, and plain SGD, whose update is the
# gradient itself, so that every difference shows
PLAIN = {"optimizer": "sgd", "lr": 0.02, "epochs": 2}
CASES = {
    "cross entropy": {},
    "f1": {"loss": "f1"},
    "a sum of losses, weighted by class": {
        "loss": {"f1": 1, "focal": 1},
        "class_weights": (1.0, 2.0, 0.5),
    },
    "colours and noise": {"augmentation": "custom"},
    "timm's policy, and noise": {"auto_augment": "rand-m9-mstd0.5-inc1", "augmentation": "custom"},
    "each photo twice": {
        "repeats": 2,
        "auto_augment": "original",
        "sampling": {"balance": "class"},
    },
    "erasing, and mixup from a pool": {
        "erasing": {"probability": 0.7},
        "mixing": {"kind": "mixup", "partners": {"shape": "disc"}},
    },
    "mixup": {"mixing": {"kind": "mixup", "probability": 0.7}},
    "mixup or cutmix, drawn for each photo": {
        "mixing": {"kind": "mixup", "alpha": 0.8, "switch": {"kind": "cutmix"}, "mode": "elem"},
        "loss": "bce",
        "bce_threshold": 0.2,
    },
    "mixup or cutmix, in pairs": {
        "mixing": {"kind": "mixup", "switch": {"kind": "cutmix"}, "mode": "pair"}
    },
    "half of each batch": {
        "mixing": {"kind": "mixup", "switch": {"kind": "cutmix"}, "mode": "half"},
        "augmentation": "custom",
        "clip_grad_agc": 0.05,
    },
    "cutmix and noise": {"mixing": {"kind": "cutmix"}, "augmentation": "custom"},
    "half faces of a pool, and noise": {
        "mixing": {"kind": "half_face", "partners": {"shape": "disc"}},
        "augmentation": "custom",
        "loss": "f1",
    },
    "several batches a step": {
        "batch_size": 4,
        "accumulate": 2,
        "loss": "f1",
        "clip_grad_norm": 0.5,
    },
    "drawn by class": {"sampling": {"balance": "class"}},
    "one photo a batch": {"batch_size": 1, "lr": 0.002},  # the second rank never has any
    "a frozen backbone": {"freeze": "backbone"},
    "the head first": {"head_first": {"epochs": 1, "lr": 0.1}},
    "a mean of epochs": {"swa": {"epochs": 2, "lr": 0.02}, "select": "last", "epochs": 3},
    "a running mean, a plateau": {
        "ema": 0.9,
        "schedule": "plateau",
        "plateau_epochs": 1,
        "metric": "loss",
        "epochs": 4,
    },
    "early stop": {"patience": 1, "metric": "loss", "lr": 0.1, "epochs": 9},
    "adamw, a network of convolutions": {
        "model": "test_convnext",
        "optimizer": "adamw",
        "lr": 1e-3,
    },
}
RICH = {"dropout": 0.3, "drop_path": 0.2, "augmentation": "custom", "ema": 0.9}


def case(name):
    return recipe(**{"model": "test_vit", **PLAIN, **CASES[name]})


def untrained(n):
    """A network with random weights, and what it is to predict."""
    torch.manual_seed(0)
    settings = recipe("test_vit", views=["plain", "flip"], validation_batch_size=2)
    return build_model(settings, SHAPES), shapes(7, seed=5).take(range(n)), settings


def work(ranks, alone_after):
    """Everything that the tests below look at, on one of two ranks."""
    found = {"cases": {name: states(case(name), ranks=ranks)[1][-1] for name in CASES}}

    rich = recipe("test_efficientnet", **RICH)  # batch norm, dropout
    _, after = states(rich, ranks=ranks)
    _, again = states(rich, ranks=ranks, state=after[1])
    found["rich"], found["rich again"] = after[-1], again[-1]

    found["after one epoch"] = next(
        fit(case("f1"), TRAIN, VALID, SHAPES, seed=0, ranks=ranks)
    ).state()
    found["gone on"] = states(case("f1"), ranks=ranks, state=alone_after)[1][-1]

    found["predicted"] = {
        n: torch.from_numpy(predict(*untrained(n), ranks=ranks)) for n in (0, 1, 7)
    }
    found["diverged"] = [diverged(ranks, lr=1e30, schedule="constant")]
    if ranks.rank == 1:
        broken = torch.full((1, 3, 32, 32), math.nan)
        with mock.patch.object(feed, "to_input", return_value=broken):
            found["diverged"].append(diverged(ranks, batch_size=2))
    else:
        found["diverged"].append(diverged(ranks, batch_size=2))

    run = fit(case("f1"), TRAIN, VALID, SHAPES, seed=0, ranks=ranks)
    next(run)
    if ranks.first:  # the other has gone home
        with pytest.raises(LostContact):
            next(run)
    return found


def diverged(ranks, **settings):
    settings = recipe("test_vit", optimizer="sgd", augmentation="base", **settings)
    with pytest.raises(Diverged) as raised:
        states(settings, ranks=ranks)
    return raised.value.epoch


@pytest.fixture(scope="module")
def alone():
    return {name: states(case(name))[1] for name in CASES}


@pytest.fixture(scope="module")
def pair(tmp_path_factory, alone):
    return together(work, tmp_path_factory.mktemp("pair"), alone["f1"][0])


def without_times(history):
    return [
        {k: v for k, v in row.items() if k not in ("seconds", "photos_per_second")}
        for row in history
    ]


def assert_near(ours, theirs):
    assert len(ours["history"]) == len(theirs["history"])
    for one, other in zip(ours["history"], theirs["history"], strict=True):
        assert without_times([one])[0] == pytest.approx(without_times([other])[0], abs=1e-5)
    assert ours["best_epoch"] == theirs["best_epoch"]
    for kind in ("model", "best_weights"):
        for name, weight in theirs[kind].items():
            assert torch.allclose(ours[kind][name], weight, atol=2e-5), name


def assert_same_bits(ours, theirs):
    assert without_times(ours["history"]) == without_times(theirs["history"])
    assert same_weights(ours["model"], theirs["model"])
    assert same_weights(best_weights(ours), best_weights(theirs))


@pytest.mark.parametrize("name", CASES)
def test_two_processes_train_what_one_does(pair, alone, name):
    for rank in pair:
        assert_near(rank["cases"][name], alone[name][-1])


@pytest.mark.parametrize("name", [*CASES, "rich"])
def test_both_processes_have_the_same_bits_batch_norm_s_statistics_included(pair, name):
    first, second = (rank["rich"] if name == "rich" else rank["cases"][name] for rank in pair)
    assert_same_bits(second, first)


def test_dropout_and_augmentation_are_drawn_and_batch_norm_moves(pair):
    start = build_model(recipe("test_efficientnet", **RICH), SHAPES).state_dict()
    moved = pair[0]["rich"]["model"]
    assert not torch.equal(moved["bn1.running_mean"], start["bn1.running_mean"])
    assert all(weight.isfinite().all() for weight in moved.values())


def test_two_processes_resume_bit_for_bit(pair):
    for rank in pair:
        assert_same_bits(rank["rich again"], rank["rich"])


def test_what_one_process_began_two_finish_and_the_other_way_round(pair, alone):
    whole = alone["f1"][-1]
    assert_near(pair[0]["gone on"], whole)
    assert_near(states(case("f1"), state=pair[0]["after one epoch"])[1][-1], whole)


@pytest.mark.parametrize("n", [0, 1, 7])
def test_both_get_all_predictions_in_order(pair, n):
    expected = predict(*untrained(n))
    for rank in pair:
        assert np.allclose(rank["predicted"][n], expected, atol=1e-6)
        assert rank["predicted"][n].shape == (n, SHAPES)


def test_a_loss_that_is_no_number_on_one_rank_ends_the_training_on_both(pair):
    assert pair[0]["diverged"] == pair[1]["diverged"] == [1, 1]


# -- who takes what -------------------------------------------------------------------------------


@pytest.mark.parametrize("least", [1, 2])
@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_parts_cover_every_row_once_in_order_and_evenly(size, least):
    for n in range(40):
        parts = [range(n)[Ranks(rank, size).part(n, least)] for rank in range(size)]
        assert [row for part in parts for row in part] == list(range(n))
        sizes = [len(part) for part in parts]
        busy = [s for s in sizes if s]
        assert max(busy, default=0) - min(busy, default=0) <= 1
        assert len(busy) == min(size, max(n // least, n > 0))
        assert min(busy, default=least) >= min(n, least)
        assert sizes == busy + [0] * (size - len(busy))


def test_one_process_alone_takes_all_and_sends_nothing():
    x = torch.ones(3, 2, requires_grad=True)
    assert ALONE.part(5) == slice(0, 5)
    assert ALONE.join(x, where=slice(0, 3), n=3)[0] is x
    assert ALONE.from_first(lambda: "me") == "me"
