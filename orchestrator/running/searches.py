"""The searches of a schedule: candidates that are given out, and what follows when one is over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any

from orchestrator.running.budget import NOT_BEGUN
from orchestrator.running.progress import Progress
from orchestrator.running.worker_run import WorkerRun
from orchestrator.search.candidates import MemberSearch
from orchestrator.spec.spec import Member


class Searches:
    """open: those that are not over, by member. winner: is told of each member whose search has found
    its settings, with these.

    winners: member -> its settings. left_out: members whose candidates lost to those of others.
    failures: what failed -> why; late: what there was no time for -> how far it is.
    """

    def __init__(
        self,
        searches: Mapping[str, MemberSearch],
        progress: Progress,
        winner: Callable[[Member], None],
    ):
        self.open = dict(searches)
        self._out: Counter[str] = Counter()  # candidates that were given out and have not ended
        self.winners: dict[str, dict[str, Any]] = {}
        self.left_out: list[str] = []
        self.failures: dict[str, str] = {}
        self.late: dict[str, str] = {}
        self._progress, self._winner = progress, winner

    def close_finished(self) -> None:
        """Those that an earlier call brought to their end."""
        for name in list(self.open):
            self._close(name)

    def may_begin(self) -> int:
        """How many candidates could be trained now."""
        return sum(search.may_begin() for search in self.open.values())

    def next(self, among: Collection[str], has_time: Callable[[str], bool]) -> WorkerRun | None:
        """A candidate of these members, in turns: members that compete meet early, and each draw has
        earlier scores to go by.

        has_time: whether there is time for another candidate of a member; else none begins any more.
        """
        some = [(name, own) for name, own in self.open.items() if name in among]
        for name, search in sorted(some, key=lambda item: item[1].begun):
            if not has_time(name):
                search.close()
            proposed = search.ask()
            if proposed:
                candidate, unit = proposed
                self._progress.expect([unit])
                self._out[name] += 1
                return WorkerRun(unit, (name, candidate.number))
            self._close(name)  # its space or its hours may be used up
        return None

    def job_of(self, run: WorkerRun) -> tuple[str, tuple[int, ...]]:
        """The metric that a candidate is scored by, and the epochs after which it may be stopped."""
        name, _ = _candidate(run)
        return self.open[name].search.metric, self.open[name].rungs()

    def epoch(self, run: WorkerRun, epoch: int, value: float) -> str:
        """One epoch of a candidate: why it stops here, or an empty text."""
        name, number = _candidate(run)
        if name not in self.open:  # there is no time left for it
            return ""
        reason = self.open[name].epoch(number, epoch, value)
        if reason:
            self._progress.note(f"{name}: candidate {number} stopped by {reason}")
        return reason

    def is_stopped(self, run: WorkerRun) -> bool:
        """Whether ASHA has stopped its candidate."""
        if run.candidate is None or run.candidate[0] not in self.open:
            return False
        name, number = run.candidate
        return self.open[name].candidates[number].state == "stopped"

    def end(self, run: WorkerRun, outcome: str) -> None:
        """A candidate's training is over. outcome: `done`, `stopped` or why it failed."""
        name, number = _candidate(run)
        search = self.open.get(name)
        if search is None:  # there is no time left for it; the next call finds what it is
            self._progress.ended(run.unit.path, "stopped")
            return
        self._out[name] -= 1
        if outcome == "done":
            search.ended(number, "done", "")
        else:  # of one that ASHA stopped nothing changes
            search.ended(number, "failed", outcome)
        self._progress.ended(run.unit.path, search.candidates[number].state)
        self._close(name)

    def end_late(self, run: WorkerRun) -> None:
        """There is no time for the candidate, and so none for its search: a later call goes on with both."""
        name, _ = _candidate(run)
        if name in self.open:
            self.open.pop(name).save()
            self.late[f"{name} (search)"] = "stopped"

    def give_up(self, why: str) -> None:
        self.failures |= {f"{name} (search)": why for name in self.open}
        self.open = {}

    def _close(self, name: str) -> None:
        """Where all candidates of a search have ended, those that were stopped and are on their last
        words included: its winner is told."""
        search = self.open[name]
        if self._out[name] or not search.is_over():
            return
        del self.open[name]
        search.save()
        winner = search.winner()
        if search.is_left_out():
            self.left_out.append(name)
        elif winner is None and search.is_closed:
            self.late[f"{name} (search)"] = NOT_BEGUN
        elif winner is None:
            reasons = "; ".join(sorted({c.reason for c in search.candidates}))
            self.failures[f"{name} (search)"] = f"no candidate trained to its end: {reasons}"
        else:
            self.winners[name] = winner.settings
            settings = ", ".join(f"{k}={_short(v)}" for k, v in winner.settings.items())
            self._progress.note(
                f"{name}: candidate {winner.number} of {len(search.candidates)} wins with "
                f"{search.search.metric} {winner.score:.4f} on fold {search.search.fold}: {settings}"
            )
            self._winner(search.member.with_settings(winner.settings))


def _candidate(run: WorkerRun) -> tuple[str, int]:
    assert run.candidate is not None, "a run of a unit, not of a candidate"
    return run.candidate


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
