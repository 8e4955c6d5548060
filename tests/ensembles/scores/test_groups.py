"""Numbers of groups by counting: what sorting gives."""

import subprocess
import sys

import numpy as np
import pytest

from ensembles.scores.groups import distinct, numbered


@pytest.mark.parametrize(
    "groups",
    [
        np.array([3, 1, 1, 0, 2]),
        np.array([30, 10, 10, 0, 2], np.int32),
        np.array([10**12, 5, 5]),
        np.array([-1, 4, -1]),
        np.array(["b", "a", "b"]),
        np.array(["b", "a", "b", "B", "ä", ""], object),
        np.array([], int),
    ],
)
def test_numbers_and_distinct_ones_are_those_of_numpy(groups):
    expected, inverse = np.unique(groups, return_inverse=True)
    np.testing.assert_array_equal(numbered(groups), inverse)
    np.testing.assert_array_equal(distinct(groups), expected)


def test_a_soft_vote_does_without_masked_arrays():
    """`np.unique` imports them, which takes as long as the vote itself."""
    code = """
import sys, numpy as np, ensembles
rng, ids = np.random.default_rng(0), np.array([f"{i}" for i in range(60)], object)
fold, label = (np.arange(60) % 3).astype(np.int16), rng.integers(0, 2, 60).astype(np.int16)
groups = np.array([f"g{i % 12}" for i in range(60)], object)
shares = rng.dirichlet([1, 1, 1], (2, 60)).astype(np.float32)
oof = {f"m{m}": ensembles.OofTable(ids, own, fold, label, {}, groups) for m, own in enumerate(shares)}
vote = ensembles.cast(oof, None, "soft")
print(vote.notes[0], "numpy.ma" in sys.modules)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "classes without any OOF row, which count as 0 in macro F1: 2. False\n"
