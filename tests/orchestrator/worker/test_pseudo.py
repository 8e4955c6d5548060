"""Units that learn test photographs: who labels them, who could not have, and what is trained on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import pytest

from ensembles.files.digests import sealed, unsealed
from ensembles.files.parquet import read_table
from members.batches.statistics import pixel_statistics
from members.pixels import cache
from members.training import fit
from orchestrator.errors import WrongRequest
from orchestrator.photographs.cache import cache_folder
from orchestrator.photographs.files import write_photographs
from orchestrator.photographs.table import codec_of, in_fold
from orchestrator.units import unit as units
from orchestrator.units.teachers.pseudo import pseudo_labels, taken
from tests.members.pair import together
from tests.orchestrator.in_process import Work, assert_same, carry_out, runs, work

SPEC = """\
name: w
data: {train: photos/train, test: photos/eval}
folds: {k: 3}
defaults: {image_size: [32, 32], epochs: 2, batch_size: 32, select: last}
members:
  - {name: one, model: test_resnet, targets: [gender]}
  - {name: two, model: test_efficientnet, targets: [gender], epochs: 1, seeds: [1, 2]}
  - name: student
    model: test_resnet
    targets: [gender]
    pseudo: {of: [one, two], at_least: 0.52}
    sampling: {balance: class}
    class_weights: balanced
    normalize: computed
    sizes: [[16, 16], [32, 32]]
"""
FOLD = 1


@pytest.fixture
def run(tmp_path, eighteen_people, monkeypatch):
    return runs(SPEC, tmp_path, eighteen_people, monkeypatch)


def of_fold(run, *names: str) -> list[units.Unit]:
    return [unit for name in names for unit in run.units(name) if unit.fold == FOLD]


def trained(run, *names: str):
    run.train(of_fold(run, *names))
    assert [r["message"] for r in run.reports if r["event"] == "failed"] == []
    return run


@pytest.fixture
def watched(monkeypatch) -> dict:
    """What `fit` was given last."""
    seen, fitted = {}, fit.fit

    def watch(recipe, train, valid, *rest, **how):
        seen.update(recipe=recipe, train=train, valid=valid)
        return fitted(recipe, train, valid, *rest, **how)

    monkeypatch.setattr(fit, "fit", watch)
    return seen


def by_hand(run, at_least: float) -> pd.DataFrame:
    """The mean of `one` and of the mean of `two`'s seeds, of the networks of the fold alone."""
    tables = [
        pd.read_parquet(run.store.uri(f"{unit.path}/test.parquet"))
        for unit in of_fold(run, "one", "two")
    ]
    one, first, second = (table[["p0", "p1"]].to_numpy(float) for table in tables)
    mean = (one / 2 + first / 4 + second / 4).astype(np.float32)
    frame = tables[0][["image_id"]].assign(label=mean.argmax(1), probability=mean.max(1))
    return frame[frame["probability"] >= np.float32(at_least)]


def test_a_student_learns_its_own_rows_and_what_the_fold_s_networks_are_sure_of(run, watched):
    r = trained(run("r"), "one", "two", "student")
    (student,) = of_fold(r, "student")
    expected = by_hand(r, 0.52)
    assert 0 < len(expected) < 20, "a bound that parts the test photos"
    written = pd.read_csv(r.store.uri(f"{student.path}/pseudo.csv"))
    names = list(codec_of(student.member, r.photographs.codec).classes)
    assert list(written["image_id"]) == list(expected["image_id"])
    assert list(written["class"]) == [names[label] for label in expected["label"]]
    assert written["probability"].to_numpy() == pytest.approx(expected["probability"].to_numpy())

    train, frame = watched["train"], r.photographs.train
    rows, held_out = in_fold(frame, FOLD)
    own = frame["gender"].to_numpy()[rows]
    assert list(train.labels) == [*own, *expected["label"]]
    assert len(watched["valid"]) == len(held_out)
    # each photograph with its own pixels, in both sizes
    photographs = r.photographs
    at = [list(photographs.test["image_id"]).index(name) for name in expected["image_id"]]
    for size in ((32, 32), (16, 16)):
        sized = train.in_size(size)
        assert (sized.read(np.arange(len(rows))) == decoded(r, "train", size)[rows]).all()
        others = np.arange(len(rows), len(train))
        assert (sized.read(others) == decoded(r, "test", size)[at]).all()
    # and all of them in the statistics of the pixels
    assert watched["recipe"].normalize == pixel_statistics(train)

    record = r.store.read_json(f"{student.path}/unit.json")
    counts = np.bincount(expected["label"], minlength=2)
    assert record["rows"]["train"] == len(rows) + len(expected)
    assert record["pseudo"]["of"] == 20
    assert record["pseudo"]["taken"] == len(expected)
    assert record["pseudo"]["by_class"] == dict(zip(names, counts.tolist(), strict=True))
    assert set(record["pseudo"]["teachers"]) == {"one", "two"}
    assert len(record["pseudo"]["tables"]) == 3
    assert "teachers" not in record["member"]
    said = [x["message"] for x in r.reports if x["event"] == "note"]
    assert said == [
        f"student fold 1: {len(expected)} of 20 photos to predict are learnt from, labelled by one and "
        f"two: {', '.join(f'{n} {c}' for n, c in zip(names, counts, strict=True) if c)}"
    ]


def decoded(run, part: str, size: tuple[int, int]) -> np.ndarray:
    frame = run.photographs.train if part == "train" else run.photographs.test
    return np.asarray(
        cache.pixels(
            frame["path"].tolist(), frame["digest"].tolist(), size=size, crop=None,
            folder=cache_folder(),
        )
    )  # fmt: skip


def test_where_nobody_is_sure_a_unit_trains_without_and_says_so(run):
    r = run("r")
    member = r.spec.member("student")
    sure = member.model_copy(
        update={"pseudo": member.pseudo.model_copy(update={"at_least": 0.9999})}
    )
    plain = sure.model_copy(update={"pseudo": None, "teachers": ()})
    trained(r, "one", "two")
    both = [units.of_member(own, r.photographs)[FOLD] for own in (sure, plain)]
    r.train(both)
    assert_same(*map(r.result, both))
    record = r.store.read_json(f"{both[0].path}/unit.json")
    assert record["pseudo"]["taken"] == 0
    (said,) = [x["message"] for x in r.reports if x["event"] == "note"]
    assert said == (
        "student fold 1: no class of any of the 20 photos to predict has 0.9999 or more by one and two, "
        "so it learns from labelled photos only"
    )


# -- the leak that there must not be ---------------------------------------------------------------


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


def test_other_labels_of_a_fold_change_nothing_of_its_teachers_labels_and_of_its_student(run):
    truth, lied = run("truth"), relabelled(run, "lied")
    for r in (truth, lied):
        trained(r, "one", "two", "student")
    for mine, theirs in zip(
        *(of_fold(r, "one", "two", "student") for r in (truth, lied)), strict=True
    ):
        assert mine.hash != theirs.hash, "other labels are other units"
        own, others = truth.result(mine), lied.result(theirs)
        assert_same(own[:1], others[:1])  # the weights
        columns = own[2].filter(regex="^p").columns
        assert (own[2][columns].to_numpy() == others[2][columns].to_numpy()).all()
        assert (own[1][columns].to_numpy() == others[1][columns].to_numpy()).all()
        assert (own[1]["label"].to_numpy() != others[1]["label"].to_numpy()).any()
    csv = [r.store.read(f"{of_fold(r, 'student')[0].path}/pseudo.csv") for r in (truth, lied)]
    assert csv[0] == csv[1]
    assert csv[0].count(b"\n") > 2, "some are learnt from, or nothing is shown"


def test_the_mean_over_all_folds_networks_would_have_seen_them(run):
    """What the test above could not find, if it found nothing: the usual way leaks."""
    truth, lied = run("truth"), relabelled(run, "lied")
    means = []
    for r in (truth, lied):
        every = r.units("one")
        r.train(every)
        tables = [read_table(r.store.uri(f"{u.path}/test.parquet")).probabilities for u in every]
        means.append(np.mean(tables, axis=0))
    assert (means[0] != means[1]).mean() > 0.9
    labels = [mean.argmax(1) for mean in means]
    assert (labels[0] != labels[1]).any()


# -- what may be between -------------------------------------------------------------------------------


def test_killed_after_an_epoch_a_student_ends_bit_for_bit_the_same(run):
    whole, broken = run("whole"), run("broken")
    for r in (whole, broken):
        trained(r, "one", "two")
    (student,) = of_fold(whole, "student")
    whole.train([student])
    with pytest.raises(KeyboardInterrupt):
        broken.train([student], stop_after=1)
    broken.train([student])
    assert broken.store.read_json(f"{student.path}/unit.json")["resumed_after_epoch"] == 1
    assert_same(whole.result(student), broken.result(student))


def test_where_the_teachers_say_something_else_by_then_it_begins_again(run):
    r = trained(run("r"), "one", "two")
    (student,) = of_fold(r, "student")
    with pytest.raises(KeyboardInterrupt):
        r.train([student], stop_after=1)
    path = f"{student.path}/pseudo.csv"
    r.store.write(path, r.store.read(path) + b"another,male,0.9\n")
    r.train([student])
    record = r.store.read_json(f"{student.path}/unit.json")
    assert record["resumed_after_epoch"] == 0
    assert r.store.exists(f"damaged/{student.path}/state.pt")
    assert any("answers were others then" in x["message"] for x in r.reports)
    assert b"another" not in r.store.read(path)


@pytest.mark.parametrize("how", ["changed", "gone", "record gone", "of other photos"])
def test_a_teacher_s_table_that_is_not_the_one_it_wrote_is_not_believed(run, how):
    r = trained(run("r"), "one", "two")
    (student,), (teacher,) = of_fold(r, "student"), of_fold(r, "one")
    path, record = f"{teacher.path}/test.parquet", f"{teacher.path}/unit.json"
    if how == "changed":
        other = of_fold(r, "two")[0]
        r.store.write(path, r.store.read(f"{other.path}/test.parquet"))
    elif how == "of other photos":
        values = unsealed(r.store.read_json(record))
        r.store.write_json(record, sealed({**values, "test_hash": "0" * 16}))
    else:
        r.store.delete(path if how == "gone" else record)
    r.train([student])
    (failed,) = [x["message"] for x in r.reports if x["event"] == "failed"]
    assert "one" in failed
    assert "once more" in failed
    words = {"changed": "damaged", "of other photos": "other photos to predict"}
    assert words.get(how, "is not complete") in failed
    assert not Path(r.store.uri(f"{student.path}/state.pt")).exists()


def test_a_teacher_s_rows_are_found_by_their_ids_and_other_ones_refused(run):
    r = trained(run("r"), "one", "two")
    (student,) = of_fold(r, "student")
    before = pseudo_labels(student, r.photographs, r.store)
    turned = r.photographs.test.iloc[::-1].reset_index(drop=True)
    backwards = pseudo_labels(student, replace(r.photographs, test=turned), r.store)
    n = len(turned)
    assert dict(zip(n - 1 - backwards.rows, backwards.labels, strict=True)) == dict(
        zip(before.rows, before.labels, strict=True)
    )
    fewer = replace(r.photographs, test=turned.iloc[1:])
    with pytest.raises(WrongRequest, match="other photos to predict"):
        pseudo_labels(student, fewer, r.store)


# -- several processes a unit ----------------------------------------------------------------------


def train_together(ranks, plan: Work) -> list[list]:
    """Of each rank the labels that it was given to learn, and what it reported."""
    seen: list[list] = []
    fitted = fit.fit

    def watch(recipe, train, *rest, **how):
        seen.append([int(label) for label in train.labels])
        return fitted(recipe, train, *rest, **how)

    reports: list[dict] = []
    with mock.patch.object(fit, "fit", watch):
        carry_out(plan, reports.append, ranks)
    return [*seen, [f"{r['event']} {r['message']}" for r in reports]]


@pytest.mark.slow
def test_ranks_that_train_a_unit_together_learn_the_same_photographs_as_one_alone(
    run, tmp_path, watched
):
    alone, pair = (trained(run(name), "one", "two") for name in ("alone", "pair"))
    (student,) = of_fold(alone, "student")
    alone.train([student])
    plan = work(pair.store, [student], cache_folder(), workers=2)
    first, second = together(train_together, tmp_path, plan)
    assert first == second
    labels, reported = first
    assert labels == list(watched["train"].labels)
    assert reported[-1].startswith("done")
    records = [r.store.read_json(f"{student.path}/unit.json") for r in (alone, pair)]
    assert records[0]["pseudo"] == records[1]["pseudo"]
    assert [record["workers"] for record in records] == [1, 2]


# -- the arithmetic ------------------------------------------------------------------------------------


def test_teachers_count_alike_however_many_seeds_they_have():
    sure = np.array([[1.0, 0.0], [0.8, 0.2]], np.float32)
    unsure = np.array([[0.5, 0.5], [0.5, 0.5]], np.float32)
    rows, labels, probabilities = taken([[sure], [unsure, unsure, unsure]], 0.7)
    assert list(rows) == [0]
    assert list(labels) == [0]
    assert list(probabilities) == [0.75]


def test_a_bound_that_a_table_has_to_the_digit_is_reached_and_the_first_of_equals_is_the_class():
    table = np.array([[0.1, 0.9], [0.11, 0.89], [0.5, 0.5]], np.float32)
    assert list(taken([[table]], 0.9)[0]) == [0]
    assert [list(found) for found in taken([[table]], 0.5)[:2]] == [[0, 1, 2], [1, 1, 0]]
