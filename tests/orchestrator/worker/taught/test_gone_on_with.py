"""What may be between a teacher's answers and its student: a kill, other tables, other rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ensembles.files.parquet import read_table, write_table
from orchestrator.errors import WrongRequest
from orchestrator.units.teachers.vote import answers
from tests.orchestrator.in_process import assert_same
from tests.orchestrator.worker.taught.students import of_fold


@pytest.mark.parametrize("name", ["student", "reader"])
def test_killed_after_an_epoch_a_student_ends_bit_for_bit_the_same(run, name, taught):
    whole, broken = (taught(run(which)) for which in ("whole", "broken"))
    (student,) = of_fold(whole, name)
    whole.train([student])
    with pytest.raises(KeyboardInterrupt):
        broken.train([student], stop_after=1)
    broken.train([student])
    assert broken.store.read_json(f"{student.path}/unit.json")["resumed_after_epoch"] == 1
    assert_same(whole.result(student), broken.result(student))


@pytest.mark.parametrize("how", ["others", "no table", "gone"])
def test_where_the_teachers_said_something_else_it_begins_again(run, how, taught):
    r = taught(run("r"))
    (student,) = of_fold(r, "student")
    with pytest.raises(KeyboardInterrupt):
        r.train([student], stop_after=1)
    path = f"{student.path}/teacher.parquet"
    if how == "others":
        table = pd.read_parquet(r.store.uri(path))
        table[["p0", "p1"]] = table[["p1", "p0"]].to_numpy()
        table.to_parquet(r.store.uri(path))
    elif how == "no table":
        r.store.write(path, b"no table")
    else:
        r.store.delete(path)
    r.train([student])
    assert r.store.read_json(f"{student.path}/unit.json")["resumed_after_epoch"] == 0
    assert r.store.exists(f"damaged/{student.path}/state.pt")
    assert any("answers were others then" in x["message"] for x in r.reports)


def test_answers_that_differ_in_their_last_digits_are_gone_on_with(run, taught):
    """As where weights were fitted on another machine."""
    r = taught(run("r"))
    (student,) = of_fold(r, "student")
    with pytest.raises(KeyboardInterrupt):
        r.train([student], stop_after=1)
    path = r.store.uri(f"{student.path}/teacher.parquet")
    table = read_table(path)
    moved = table.probabilities + np.array([3e-6, -3e-6], np.float32)
    write_table(path, replace(table, probabilities=moved.clip(0, 1)))
    r.train([student])
    assert r.store.read_json(f"{student.path}/unit.json")["resumed_after_epoch"] == 1
    assert (read_table(path).probabilities == moved.clip(0, 1)).all()


@pytest.mark.parametrize("how", ["changed", "gone", "record gone"])
def test_a_teacher_s_table_that_is_not_the_one_it_wrote_is_not_believed(run, how, taught):
    r = taught(run("r"))
    (student,) = of_fold(r, "student")
    teacher, other = r.units("one")[0], r.units("two")[0]
    path = f"{teacher.path}/oof.parquet"
    if how == "changed":
        r.store.write(path, r.store.read(f"{other.path}/oof.parquet"))
    else:
        r.store.delete(path if how == "gone" else f"{teacher.path}/unit.json")
    r.train([student])
    (failed,) = [x["message"] for x in r.reports if x["event"] == "failed"]
    assert "one" in failed
    assert "once more" in failed
    assert {"changed": "damaged"}.get(how, "is not complete") in failed


def test_rows_are_found_by_their_ids_and_other_ones_refused(run, taught):
    r = taught(run("r"))
    (student,) = of_fold(r, "reader")
    before = answers(student, r.photographs, r.store)
    turned = replace(
        r.photographs,
        train=r.photographs.train.iloc[::-1].reset_index(drop=True),
        test=r.photographs.test.iloc[::-1].reset_index(drop=True),
    )
    backwards = answers(student, turned, r.store)
    assert (backwards.rows[::-1] == before.rows).all()
    assert (backwards.test[::-1] == before.test).all()
    fewer = replace(r.photographs, train=r.photographs.train.iloc[1:].reset_index(drop=True))
    with pytest.raises(WrongRequest, match="not one for each of"):
        answers(student, fewer, r.store)
