"""Votes over so many classes that few rows are left for each."""

import numpy as np
import pytest

from ensembles import OofTable, cast
from ensembles.rules import mean
from ensembles.voting import candidates, fitted, gate
from ensembles.voting.kinds import AVERAGED, STACKERS
from ensembles.weights import log_linear, offsets, stack
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
    assert "400 rows of 300 classes: no stackers were tried" in "\n".join(vote.notes)
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
    drawn = offsets._draw([mixed], labels, offsets.drawn_bags(300, 1))
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


@pytest.mark.parametrize("kept", [0, 4 * 1500 * 6 + 1, 1 << 40])
@pytest.mark.parametrize("with_zeros", [False, True])
def test_a_large_stack_gives_the_same_vote_without_copies_of_it(
    monkeypatch, draw, kept, with_zeros
):
    """Whose rows are gone through in blocks, and whose logs are taken anew, kept of one floor, or of both."""
    probabilities, labels = draw(4, 1500, 6)
    if with_zeros:
        probabilities[probabilities < 0.02] = 0
        probabilities /= probabilities.sum(axis=2, keepdims=True)
    ids, folds = np.array([f"i{i}" for i in range(1500)], object), np.arange(1500) % 5
    tables = {
        f"m{j}": OofTable(ids, own, folds.astype(np.int16), labels.astype(np.int16))
        for j, own in enumerate(probabilities)
    }
    plain = cast(tables, None, "weighted")
    monkeypatch.setattr(fitted, "LOGS_KEPT", kept)
    for module in (stack, log_linear, mean):
        monkeypatch.setattr(module, "SIDE_BY_SIDE" if module is mean else "LARGE", 0)
    monkeypatch.setattr(stack, "BLOCK", 4096)
    large = cast(tables, None, "weighted")
    assert [row["chosen"] for row in large.candidates] == [
        row["chosen"] for row in plain.candidates
    ]
    np.testing.assert_allclose(large.probabilities, plain.probabilities, atol=2e-5)
    np.testing.assert_allclose(
        large.held_out.probabilities, plain.held_out.probabilities, atol=2e-5
    )
    for row, other in zip(large.candidates, plain.candidates, strict=True):
        assert row["macro_f1"] == pytest.approx(other["macro_f1"], abs=1e-3)
        assert row["log_loss"] == pytest.approx(other["log_loss"], abs=1e-5)


def test_tables_of_a_large_stack_are_not_copied(monkeypatch, draw):
    probabilities, labels = draw(3, 200, 4)
    monkeypatch.setattr(stack, "LARGE", 0)
    given = [own.copy() for own in probabilities]
    found = stack_members(given, labels)
    part = found.take(np.arange(0, 200, 3))
    assert all(own is table for own, table in zip(part.given, given, strict=True))
    np.testing.assert_array_equal(
        np.concatenate([block.probabilities for _, block in part.in_blocks()], axis=1),
        probabilities[:, ::3],
    )


def test_kept_logs_are_those_of_the_rows_and_lie_in_one_array(monkeypatch, draw):
    probabilities, labels = draw(3, 200, 7)
    expected = {floor: stack_members(probabilities, labels).logs(floor) for floor in (1e-6, 1e-3)}
    monkeypatch.setattr(stack, "LARGE", 0)
    monkeypatch.setattr(stack, "BLOCK", 3 * 7 * 64)
    kept = stack_members(probabilities, labels).with_logs(list(expected))
    assert [len(at) for at, _ in kept.held] == [64, 64, 64, 8]
    for floor, logs in expected.items():
        parts = kept.log_parts(floor)
        for at, own in parts:
            np.testing.assert_array_equal(own, logs[:, :, at])
        assert {id(own.base) for _, own in parts} == {id(parts[0][1].base)}
