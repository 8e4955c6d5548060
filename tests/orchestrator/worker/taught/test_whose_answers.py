"""Units that learn the vote of others: whose answers a row has, and whose labels are in them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

from ensembles.files.digests import sealed, unsealed
from members.batches.soft import tempered
from members.training import fit
from orchestrator.photographs.cache import cache_folder
from orchestrator.photographs.files import write_photographs
from orchestrator.photographs.table import in_fold
from orchestrator.units import unit as units
from orchestrator.units.teachers.vote import answers
from tests.members.pair import together
from tests.orchestrator.in_process import Work, assert_same, carry_out, work
from tests.orchestrator.worker.taught.students import FOLD, of_fold


def said(run, kind: str, fold: int) -> dict[str, pd.DataFrame]:
    """Member -> probabilities by image id of its networks that held out `fold`, the mean over seeds."""
    found = {}
    for name in ("one", "two"):
        tables = [
            pd.read_parquet(run.store.uri(f"{unit.path}/{kind}.parquet")).set_index("image_id")
            for unit in run.units(name)
            if unit.fold == fold
        ]
        found[name] = sum(table[["p0", "p1"]].astype(float) for table in tables) / len(tables)
    return found


def weight_of_one(run, folds: list[int]) -> float:
    """The share of `one` in the linear pool of least log-loss over the rows of `folds`, by brute force."""
    labels = run.photographs.train.set_index("image_id")["gender"]
    true = []
    for fold in folds:
        tables = said(run, "oof", fold)
        at = labels.loc[tables["one"].index].to_numpy()
        rows = np.arange(len(at))
        true.append([tables[name].to_numpy()[rows, at] for name in ("one", "two")])
    one, two = np.concatenate(true, axis=1)

    def loss(w: np.ndarray) -> float:
        return -np.log(w[0] * one + (1 - w[0]) * two).mean()

    starts = np.linspace(0, 1, 2001)
    best = min(starts, key=lambda w: loss(np.array([w])))
    found = minimize(loss, [best], bounds=[(0, 1)], options={"ftol": 1e-15, "gtol": 1e-12})
    return float(found.x[0])


def test_a_row_is_answered_by_networks_and_weights_that_never_saw_it(run, watched, taught):
    r = taught(run("r"), "student")
    (student,) = of_fold(r, "student")
    train = r.photographs.train
    rows, held_out = in_fold(train, FOLD)
    folds, ids = train["fold"].to_numpy()[rows], train["image_id"].to_numpy()[rows]
    soft = watched["train"].soft
    assert len(soft.shares) == len(rows) == len(watched["train"])
    assert len(watched["valid"]) == len(held_out)
    record = r.store.read_json(f"{student.path}/unit.json")
    written = pd.read_parquet(r.store.uri(f"{student.path}/teacher.parquet")).set_index("image_id")
    assert list(written.index) == list(ids)
    for fold in (0, 2):
        # of three folds one is left: neither the student's nor the one that is answered
        weight = weight_of_one(r, [2 - fold])
        own = said(r, "oof", fold)
        expected = weight * own["one"] + (1 - weight) * own["two"]
        mine = folds == fold
        expected = expected.loc[ids[mine]].to_numpy()
        assert written["p0"].to_numpy()[mine] == pytest.approx(expected[:, 0], abs=2e-4)
        by_hand = np.exp(np.log(expected) / 2)
        by_hand /= by_hand.sum(axis=1, keepdims=True)
        assert soft.shares[mine] == pytest.approx(by_hand, abs=2e-4)
        weights = record["teacher"]["weights"][str(fold)]
        assert weights == pytest.approx({"one": weight, "two": 1 - weight}, abs=2e-3)
    assert (soft.temperature, soft.hard, soft.labelled.all()) == (2, 0.3, True)
    assert list(watched["train"].labels) == list(train["gender"].to_numpy()[rows])
    # every table of the other folds was asked, and none of the student's own
    asked = record["teacher"]["tables"]
    assert len(asked) == 2 * 3
    assert not any(f"fold-{FOLD}" in path for path in asked)
    assert record["rows"]["train"] == len(rows)
    assert "teachers" not in record["member"]
    assert record["member"]["teacher"]["of"] is None
    assert set(record["teacher"]["teachers"]) == {"one", "two"}
    notes = [x["message"] for x in r.reports if x["event"] == "note"]
    assert len(notes) == 1
    assert notes[0].startswith(
        "student fold 1: it learns the weighted vote of its rows; mean weights one"
    )


def test_photos_to_predict_are_learnt_by_the_networks_of_the_fold_and_have_no_label(
    run, watched, taught
):
    r = taught(run("r"), "reader")
    rows, _ = in_fold(r.photographs.train, FOLD)
    train, n = watched["train"], len(rows)
    tables = said(r, "test", FOLD)
    mean = (tables["one"] + tables["two"]) / 2
    expected = mean.loc[r.photographs.test["image_id"]].to_numpy()
    assert len(train) == n + 20
    assert list(train.soft.labelled) == [True] * n + [False] * 20
    assert train.soft.shares[n:] == pytest.approx(tempered(expected, 3), abs=1e-5)
    assert list(train.labels[n:]) == list(expected.argmax(axis=1))
    record = r.store.read_json(f"{of_fold(r, 'reader')[0].path}/unit.json")["teacher"]
    assert record["unlabelled"] == 20
    assert record["test_weights"] == {"one": 0.5, "two": 0.5}
    tests = [path for path in record["tables"] if path.endswith("test.parquet")]
    assert len(tests) == 3
    assert all(f"fold-{FOLD}" in path for path in tests)


def test_a_teacher_that_says_the_labels_teaches_what_cross_entropy_does(run, watched, taught):
    """At temperature 1 the divergence from certain answers is the cross entropy of those answers."""
    r = taught(run("r"))
    member = r.spec.member("student")
    recipe = member.recipe.model_copy(update={"mixing": None})
    member = member.model_copy(update={"recipe": recipe})
    block = member.teacher.model_copy(update={"temperature": 1.0, "hard": 0.0})
    student = member.model_copy(update={"teacher": block})
    plain = member.model_copy(update={"teacher": None, "teachers": ()})

    def certain(unit, photographs, store):
        found = answers(unit, photographs, store)
        labels = photographs.train["gender"].to_numpy()[in_fold(photographs.train, FOLD)[0]]
        return replace(found, rows=np.eye(2, dtype=np.float32)[labels])

    both = [units.of_member(own, r.photographs)[FOLD] for own in (student, plain)]
    with mock.patch("orchestrator.worker.students.answers", certain):
        r.train(both)
    mine, theirs = map(r.result, both)
    assert mine[1]["p0"].to_numpy() == pytest.approx(theirs[1]["p0"].to_numpy(), abs=1e-4)


# -- the leak that there is ----------------------------------------------------------------------------


def relabelled(run, name: str):
    """A run of the same photographs in the same folds, the labels of one fold's rows permuted."""
    other = run(name)
    frame = other.photographs.train.copy()
    rows = np.flatnonzero(frame["fold"] == FOLD)
    turned = np.random.default_rng(0).permutation(rows)
    for column in ("label", "mask", "gender", "age", "age_years"):
        frame.loc[frame.index[rows], column] = frame[column].to_numpy()[turned]
    assert (frame["gender"] != other.photographs.train["gender"]).any()
    other.photographs = replace(other.photographs, train=frame)
    write_photographs(other.photographs, other.store)
    return other


def handed_on(mine, theirs) -> None:
    """Give the second run the units that the first one's teachers trained, as if they were its own."""
    for name in ("one", "two"):
        for own, other in zip(mine.units(name), theirs.units(name), strict=True):
            folder = Path(theirs.store.uri(other.path))
            shutil.copytree(mine.store.uri(own.path), folder)
            values = unsealed(theirs.store.read_json(f"{other.path}/unit.json"))
            theirs.store.write_json(
                f"{other.path}/unit.json", sealed({**values, "hash": other.hash})
            )


@pytest.mark.parametrize("name", ["student", "reader"])
def test_a_fold_s_labels_reach_its_student_through_the_teachers_networks_alone(run, name, taught):
    """With the same tables of the teachers other labels change neither what is taught nor the network."""
    truth, lied = taught(run("truth"), name), relabelled(run, "lied")
    handed_on(truth, lied)
    (mine,), (theirs,) = of_fold(truth, name), of_fold(lied, name)
    lied.train([theirs])
    assert [r["message"] for r in lied.reports if r["event"] == "failed"] == []
    assert mine.hash != theirs.hash
    assert_same(truth.result(mine)[:1], lied.result(theirs)[:1])
    one, other = truth.result(mine), lied.result(theirs)
    for table in (1, 2):
        assert (one[table]["p0"].to_numpy() == other[table]["p0"].to_numpy()).all()
    assert (one[1]["label"].to_numpy() != other[1]["label"].to_numpy()).any()


def test_and_through_those_they_do(run, taught):
    """Why the student's OOF score is flattered: teachers of its rows were trained on its fold's labels."""
    truth, lied = run("truth"), relabelled(run, "lied")
    found = []
    for r in (truth, lied):
        taught(r)
        found.append(
            [answers(of_fold(r, n)[0], r.photographs, r.store) for n in ("student", "reader")]
        )
    (student, reader), (student_lied, reader_lied) = found
    assert (student.rows != student_lied.rows).mean() > 0.9
    # the networks of the fold itself never saw them
    assert (reader.test == reader_lied.test).all()


# -- several processes a unit ----------------------------------------------------------------------


def train_together(ranks, plan: Work) -> list:
    """Of each rank what it was taught, and what it reported."""
    seen: list = []
    fitted = fit.fit

    def watch(recipe, train, *rest, **how):
        seen.append(train.soft.shares.tolist())
        return fitted(recipe, train, *rest, **how)

    reports: list[dict] = []
    with mock.patch.object(fit, "fit", watch):
        carry_out(plan, reports.append, ranks)
    return [*seen, [f"{r['event']} {r['message']}" for r in reports]]


@pytest.mark.slow
def test_ranks_that_train_a_unit_together_are_taught_as_one_alone(run, tmp_path, watched, taught):
    alone, pair = (taught(run(name)) for name in ("alone", "pair"))
    (student,) = of_fold(alone, "reader")
    alone.train([student])
    plan = work(pair.store, [student], cache_folder(), workers=2)
    first, second = together(train_together, tmp_path, plan)
    assert first == second
    shares, reported = first
    assert shares == watched["train"].soft.shares.tolist()
    assert reported[-1].startswith("done")
    records = [r.store.read_json(f"{student.path}/unit.json") for r in (alone, pair)]
    assert records[0]["teacher"] == records[1]["teacher"]
    losses = [record["history"][0]["train_loss"] for record in records]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
