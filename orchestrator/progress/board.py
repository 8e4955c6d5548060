"""Which units wait, are trained and are done, and how well: from what a schedule tells."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from orchestrator.progress.pace import Group, Pace, makespan, ready_in
from orchestrator.search.asha import rungs_of
from orchestrator.search.candidates import MemberSearch
from orchestrator.spec import member_metrics
from orchestrator.spec.spec import Member
from orchestrator.units.unit import ALL, Unit

State = Literal["waiting", "starting", "training", "predicting", "done", "failed", "stopped"]
ENDED: tuple[State, ...] = ("done", "failed", "stopped")
_OF_A_CANDIDATE = 0.5  # of its epochs, until some have ended


@dataclass
class Cell:
    """One unit. epoch: trained so far; score: the best so far, None: not known; seconds: of its last
    epoch, 0: of none yet.
    """

    title: str
    member: str
    fold: str
    seed: int | None
    epochs: int
    state: State = "waiting"
    epoch: int = 0
    score: float | None = None
    seconds: float = 0.0


class Board:
    """What is shown of a training, and the seconds that are left of it.

    Gets what `running.progress.Progress` names. cost: of one unit of a member, in any unit; photos:
    how many photographs an epoch of a unit trains on; slots: how many processes there are at
    once; searches: those that are open when it begins; members: their names, in an order to be shown in.
    """

    def __init__(
        self,
        cost: Callable[[Member], float],
        photos: Callable[[Unit], int] = lambda unit: 0,
        slots: int = 1,
        searches: Mapping[str, MemberSearch] | None = None,
        members: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ):
        self._cost, self._photos, self.slots, self._clock = cost, photos, slots, clock
        self._searches = dict(searches or {})
        self._order = list(members)
        self._pace = Pace()
        self._units: dict[str, Unit] = {}
        self.cells: dict[str, Cell] = {}  # unit's path -> how it stands; candidates, too
        self._candidates: set[str] = set()  # paths
        self._settled: set[str] = set()  # members whose search is over
        self._running: dict[str, bool] = {}  # path of a unit -> whether a process starts for it
        self._last: dict[str, float] = {}  # when a unit was given out, or last reported

    # -- what is told ------------------------------------------------------------------------------

    def stand(self, units: Sequence[Unit], scores: Mapping[str, float | None]) -> None:
        """Units of members, as they stand before anything is trained. scores: of those that are done."""
        for unit in units:
            cell = self._cell(unit, unit.title)
            if unit.path in scores:
                cell.state, cell.epoch, cell.score = "done", cell.epochs, scores[unit.path]

    def expect(self, units: Sequence[Unit]) -> None:
        """Units that will have to be trained."""
        for unit in units:
            if self._cell(unit, unit.title).state == "done":
                self.cells[unit.path].state = "waiting"

    def started(self, unit: Unit, title: str, fresh: bool) -> None:
        """A unit is given to a process, which starts for it where it is `fresh`."""
        cell = self._cell(unit, title)
        if title != unit.title:
            self._candidates.add(unit.path)
        cell.state = "starting"
        self._running[unit.path] = fresh
        self._last[unit.path] = self._clock()

    def reported(self, result: Mapping[str, Any]) -> None:
        path, event = result["unit"], result["event"]
        cell, unit = self.cells[path], self._units[path]
        now = self._clock()
        since = now - self._last.get(path, now)
        self._last[path] = now
        if event == "started":
            if cell.state == "starting" and self._running.get(path):
                self._pace.saw("start", cell.member, since)
            cell.state = "training"
        elif event == "epoch":
            self._epoch(cell, unit, result, since)
        elif event == "predicting":
            cell.state = "predicting"
        elif event == "done":
            if cell.state == "predicting":
                self._pace.saw("predict", cell.member, since, self._of_epoch(unit))
            cell.state = "done"
        elif event == "failed":
            cell.state = "failed"

    def ended(self, path: str, outcome: str) -> None:
        cell = self.cells[path]
        if cell.state not in ENDED:
            cell.state = "stopped" if outcome == "stopped" else "failed"
        self._running.pop(path, None)

    def interrupted(self, path: str) -> None:
        """The process of a unit died, and another one will go on with it."""
        self.cells[path].state = "waiting"
        self._running.pop(path, None)

    def note(self, text: str) -> None:
        """Nothing here shows it."""

    def _cell(self, unit: Unit, title: str) -> Cell:
        if unit.path not in self.cells:
            self._units[unit.path] = unit
            epochs = unit.refit.epochs if unit.refit else unit.member.recipe.epochs
            self.cells[unit.path] = Cell(title, unit.member.name, str(unit.fold), unit.seed, epochs)
        self.cells[unit.path].title = title
        if title == unit.title:  # the unit of a candidate that has won is its member's
            self._candidates.discard(unit.path)
        return self.cells[unit.path]

    def _epoch(self, cell: Cell, unit: Unit, result: Mapping[str, Any], since: float) -> None:
        seconds = result.get("seconds") or 0.0
        again = since < seconds / 2  # of an earlier call, told once more
        if not again:
            own = seconds or since
            first = cell.state == "training" and not cell.seconds
            self._pace.saw("epoch", cell.member, own if first else since, self._of_epoch(unit))
            if first:
                self._pace.saw("prepare", cell.member, since - own)
        cell.seconds = seconds or since
        cell.epoch, cell.state = result["epoch"], "training"
        if unit.fold != ALL:  # of all rows none is held out to be scored on
            cell.score = result["score"]

    def _of_epoch(self, unit: Unit) -> float:
        return self._cost(unit.member) / unit.member.recipe.epochs

    def _settle(self) -> None:
        """The candidate that won a search is from then on a unit of its member."""
        for name in [name for name, own in self._searches.items() if own.is_over()]:
            if name in self._settled:
                continue
            self._settled.add(name)
            search = self._searches[name]
            if winner := search.winner():
                unit = search.unit(winner.settings)
                cell = self._cell(unit, unit.title)
                if cell.state == "waiting":  # of an earlier call
                    cell.state, cell.epoch, cell.score = "done", winner.epochs, winner.score

    # -- what follows from it ----------------------------------------------------------------------

    def seconds_left(self) -> float | None:
        """Until all units are done, as the schedule deals them out; None until an epoch was seen."""
        waiting: dict[str, list[float]] = defaultdict(list)
        for path, cell in self.cells.items():
            if cell.state == "waiting":
                seconds = self._left(path)
                if seconds is None:
                    return None
                waiting[cell.member].append(seconds)
        groups = [Group(len(own), sum(own) / len(own)) for own in waiting.values()]
        for name, search in self._searches.items():
            groups += self._to_come(name, search)
        if not any(cell.seconds for cell in self.cells.values()):
            return None
        return makespan(self._at_hand(), groups, self.slots, self._start())

    def seconds_for(self, units: Sequence[Unit]) -> float | None:
        """Until these, which wait, would be done if they came next; None: nothing is known yet."""
        seconds = [self._left(unit.path) for unit in units]
        known = [own for own in seconds if own is not None]
        if len(known) < len(seconds):
            return None
        groups = [Group(1, own) for own in known]
        return ready_in(self._at_hand(), groups, self.slots, self._start())

    def seconds_for_candidate(self, name: str) -> float | None:
        """Until another candidate of a search, and the other folds of the winner, would be done."""
        search = self._searches[name]
        if self._pace.usual("epoch", name, self._cost(search.member)) is None:
            return None
        if search.is_over():  # its last candidates are on their last words
            return 0.0
        one, others = self._to_come(name, search)
        groups = [Group(1, one.seconds), others]
        return ready_in(self._at_hand(), groups, self.slots, self._start())

    def _at_hand(self) -> list[float]:
        """Seconds of what is left of each unit that a process has."""
        return [
            0.0 if self.cells[path].state in ENDED else self._left(path) or 0.0
            for path in self._running
        ]

    def _start(self) -> float:
        return self._pace.usual("start", "") or 0.0

    def _left(self, path: str) -> float | None:
        """Seconds of what is left of a unit."""
        unit, cell = self._units[path], self.cells[path]
        epoch = self._pace.usual("epoch", cell.member, self._of_epoch(unit))
        if epoch is None:
            return None
        after = self._pace.usual("predict", cell.member, self._of_epoch(unit))
        before = self._pace.usual("prepare", cell.member) if cell.epoch == 0 else 0.0
        since = self._clock() - self._last.get(path, self._clock())
        seconds = (before or 0.0) + epoch * (cell.epochs - cell.epoch) + (after or epoch / 4)
        if cell.state == "predicting":
            seconds = after or epoch / 4
        return max(0.0, seconds - since) if cell.state != "waiting" else seconds

    def _to_come(self, name: str, search: MemberSearch) -> list[Group]:
        """Candidates of an open search that have not begun, and the other folds of its winner."""
        if search.is_over():
            return []
        folds = [path for path in self._candidates if self.cells[path].member == name]
        ended = [self.cells[p] for p in folds if self.cells[p].state in ENDED]
        share = _OF_A_CANDIDATE
        if ended:
            share = sum(cell.epoch / cell.epochs for cell in ended) / len(ended)
        epoch = self._pace.usual(
            "epoch", name, self._cost(search.member) / search.member.recipe.epochs
        )
        whole = (epoch or 0.0) * search.longest
        others = search.n_units - 1
        return [Group(search.may_begin(), share * whole), Group(others, whole)]

    def photos_per_second(self) -> float:
        """Photographs that all units together train on, by their last epochs."""
        return sum(
            self._photos(self._units[path]) / cell.seconds
            for path, cell in self.cells.items()
            if cell.state == "training" and cell.seconds
        )

    def document(self) -> dict[str, Any]:
        """For `progress.json`, see progress/record.py."""
        self._settle()
        members: dict[str, dict[str, Any]] = {}
        for path, cell in self.cells.items():
            metric = self._units[path].member.recipe.metric
            row = members.setdefault(
                cell.member, {"name": cell.member, "metric": metric, "units": []}
            )
            if start := self._units[path].member.init_from:
                row["init_from"] = start
            if folds := self._units[path].member.folds:
                row["folds"] = list(range(folds)) if isinstance(folds, int) else list(folds)
            if path not in self._candidates:
                own = {name: value for name, value in asdict(cell).items() if name != "member"}
                row["units"].append({"unit": path, **own})
        for name, search in self._searches.items():
            metric = search.member.recipe.metric
            row = members.setdefault(name, {"name": name, "metric": metric, "units": []})
            row["search"] = _of_search(search)
        left, order = self.seconds_left(), {name: i for i, name in enumerate(self._order)}
        return {
            "slots": self.slots,
            "seconds_left": None if left is None else round(left, 1),
            "photos_per_second": round(self.photos_per_second(), 2),
            "members": sorted(members.values(), key=lambda own: order.get(own["name"], len(order))),
        }


def _of_search(search: MemberSearch) -> dict[str, Any]:
    metric = search.search.metric
    sign = member_metrics.sign(metric)
    scored = [c for c in search.candidates if c.score is not None]
    best = max(scored, key=lambda c: sign * (c.score or 0.0), default=None)
    asha = search.search.asha
    rungs = rungs_of(asha.grace_epochs, search.longest, asha.reduction_factor)
    states = [c.state for c in search.candidates]
    return {
        "metric": metric,
        "candidates": len(states),
        "of": search.search.candidates,
        "to_come": 0 if search.is_over() else search.n_units,
        "running": states.count("running"),
        "stopped": states.count("stopped"),
        "done": states.count("done"),
        "failed": states.count("failed"),
        "rungs": {f"{rung:g}": sum(c.epochs >= rung for c in search.candidates) for rung in rungs},
        "best": None if best is None else {"candidate": best.number, "score": best.score},
    }
