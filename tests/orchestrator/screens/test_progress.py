"""A training on the screen: the table and its lines, from the same record that `status` reads."""

from __future__ import annotations

import io

from rich.console import Console

from orchestrator.progress.board import Board
from orchestrator.screens.board import board_table, lines, summary
from orchestrator.screens.progress import Progress
from orchestrator.spec.spec import Member
from orchestrator.units.unit import Unit


def unit(fold: str, state: str, epoch: int = 0, score: float | None = None, seed=None) -> dict:
    return {"fold": fold, "seed": seed, "state": state, "epoch": epoch, "epochs": 9, "score": score}


def document(*members: dict, phase: str = "training", **more) -> dict:
    return {"phase": phase, "reading": {}, "members": list(members), "seconds_left": 65.0, **more}


def rows(shown) -> list[str]:
    screen = io.StringIO()
    Console(file=screen, width=140).print(shown)
    return [line.rstrip() for line in screen.getvalue().splitlines()]


def test_a_row_a_member_and_a_column_a_fold():
    net = {
        "name": "net", "metric": "macro_f1",
        "units": [unit("0", "done", 9, 0.75), unit("1", "training", 3, 0.5), unit("10", "waiting")],
    }  # fmt: skip
    failed = [unit("0", "failed", 2), unit("1", "starting")]
    other = {"name": "other", "metric": "log_loss", "units": failed}
    head, first, second = rows(board_table(document(net, other)))
    assert head.split() == ["member", "fold", "0", "fold", "1", "fold", "10"]
    assert first.split() == ["net", "done", "0.7500", "3/9", "0.5000", "waiting"]
    assert second.split() == ["other", "failed", "2/9", "starting"]
    assert lines(document(net, other))[0] == (
        "scores: macro_f1; log_loss of other, of the best epoch so far, on the held-out fold"
    )


def test_the_line_says_how_far_all_is():
    units = [unit("0", "done", 9, 0.7), unit("1", "predicting")]
    net = {"name": "net", "metric": "macro_f1", "units": units}
    more = {
        "memory": {"used": 2**31, "of": 2**33},
        "disk": {"free": 2**34},
        "photos_per_second": 143.2,
    }
    assert summary(document(net, **more)) == (
        "1 of 2 units done, 1 predicting, 143 photos/s, 1:05 left, memory 2.0 of 8.0 GiB, "
        "disk 16 GiB free"
    )
    assert summary(document(net, phase="tables")).startswith("1 of 2 units done, making the tables")
    assert summary(document(net, phase="ended")) == "1 of 2 units done"
    reading = document(phase="reading") | {"reading": {"reading photographs": [1000, 2000]}}
    assert summary(reading) == "reading photographs 1,000 of 2,000"


def test_a_search_says_its_rungs_and_its_best():
    search = {
        "metric": "macro_f1", "candidates": 5, "of": 8, "to_come": 3, "running": 2, "stopped": 2,
        "done": 1, "failed": 0, "rungs": {"2": 4, "6": 1}, "best": {"candidate": 3, "score": 0.61},
    }  # fmt: skip
    net = {"name": "net", "metric": "macro_f1", "units": [], "search": search}
    assert lines(document(net))[0] == (
        "net: search, candidate 5 of at most 8 (2 at work, 2 stopped), rungs reached: epoch 2: 4, "
        "epoch 6: 1, best macro_f1 0.6100 (candidate 3)"
    )
    assert summary(document(net)).startswith("0 of 3 units done")


def test_where_lines_are_few_those_that_are_done_are_left_out():
    done = [{"name": f"done{i}", "metric": "f", "units": [unit("0", "done", 9)]} for i in range(30)]
    last = {"name": "last", "metric": "f", "units": [unit("0", "training", 1)]}
    shown = rows(board_table(document(*done, last), height=20))
    assert [line.split()[0] for line in shown] == ["member", "last", "..."]
    assert shown[-1] == "... 30 more members"
    assert len(rows(board_table(document(*done, last), height=31))) == 32


def test_seeds_of_a_fold_stand_below_each_other():
    units = [unit("0", "done", 9, 0.5, seed) for seed in (1, 2)]
    shown = rows(board_table(document({"name": "net", "metric": "f", "units": units})))
    assert [line.split() for line in shown[1:]] == [["net", "done", "0.5000"], ["done", "0.5000"]]


def test_plain_lines_have_title_epoch_score_and_time_left():
    own = Unit(Member(name="net", recipe={"model": "net", "epochs": 10}), "net", 0, None)
    screen, now = io.StringIO(), 0.0
    board = Board(lambda member: 1.0, clock=lambda: now)
    with Progress(Console(file=screen, width=200), board) as shown:
        shown.expect([own])
        shown.started(own, own.title, fresh=True)
        now = 100.0  # seconds until Ray and the process were there
        shown.reported({"event": "started", "unit": own.path})
        now = 110.0
        shown.reported({"event": "epoch", "unit": own.path, "epoch": 1, "score": 0.5})
    # nine more epochs of 10 seconds, and a quarter of one to predict
    line = "net fold 0 epoch 1/10 score 0.5000 training 1:32 left"
    assert screen.getvalue().split() == line.split()
