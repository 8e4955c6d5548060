"""Rows that rounding put off 1: the one tolerance, by the values, and what is beyond it."""

from __future__ import annotations

import numpy as np
import pytest

from ensembles.files.rounding import ROW_SUM_TOLERANCE, rescale, surely_sum_to_1
from ensembles.files.table import Table, table_problems


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


@pytest.mark.parametrize("n_classes", [1, 2, 18, 500, 1000])
def test_a_quick_sum_lets_no_row_pass_that_an_exact_one_refuses(n_classes):
    rng = np.random.default_rng(n_classes)
    for off in (*rng.normal(scale=ROW_SUM_TOLERANCE, size=40), 1.001e-4, -1.001e-4, 0.0):
        row = rng.dirichlet(np.ones(n_classes), 1) * (1 + off)
        row = row.clip(0, 1).astype(np.float32)
        exactly = abs(row.sum(axis=1, dtype=np.float64) - 1) <= ROW_SUM_TOLERANCE
        assert exactly or not surely_sum_to_1(row)
        problems = table_problems(Table(np.array(["a"], object), row), "t")
        assert bool(problems) == (not exactly[0])


def test_a_nan_is_no_sure_sum():
    values = np.array([[0.5, 0.5], [np.nan, 0.5]], np.float32)
    assert not surely_sum_to_1(values)
    (problem,) = table_problems(Table(np.array(["a", "b"], object), values), "t")
    assert "NaN in 1 rows: b" in problem
