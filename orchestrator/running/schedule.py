"""What is trained when: candidates of searches and cross-fit units in one pool of slots.

A *run* is one worker group (one process, or `resources.workers` of them) that trains one or
more units of one member, one after the other. Whenever a slot is free, `Schedule` gives the next.
Candidates go first, because the other folds of their member wait for them; the remaining slots are
filled with units, the costliest first, so that one big network does not decide the wall time. A unit
whose test photographs others label waits for those (running/waiting.py).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from orchestrator.running import causes
from orchestrator.running.progress import Progress
from orchestrator.running.restarts import Death, Restarts
from orchestrator.running.waiting import costliest_first, in_vain, ready
from orchestrator.running.watch import Watch
from orchestrator.search.candidates import MemberSearch
from orchestrator.spec.spec import Member
from orchestrator.units.unit import Unit
from orchestrator.worker.job import Job


def units_per_run(available: int, cost: float, outstanding: float, slots: int) -> int:
    """How many units of one member the next run takes.

    Starting a run costs seconds, so units share one where slots are few; sharing too many leaves
    slots idle at the end. As in guided self-scheduling each run takes a slot's share of what is
    still outstanding (queued and running; same scale as `cost`, that of one unit): large runs
    first, single units last.
    """
    share = outstanding / slots / cost
    return max(1, min(available, math.ceil(share - 1e-9)))


@dataclass
class WorkerRun:
    """Units that one worker group trains one after the other, and how far it is.

    cause: why its processes died, or are to die; empty while they live.
    """

    units: list[Unit]
    candidate: tuple[str, int] | None = None
    ended: dict[str, str] = field(default_factory=dict)  # unit's path -> "done" or the failure
    at: str = ""  # path of the unit that it began with last
    cause: str = ""
    begun: float = field(default_factory=time.monotonic)
    first_report: float | None = None
    last_report: float | None = None

    @property
    def left(self) -> list[Unit]:
        """In their order; the first is the one at hand."""
        return [unit for unit in self.units if unit.path not in self.ended]

    def title(self, unit: Unit) -> str:
        return f"{unit.member.name} candidate {self.candidate[1]}" if self.candidate else unit.title


class Schedule:
    """Gives out runs, and keeps the books: what is queued, running, done and failed.

    job: what the jobs of all runs share. units_left: the units of a member that are not trained;
    cost: of one unit of a member, in any unit of time; slots: how many runs there are at once, and
    `expected` how many there may soon be, which is what units are dealt out for. Both may be changed
    at any time.
    """

    def __init__(
        self,
        units: Sequence[Unit],
        searches: dict[str, MemberSearch],
        units_left: Callable[[Member], list[Unit]],
        cost: Callable[[Member], float],
        slots: int,
        job: Job,
        progress: Progress,
        watch: Watch,
    ):
        self.queue = costliest_first(units, cost)
        self.searches = dict(searches)
        self.winners: dict[str, dict[str, Any]] = {}
        self.left_out: list[str] = []  # members whose candidates lost to those of others
        self.failures: dict[str, str] = {}
        self.trained = 0  # units, candidates that trained to their end included
        # slot-seconds of all runs: until a worker's first report, until its last, until it is gone
        self.seconds = {"starting": 0.0, "working": 0.0, "ending": 0.0}
        self.runs: dict[str, WorkerRun] = {}
        self.slots = self.expected = slots
        self._units_left, self._cost = units_left, cost
        self._job, self._progress = job, progress
        self._watch, self._restarts = watch, Restarts()
        self._noted: set[str] = set()  # of a damaged cache, every process that shares it reports
        self._again: list[WorkerRun] = []  # candidates whose process died
        self._failed: dict[str, str] = {}  # unit's path -> title
        for name in list(self.searches):
            self._close_search(name)

    # -- giving out --------------------------------------------------------------------------

    def start(self, run_id: str) -> Job | None:
        """The job of a new run, named `run_id`; None where none can begin now."""
        self._fail_those_in_vain()
        if len(self.runs) >= self.slots:
            return None
        run = self._next_run()
        if run is None:
            return None
        self.runs[run_id] = run
        self._progress.started({unit.path: run.title(unit) for unit in run.units}, run.units)
        first = run.units[0]
        patience = 2 ** self._restarts.deaths(first.path)  # a false alarm is not raised again
        self._watch.begin(run_id, first.member.name, patience)
        metric = self.searches[run.candidate[0]].search.metric if run.candidate else None
        pulse = self._watch.pulse_of(run_id)
        return replace(self._job, units=tuple(run.units), metric=metric, pulse=pulse)

    def is_over(self) -> bool:
        """Nothing runs, and nothing will."""
        return not (self.runs or self.searches or self.queue or self._again)

    def wanted(self) -> int:
        """How many runs could go on now if there were slots for all."""
        candidates = sum(search.may_begin() for search in self.searches.values())
        return len(self.runs) + len(self._again) + len(self._ready()) + candidates

    def give_up(self, why: str) -> None:
        """Nothing more begins; what is left counts as failed."""
        self.failures |= {unit.title: why for unit in self.queue}
        self.failures |= {f"{name} (search)": why for name in self.searches}
        self.queue, self.searches, self._again = [], {}, []

    def _next_run(self) -> WorkerRun | None:
        if self._again:
            return self._again.pop(0)
        # in turns: members that compete meet early, and each draw has earlier scores to go by
        for name, search in sorted(self.searches.items(), key=lambda item: item[1].begun):
            proposed = search.ask()
            if proposed:
                candidate, unit = proposed
                self._progress.expect([unit])
                return WorkerRun([unit], (name, candidate.number))
            self._close_search(name)  # its space or its hours may be used up
        queue = self._ready()
        if not queue:
            return None
        first = queue[0]
        same = [u for u in queue if u.hash == first.hash and u.member == first.member]
        outstanding = self._outstanding(queue)
        n = units_per_run(len(same), self._cost(first.member), outstanding, self.expected)
        units = same[:n]
        self.queue = [u for u in self.queue if u not in units]
        return WorkerRun(units)

    def _ready(self) -> list[Unit]:
        """Those of the queue that wait for no other unit."""
        running = [unit for run in self.runs.values() for unit in run.left]
        # of a run that goes on, those that failed in it are not in `_failed` yet
        failing = [p for run in self.runs.values() for p, how in run.ended.items() if how != "done"]
        pending = {unit.path for unit in [*self.queue, *running]}
        return ready(self.queue, pending, {*self._failed, *failing})

    def _fail_those_in_vain(self) -> None:
        for unit, why in in_vain(self.queue, self._failed):
            self.queue.remove(unit)
            self.failures[unit.title] = why
            self._progress.started({unit.path: unit.title}, [unit])
            self._progress.note(f"{unit.title} failed: {why}")
            self._progress.ended({unit.path: why})

    def _outstanding(self, queue: Sequence[Unit]) -> float:
        running = [unit for run in self.runs.values() for unit in run.left]
        waiting = [
            u for name in self.searches for u in self._units_left(self.searches[name].member)
        ]
        return sum(self._cost(u.member) for u in [*queue, *running, *waiting])

    # -- what comes back ---------------------------------------------------------------------

    def report(self, run_id: str, result: dict[str, Any]) -> bool:
        """One report of a worker (reports.py); True where ASHA stops the candidate."""
        run, event, path = self.runs[run_id], result["event"], result["unit"]
        run.last_report = time.monotonic()
        run.first_report = run.first_report or run.last_report
        self._watch.reported(run_id, event)
        if event == "note":
            if result["message"] not in self._noted:
                self._noted.add(result["message"])
                self._progress.note(f"note: {result['message']}")
            return False
        if event == "started":
            run.at = path
            self._restarts.began()
        elif event == "epoch":
            self._restarts.epoch(path, result["epoch"])
        elif event == "failed":
            run.ended[path] = result["message"]
        elif event == "done":
            run.ended[path] = "done"
        self._progress.reported(result)
        if run.candidate and event == "epoch":
            name, number = run.candidate
            reason = self.searches[name].epoch(number, result["epoch"], result["value"])
            if reason:
                self._progress.note(f"{name}: candidate {number} stopped by {reason}")
                return True
        return False

    def hanging(self) -> list[str]:
        """Runs to kill, because nothing comes from them any more; each is named once. To be called
        every second or so."""
        self._progress.tick(self.slots)
        found = []
        for silence in self._watch.silent():
            run = self.runs[silence.run_id]
            title = run.title((run.left or run.units)[0])
            usual = f" (before {silence.longest:.0f} s at most)" if silence.longest else ""
            self._progress.note(
                f"{title}: no sign of its training process for {silence.seconds:.0f} s{usual}; it is "
                "stopped or hangs, and will be killed"
            )
            run.cause = "it was stopped or hung"
            found.append(silence.run_id)
        return found

    def lost(self, run_id: str, cause: str) -> None:
        """A run's processes died, of `cause` (unless more is known); `end` follows."""
        run = self.runs[run_id]
        run.cause = run.cause or cause

    def end(self, run_id: str) -> None:
        """A run's worker group is gone. What it had not finished goes on in another one, where it
        died of something (`lost`) and got anywhere since it last did."""
        run = self.runs.pop(run_id)
        self._watch.end(run_id)
        self._clock(run)
        died = run.left and not self._is_stopped(run)
        again = self._after_death(run) if died else []
        if run.candidate and again:
            self._again.append(WorkerRun(run.units, run.candidate))
        elif again and run.at == again[0].path and not self._restarts.epoch_of(run.at):
            # behind its equals: it loses nothing, and what kills it again costs them nothing
            self._put_back(again[1:])
            self._put_back(again[:1], behind=True)
        else:
            self._put_back(again)
        self._progress.interrupted([unit.path for unit in again])
        outcome = {
            unit.path: run.ended.get(unit.path, "stopped")
            for unit in run.units
            if unit not in again
        }
        self.trained += sum(why == "done" for why in outcome.values())
        if run.candidate:
            self._end_candidate(run, outcome)
            return
        failed = [unit for unit in run.units if outcome.get(unit.path, "done") != "done"]
        self.failures |= {unit.title: outcome[unit.path] for unit in failed}
        self._failed |= {unit.path: unit.title for unit in failed}
        self._progress.ended(outcome)

    def _after_death(self, run: WorkerRun) -> list[Unit]:
        """The units that another run goes on with. Those of the rest that are done or given up have
        ended."""
        cause = run.cause or "its run ended before its units did"
        if not run.candidate:  # the report of a unit's end may have died on its way
            waiting = {unit.path for unit in self._units_left(run.units[0].member)}
            run.ended |= {unit.path: "done" for unit in run.left if unit.path not in waiting}
        if not run.left:
            return []
        first = run.left[0]
        kind = Death.STARTING
        if run.at == first.path:
            kind = Death.LED if causes.is_outside(cause) else Death.TRAINING
        why = self._restarts.died(first.path, cause, kind)
        if why:
            run.ended[first.path] = why
            self._progress.note(f"{run.title(first)} failed: {why}")
        else:
            epoch = self._restarts.epoch_of(first.path)
            on = f"goes on after epoch {epoch}" if epoch else "is started again"
            self._progress.note(f"{run.title(first)}: its training process died ({cause}); it {on}")
        return run.left

    def _is_stopped(self, run: WorkerRun) -> bool:
        """Whether ASHA has stopped its candidate."""
        if run.candidate is None:
            return False
        name, number = run.candidate
        return self.searches[name].candidates[number].state == "stopped"

    def _end_candidate(self, run: WorkerRun, outcome: dict[str, str]) -> None:
        assert run.candidate is not None
        name, number = run.candidate
        search = self.searches[name]
        for path, how in outcome.items():  # one, or none where it is trained on
            if how == "done":
                search.ended(number, "done", "")
            else:
                search.ended(number, "failed", how)
            self._progress.ended({path: search.candidates[number].state})
            self._close_search(name)

    def _put_back(self, units: Sequence[Unit], behind: bool = False) -> None:
        """Into the queue: the costliest first, and of equal ones these, or these last."""
        both = [*self.queue, *units] if behind else [*units, *self.queue]
        self.queue = costliest_first(both, self._cost)

    def _clock(self, run: WorkerRun) -> None:
        now = time.monotonic()
        first, last = run.first_report or now, run.last_report or now
        self.seconds["starting"] += first - run.begun
        self.seconds["working"] += last - first
        self.seconds["ending"] += now - last

    def _close_search(self, name: str) -> None:
        """Where all candidates of a search have ended, queue what is left of its member."""
        search = self.searches[name]
        if not search.is_over():
            return
        del self.searches[name]
        search.save()
        winner = search.winner()
        if search.is_left_out():
            self.left_out.append(name)
            return
        if winner is None:
            reasons = "; ".join(sorted({c.reason for c in search.candidates}))
            self.failures[f"{name} (search)"] = f"no candidate trained to its end: {reasons}"
            return
        self.winners[name] = winner.settings
        settings = ", ".join(f"{k}={_short(v)}" for k, v in winner.settings.items())
        self._progress.note(
            f"{name}: candidate {winner.number} of {len(search.candidates)} wins with "
            f"{search.search.metric} {winner.score:.4f} on fold {search.search.fold}: {settings}"
        )
        units = self._units_left(search.member.with_settings(winner.settings))
        self._put_back(units)
        self._progress.expect(units)


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
