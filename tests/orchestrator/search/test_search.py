"""Candidates are drawn, stopped by ASHA, and remembered across calls."""

from __future__ import annotations

import csv
import io
import itertools
import json

import numpy as np
import pytest

from orchestrator.progress.board import Board
from orchestrator.running.budget import Budget
from orchestrator.running.schedule import Schedule
from orchestrator.running.watch import Watch
from orchestrator.runs.store import Store
from orchestrator.search.candidates import MemberSearch
from orchestrator.spec.search import Search
from orchestrator.units.unit import of_member
from tests.orchestrator.search.played import EPOCHS, SEARCH, member, run


@pytest.fixture
def make(tmp_path, photographs):
    def make(clock=None, **changes):
        search = Search(**{**SEARCH, **changes})
        timed = {} if clock is None else {"clock": clock}
        return MemberSearch(member("m"), search, photographs, Store(tmp_path), **timed)

    return make


def successive_halving(curves: list[list[float]], rungs=(2, 4)) -> list[int]:
    """ASHA by hand: epochs that each candidate runs, in the order they come."""
    seen: dict[int, list[float]] = {rung: [] for rung in rungs}
    epochs = []
    for curve in curves:
        for epoch, score in enumerate(curve, start=1):
            before = seen.get(epoch)
            if before is None:
                continue
            stops = bool(before) and score < np.percentile(before, 50)
            before.append(score)
            if stops:
                break
        epochs.append(epoch)
    return epochs


def test_asha_stops_whom_successive_halving_by_hand_stops(make):
    rng = np.random.default_rng(3)
    curves = [np.maximum.accumulate(c).tolist() for c in rng.random((6, EPOCHS))]
    search = make()
    run(search, curves)
    assert [c.epochs for c in search.candidates] == successive_halving(curves)
    assert {c.state for c in search.candidates} == {"done", "stopped"}


def test_a_stop_is_recorded_with_rung_cutoff_and_score(make, tmp_path):
    search = make(candidates=2)
    run(search, [[0.5] * EPOCHS, [0.1, 0.25] + [0.3] * 6])
    rows = list(csv.DictReader(io.StringIO((tmp_path / "search/m.csv").read_text())))
    assert [row["state"] for row in rows] == ["done", "stopped"]
    assert [row["epochs"] for row in rows] == [str(EPOCHS), "2"]
    for part in ("rung 2", "0.2500", "0.5000"):
        assert part in rows[1]["reason"]


def test_a_candidate_in_its_last_epoch_is_never_stopped(make):
    search = make(candidates=2)
    curves = [[0.5] * EPOCHS, [0.5] * (EPOCHS - 1) + [0.1]]
    run(search, curves)
    assert [c.state for c in search.candidates] == ["done", "done"]


def test_the_best_finished_candidate_wins_and_loss_is_minimised(make):
    search = make(candidates=3, metric="loss", asha={"grace_epochs": EPOCHS})
    run(search, [[0.9] * EPOCHS, [0.4] * EPOCHS, [0.6] * EPOCHS])
    assert search.is_over()
    assert search.winner().number == 1


def test_a_failed_candidate_never_wins_and_none_may_be_left(make):
    search = make(candidates=2)
    for _ in range(2):
        candidate, _ = search.ask()
        search.epoch(candidate.number, 1, 0.9)
        search.ended(candidate.number, "failed", "the loss became nan in epoch 2 at lr 0.01")
    assert search.is_over()
    assert search.winner() is None
    assert "nan" in search.candidates[0].reason


def test_an_interrupted_search_goes_on_where_it_was(make):
    """The same candidates as an uninterrupted one; the running one is proposed again first."""
    whole = make()
    drawn = [whole.ask()[0].settings for _ in range(6)]

    first = make(seed=0)
    # a new object over the same folder stands for a new process
    assert [c.settings for c in first.candidates] == drawn
    again = [first.ask()[0] for _ in range(6)]
    assert [c.settings for c in again] == drawn
    assert first.ask() is None
    for candidate in again:
        for epoch in range(1, EPOCHS + 1):
            first.epoch(candidate.number, epoch, 0.1 + 0.1 * candidate.number)
        first.ended(candidate.number, "done", "")
    last = make()
    assert last.is_over()
    assert last.winner().settings == drawn[5]


def test_a_changed_space_starts_a_new_search(make):
    run(make(), [[0.5] * EPOCHS] * 6)
    assert make().is_over()
    assert make(space={"lr": {"uniform": [0.1, 0.2]}}).candidates == []


def test_candidates_never_repeat_and_a_small_space_ends_the_search(make):
    search = make(space={"loss": {"choice": ["f1", "focal"]}}, candidates=5)
    run(search, [[0.5] * EPOCHS] * 5)
    assert sorted(c.settings["loss"] for c in search.candidates) == ["f1", "focal"]
    assert search.is_over()


def test_a_grid_is_gone_through_in_its_order_and_capped(make):
    space = {"loss": {"choice": ["f1", "focal"]}, "batch_size": {"quniform": [8, 24, 8]}}
    search = make(space=space, sampler="grid", candidates=None)
    run(search, [[0.5] * EPOCHS] * 6)
    order = [(c.settings["loss"], c.settings["batch_size"]) for c in search.candidates]
    assert order == list(itertools.product(["f1", "focal"], [8, 16, 24]))
    assert search.is_over()


def test_a_grid_goes_on_behind_what_an_earlier_call_took(make):
    space = {"loss": {"choice": ["f1", "focal", "f1"]}, "batch_size": {"int_uniform": [8, 9]}}
    run(make(space=space, sampler="grid", candidates=3), [[0.5] * EPOCHS] * 3)
    search = make(space=space, sampler="grid", candidates=None)
    run(search, [[0.5] * EPOCHS] * 6)
    order = [(c.settings["loss"], c.settings["batch_size"]) for c in search.candidates]
    assert order == [("f1", 8), ("f1", 9), ("focal", 8), ("focal", 9)]  # the second f1 is the first
    assert search.is_over()


def test_no_candidate_begins_after_the_hours_and_the_best_so_far_wins(make):
    now = 1000.0
    search = make(clock=lambda: now, hours=2, asha={"grace_epochs": EPOCHS})
    first, second = search.ask()[0], search.ask()[0]
    for epoch in range(1, EPOCHS + 1):
        search.epoch(first.number, epoch, 0.5)
    search.ended(first.number, "done", "")
    now += 2 * 3600
    assert search.ask() is None
    assert not search.is_over()  # the second is still running, and may finish
    for epoch in range(1, EPOCHS + 1):
        assert search.epoch(second.number, epoch, 0.7) == ""
    search.ended(second.number, "done", "")
    assert search.is_over()
    assert search.winner().number == 1
    assert len(search.candidates) == 2


def test_a_candidate_may_end_early_of_its_own_accord(make):
    search = make(candidates=1)
    run(search, [[0.5, 0.4, 0.3]])
    (candidate,) = search.candidates
    assert (candidate.state, candidate.reason) == ("done", "its patience ended")


def test_the_clock_of_a_search_goes_on_where_an_earlier_call_stopped_it(make):
    now = 0.0
    search = make(clock=lambda: now, hours=1)
    candidate, _ = search.ask()
    now = 50 * 60.0
    search.epoch(candidate.number, 1, 0.5)  # and killed here
    now = 9e9  # what happens between calls is no time of the search
    again = make(clock=lambda: now, hours=1)
    assert not again.is_over()
    resumed, _ = again.ask()
    assert resumed.number == candidate.number
    now += 9 * 60
    assert again.ask() is not None
    now += 60
    assert again.ask() is None
    again.save()
    assert make(clock=lambda: now, hours=1).ask() is not None  # those that had begun
    more = make(clock=lambda: now, hours=1.5)
    assert [more.ask()[0].number for _ in range(3)] == [0, 1, 2]  # a higher limit: a new one too


def test_every_candidate_stands_in_the_csv_with_its_whole_curve(make, tmp_path):
    """Also where settings and outcomes have the same names, and values are lists."""
    space = {"loss": {"choice": ["focal"]}, "epochs": {"choice": [2, 3]},
             "image_size": {"choice": [[64, 48]]}}  # fmt: skip
    search = make(space=space, sampler="grid", metric="accuracy", asha={"grace_epochs": 3})
    run(search, [[0.5, 0.25], [0.1, 0.4, 0.3]])
    rows = list(csv.DictReader(io.StringIO((tmp_path / "search/m.csv").read_text())))
    assert [json.loads(row["curve"]) for row in rows] == [[0.5, 0.25], [0.1, 0.4, 0.3]]
    assert [row["accuracy"] for row in rows] == ["0.5", "0.4"]  # of the best epoch
    assert [row["epochs"] for row in rows] == ["2", "3"]
    assert [row["recipe.epochs"] for row in rows] == ["2", "3"]
    assert [row["reason"] for row in rows] == ["all epochs are done"] * 2
    assert [row["loss"] for row in rows] == ["focal"] * 2
    assert [json.loads(row["image_size"]) for row in rows] == [[64, 48]] * 2
    assert list(rows[0]) == ["candidate", "loss", "recipe.epochs", "image_size", "epochs",
                             "accuracy", "state", "reason", "curve", "hash"]  # fmt: skip


class Told(Board):
    """A board as what a schedule tells its progress to."""

    def tick(self, slots: int) -> None: ...


@pytest.mark.parametrize("hours", [None, 10])
def test_a_stopped_candidate_that_says_so_after_the_last_one_has_ended_is_no_dead_one(make, hours):
    search = make(candidates=2)
    clock = itertools.count().__next__
    board = Told(lambda own: 1.0, searches={"m": search}, clock=clock)
    watch = Watch(Store("nowhere"), hang_minutes=5)
    rest = [own for own in of_member(search.member, search._photographs) if own.fold != 0]
    schedule = Schedule(
        [], {"m": search}, lambda own: rest, lambda own: 1.0, 2, board, watch, budget=Budget(hours)
    )
    runs = {name: schedule.start(name).unit.path for name in ("good", "bad")}
    said = {"score": 0.5, "message": "", "seconds": 1.0}

    def report(name: str, event: str, epoch: int = 0, value: float = 0.5) -> bool:
        told = {"event": event, "unit": runs[name], "epoch": epoch, "value": value}
        return schedule.report(name, said | told)

    for epoch in range(1, EPOCHS + 1):
        assert not report("good", "epoch", epoch)
    stopped = [report("bad", "epoch", epoch, 0.1) for epoch in (1, 2)]
    assert stopped == [False, True]
    report("good", "done")
    schedule.idle("good")  # nothing of the member begins yet
    assert schedule.answers() == []
    report("bad", "stopped")
    schedule.idle("bad")
    (first, job), *_ = schedule.answers()
    assert (first, job.unit) == ("good", rest[0])
    assert [candidate.state for candidate in search.candidates] == ["done", "stopped"]
    assert schedule.searches.winners.keys() == {"m"}
    assert schedule.failures == {}


def test_a_closed_search_ends_with_what_it_has_and_another_call_goes_on(make):
    first = make(candidates=3)
    for _ in range(2):
        first.ask()
    first.epoch(0, 1, 0.5)
    again = make(candidates=3)  # both go on
    begun, _ = again.ask()
    again.close()
    assert again.ask() is None
    assert again.may_begin() == 0
    assert not again.is_over()
    again.epoch(begun.number, 2, 0.6)
    again.ended(begun.number, "done", "")
    assert again.is_over()
    assert again.winner().number == begun.number == 0
    third = make(candidates=3)
    assert not third.is_over()
    assert [third.ask()[0].number for _ in range(2)] == [1, 2]


def test_a_board_shows_how_far_a_search_is_and_its_winner_as_a_unit(make):
    search = make(candidates=2)
    board = Board(lambda own: 1.0, searches={"m": search}, clock=lambda: 0.0)
    (row,) = board.document()["members"]
    assert (row["units"], row["search"]["to_come"]) == ([], 2)
    for curve in ([0.1] * EPOCHS, [0.1, 0.2, *[0.3] * (EPOCHS - 2)]):
        candidate, unit = search.ask()
        board.started(unit, f"m candidate {candidate.number}", fresh=True)
        for epoch, score in enumerate(curve, start=1):
            assert not search.epoch(candidate.number, epoch, score)
            told = {"unit": unit.path, "event": "epoch", "epoch": epoch, "score": score}
            board.reported({**told, "seconds": 1.0})
        assert board.document()["members"][0]["units"] == []
        board.reported({"unit": unit.path, "event": "done"})
        search.ended(candidate.number, "done", "")
    (row,) = board.document()["members"]
    found = row["search"]
    assert (found["candidates"], found["of"], found["done"], found["to_come"]) == (2, 2, 2, 0)
    assert found["rungs"] == {"2": 2, "4": 2, "8": 2}
    assert found["best"] == {"candidate": 1, "score": 0.3}
    (won,) = row["units"]
    assert (won["unit"], won["state"], won["score"]) == (unit.path, "done", 0.3)
