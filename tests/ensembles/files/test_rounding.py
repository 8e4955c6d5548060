"""Rows that rounding put off 1: the one tolerance, by the values, and what is beyond it."""

from __future__ import annotations

import numpy as np
import pytest

from ensembles.files.rounding import ROW_SUM_TOLERANCE, rescale


@pytest.fixture
def exact():
    return np.random.default_rng(0).dirichlet(np.ones(18), 500)


def bfloat16(values):
    bits = np.asarray(values, np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)


@pytest.mark.parametrize(
    ("rounded", "digits"),
    [
        (lambda p: p.astype(np.float16), None),
        (lambda p: p.astype(np.float16).astype(np.float64), None),
        (bfloat16, None),
        (lambda p: p.round(3), 3),
        (lambda p: p.round(3).astype(np.float16), 3),
        (lambda p: p.round(2).astype(np.float32), 2),
        (lambda p: np.floor(p * 1000) / 1000, 3),
    ],
)
def test_rounded_rows_are_scaled_to_1_and_counted(exact, rounded, digits):
    values = rounded(exact)
    found = rescale(values)
    sums = values.astype(np.float64).sum(axis=1)
    assert found.rescaled == (abs(sums - 1) > ROW_SUM_TOLERANCE).sum() > 0
    assert found.off.size == 0
    assert found.digits == digits
    assert abs(found.probabilities.sum(axis=1, dtype=float) - 1).max() <= ROW_SUM_TOLERANCE
    moved = abs(sums - 1) > ROW_SUM_TOLERANCE
    expected = values[moved].astype(np.float64) / sums[moved, None]
    np.testing.assert_allclose(found.probabilities[moved], expected, rtol=1e-6)
    (note,) = found.notes
    assert note.startswith(f"{found.rescaled} of 500 rows were rounded")


def test_what_is_exact_stays_bit_for_bit(exact):
    values = exact.astype(np.float32)
    found = rescale(values)
    assert found.probabilities.tobytes() == values.tobytes()
    assert found.notes == []


@pytest.mark.parametrize("scale", [1.01, 0.99, 2.0])
def test_no_rounding_explains_more(exact, scale):
    found = rescale((exact * scale).clip(0, 1))
    assert len(found.off) == 500
    (problem,) = found.problems("a", np.array([f"x{i}" for i in range(500)], object))
    assert "a: 500 rows do not sum to 1 within 0.002: x0, x1, x2, ... sum to" in problem


def test_votes_for_several_classes_are_no_probabilities():
    found = rescale(np.array([[1, 1, 0], [0, 0, 0], [0, 1, 0]], np.float32))
    assert found.off.tolist() == [0, 1]
