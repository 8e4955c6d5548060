"""The stages of a stream, one after the other without Ray, answer as the ensemble does in one process."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from orchestrator.batch_inference.blocks import divided
from orchestrator.batch_inference.stages import (
    AskMembers,
    answers_of,
    dropped_behind,
    in_stream_order,
    read,
    row_of,
)
from orchestrator.inference.ensemble import Ensemble, ways_of
from tests.orchestrator.batch_inference.small import ensemble, photos


def test_they_answer_as_the_ensemble_does_bit_for_bit(tmp_path):
    trained = ensemble(tmp_path)
    listed = photos(tmp_path, 9, broken=(0, 4))
    ways, members = ways_of(trained), in_stream_order(trained)
    groups = [[own] for own in members]
    (block,) = divided(listed, trained)
    rows = read(pa.Table.from_pylist([row_of(block)]), ways, trained.bits)
    assert {"pixels 0", "pixels 1"} < set(rows.column_names)
    for parts, behind in zip(groups, dropped_behind(groups, ways), strict=True):
        rows = AskMembers([(own, 3) for own in parts], ways, behind, "cpu")(rows)
    assert rows.column_names == ["number", "problems", "member large", "member small"]
    number, problems, tables = answers_of(rows, 0, trained)
    expected = Ensemble(trained, "cpu").answers([own.place for own in listed], tables=True)
    assert (number, problems) == (0, expected.problems)
    for name, own in expected.tables.items():
        np.testing.assert_array_equal(tables[name], own)


def test_pixels_are_dropped_behind_the_last_member_that_sees_them(tmp_path):
    trained = ensemble(tmp_path)
    small, large = trained.members
    ways = [large.seen, small.seen]
    assert dropped_behind([[large], [small]], ways) == [[0], [1]]
    assert dropped_behind([[small, large], [small]], ways) == [[0], [1]]
    assert dropped_behind([[small], [large], [small]], ways) == [[], [0], [1]]


def test_a_row_of_photographs_that_cannot_be_read_has_no_probabilities(tmp_path):
    trained = ensemble(tmp_path)
    (block,) = divided(photos(tmp_path, 2, broken=(0, 1)), trained)
    rows = read(pa.Table.from_pylist([row_of(block)]), ways_of(trained), None)
    rows = AskMembers([(own, 3) for own in trained.members], ways_of(trained), [0, 1], "cpu")(rows)
    _, problems, tables = answers_of(rows, 0, trained)
    assert all(problems)
    assert {name: own.shape for name, own in tables.items()} == {"small": (0, 3), "large": (0, 3)}
