"""Votes over so many classes that few rows are left for each."""

import numpy as np
import pytest

from ensembles import OofTable, cast
from ensembles.voting import candidates, gate
from ensembles.voting.kinds import AVERAGED, STACKERS
from ensembles.weights import offsets
from ensembles.weights.stack import stack_members


def test_offsets_are_tried_where_classes_are_few_or_have_rows():
    assert candidates.tries_offsets(144, 26)
    assert candidates.tries_offsets(300, candidates.CLASSES)
    assert not candidates.tries_offsets(3000, 1000)
    assert candidates.tries_offsets(10_000, 1000)


@pytest.fixture
def tables():
    """Three members over 300 classes, some of which do not occur."""
    rng = np.random.default_rng(0)
    labels, ids = rng.integers(0, 300, 400), np.array([f"i{i}" for i in range(400)], object)
    tables = {}
    for name in "abc":
        logits = rng.normal(size=(400, 300))
        logits[np.arange(400), labels] += 3
        p = np.exp(2 * logits)
        p = (p / p.sum(axis=1, keepdims=True)).astype(np.float32)
        tables[name] = OofTable(
            ids, p, (np.arange(400) % 5).astype(np.int16), labels.astype(np.int16)
        )
    return tables


def test_kinds_that_are_left_out_are_said_and_every_step_is_called(tables):
    steps = []
    vote = cast(tables, None, "weighted", progress=lambda done, total: steps.append((done, total)))
    names = [row["name"] for row in vote.candidates]
    assert names == [
        kind for kind in AVERAGED if kind not in STACKERS
    ]  # N K^2 is too much for these
    assert "300 classes with 1.3 OOF rows each: no class offsets were tried" in "\n".join(
        vote.notes
    )
    total = steps[0][1]
    assert steps == [(done, total) for done in range(total + 1)]
    (absent,) = (note for note in vote.notes if "classes without any OOF row" in note)
    assert len(absent) < 200


def test_a_fitted_vote_calls_for_each_fold(tables):
    steps = []
    cast(tables, None, "weighted", "log_loss", progress=lambda *step: steps.append(step))
    assert steps == [(done, 5) for done in range(6)]


def test_following_the_fits_changes_nothing(draw):
    data, folds = stack_members(*draw(4, 300, 4)), np.arange(300) % 5
    first, second = gate.choose(data, folds), gate.choose(data, folds, None, lambda *_: None)
    assert first.table == second.table
    np.testing.assert_array_equal(first.held_out, second.held_out)


def test_an_offset_step_is_the_best_of_a_grid_of_all_classes():
    """Each step looks only at classes near the top of a row: a brute force looks at all of them."""
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 40, 300)
    logits = rng.normal(size=(300, 40))
    logits[np.arange(300), labels] += 1.5
    mixed = np.exp(logits)
    mixed = (mixed / mixed.sum(axis=1, keepdims=True)).astype(np.float32)
    drawn = offsets._draw([mixed], labels, 1)
    rows = np.random.default_rng(0).integers(0, 300, (1, 300))[0]
    sweep = offsets._Sweep(drawn, np.zeros((1, 40)))
    now = np.zeros(40)

    def right(own):
        return (np.log(mixed[rows]) + own).argmax(axis=1) == labels[rows]

    for k in range(40):
        step = sweep.take_best(k, "accuracy")[0]
        tried = [right(now + t * (np.arange(40) == k)).sum() for t in np.linspace(-1, 1, 201)]
        now[k] += step
        assert right(now).sum() >= max(tried)
