import pickle

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score
from torch import nn

from members.batches.photos import Photos
from members.errors import BadInput
from members.networks.models import build_model
from members.recipe.values import LOSSES
from members.training.fit import Diverged, best_weights, fit
from members.training.metric import DEFAULT, Metric
from members.training.predict import predict
from tests.members.drawn import SHAPES, shapes
from tests.members.trained import TRAIN, VALID, recipe, same_weights, states, through_a_file

# -- it learns ------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", [*LOSSES, {"f1": 1, "cross_entropy": 1}])
def test_a_small_network_learns_to_classify_three_shapes(loss):
    settings = recipe("test_resnet", epochs=3, batch_size=16, lr=3e-3, loss=loss)
    train, unseen = shapes(180, seed=3), shapes(60, seed=4)
    (*_, last), _ = states(settings, train, unseen)
    assert last.metrics["accuracy"] > 0.8  # chance: 0.33
    assert last.metrics["macro_f1"] > 0.8


def test_the_best_weights_are_those_that_gave_the_best_epoch_its_score():
    epochs, after = states(recipe(epochs=6, lr=0.01))
    best = max(epochs, key=lambda epoch: epoch.metrics["macro_f1"])
    model = build_model(recipe(), SHAPES)
    model.load_state_dict(best_weights(after[-1]))
    predicted = predict(model, VALID, recipe()).argmax(1)
    expected = f1_score(VALID.labels, predicted, average="macro", labels=range(3), zero_division=0)
    assert best.metrics["macro_f1"] == pytest.approx(expected)
    assert after[-1]["best_epoch"] == best.number


# -- the same whatever else happens ---------------------------------------------------------------


def test_the_seed_decides_and_nothing_else():
    settings = recipe(dropout=0.2, augmentation="custom")
    _, first = states(settings)
    states(recipe("test_vit"), seed=5)  # another training in between
    torch.rand(7), np.random.rand(3)
    _, second = states(settings)
    _, other = states(settings, seed=1)
    assert same_weights(first[-1]["model"], second[-1]["model"])
    assert not same_weights(first[-1]["model"], other[-1]["model"])


def test_two_trainings_may_take_turns():
    settings = recipe(dropout=0.2)
    _, alone = states(settings)
    runs = [fit(settings, TRAIN, VALID, SHAPES, seed=seed) for seed in (0, 1)]
    for ours, _ in zip(*runs, strict=True):
        state = ours.state()
    assert same_weights(state["model"], alone[-1]["model"])


def test_loader_workers_change_nothing():
    settings = recipe(dropout=0.2, augmentation="custom", epochs=2)
    _, alone = states(settings)
    _, helped = states(settings, loader_workers=2)
    assert same_weights(alone[-1]["model"], helped[-1]["model"])


def test_rows_of_a_shared_array_train_like_an_array_of_their_own():
    rows = np.random.default_rng(0).permutation(18)[:15]
    own = Photos(TRAIN.pixels[rows], TRAIN.labels[rows])
    _, a = states(recipe(epochs=2), TRAIN.take(rows))
    _, b = states(recipe(epochs=2), own)
    assert same_weights(a[-1]["model"], b[-1]["model"])


# -- the best epoch, and when it ends -------------------------------------------------------------


@pytest.mark.parametrize(
    ("metric", "better"), [("macro_f1", max), ("accuracy", max), ("loss", min)]
)
def test_the_best_epoch_is_the_first_with_the_best_value_of_the_metric(metric, better):
    epochs, after = states(recipe(epochs=6, lr=0.01, metric=metric))
    values = [epoch.metrics[metric] for epoch in epochs]
    assert after[-1]["best_epoch"] == values.index(better(values)) + 1
    for i, epoch in enumerate(epochs):
        assert epoch.best == (i == 0 or better(values[: i + 1]) != better(values[:i]))


def test_it_stops_early_after_as_many_worse_epochs_as_it_has_patience():
    settings = recipe("test_resnet", epochs=50, patience=2, metric="loss", lr=0.02)
    epochs, after = states(settings)
    assert len(epochs) < 50
    assert epochs[-1].reason == f"no better loss since epoch {len(epochs) - 2}"
    assert [epoch.last for epoch in epochs] == [False] * (len(epochs) - 1) + [True]
    assert after[-1]["best_epoch"] == len(epochs) - 2
    losses = [epoch.metrics["loss"] for epoch in epochs]
    assert min(losses) == losses[-3]


def test_it_ends_after_the_recipe_s_epochs():
    epochs, _ = states(recipe(epochs=3))
    assert [(e.number, e.last, e.reason) for e in epochs] == [
        (1, False, ""),
        (2, False, ""),
        (3, True, "all 3 epochs are done"),
    ]


def test_without_a_validation_part_the_last_epoch_is_the_best_and_no_score_is_invented():
    epochs, after = states(recipe(patience=1), valid=None)
    assert len(epochs) == 4
    assert all(epoch.best for epoch in epochs)
    assert same_weights(best_weights(after[-1]), after[-1]["model"])
    assert set(epochs[0].metrics) == {"epoch", "train_loss", "lr", "seconds", "photos_per_second"}


def test_every_metric_is_a_finite_number_and_the_steps_are_reported():
    calls = []
    epochs, _ = states(recipe(epochs=2), on_step=lambda done, steps: calls.append((done, steps)))
    # 18 photos: 8 + 8 + 2; then 9 that are validated in one batch
    assert calls == [(1, 3), (2, 3), (3, 3), (1, 1)] * 2
    for epoch in epochs:
        assert {"loss", "macro_f1", "accuracy"} < set(epoch.metrics)
        assert all(np.isfinite(value) for value in epoch.metrics.values())
        assert epoch.metrics["epoch"] == epoch.number


def test_validation_loss_is_the_loss_of_the_whole_part():
    settings = recipe(epochs=1, validation_batch_size=5)
    ((epoch,), (state,)) = states(settings)
    model = build_model(settings, SHAPES)
    model.load_state_dict(state["model"])
    probabilities = predict(model, VALID, settings)
    expected = -np.log(probabilities[np.arange(12), VALID.labels]).mean()
    assert epoch.metrics["loss"] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("n_classes", [2, 5, 18])
def test_scores_agree_with_scikit_learn(n_classes):
    rng = np.random.default_rng(n_classes)
    for n in (1, 10, 200):
        labels, predicted = rng.integers(0, n_classes, (2, n))
        f1 = f1_score(labels, predicted, average="macro", labels=range(n_classes), zero_division=0)
        got = {m.name: m.score(labels, np.eye(n_classes)[predicted]) for m in DEFAULT}
        assert got == pytest.approx({"macro_f1": f1, "accuracy": accuracy_score(labels, predicted)})


@pytest.mark.parametrize("greater_is_better", [True, False])
def test_a_metric_that_is_given_decides_the_best_epoch_by_its_direction(greater_is_better):
    def surest(labels, probabilities):
        assert (labels == VALID.labels).all()
        np.testing.assert_allclose(probabilities.sum(axis=1), 1)
        return float(probabilities.max(axis=1).mean())

    own = Metric("surest", greater_is_better, surest)
    settings = recipe(epochs=5, lr=0.01, metric="surest", patience=4)
    epochs, after = states(settings, metrics=(*DEFAULT, own))
    values = [epoch.metrics["surest"] for epoch in epochs]
    best = max(values) if greater_is_better else min(values)
    assert after[-1]["best_epoch"] == values.index(best) + 1
    named = [n for n in epochs[0].metrics if n in ("loss", "macro_f1", "accuracy", "surest")]
    assert named == ["loss", "macro_f1", "accuracy", "surest"]


def test_a_metric_without_a_scorer_is_refused():
    with pytest.raises(BadInput, match=r"'mcc' is none of macro_f1, accuracy, loss.*fit\(metrics="):
        fit(recipe(metric="mcc"), TRAIN, VALID, SHAPES, seed=0)


# -- at the edges ---------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [17, 9, 2])
def test_one_photo_left_over_does_not_break_batch_norm(n):
    # at 8 x 8 the last feature map has one pixel: batch norm of one photo would have no variance
    train = shapes(n, (8, 8))
    epochs, _ = states(recipe(image_size=8, epochs=2), train, shapes(3, (8, 8)))
    assert len(epochs) == 2


def test_a_single_photo_trains_where_the_network_allows_it():
    epochs, _ = states(recipe("test_vit"), TRAIN.take([0]), VALID.take([0]))
    assert len(epochs) == 4


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("valid", [VALID, None])
def test_a_loss_that_is_no_number_ends_it_with_epoch_and_rate(valid, device):
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    settings = recipe("test_vit", optimizer="sgd", lr=1e30, epochs=3, schedule="constant")
    with pytest.raises(Diverged, match=r"the loss became (nan|inf) in epoch 1 at lr 1e\+30"):
        list(fit(settings, TRAIN, valid, SHAPES, seed=0, device=device))


def test_a_divergence_travels_between_processes():
    error = pickle.loads(pickle.dumps(Diverged(3, 0.5)))
    assert (error.epoch, error.lr) == (3, 0.5)
    assert str(error).startswith("the loss became nan in epoch 3 at lr 0.5")


@pytest.mark.parametrize(
    ("train", "valid", "settings", "message"),
    [
        (TRAIN.take([]), VALID, {}, "training part: no photographs"),
        (TRAIN, VALID.take([]), {}, "validation part: no photographs"),
        (Photos(TRAIN.pixels), VALID, {}, "training part: 18 photographs need .* got no labels"),
        (Photos(TRAIN.pixels, TRAIN.labels[:5]), VALID, {}, "need as many labels, got 5 labels"),
        (Photos(TRAIN.pixels, TRAIN.labels + 1), VALID, {}, "labels must be 0 to 2, got 1 to 3"),
        (TRAIN, Photos(VALID.pixels, VALID.labels - 1), {}, "labels must be 0 to 2, got -1 to 1"),
        (shapes(5, (16, 16)), VALID, {}, r"training part: pixels must be .* \(N, 32, 32, 3\)"),
        (Photos(TRAIN.pixels / 255, TRAIN.labels), VALID, {}, "must be uint8"),
        (TRAIN, VALID, {"mixed_precision": "fp16"}, "fp16 needs a CUDA device"),
        (TRAIN, VALID, {"class_weights": [1, 2]}, "2 weights for 3 classes"),
        (TRAIN, VALID, {"sampling": {"balance": "shap"}}, "Did you mean 'shape'"),
        (
            TRAIN.take(np.flatnonzero(TRAIN.labels < 2)),
            VALID,
            {"mixing": {"kind": "mixup", "partners": {"shape": "disc"}}},
            "no training photo has shape 'disc'",
        ),
        (TRAIN, VALID, {"normalize": "computed"}, "with_statistics"),
        (TRAIN, None, {"schedule": "plateau"}, "plateau needs a validation part"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_the_first_epoch(train, valid, settings, message):
    with pytest.raises(BadInput, match=message):
        fit(recipe(**settings), train, valid, SHAPES, seed=0)


def test_gradients_are_clipped_to_the_given_norm(monkeypatch):
    norms = []
    original = nn.utils.clip_grad_norm_

    def clip(parameters, limit):
        parameters = list(parameters)
        original(parameters, limit)
        norms.append(float(torch.cat([p.grad.flatten() for p in parameters]).norm()))

    monkeypatch.setattr(nn.utils, "clip_grad_norm_", clip)
    states(recipe("test_resnet", clip_grad_norm=0.01, epochs=1))
    assert norms == pytest.approx([0.01] * 3, rel=0.01)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("mixed_precision", ["auto", "fp16", "off"])
def test_on_a_gpu_it_learns_and_resumes(mixed_precision):
    settings = recipe("test_resnet", batch_size=16, lr=3e-3, augmentation="flip")
    settings = settings.model_copy(update={"mixed_precision": mixed_precision})
    train, unseen = shapes(240, seed=3), shapes(60, seed=4)
    epochs, after = states(settings, train, unseen, device="cuda")
    assert epochs[-1].metrics["accuracy"] > 0.8
    rest, _ = states(settings, train, unseen, device="cuda", state=through_a_file(after[2]))
    assert rest[-1].metrics["accuracy"] > 0.8
