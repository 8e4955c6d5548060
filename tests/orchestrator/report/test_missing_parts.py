"""What a run does not have makes a sentence; what is damaged is named; truth; votes of other tables."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console
from sklearn.metrics import f1_score

import ensembles
from ensembles.files.digests import write_sums
from ensembles.voting.record import VoteRecord
from members.data.codec import Codec
from orchestrator.commands.pages.report import report_beside, write_report
from orchestrator.commands.run import ballot_of
from orchestrator.errors import BAD_INPUT, WrongRequest
from orchestrator.runs.store import Store
from tests.orchestrator.report.conftest import page_of
from tests.orchestrator.report.made import TARGETS, Made, cast_into, run_of


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


def test_tables_too_large_for_memory_are_not_read(copied, monkeypatch):
    monkeypatch.setattr("ensembles.large.footers.too_large", lambda *_: True)
    page = page_of(copied)
    assert "too large to be looked at row by row" in page.texts["confusion"]
    assert "three" in {row[0] for row in page.tables["Members and votes"]}
    assert "it is" in page.texts["choice"]


def test_a_vote_over_the_rows_that_all_members_have(copied, command):
    """A member with finished folds only is in the vote: the page is of the rows that voted."""
    _make_partial(copied, "three", folds=[0, 1])
    code, out, err = command("vote", "--run", str(copied), "--mode", "soft", "--common-rows")
    assert code == 0, err
    assert "the report was not written" not in out
    page = page_of(copied)
    counted = sum(int(cell or 0) for row in page.tables["All classes"] for cell in row[1:-1])
    assert counted == 60
    assert "of 60 of 90 OOF rows" in page.texts["leaderboard"]
    assert "not compared row by row: three" in page.texts["leaderboard"]
    assert "three" in page.texts["members"]


def _make_partial(run, member: str, folds: list[int]) -> None:
    table = ensembles.read_table(run / f"tables/{member}/oof.parquet")
    own = table.take(np.isin(table.fold, folds))
    shutil.copytree(run / f"tables/{member}", run / f"partial/{member}")
    shutil.rmtree(run / f"tables/{member}")
    ensembles.write_table(run / f"partial/{member}/oof.parquet", own)
    told = {"folds": folds, "n_folds": 3, "rows": len(own.ids), "n_rows": len(table.ids)}
    (run / f"partial/{member}/folds.json").write_text(json.dumps(told))
    used = {"select": "best", "epochs": {f"fold-{fold}": 4 for fold in folds}}
    (run / f"partial/{member}/epochs.json").write_text(json.dumps(used))


def _list_with_labels(run, truth: np.ndarray) -> None:
    """As a run has it whose list of photographs to predict has a label for some; -1: none."""
    codec = Codec({name: tuple(values) for name, values in TARGETS})
    (run / "targets.json").write_text(codec.to_json())
    ids = [f"test-{i}" for i in range(len(truth))]
    pq.write_table(pa.table({"image_id": ids[::-1], "label": truth[::-1]}), run / "test.parquet")


def test_labels_that_the_list_of_photographs_has_are_taken(tmp_path):
    """Ten of thirty, in another order of rows; the test tables know none."""
    run = Made(search=False, photos=False).write(tmp_path / "e")
    cast_into(run)
    truth = np.where(np.arange(30) % 3 == 0, np.arange(30) % 4, -1)
    _list_with_labels(run, truth)
    page = page_of(run)
    answers = ensembles.read_table(run / "votes/soft/probabilities.parquet").probabilities
    there = np.flatnonzero(truth >= 0)
    guess = answers.argmax(axis=1)[there]
    expected = f1_score(truth[there], guess, average="macro", labels=range(4), zero_division=0)
    assert (
        f"On the 10 test rows with a known truth it scores macro F1 {expected:.4f}"
        in page.texts["choice"]
    )
    (row,) = (row for row in page.tables["Members and votes"] if row[0] == "soft")
    assert row[5].startswith(f"{expected:.4f} ±")
    assert "that the run was given (10 of 30 photographs have one)" in page.texts["leaderboard"]


def test_a_list_without_labels_says_nothing_and_a_truth_goes_before_it(tmp_path):
    run = Made(search=False, photos=False).write(tmp_path / "e")
    cast_into(run)
    _list_with_labels(run, np.full(30, -1))
    assert "The truth of the test part is not known" in page_of(run).texts["choice"]
    _list_with_labels(run, np.zeros(30, int))
    given = tmp_path / "truth.csv"
    given.write_text("ImageID,ans\n" + "".join(f"test-{i},{i % 4}\n" for i in range(30)))
    assert str(given) in page_of(run, truth=given).texts["leaderboard"]


def test_beside_a_vote_its_tables_are_not_read_again_and_the_page_is_the_same(copied, monkeypatch):
    run = run_of(copied)
    expected = Path(write_report(run, vote="soft")["report"]).read_text()
    members = list(VoteRecord.from_json((copied / "votes/soft/vote.json").read_bytes(), "").weights)
    ballot, read, read_table = ballot_of(run, members), [], ensembles.read_table

    def counted(place, *options):
        read.append(Path(place).parent.parent.name)
        return read_table(place, *options)

    monkeypatch.setattr(ensembles, "read_table", counted)
    found = write_report(run, vote="soft", ballot=ballot)
    assert Path(found["report"]).read_text() == expected
    assert "votes" in read
    assert "tables" not in read
