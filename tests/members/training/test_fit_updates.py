"""What an optimiser step of fit is made of: batches, class weights, running means."""

import numpy as np
import pytest
import torch

from members.batches.loader import ORDER, WEIGHTS, derived_seed, to_input
from members.batches.mixing import shares_of
from members.batches.sampling import epoch_order
from members.networks.models import build_model, statistics_of
from members.training.fit import best_weights
from members.training.losses import loss_of
from members.training.predict import predict
from tests.members.drawn import SHAPES, shapes
from tests.members.trained import TRAIN, VALID, recipe, same_weights, states


def test_with_a_running_mean_the_mean_is_what_is_validated_and_kept():
    settings = recipe("test_resnet", ema=0.9, metric="accuracy", lr=0.01)
    epochs, after = states(settings)
    kept = best_weights(after[0])
    assert not same_weights(kept, after[0]["model"])
    model = build_model(recipe("test_resnet"), SHAPES)
    model.load_state_dict(kept)
    predicted = predict(model, VALID, settings).argmax(1)
    assert epochs[0].metrics["accuracy"] == pytest.approx((predicted == VALID.labels).mean())


def test_balanced_class_weights_lift_a_rare_class():
    rare = np.flatnonzero(TRAIN.labels == 2)[:1]
    train = TRAIN.take([*np.flatnonzero(TRAIN.labels != 2), *rare])
    shares = []
    for weights in (None, "balanced"):
        settings = recipe(
            "test_vit", epochs=1, batch_size=32, augmentation="base", class_weights=weights
        )
        _, (state,) = states(settings, train)
        model = build_model(settings, SHAPES)
        model.load_state_dict(state["model"])
        shares.append(predict(model, VALID, settings)[:, 2].mean())
    assert shares[1] > shares[0]


@pytest.mark.parametrize("kind", ["mixup", "cutmix", "half_face"])
@pytest.mark.parametrize("partners", ["random", {"shape": "disc"}])
def test_it_learns_from_mixed_photos(kind, partners):
    mixing = {"kind": kind, "probability": 0.5, "partners": partners}
    settings = recipe("test_resnet", epochs=6, batch_size=16, lr=3e-3, mixing=mixing)
    (*_, last), _ = states(settings, shapes(180, seed=3), shapes(60, seed=4))
    assert last.metrics["accuracy"] > 0.7  # chance: 0.33


def test_loader_workers_change_nothing_where_photos_are_drawn_and_mixed():
    settings = recipe(
        epochs=2,
        sampling={"balance": "shape"},
        mixing={"kind": "half_face", "probability": 0.6, "partners": {"shape": "disc"}},
    )
    _, alone = states(settings)
    _, helped = states(settings, loader_workers=2)
    assert same_weights(alone[-1]["model"], helped[-1]["model"])


# -- several batches an optimiser step ------------------------------------------------------------


@pytest.mark.parametrize("loss", ["cross_entropy", "focal", "label_smoothing"])
@pytest.mark.parametrize("model", ["test_vit", "test_convnext"])  # no batch norm
def test_accumulated_batches_give_the_update_of_the_large_batch(model, loss):
    # plain SGD: its update is the gradient itself. 18 photos: 8 + 8 + 2, or (4 + 4) + (4 + 4) + 2
    settings = {"optimizer": "sgd", "lr": 0.05, "loss": loss, "epochs": 2, "clip_grad_norm": 1.0}
    large, after_large = states(recipe(model, **settings))
    parts, after_parts = states(recipe(model, **settings, batch_size=4, accumulate=2))
    for name, weight in after_large[-1]["model"].items():
        assert torch.allclose(after_parts[-1]["model"][name], weight, atol=1e-5), name
    assert parts[-1].metrics["lr"] == large[-1].metrics["lr"]
    assert parts[-1].metrics["train_loss"] == pytest.approx(
        large[-1].metrics["train_loss"], abs=1e-5
    )


def test_accumulated_f1_is_the_mean_of_each_batch_s_own_f1():
    settings = recipe(
        "test_vit",
        optimizer="momentum",
        optimizer_args={"momentum": 0.0},
        weight_decay=0.0,
        lr=0.1,
        loss="f1",
        epochs=1,
        batch_size=4,
        accumulate=2,
        augmentation="base",
    )
    train = TRAIN.take(range(8))
    _, (state,) = states(settings, train)

    torch.manual_seed(derived_seed(0, WEIGHTS))
    model = build_model(settings, SHAPES)
    order = epoch_order(settings, train, derived_seed(0, ORDER, 0))
    x = to_input(torch.from_numpy(train.read(order)), statistics_of(settings), channels_last=False)
    truth = shares_of(torch.from_numpy(train.labels[order]), SHAPES)
    halves = [loss_of(model(x[part]), truth[part], settings) for part in (slice(0, 4), slice(4, 8))]
    (sum(halves) / 2).backward()
    for name, weight in model.named_parameters():
        expected = weight - 0.1 * weight.grad
        assert torch.allclose(state["model"][name], expected, atol=1e-6), name
