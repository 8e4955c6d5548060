"""Numbers of groups by counting: what sorting gives."""

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
