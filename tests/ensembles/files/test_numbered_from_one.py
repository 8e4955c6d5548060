"""Files that number the classes from 1 beside files that number them from 0 are refused."""

import numpy as np
import pytest

from ensembles import BadInput, cast_submissions, compare, evaluate


def write(file, name, answers):
    return file(name, "ImageID,ans\n" + "".join(f"{i},{a}\n" for i, a in enumerate(answers)))


@pytest.fixture
def guesses():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 18, 300)
    return [np.where(rng.random(300) < 0.8, truth, rng.integers(0, 18, 300)) for _ in range(3)]


def test_from_1_beside_from_0_is_refused(file, guesses):
    paths = [write(file, f"{i}.csv", own + (i == 2)) for i, own in enumerate(guesses)]
    reason = "2: classes from 1 to 18, none is 0; 0 and 1: classes from 0.* One numbers from 1"
    for call in (cast_submissions, compare):
        with pytest.raises(BadInput, match=reason):
            call(paths)
    with pytest.raises(BadInput, match="One numbers from 1, the other from 0"):
        evaluate(paths[2], paths[0])


def test_all_from_1_or_all_from_0_vote(file, guesses):
    for shift in (0, 1):
        paths = [write(file, f"{i}.csv", own + shift) for i, own in enumerate(guesses)]
        counts = np.stack([np.bincount(row, minlength=18) for row in np.array(guesses).T])
        clear = (counts == counts.max(axis=1, keepdims=True)).sum(axis=1) == 1
        found = np.array(cast_submissions(paths).answers, int) - shift
        np.testing.assert_array_equal(found[clear], counts.argmax(axis=1)[clear])


def test_a_class_that_one_file_never_gives_shifts_nothing(file, guesses):
    first, second = guesses[0].copy(), guesses[1].copy()
    first[first == 17], second[second == 0] = 5, 5  # each lacks one end, and they agree as they are
    cast_submissions([write(file, "a.csv", first), write(file, "b.csv", second)])
