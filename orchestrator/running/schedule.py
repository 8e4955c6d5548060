"""What is trained when: candidates of searches and cross-fit units in one pool of slots.

A *process* is a worker group of Ray Train (`resources.workers` processes) that holds a slot. It trains
one unit after the other, of whatever member: whenever it has none, and whenever a slot is free,
`Schedule` gives the next. Candidates go first, because the other folds of their member wait for
them; then units, the costliest first, so that one big network does not decide the wall time
(running/queue.py).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from orchestrator.running import causes
from orchestrator.running.budget import NOT_BEGUN, Budget
from orchestrator.running.progress import Progress
from orchestrator.running.queue import Queue
from orchestrator.running.restarts import Death, Restarts
from orchestrator.running.searches import Searches
from orchestrator.running.watch import Watch
from orchestrator.running.worker_run import WorkerRun
from orchestrator.search.candidates import MemberSearch
from orchestrator.spec.spec import Member
from orchestrator.units.unit import Unit
from orchestrator.worker.job import Job

# Seconds for which a process without a unit keeps its slot while something may come for it: longer
# than another one takes to start, and a machine of a cloud is not paid for much longer
_PATIENCE = 30.0


class Schedule:
    """Gives out units, and keeps the books: what is queued, trained, done and failed.

    units_left: the units of a member that are not trained; cost: of one unit of a member, in any unit
    of time; slots: how many processes there may be at once, which may be changed at any time; first:
    names of members that come before all others; complete: is told of each member whose last unit is
    done, with the settings that it has by then. budget: what would not be done by its end is not begun,
    and what is not done then is stopped; begun: names of members of which some unit was trained before.
    """

    def __init__(
        self,
        units: Sequence[Unit],
        searches: Mapping[str, MemberSearch],
        units_left: Callable[[Member], list[Unit]],
        cost: Callable[[Member], float],
        slots: int,
        progress: Progress,
        watch: Watch,
        first: Collection[str] = (),
        complete: Callable[[Member], None] = lambda member: None,
        budget: Budget | None = None,
        begun: Collection[str] = (),
    ):
        self.queue = Queue(cost, first)
        self.queue.add(units)
        self._failures: dict[str, str] = {}
        self._late: dict[str, str] = {}
        self.trained = 0  # units, candidates that trained to their end included
        # slot-seconds of all runs: until a unit's first report, until its last, until its end
        self.seconds = {"starting": 0.0, "working": 0.0, "ending": 0.0}
        self.slots = slots
        self.runs: dict[str, WorkerRun] = {}  # by process, as all below
        self._processes: set[str] = set()
        self._idle: dict[str, float] = {}  # since when
        self._leaving: set[str] = set()  # those that were told that there is nothing more
        self._units_left, self._progress, self._first = units_left, progress, first
        self._complete, self._budget = complete, budget or Budget(None)
        self._begun = {*begun}  # names of members
        self._left = Counter(unit.member.name for unit in units)  # units that are not done
        self._watch, self._restarts = watch, Restarts()
        self._noted: set[str] = set()  # of a damaged cache, every process that shares it reports
        self._again: list[WorkerRun] = []  # candidates whose process died
        self.searches = Searches(searches, progress, self._add_units)
        self.searches.close_finished()

    @property
    def failures(self) -> dict[str, str]:
        """What failed -> why."""
        return self._failures | self.searches.failures

    @property
    def late(self) -> dict[str, str]:
        """Titles of what there was no time for -> how far it is."""
        return self._late | self.searches.late

    # -- giving out --------------------------------------------------------------------------

    def start(self, process: str) -> Job | None:
        """The first job of a new process; None where none is to be started now."""
        if len(self._processes) >= self.slots:
            return None
        job = self._give(process, fresh=True)
        if job is not None:
            self._processes.add(process)
        return job

    def idle(self, process: str) -> None:
        """A process is through with its unit, and asks for another one; `answers` has it."""
        self._end_run(process)
        self._idle[process] = time.monotonic()

    def answers(self) -> list[tuple[str, Job | None]]:
        """What processes that asked are to do: a job, or None: to end. To be called after every report,
        and every second or so: what may still have something to do waits a little."""
        found, nothing = [], False  # nothing: is left to give
        for process, since in list(self._idle.items()):
            too_many = len(self._processes) - len(self._leaving) > self.slots
            job = None if too_many or nothing else self._give(process, fresh=False)
            if job is None:
                nothing = nothing or not too_many
                waits = (self.queue or self.searches.open) and time.monotonic() - since < _PATIENCE
                if waits and not too_many:
                    continue
                self._leaving.add(process)
            del self._idle[process]
            found.append((process, job))
        return found

    def is_over(self) -> bool:
        """Nothing is trained, and nothing will be."""
        return not (self.runs or self.searches.open or self.queue or self._again)

    def wanted(self) -> int:
        """How many processes could train now if there were slots for all."""
        queued = self.queue.n_ready() + self.searches.may_begin()
        return len(self.runs) + len(self._again) + queued

    def give_up(self, why: str) -> None:
        """Nothing more begins; what is left counts as failed."""
        self._failures |= {unit.title: why for unit in self.queue.clear()}
        self.searches.give_up(why)
        self._again = []

    def _give(self, process: str, fresh: bool) -> Job | None:
        run = self._next_run()
        self._fail_those_in_vain()
        if run is None:
            return None
        self.runs[process] = run
        self._progress.started(run.unit, run.title, fresh)
        patience = 2 ** self._restarts.deaths(run.unit.path)  # a false alarm is not raised again
        self._watch.begin(process, run.unit.member.name, patience)
        if run.candidate is None:
            return Job(run.unit)
        return Job(run.unit, *self.searches.job_of(run))

    def _next_run(self) -> WorkerRun | None:
        while self._again:
            run = self._again.pop(0)
            if (
                run.candidate and run.candidate[0] in self.searches.open
            ):  # else no time is left for it
                return run
        return (
            self._next_candidate(self._first)
            or self._next_unit(only_first=True)
            or self._next_candidate(self.searches.open)
            or self._next_unit()
        )

    def _next_candidate(self, among: Collection[str]) -> WorkerRun | None:
        run = self.searches.next(among, self._has_time_for_candidate)
        if run:
            self.queue.begin(run.unit)
        return run

    def _next_unit(self, only_first: bool = False) -> WorkerRun | None:
        unit = self._pop(only_first)
        if unit is None:
            return None
        self._begun.add(unit.member.name)
        return WorkerRun(unit)

    def _pop(self, only_first: bool = False) -> Unit | None:
        """The next unit that there is time for."""
        while unit := self.queue.pop(only_first):
            if self._budget.hours is None:
                return unit
            # of a member that is not begun, all units or none: a part of them cannot vote as it is
            own = [] if unit.member.name in self._begun else self.queue.of_member(unit.member.name)
            if self._budget.holds(self._progress.seconds_for([unit, *own])):
                return unit
            for dropped in (unit, *own):
                for lost in self.queue.drop(dropped):
                    self._end_late(lost)
        return None

    def _has_time_for_candidate(self, name: str) -> bool:
        if self._budget.hours is None:
            return True
        return self._budget.holds(self._progress.seconds_for_candidate(name))

    def _end_late(self, unit: Unit) -> None:
        epoch = self._restarts.epoch_of(unit.path)
        self._late[unit.title] = f"stopped after epoch {epoch}" if epoch else NOT_BEGUN

    def _fail_those_in_vain(self) -> None:
        for unit, why in self.queue.in_vain():
            self._failures[unit.title] = why
            self._progress.started(unit, unit.title, fresh=False)
            self._progress.note(f"{unit.title} failed: {why}")
            self._progress.ended(unit.path, why)

    # -- what comes back ---------------------------------------------------------------------

    def report(self, process: str, result: dict[str, Any]) -> bool:
        """One report of a worker (reports.py); True where ASHA stops the candidate."""
        run, event, path = self.runs[process], result["event"], result["unit"]
        run.last_report = time.monotonic()
        run.first_report = run.first_report or run.last_report
        self._watch.reported(process, event)
        if event == "note":
            if result["message"] not in self._noted:
                self._noted.add(result["message"])
                self._progress.note(f"note: {result['message']}")
            return False
        if event == "started":
            run.began = True
            self._restarts.began()
        elif event == "epoch":
            self._restarts.epoch(path, result["epoch"])
        elif event == "failed":
            run.outcome = result["message"]
        elif event == "done":
            run.outcome = "done"
        self._progress.reported(result)
        if run.candidate and event == "epoch":
            return bool(self.searches.epoch(run, result["epoch"], result["value"]))
        return False

    def hanging(self) -> list[str]:
        """Processes to kill, because nothing comes from them any more; each is named once. To be called
        every second or so."""
        self._progress.tick(self.slots)
        found = []
        for silence in self._watch.silent():
            run = self.runs[silence.process]
            usual = f" (before {silence.longest:.0f} s at most)" if silence.longest else ""
            self._progress.note(
                f"{run.title}: no sign of its training process for {silence.seconds:.0f} s{usual}; it is "
                "stopped or hangs, and will be killed"
            )
            run.cause = "it was stopped or hung"
            found.append(silence.process)
        return found

    def overdue(self) -> list[str]:
        """Processes to kill, because the budget is over; each is named once. To be called as `hanging`."""
        if self._budget.left() > 0:
            return []
        found = [process for process, run in self.runs.items() if run.cause != causes.NO_TIME]
        for process in found:
            self.runs[process].cause = causes.NO_TIME
        return found

    def lost(self, process: str, cause: str) -> None:
        """A worker group died, of `cause` (unless more is known); `end` follows."""
        if run := self.runs.get(process):  # else it had nothing to do
            run.cause = run.cause or cause

    def end(self, process: str) -> None:
        """A worker group is gone. Its unit goes on in another one, where this one died of something
        (`lost`) and the unit got anywhere since its process last did."""
        self._processes.discard(process)
        self._leaving.discard(process)
        self._idle.pop(process, None)
        if process in self.runs:
            self._end_run(process)

    def _end_run(self, process: str) -> None:
        run = self.runs.pop(process)
        self._watch.end(process)
        for part, seconds in run.seconds().items():
            self.seconds[part] += seconds
        stopped = self.searches.is_stopped(run)
        if run.cause == causes.NO_TIME and not run.outcome and not stopped:
            self._end_in_time(run)
            return
        if not run.outcome and not stopped and self._goes_on(run):
            if run.candidate:
                self._again.append(WorkerRun(run.unit, run.candidate))
            else:
                # behind its equals, where it loses nothing: what kills it again costs them nothing
                behind = run.began and not self._restarts.epoch_of(run.unit.path)
                self.queue.add([run.unit], behind)
            self._progress.interrupted(run.unit.path)
            return
        outcome = "stopped" if stopped else run.outcome
        self.trained += outcome == "done"
        if run.candidate:
            self.queue.end(run.unit)
            self.searches.end(run, outcome)
        elif outcome == "done":
            self.queue.end(run.unit)
            self._progress.ended(run.unit.path, outcome)
            self._count(run.unit.member, -1)
        else:
            self.queue.fail(run.unit)
            self._failures[run.unit.title] = outcome
            self._progress.ended(run.unit.path, outcome)
            self._fail_those_in_vain()

    def _end_in_time(self, run: WorkerRun) -> None:
        """The budget was over before the unit was done: another call goes on with it."""
        self._progress.ended(run.unit.path, "stopped")
        if run.candidate:
            self.queue.end(run.unit)
            self.searches.end_late(run)
            return
        for lost in self.queue.drop(run.unit):
            self._end_late(lost)

    def _goes_on(self, run: WorkerRun) -> bool:
        """Whether another process takes the unit of one that died; else the run has its outcome."""
        unit, cause = run.unit, run.cause or "it ended before its unit did"
        if not run.candidate:  # the report of the unit's end may have died on its way
            waiting = {own.path for own in self._units_left(unit.member)}
            if unit.path not in waiting:
                run.outcome = "done"
                return False
        kind = Death.STARTING
        if run.began:
            kind = Death.LED if causes.is_outside(cause) else Death.TRAINING
        run.outcome = self._restarts.died(unit.path, cause, kind)
        if run.outcome:
            self._progress.note(f"{run.title} failed: {run.outcome}")
            return False
        epoch = self._restarts.epoch_of(unit.path)
        on = f"goes on after epoch {epoch}" if epoch else "is started again"
        self._progress.note(f"{run.title}: its training process died ({cause}); it {on}")
        return True

    def _add_units(self, member: Member) -> None:
        """What is left of a member whose settings a search has found."""
        units = self._units_left(member)
        self.queue.add(units, behind=False)
        self._progress.expect(units)
        self._begun.add(member.name)
        self._count(member, len(units))

    def _count(self, member: Member, more: int) -> None:
        """Units of the member are left more than before, or less."""
        self._left[member.name] += more
        if not self._left[member.name]:
            self._complete(member)
