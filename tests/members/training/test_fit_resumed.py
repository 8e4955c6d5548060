"""A training that is stopped and goes on from its state ends as if it had never stopped."""

from dataclasses import replace

import pytest
import torch

from members.errors import BadInput
from members.networks import saving
from members.networks.models import build_model
from members.training import loop
from members.training.fit import best_weights, fit
from tests.members.drawn import SHAPES, shapes
from tests.members.trained import TRAIN, VALID, recipe, same_weights, states, through_a_file


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        # batch norm, dropout, drop-path, random changes and noise
        ("test_efficientnet", {"dropout": 0.3, "drop_path": 0.2, "augmentation": "custom"}),
        (
            "test_resnet",
            {"optimizer": "sgd", "augmentation": "light", "schedule": "step", "step_epochs": 2},
        ),
        ("test_convnext", {"drop_path": 0.3, "clip_grad_norm": 0.5, "warmup_epochs": 1.5}),
        ("test_vit", {"dropout": 0.3, "drop_path": 0.2, "optimizer": "adamp", "loss": "f1"}),
        ("test_efficientnet", {"optimizer": "lamb", "metric": "loss", "channels_last": False}),
        ("test_resnet", {"mixed_precision": "bf16", "optimizer": "rmsprop"}),
        (
            "test_vit",
            {
                "accumulate": 2,
                "schedule": "plateau",
                "plateau_epochs": 1,
                "layer_decay": 0.7,
                "lr": 0.01,
            },
        ),
        (
            "test_convnext",
            {
                "sampling": {"balance": "class"},
                "mixing": {"kind": "cutmix", "probability": 0.7, "partners": {"shape": "disc"}},
            },
        ),
        (
            "test_resnet",
            {"mixing": {"kind": "mixup", "last_epoch": 3}, "loss": {"f1": 1, "focal": 1}},
        ),
        (
            "test_resnet",
            {"augmentation": "3-augment", "drop_path": 0.2, "repeats": 3, "optimizer": "muon"},
        ),
        (
            "test_efficientnet",
            {"auto_augment": "rand-m9-mstd0.5-inc1", "dropout": 0.3, "ema": 0.9},
        ),
        (
            "test_convnext",
            {"erasing": {"probability": 0.5, "mode": "pixel", "count": 2}, "optimizer": "lion"},
        ),
        (
            "test_resnet",
            {
                "mixing": {"kind": "mixup", "switch": {"kind": "cutmix"}, "mode": "elem"},
                "loss": "bce",
                "bce_threshold": 0.2,
                "ema": {"decay": 0.9, "warmup_power": 0.75},
            },
        ),
        ("test_resnet", {"ema": 0.9, "schedule": "milestones", "milestones": [1, 3]}),
    ],
)
def test_stopped_after_any_epoch_and_resumed_it_ends_with_the_same_bits(model, settings):
    settings = recipe(model, **settings)
    epochs, after = states(settings)
    for stop in range(1, len(epochs)):
        rest, then = states(settings, state=through_a_file(after[stop - 1]))
        assert [epoch.number for epoch in rest] == list(range(stop + 1, 5))
        assert same_weights(then[-1]["model"], after[-1]["model"])
        assert same_weights(best_weights(then[-1]), best_weights(after[-1]))
        assert then[-1]["best_epoch"] == after[-1]["best_epoch"]
        for ours, theirs in zip(then[-1]["history"], after[-1]["history"], strict=True):
            timed = {"seconds", "photos_per_second"}
            assert {k: v for k, v in ours.items() if k not in timed} == {
                k: v for k, v in theirs.items() if k not in timed
            }


def test_a_training_from_larger_copies_goes_on_with_the_same_bits():
    copies = {(48, 48): shapes(18, (48, 48), seed=1).pixels, (36, 36): shapes(18, (36, 36)).pixels}
    train = replace(TRAIN, sizes=copies)
    cut = {"margin": 1.5, "sizes": [24, 32], "augmentation": "resized_crop"}
    settings = recipe("test_resnet", auto_augment="v0", repeats=2, **cut)
    epochs, after = states(settings, train=train)
    assert len(epochs) == 4
    for stop in (1, 3):
        _, then = states(settings, train=train, state=through_a_file(after[stop - 1]))
        assert same_weights(then[-1]["model"], after[-1]["model"])
    with pytest.raises(BadInput, match=r"training takes copies of \[36, 36\]"):
        fit(settings, TRAIN, VALID, SHAPES, seed=0)


def test_stopped_again_and_again_it_ends_with_the_same_bits():
    settings = recipe(dropout=0.2)
    _, after = states(settings)
    state = None
    for _ in range(4):
        state = through_a_file(
            next(fit(settings, TRAIN, VALID, SHAPES, seed=0, state=state)).state()
        )
    assert same_weights(state["model"], after[-1]["model"])


def test_a_state_serves_twice_and_is_left_as_it_was():
    settings = recipe()
    _, after = states(settings)
    before = through_a_file(after[0])
    for _ in range(2):
        _, then = states(settings, state=after[0])
        assert same_weights(then[-1]["model"], after[-1]["model"])
    moments = {i: s["exp_avg"] for i, s in before["optimizer"]["state"].items()}
    assert all(
        torch.equal(s["exp_avg"], moments[i]) for i, s in after[0]["optimizer"]["state"].items()
    )
    assert same_weights(after[0]["model"], before["model"])


def test_fp16_s_loss_scale_goes_on_where_it_stopped(monkeypatch):
    # no CUDA device here: torch computes fp16 on a CPU, too, which takes the same path
    monkeypatch.setattr(loop, "precision", lambda recipe, device: torch.float16)
    monkeypatch.setattr(
        loop, "autocast", lambda recipe, device: torch.autocast("cpu", torch.float16)
    )
    _, after = states(recipe("test_resnet", clip_grad_norm=1.0))
    assert 1 < after[1]["scaler"]["scale"] < 65536  # where it begins; an overflow halves it
    _, then = states(recipe("test_resnet", clip_grad_norm=1.0), state=through_a_file(after[1]))
    assert then[-1]["scaler"] == after[-1]["scaler"]
    assert same_weights(then[-1]["model"], after[-1]["model"])


def test_pretrained_weights_are_read_once_and_not_again_on_resuming(tmp_path):
    file = tmp_path / "weights.safetensors"
    saving.save(build_model(recipe(), SHAPES), file)
    settings = recipe(pretrained=str(file), lr=1e-3)
    _, after = states(settings)
    file.unlink()
    _, then = states(settings, state=after[0])
    assert same_weights(then[-1]["model"], after[-1]["model"])


@pytest.mark.parametrize("patience", [None, 1])
def test_a_finished_state_yields_nothing(patience):
    settings = recipe(patience=patience, metric="loss", lr=1e-6, epochs=3)
    epochs, after = states(settings)
    assert epochs[-1].last
    assert list(fit(settings, TRAIN, VALID, SHAPES, seed=0, state=after[-1])) == []


def test_a_state_of_another_run_is_refused_with_what_differs():
    _, after = states(recipe(epochs=1))
    with pytest.raises(BadInput, match=r"lr was 0.001, is 0.01"):
        fit(recipe(epochs=1, lr=0.01), TRAIN, VALID, SHAPES, seed=0, state=after[0])
    with pytest.raises(BadInput, match=r"seed was 0, is 1"):
        fit(recipe(epochs=1), TRAIN, VALID, SHAPES, seed=1, state=after[0])


def test_a_state_is_taken_before_the_next_epoch_or_not_at_all():
    run = fit(recipe(), TRAIN, VALID, SHAPES, seed=0)
    first = next(run)
    next(run)
    with pytest.raises(RuntimeError, match="the state after epoch 1 is gone"):
        first.state()
