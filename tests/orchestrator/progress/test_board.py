"""What a training's board says after each event, and what it expects of the rest."""

from __future__ import annotations

import pytest

from orchestrator.progress.board import Board
from orchestrator.screens.board import board_table, summary
from orchestrator.spec.spec import Member
from orchestrator.units.unit import Unit


class Told:
    """A board, a clock, and the events of one member's units."""

    def __init__(self, folds: int = 2, epochs: int = 10, slots: int = 1):
        self.now = 0.0
        member = Member(name="net", recipe={"model": "net", "epochs": epochs})
        self.units = [Unit(member, "0" * 16, fold, None) for fold in range(folds)]
        self.board = Board(
            lambda member: 1.0, lambda unit: 100, slots, members=["net"], clock=lambda: self.now
        )
        self.board.expect(self.units)

    def begin(self, fold: int, fresh: bool = True) -> None:
        unit = self.units[fold]
        self.board.started(unit, unit.title, fresh)

    def tell(self, fold: int, event: str, after: float, **values) -> None:
        self.now += after
        self.board.reported({"unit": self.units[fold].path, "event": event, **values})

    def epoch(self, fold: int, number: int, after: float, score: float = 0.5, seconds=None) -> None:
        own = after if seconds is None else seconds
        self.tell(fold, "epoch", after, epoch=number, score=score, seconds=own)

    @property
    def states(self) -> list[str]:
        return [unit["state"] for unit in self.board.document()["members"][0]["units"]]


def test_a_unit_goes_through_its_states():
    told = Told()
    assert told.states == ["waiting", "waiting"]
    told.begin(0)
    assert told.states == ["starting", "waiting"]
    told.tell(0, "started", 5)
    told.epoch(0, 1, 10, score=0.25)
    assert told.states == ["training", "waiting"]
    told.tell(0, "predicting", 90)
    assert told.states == ["predicting", "waiting"]
    told.tell(0, "done", 3)
    told.board.ended(told.units[0].path, "done")
    told.begin(1, fresh=False)
    told.tell(1, "started", 0)
    told.tell(1, "failed", 1, message="no memory")
    told.board.ended(told.units[1].path, "no memory")
    assert told.states == ["done", "failed"]
    (member,) = told.board.document()["members"]
    assert (member["name"], member["metric"]) == ("net", "macro_f1")
    first = member["units"][0]
    assert (first["fold"], first["epoch"], first["epochs"], first["score"]) == ("0", 1, 10, 0.25)


def test_the_time_left_is_that_of_epochs_predictions_and_starts_still_to_come():
    told = Told(folds=2, epochs=10)
    told.begin(0)
    told.tell(0, "started", 20)  # seconds until the processes were there
    assert told.board.seconds_left() is None
    told.epoch(0, 1, 13, seconds=10)  # 3 of them until the first epoch began
    # nine more epochs, a prediction that is taken for a quarter of one; then the same unit once
    # more in the same process, with its preparation, 3
    assert told.board.seconds_left() == pytest.approx((90 + 2.5) + (3 + 100 + 2.5))
    for number in range(2, 11):
        told.epoch(0, number, 10)
    told.tell(0, "predicting", 0)
    told.now += 1
    assert told.board.seconds_left() == pytest.approx(1.5 + 105.5)
    told.tell(0, "done", 3)  # 4 in all
    told.board.ended(told.units[0].path, "done")
    # of the slot nothing is known: as if a process were to start
    assert told.board.seconds_left() == pytest.approx(20 + 3 + 100 + 4)
    told.begin(1, fresh=False)
    told.tell(1, "started", 0)  # not a start of a process, which would make them seem fast
    told.epoch(1, 10, 103, seconds=10)
    told.board.interrupted(told.units[1].path)
    assert told.board.seconds_left() == pytest.approx(20 + 4)


def test_while_nothing_is_reported_the_time_left_goes_down():
    told = Told(folds=1, epochs=3)
    told.begin(0)
    told.tell(0, "started", 1)
    told.epoch(0, 1, 8, seconds=8)
    before = told.board.seconds_left()
    told.now += 5
    assert told.board.seconds_left() == pytest.approx(before - 5)
    told.now += 1000
    assert told.board.seconds_left() == 0


def test_epochs_of_an_earlier_call_do_not_count_as_fast_ones():
    told = Told(folds=1, epochs=10)
    told.begin(0)
    told.tell(0, "started", 5)
    for number in range(1, 6):
        told.epoch(0, number, 0.01, seconds=10)
    told.epoch(0, 6, 10, seconds=10)
    assert told.board.seconds_left() == pytest.approx(4 * 10 + 2.5)
    assert told.board.photos_per_second() == pytest.approx(100 / 10)


def test_two_slots_share_what_waits():
    told = Told(folds=4, epochs=2, slots=2)
    told.begin(0)
    told.tell(0, "started", 0)
    told.epoch(0, 1, 8)
    told.begin(1)
    # a unit is 2 epochs of 8 and 2 of prediction: of the first 10 are left, of the second 18
    assert told.board.seconds_left() == pytest.approx(18 + 18)


def test_a_unit_whose_run_died_waits_again_and_keeps_its_epochs():
    told = Told(folds=1)
    told.begin(0)
    told.tell(0, "started", 5)
    told.epoch(0, 4, 10)
    told.board.interrupted(told.units[0].path)
    (unit,) = told.board.document()["members"][0]["units"]
    assert (unit["state"], unit["epoch"]) == ("waiting", 4)


def test_candidates_are_no_units_of_their_member_until_one_has_won():
    told = Told(folds=2)
    candidate = told.units[0]
    told.board = Board(lambda member: 1.0, clock=lambda: told.now)
    told.board.started(candidate, "net candidate 0", fresh=True)
    assert told.board.document()["members"][0]["units"] == []
    told.tell(0, "started", 1)
    told.tell(0, "predicting", 1)
    told.tell(0, "done", 1)
    told.board.stand(told.units, {candidate.path: 0.7})
    assert told.states == ["done", "waiting"]


def test_folds_that_a_member_does_not_train_are_no_cells_that_wait():
    board = Board(lambda member: 1.0, members=["whole", "giant"])
    recipe = {"model": "net", "epochs": 2}
    whole = Member(name="whole", recipe=recipe)
    giant = Member(name="giant", folds=(1,), recipe=recipe)
    board.stand([Unit(whole, "0" * 16, fold, None) for fold in range(3)], {})
    board.stand([Unit(giant, "1" * 16, 1, None)], {})
    document = board.document()
    assert [member.get("folds") for member in document["members"]] == [None, [1]]
    table = board_table(document)
    rows = [[str(cell) for cell in column.cells] for column in table.columns]
    assert rows == [
        ["whole", "giant"], ["waiting", "not trained"], ["waiting", "waiting"], ["waiting", "not trained"],
    ]  # fmt: skip
    assert summary({**document, "phase": "ended"}).startswith("0 of 4 units done")
