"""Validation by the mean over views: its figures are those of what predicts."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, log_loss

from members.networks.models import build_model
from members.training.fit import best_weights
from members.training.predict import predict
from members.training.validation import logits_of_mean
from tests.members.drawn import SHAPES
from tests.members.trained import VALID, recipe, same_weights, states

VIEWS = {"views": ["plain", "flip", "crops"], "validation_views": True}


def test_every_figure_is_of_the_mean_of_probabilities_over_the_views():
    settings = recipe("test_resnet", epochs=3, lr=0.01, **VIEWS)
    epochs, after = states(settings)
    for epoch, state in zip(epochs, after, strict=True):
        model = build_model(settings, SHAPES)
        model.load_state_dict(state["model"])
        mean = predict(model, VALID, settings).astype(float)
        mean /= mean.sum(axis=1, keepdims=True)
        got = epoch.metrics
        expected = f1_score(
            VALID.labels, mean.argmax(1), average="macro", labels=range(3), zero_division=0
        )
        assert got["macro_f1"] == pytest.approx(expected)
        assert got["accuracy"] == pytest.approx((mean.argmax(1) == VALID.labels).mean())
        assert got["loss"] == pytest.approx(log_loss(VALID.labels, mean, labels=range(3)), abs=1e-5)
        plain = predict(model, VALID, settings.model_copy(update={"views": ("plain",)}))
        of_plain = -np.log(plain[np.arange(12), VALID.labels]).mean()
        assert got["loss"] != pytest.approx(of_plain, abs=1e-4)


def test_the_best_epoch_is_chosen_by_it_and_the_training_is_the_same():
    settings = recipe("test_resnet", epochs=5, lr=0.01, metric="loss", **VIEWS)
    epochs, after = states(settings)
    losses = [epoch.metrics["loss"] for epoch in epochs]
    assert after[-1]["best_epoch"] == int(np.argmin(losses)) + 1
    _, plain = states(settings.model_copy(update={"validation_views": False}))
    assert same_weights(after[-1]["model"], plain[-1]["model"])
    best = plain[after[-1]["best_epoch"] - 1]["model"]
    assert same_weights(best_weights(after[-1]), best)


def test_steps_are_reported_for_each_picture():
    calls = []
    settings = recipe(epochs=1, **VIEWS)
    states(settings, on_step=lambda done, steps: calls.append((done, steps)))
    assert calls == [(1, 3), (2, 3), (3, 3), *[(1, 1)] * 7]  # plain, flipped, five crops


def test_a_class_that_no_view_believes_in_stays_finite():
    seen = [np.array([[0.0, 800.0]]), np.array([[0.0, 900.0]])]
    got = logits_of_mean(seen)
    assert np.isfinite(got).all()
    assert got[0, 1] == pytest.approx(0)


def test_without_other_views_it_is_refused():
    with pytest.raises(ValueError, match=r"no effect: `views` is \[plain\]"):
        recipe(validation_views=True)
