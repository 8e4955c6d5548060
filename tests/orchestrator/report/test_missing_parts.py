"""What a run does not have makes a sentence; what is damaged is named; truth; votes of other tables."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console
from sklearn.metrics import f1_score

import ensembles
from ensembles.files.digests import write_sums
from orchestrator.commands.report import report_beside, write_report
from orchestrator.errors import BAD_INPUT, WrongRequest
from orchestrator.runs.store import Store
from tests.orchestrator.report.conftest import page_of
from tests.orchestrator.report.made import Made, cast_into, run_of


def test_a_run_without_search_units_photographs_and_test_part(tmp_path):
    run = Made(search=False, units=False, photos=False, test=0, targets=[]).write(tmp_path / "e")
    cast_into(run)
    page = page_of(run)
    assert "This run has no search" in page.texts["search"]
    assert "There are no curves" in page.texts["curves"]
    assert "cannot be shown" in page.texts["hardest"]
    assert "moved" in page.texts["hardest"]
    assert "test macro F1" not in page.texts["leaderboard"]
    assert not [own for tag, own in page.tags if tag == "img"]


def test_before_any_vote_the_mean_of_the_members_stands_in_for_it(copied):
    shutil.rmtree(copied / "votes")
    page = page_of(copied)
    assert "No vote was cast yet" in page.texts["choice"]
    assert "No vote was cast yet" in page.texts["members"]
    assert "the plain mean of the members" in page.texts["confusion"]
    assert {row[0] for row in page.tables["Members and votes"]} == {"one", "two", "three"}


def test_nothing_trained_yet(copied):
    for name in ("votes", "tables", "units", "search"):
        shutil.rmtree(copied / name)
    page = page_of(copied)
    assert "Nothing is trained to its end yet" in page.texts["leaderboard"]
    for key in (
        "confusion",
        "f1",
        "correlation",
        "reliability",
        "cost",
        "folds",
        "hardest",
        "labels",
    ):
        assert "No member has out-of-fold tables" in page.texts[key]


def test_a_vote_without_out_of_fold_tables(tmp_path):
    run = Made(search=False, photos=False).write(tmp_path / "e")
    for member in ("one", "two", "three"):
        (run / f"tables/{member}/oof.parquet").unlink()
    cast_into(run)
    page = page_of(run)
    assert "There are no out-of-fold tables" in page.texts["confusion"]
    assert "compared with nothing" in page.texts["choice"]


def test_one_member(tmp_path):
    run = Made(members=("one",)).write(tmp_path / "e")
    cast_into(run)
    page = page_of(run)
    assert "one member only" in page.texts["correlation"]
    assert "the only member" in page.texts["members"]


def test_a_vote_of_an_earlier_version_has_no_held_out_rows_and_the_page_says_so(copied):
    vote = cast_into(copied, "weighted", objective="log_loss")
    vote.oof_ids = None  # as if it had not been kept
    vote.write(str(copied / "votes/weighted"))
    page = page_of(copied, vote="weighted")
    assert "fitted to these rows, too" in page.texts["confusion"]
    guess = vote.rule.apply(np.stack([own.probabilities for own in _oof(copied, vote).values()]))
    label = _oof(copied, vote)["one"].label
    hits = int((guess.argmax(axis=1) == label).sum())
    shown = sum(int(row[k + 1].strip() or 0) for k, row in enumerate(page.tables["All classes"]))
    assert shown == hits


def _oof(run, vote):
    tables = ensembles.read_members(str(run / "tables"), "oof", ["one", "two", "three"])
    return ensembles.align({name: tables[name] for name in vote.weights}, "oof")


def test_votes_of_other_tables_are_marked(copied):
    cast_into(copied, "hard")
    place = copied / "tables/three/oof.parquet"
    table = ensembles.read_table(place)
    ensembles.write_table(place, replace(table, probabilities=table.probabilities[:, ::-1].copy()))
    page = page_of(copied)
    names = {row[0] for row in page.tables["Members and votes"]}
    assert {"hard *", "soft *"} <= names
    assert "of other tables than the run has now" in page.texts["leaderboard"]
    assert "of other tables than the run has now" in page.texts["choice"]
    assert "the plain mean of the members" in page.texts["confusion"]


@pytest.mark.parametrize("by_file", [True, False])
def test_where_the_truth_is_known_the_test_part_is_scored(tmp_path, by_file):
    run = Made(test_labels=not by_file, search=False, photos=False).write(tmp_path / "e")
    cast_into(run)
    truth = np.arange(30) % 4
    given = None
    if by_file:
        given = tmp_path / "truth.csv"
        given.write_text("ImageID,ans\n" + "".join(f"test-{i},{k}\n" for i, k in enumerate(truth)))
    page = page_of(run, truth=given)
    answers = ensembles.read_table(run / "votes/soft/probabilities.parquet").probabilities
    expected = f1_score(truth, answers.argmax(axis=1), average="macro")
    assert (
        f"On the 30 test rows with a known truth it scores macro F1 {expected:.4f}"
        in page.texts["choice"]
    )
    (row,) = (row for row in page.tables["Members and votes"] if row[0] == "soft")
    assert row[5].startswith(f"{expected:.4f} ±")


def test_a_truth_of_other_photographs_is_refused(made, tmp_path):
    (tmp_path / "truth.csv").write_text("ImageID,ans\nsomebody,1\n")
    with pytest.raises(BAD_INPUT, match="somebody"):
        write_report(run_of(made), truth=tmp_path / "truth.csv")


def test_a_vote_that_is_not_there_is_refused_with_those_that_are(made):
    with pytest.raises(WrongRequest, match="it has: soft"):
        write_report(run_of(made), vote="sofd")


def test_a_damaged_table_is_named_and_no_page_is_written(copied):
    (copied / "report.html").unlink(missing_ok=True)
    write_sums(copied / "tables/one", {"oof.parquet": "0" * 64})
    with pytest.raises(BAD_INPUT, match=r"tables/one/oof\.parquet"):
        write_report(run_of(copied))
    assert not (copied / "report.html").exists()


def test_a_damaged_vote_is_named(copied):
    (copied / "votes/soft/held_out.parquet").write_bytes(b"no table")
    with pytest.raises(BAD_INPUT, match=r"held_out\.parquet"):
        write_report(run_of(copied))


def test_beside_another_command_a_failure_is_a_note(copied, capsys):
    def fails():
        raise ZeroDivisionError("no page")

    report_beside(fails, Store(copied), Console(width=300))
    said = capsys.readouterr().out
    assert "note: the report was not written (ZeroDivisionError: no page)" in said
    assert "report " + str(copied) in said


def test_damaged_and_lost_photographs_are_no_failure(tmp_path):
    run = Made(search=False, units=False).write(tmp_path / "e")
    cast_into(run)
    photos = sorted((run / "photos").iterdir())
    for i, path in enumerate(photos):
        if i % 3 == 0:
            path.write_bytes(path.read_bytes()[:60])
        elif i % 3 == 1:
            path.unlink()
    page = page_of(run)
    assert "moved" in page.texts["hardest"]
    assert "cannot be read" in page.texts["hardest"]


def test_of_many_classes_the_pairs_confused_most_are_listed(tmp_path):
    names = tuple(f"class {k}" for k in range(60))
    run = Made(classes=names, targets=[], rows=360, test=0, search=False, photos=False).write(
        tmp_path / "e"
    )
    cast_into(run)
    page = page_of(run)
    rows = page.tables["All classes: pairs confused most"]
    counts = [int(row[2]) for row in rows]
    assert counts == sorted(counts, reverse=True)
    assert all(row[0] != row[1] for row in rows)
