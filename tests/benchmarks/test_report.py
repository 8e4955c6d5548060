"""Ranks, differences and coverage, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from benchmarks.sets import report


def scores(**of_method):
    """Splits a-0, a-1 and b-0 of two sets; a method's macro F1 on each."""
    splits = ("a-0", "a-1", "b-0")
    return {
        split: {
            method: {"macro_f1": own[i], "accuracy": own[i], "log_loss": 1 - own[i], "seconds": 1.0}
            for method, own in of_method.items()
        }
        for i, split in enumerate(splits)
    }


FOUND = scores(default=(0.5, 0.7, 0.8), better=(0.6, 0.8, 0.9), tied=(0.5, 0.7, 0.8))


def test_a_set_counts_once_however_many_splits_it_has():
    np.testing.assert_allclose(report.by_set(list(FOUND), [1.0, 3.0, 10.0]), [2, 10])


def test_ranks_share_ties_and_less_log_loss_is_better():
    expected = [[2.5, 1, 2.5]] * 3
    methods = ["default", "better", "tied"]
    for metric in report.METRICS:
        np.testing.assert_array_equal(report.ranks(FOUND, methods, metric), expected)


def test_an_interval_is_students():
    values = np.array([0.1, 0.2, 0.4, 0.1])
    mean, half = report.interval(values)
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (mean - half, mean + half) == pytest.approx((low, high))


def test_a_difference_of_log_losses_is_in_per_cent():
    halved = scores(default=(0.2, 0.2, 0.6), other=(0.6, 0.6, 0.8))  # losses .8 to .4, .4 to .2
    mean, half = report.difference(halved, "other", "default", "log_loss")
    assert mean == pytest.approx(-50)
    assert half == pytest.approx(0, abs=1e-9)
    assert report.difference(FOUND, "better", "default", "macro_f1")[0] == pytest.approx(0.1)


def test_coverage_counts_what_lies_within_one_and_two_errors(capsys):
    """Set a: 1.5 and .5 errors off; set b: 3 errors off. With the test rows' own: 1.06, .35, 2.1."""
    found = scores(default=(0.5, 0.5, 0.5))
    for split, off in zip(found, (1.5, 0.5, 3.0), strict=True):
        of_all = dict.fromkeys(report.METRICS)
        estimate = {name: found[split]["default"][name] - 0.1 * off for name in of_all}
        error = dict.fromkeys(of_all, 0.1)
        folds = {name: found[split]["default"][name] for name in of_all}
        found[split]["default"]["printed"] = {
            "estimate": estimate, "error": error, "test_error": error, "folds": folds,
        }  # fmt: skip
    report.coverage(found, ["default"])
    line = next(line for line in capsys.readouterr().out.splitlines() if " F1 " in line)
    assert line.split()[2:5] == ["0.25", "|", "0.50"]
    assert line.split()[5:8] == ["0.25", "|", "0.50"]


def test_a_method_that_a_version_lacks_is_left_out_with_a_line(capsys):
    found = scores(default=(0.5, 0.7, 0.8), new=(0.6, 0.8, 0.9))
    del found["b-0"]["new"]
    report.report(found, "default")
    assert "skipped: new: not on every split" in capsys.readouterr().out
