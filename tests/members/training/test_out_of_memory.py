"""A batch that does not fit the memory is divided, and what is trained is what would have been."""

from __future__ import annotations

from contextlib import nullcontext
from unittest import mock

import numpy as np
import pytest
import torch

from members.networks.models import build_model
from members.out_of_memory import OutOfMemory, is_out_of_memory
from members.training.fit import best_weights, fit
from members.training.predict import predict
from members.training.ranks import Ranks
from tests.members.drawn import SHAPES, shapes
from tests.members.pair import together
from tests.members.small_memory import FULL, small_memory
from tests.members.trained import TRAIN, VALID, recipe, same_weights, states, through_a_file

# 18 photos: batches of 8, 8 and 2. Plain SGD, whose update is the gradient itself
PLAIN = {"optimizer": "sgd", "lr": 0.02, "epochs": 2}


def without_times(history):
    timed = ("seconds", "photos_per_second")
    return [{k: v for k, v in row.items() if k not in timed} for row in history]


def assert_near(ours, theirs):
    for one, other in zip(ours["history"], theirs["history"], strict=True):
        assert without_times([one])[0] == pytest.approx(without_times([other])[0], abs=1e-5)
    for name, weight in theirs["model"].items():
        assert torch.allclose(ours["model"][name], weight, atol=2e-5), name


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"model": "test_convnext", "optimizer": "adamw", "lr": 1e-3, "epochs": 3, "ema": 0.9},
        {"batch_size": 4, "accumulate": 2, "clip_grad_norm": 0.5},
        {"mixing": {"kind": "cutmix"}, "augmentation": "custom", "loss": "focal"},
        {
            "mixing": {"kind": "mixup", "partners": {"shape": "disc"}},
            "erasing": {"probability": 0.7},
        },
        {"mixing": {"kind": "mixup", "mode": "half", "last_epoch": 1}, "clip_grad_value": 0.01},
        {"class_weights": (1.0, 2.0, 0.5), "loss": "label_smoothing"},
        {"swa": {"epochs": 2, "lr": 0.01}, "select": "last", "epochs": 3},
        {"head_first": {"epochs": 1, "lr": 0.1}},
    ],
)
@pytest.mark.parametrize("fits", [2, 1])
def test_without_batch_norm_the_updates_are_those_of_whole_batches(settings, fits):
    settings = recipe(**{"model": "test_vit", **PLAIN, **settings})
    _, whole = states(settings)
    with small_memory(train=fits) as memory:
        _, divided = states(settings)
    assert memory.failed[-1] == 2 * fits
    assert divided[-1]["at_once"] == {"train": fits, "since": 1, "look": None}
    assert_near(divided[-1], whole[-1])


def test_the_photos_are_the_same_in_the_same_order_varied_and_mixed_alike():
    settings = recipe(
        dropout=0.3, augmentation="custom", mixing={"kind": "mixup"}, sampling={"balance": "class"}
    )
    with small_memory() as large:
        states(settings)
    with small_memory(train=3) as small:
        states(settings)
    assert small.failed == [8, 4]
    assert {*map(len, small.seen)} == {2}
    assert torch.equal(torch.cat(small.seen), torch.cat(large.seen))


@pytest.mark.parametrize(
    "settings",
    [
        {"dropout": 0.3, "drop_path": 0.2, "ema": 0.9, "head_first": {"epochs": 2, "lr": 0.01}},
        {"swa": {"epochs": 2, "lr": 0.02}, "select": "last"},
        {"mixing": {"kind": "cutmix"}, "sizes": [24, 24, 32], "optimizer": "momentum"},
    ],
)
def test_the_epoch_begins_again_as_if_it_had_never_begun(settings):
    """It ends with the bits of a training that goes on from the state before with smaller batches."""
    sizes = {(24, 24): shapes(18, (24, 24), seed=1).pixels}
    train = TRAIN.__class__(TRAIN.pixels, TRAIN.labels, columns=TRAIN.columns, sizes=sizes)
    settings = recipe(**settings)
    with small_memory(train=4, free=3 + 3 + 1) as memory:  # full in the second step of epoch 3
        _, after = states(settings, train)
    assert memory.failed == [8]
    assert [s["at_once"]["train"] for s in after] == [None, None, 4, 4]
    assert after[-1]["at_once"]["since"] == 3
    told = {**after[1], "at_once": {"train": 4, "since": 3, "look": None}}
    _, then = states(settings, train, state=through_a_file(told))
    assert same_weights(then[-1]["model"], after[-1]["model"])
    assert same_weights(best_weights(then[-1]), best_weights(after[-1]))
    assert without_times(then[-1]["history"]) == without_times(after[-1]["history"])


def test_an_update_that_was_made_in_part_is_undone():
    """Memory that runs out when weights are changed already leaves what it leaves before any is."""
    settings = recipe("test_vit", epochs=2)
    step = torch.optim.AdamW.step

    def full_once(changed: bool) -> list[dict]:
        steps = []

        def step_of(self, *arguments, **keywords):
            steps.append(1)
            full = len(steps) == 2
            result = None if full and not changed else step(self, *arguments, **keywords)
            if full:
                raise RuntimeError("CUDA error: out of memory")
            return result

        with mock.patch.object(torch.optim.AdamW, "step", step_of):
            _, after = states(settings)
        assert len(steps) == 2 + 2 * 3
        assert after[-1]["at_once"]["train"] == 4
        return after

    before, after = full_once(False), full_once(True)
    assert same_weights(before[-1]["model"], after[-1]["model"])
    assert without_times(before[-1]["history"]) == without_times(after[-1]["history"])


def test_a_state_remembers_what_fits():
    settings = recipe()
    with small_memory(train=4, look=5) as memory:
        _, after = states(settings)
        assert memory.failed == [8, 12, 6]  # validation: 12 photos, at most 16 at once
        assert after[0]["at_once"] == {"train": 4, "since": 1, "look": 3}
        memory.failed.clear()
        _, then = states(settings, state=through_a_file(after[1]))
    assert memory.failed == []
    assert same_weights(then[-1]["model"], after[-1]["model"])


def test_states_of_earlier_versions_know_nothing_of_it():
    _, after = states(recipe())
    earlier = {key: value for key, value in after[1].items() if key != "at_once"}
    _, then = states(recipe(), state=earlier)
    assert same_weights(then[-1]["model"], after[-1]["model"])


@pytest.mark.parametrize(
    ("model", "few"),
    [("test_vit", "1 photo at once where"), ("test_resnet", "2 photos at once, the")],
)
def test_where_nothing_is_left_to_halve_it_says_what_takes_less(model, few):
    with small_memory(train=0), pytest.raises(OutOfMemory, match=few) as raised:
        states(recipe(model))
    assert "Tried to allocate 20.00 MiB" in str(raised.value)
    assert "smaller image_size" in str(raised.value)


def test_other_errors_are_none_of_memory_and_are_raised_as_they_are():
    wrong = mock.patch.object(torch.optim.AdamW, "step", side_effect=RuntimeError("mat1 and mat2"))
    with wrong, pytest.raises(RuntimeError, match="mat1 and mat2"):
        states(recipe("test_vit"))


@pytest.mark.parametrize(
    ("error", "is_one"),
    [
        (torch.OutOfMemoryError(FULL), True),
        (RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be ..."), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("DataLoader worker is killed; it is out of shared memory"), False),
        (RuntimeError("CUDA error: device-side assert triggered"), False),
        (ValueError("out of memory"), False),
    ],
)  # fmt: skip
def test_what_counts_as_out_of_memory(error, is_one):
    assert is_out_of_memory(error) is is_one


def test_the_cpu_s_own_error_is_one():
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**60)
    assert is_out_of_memory(raised.value)


# -- predictions ----------------------------------------------------------------------------------


def test_predictions_are_the_same_from_smaller_batches():
    settings = recipe("test_efficientnet", views=["plain", "flip"])
    torch.manual_seed(0)
    network = build_model(settings, SHAPES)
    expected = predict(network, VALID, settings)
    with small_memory(look=5) as memory:
        network.register_forward_pre_hook(memory.enter)
        assert np.allclose(predict(network, VALID, settings), expected, atol=1e-6)
        assert memory.failed == [12, 6]  # once: the second view knows
        memory.look = 0
        with pytest.raises(OutOfMemory, match="1 photo at once"):
            predict(network, VALID, settings)


# -- several processes ----------------------------------------------------------------------------


def on_two(ranks):
    """One has less memory than the other."""
    here = small_memory(train=1) if ranks.rank else nullcontext()
    found = {}
    with here:
        for name, settings in RANKED.items():
            found[name] = states(recipe(**settings), ranks=ranks)[1][-1]
    with small_memory(train=0) if ranks.rank else nullcontext(), pytest.raises(OutOfMemory):
        next(fit(recipe("test_vit"), TRAIN, VALID, SHAPES, seed=0, ranks=ranks))
    return found


RANKED = {
    "plain": {"model": "test_vit", **PLAIN},
    "mixed": {"model": "test_vit", **PLAIN, "mixing": {"kind": "mixup"}, "accumulate": 2},
}


def test_all_processes_divide_their_batches_where_one_has_too_little_memory(tmp_path):
    first, second = together(on_two, tmp_path)
    for name, settings in RANKED.items():
        assert first[name]["at_once"] == second[name]["at_once"]
        assert first[name]["at_once"]["train"] == 1
        assert same_weights(first[name]["model"], second[name]["model"])
        assert_near(first[name], states(recipe(**settings))[1][-1])


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("least", [1, 2])
def test_parts_of_a_batch_cover_each_rank_s_photos_once_and_are_as_large_as_may_be(size, least):
    for n in range(1, 20):
        for at_once in range(least, 9):
            every = [Ranks(rank, size).micro_batches(n, least, at_once) for rank in range(size)]
            for rank, parts in enumerate(every):
                mine = Ranks(rank, size).part(n, least)
                rows = [row for own, _, _ in parts for row in range(mine.stop - mine.start)[own]]
                assert rows == list(range(mine.stop - mine.start))
                sizes = [own.stop - own.start for own, _, _ in parts]
                assert max(sizes) <= at_once + (least > 1)
                assert all(part >= min(least, n) for part in sizes if part)
            for parts in zip(*every, strict=True):  # the same part on each rank
                (photos,) = {photos for _, _, photos in parts}
                covered = [row for _, where, _ in parts for row in range(photos)[where]]
                assert covered == list(range(photos))
