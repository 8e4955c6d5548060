"""Multinomial logistic regression that is shrunk towards a pool, against plain minimisation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from ensembles.second_level.features import EPSILON, features
from ensembles.second_level.logistic import TOLERANCE, fit_logistic, logistic_path


def centred(probabilities):
    """(N, M, K) by the formula, one row and member at a time."""
    m, n, k = probabilities.shape
    out = np.empty((n, m, k))
    for i in range(n):
        for j in range(m):
            logs = np.log((1 - EPSILON) * probabilities[j, i].astype(float) + EPSILON / k)
            out[i, j] = logs - logs.mean()
    return out


def objective(parameters, z, labels, ridge):
    """What is minimised, written down a second time."""
    n, m, k = z.shape
    w, b, v = np.split(parameters, [m, m + k])
    v = v.reshape(m, k, k) if len(v) else np.zeros((m, k, k))
    logits = np.tensordot(z, w, axes=(1, 0)) + b + np.einsum("njk,jkl->nl", z, v)
    loss = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(n), labels]
    free = ridge * (v**2).sum() if np.isfinite(ridge) else 0.0
    return loss.mean() + (free + 10 * ((w - 1 / m) ** 2).sum() + 3 * (b**2).sum()) / (2 * n)


def test_features_are_centred_logs_with_a_share_of_chance(draw):
    probabilities, _ = draw(3, 20, 4)
    probabilities[0, 0] = [1, 0, 0, 0]
    found = features(probabilities).logs
    assert found == pytest.approx(centred(probabilities), abs=1e-12)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("ridge", [np.inf, 30.0, 2.0])
def test_the_minimum_is_that_of_a_plain_minimiser(draw, ridge):
    probabilities, labels = draw(2, 60, 3)
    n, m, k = 60, 2, 3
    z = centred(probabilities)
    size = m + k + (m * k * k if np.isfinite(ridge) else 0)
    start = np.zeros(size)
    start[:m] = 1 / m
    found = minimize(objective, start, (z, labels, ridge), method="BFGS", options={"gtol": 1e-7})
    fit = fit_logistic(features(probabilities), labels, ridge)
    assert fit.gradient <= TOLERANCE
    assert fit.weights == pytest.approx(found.x[:m], abs=1e-4)
    assert fit.offsets == pytest.approx(found.x[m : m + k], abs=1e-4)
    if np.isfinite(ridge):
        assert fit.confusions.ravel() == pytest.approx(found.x[m + k :], abs=1e-4)
    else:
        assert fit.confusions is None
    predicted = fit.predict(features(probabilities))
    assert predicted.sum(axis=1) == pytest.approx(np.ones(n))
    assert predicted.min() > 0


def test_a_path_holds_the_same_minima_as_fits_from_nothing(draw):
    probabilities, labels = draw(3, 200, 4)
    x, ridges = features(probabilities), (np.inf, 100.0, 3.0)
    for ridge, fit in zip(ridges, logistic_path(x, labels, ridges), strict=True):
        alone = fit_logistic(x, labels, ridge)
        assert fit.predict(x) == pytest.approx(alone.predict(x), abs=1e-4)


def test_with_more_ridge_it_goes_to_the_pool(draw):
    probabilities, labels = draw(3, 200, 4)
    x = features(probabilities)
    pool = fit_logistic(x, labels, np.inf).predict(x)
    far, near = (
        np.abs(fit_logistic(x, labels, ridge).predict(x) - pool).max() for ridge in (3.0, 3e5)
    )
    assert near < 1e-3 < far


def test_a_class_without_rows_and_a_member_of_zeros_and_ones_are_no_trouble(draw):
    probabilities, labels = draw(3, 90, 4)
    labels[labels == 2] = 1
    probabilities[1] = np.eye(4, dtype=np.float32)[probabilities[1].argmax(axis=1)]
    fit = fit_logistic(features(probabilities), labels, 10.0)
    assert fit.gradient <= TOLERANCE
    assert np.isfinite(fit.predict(features(probabilities))).all()
