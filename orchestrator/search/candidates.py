"""Candidates for the settings of members: drawn by Optuna, stopped by ASHA, remembered on disk.

Candidates of one member compete with each other and, unless the spec has `scope: ensemble`, with
no others: a weak but different member may still help a vote. A candidate is an ordinary unit of
the member with some settings replaced, on one fold; the winner's unit therefore is already trained
when the member's other folds are.
"""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

import pandas as pd
from pydantic import ValidationError

from ensembles.files.digests import sealed
from members.errors import first_line
from orchestrator.photographs.table import Photographs
from orchestrator.runs.damage import Damage
from orchestrator.runs.store import Store
from orchestrator.search.asha import Bracket, Stop
from orchestrator.search.draws import draw, grid
from orchestrator.search.keys import key_as_written, search_key
from orchestrator.search.record import (
    Candidate,
    SearchRecord,
    State,
    damaged_search,
    find_search,
)
from orchestrator.spec import member_metrics
from orchestrator.spec.folds.choice import folds_of
from orchestrator.spec.search import Search
from orchestrator.spec.spec import Member, Spec
from orchestrator.units.unit import Unit, of_member

_DRAWS = 50  # attempts to draw settings that no earlier candidate has


def searches(spec: Spec, photographs: Photographs, store: Store) -> dict[str, MemberSearch]:
    """One search for each searched member; with `scope: ensemble` they share a bracket."""
    search, shared = spec.search, None
    if search is None:
        return {}
    if search.scope == "ensemble":
        longest = [search.longest(spec.member(name).recipe.epochs) for name in spec.searched()]
        shared = Bracket(search.asha, max(longest))
    return {
        name: MemberSearch(spec.member(name), search, photographs, store, shared)
        for name in spec.searched()
    }


def resolve(
    spec: Spec, photographs: Photographs, store: Store
) -> tuple[Spec, dict[str, MemberSearch], list[str]]:
    """The spec with the winners of finished searches, the searches that are still open, and the
    names of members that a finished search left out."""
    if spec.search is None:
        return spec, {}, []
    searching: dict[str, MemberSearch] = {}
    winners: dict[str, dict[str, Any]] = {}
    left_out: list[str] = []
    for name, search in searches(spec, photographs, store).items():
        if search.is_left_out():
            left_out.append(name)
        elif search.is_over() and (winner := search.winner()):
            winners[name] = winner.settings
        else:
            searching[name] = search
    return with_winners(spec, winners), searching, left_out


def with_winners(spec: Spec, winners: Mapping[str, dict[str, Any]]) -> Spec:
    """The spec with the settings of the winners, by member, in place of those that were searched."""
    members = tuple(
        m.with_settings(winners[m.name]) if m.name in winners else m for m in spec.members
    )
    return spec.model_copy(update={"members": members})


class MemberSearch:
    """One member's search: gives out candidates, takes their epochs, stops some, and has a winner.

    damage: what is wrong with the record of an earlier call, which is then as if there were none.
    longest: epochs of its longest candidate.
    """

    def __init__(
        self,
        member: Member,
        search: Search,
        photographs: Photographs,
        store: Store,
        bracket: Bracket | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.member, self.search, self.store = member, search, store.live
        self._photographs = photographs
        self._sign = member_metrics.sign(search.metric)
        self._key = search_key(member, search, photographs)
        self.longest = search.longest(member.recipe.epochs)
        self._bracket = bracket or Bracket(search.asha, self.longest)
        self._clock = clock
        self._began: float | None = None
        self._grid = grid(search.space) if search.sampler == "grid" else None
        self._exhausted, self._seconds = False, 0.0
        self.is_closed = False
        self.candidates: list[Candidate] = []
        self.damage: Damage | None = None
        self._recall()
        self._waiting = [c for c in self.candidates if c.state == "running"]

    # -- the candidates ----------------------------------------------------------------------

    def ask(self) -> tuple[Candidate, Unit] | None:
        """The next candidate to train with its unit, or None where no more may start."""
        if self.is_closed:
            return None
        candidate = self._waiting.pop(0) if self._waiting else self._draw()
        if candidate is None:
            return None
        self._began = self._clock() if self._began is None else self._began
        return candidate, self.unit(candidate.settings)

    @property
    def begun(self) -> int:
        """How many candidates have started, ended ones included."""
        return len(self.candidates) - len(self._waiting)

    @property
    def n_units(self) -> int:
        """Of its member: folds times seeds."""
        folds = folds_of(self.member.folds, self._photographs.n_folds)
        return len(folds) * len(self.member.seeds or (None,))

    def may_begin(self) -> int:
        """How many candidates may still begin, at most."""
        if self.is_closed:
            return 0
        new = 0 if self._no_more() else self.search.candidates - len(self.candidates)
        return len(self._waiting) + new

    def rungs(self) -> tuple[int, ...]:
        """Epochs after which a candidate may be stopped."""
        return self._bracket.decides_after

    def unit(self, settings: dict[str, Any]) -> Unit:
        units = of_member(self.member.with_settings(settings), self._photographs)
        return next(u for u in units if u.fold == self.search.fold)

    def _draw(self) -> Candidate | None:
        if self._no_more():
            return None
        known = {c.hash for c in self.candidates}
        for settings in self._proposals():
            unit = self.unit(settings)
            if unit.hash not in known:
                candidate = Candidate(len(self.candidates), settings, unit.hash)
                self.candidates.append(candidate)
                self.save()
                return candidate
        self._exhausted = True
        return None

    def _proposals(self) -> Iterator[dict[str, Any]]:
        if self._grid is not None:
            return self._grid  # it stands where the last candidate was taken
        number, scored = len(self.candidates), self._scored()
        return (
            draw(self.search, scored, seed=_seed(self.search.seed, number, attempt))
            for attempt in range(_DRAWS)
        )

    def _scored(self) -> list[tuple[dict[str, Any], float]]:
        """Settings and scores (greater is better) of the candidates that ended."""
        return [
            (c.settings, self._sign * c.score)
            for c in self.candidates
            if c.state in ("done", "stopped") and c.score is not None
        ]

    def close(self) -> None:
        """No more candidates begin in this call; a later one goes on."""
        self.is_closed = True

    def _no_more(self) -> bool:
        """Whether no new candidate may begin."""
        if self.is_closed:
            return True
        hours = self.search.hours
        late = hours is not None and self.seconds() >= hours * 3600
        return late or self._exhausted or len(self.candidates) >= self.search.candidates

    def seconds(self) -> float:
        """Wall time of the search, earlier calls included, since its first candidate began."""
        return self._seconds + (0.0 if self._began is None else self._clock() - self._began)

    # -- what comes back ---------------------------------------------------------------------

    def epoch(self, number: int, epoch: int, value: float) -> str:
        """One epoch of a candidate: the reason why ASHA stops it here, or an empty text.

        A candidate that has trained its last epoch is never stopped. Epochs that are known, reported
        again by a resumed candidate, change nothing.
        """
        candidate = self.candidates[number]
        if epoch <= candidate.epochs or candidate.state == "stopped":
            return candidate.reason
        candidate.curve.append(value)
        candidate.score = self._sign * max(self._sign * v for v in candidate.curve)
        stop = self._bracket.report(self._name(candidate), epoch, self._sign * candidate.score)
        if stop and epoch < self._epochs(candidate):
            candidate.state, candidate.reason = "stopped", self._reason(stop, candidate.score)
        self.save()
        return candidate.reason

    def _reason(self, stop: Stop, score: float) -> str:
        what = f"ASHA, rung {stop.rung:g}: {self.search.metric} {score:.4f} is behind the cut-off"
        if stop.cutoff is None:
            return f"{what} of a rung that is not known"
        return f"{what} {self._sign * stop.cutoff:.4f} of the {stop.compared} before it"

    def ended(self, number: int, state: State, reason: str) -> None:
        """A candidate's training is over: `done` or `failed` (one that ASHA stopped stays so)."""
        candidate = self.candidates[number]
        if candidate.state != "stopped":
            candidate.state, candidate.reason = state, reason
        if candidate.state == "done":
            early = candidate.epochs < self._epochs(candidate)
            candidate.reason = "its patience ended" if early else "all epochs are done"
        if candidate.state != "done":
            folder = self.unit(candidate.settings).path
            self.store.delete(f"{folder}/state.pt")
            self.store.delete(f"{folder}/epochs")
        self.save()

    def _epochs(self, candidate: Candidate) -> int:
        return int(candidate.settings.get("epochs", self.member.recipe.epochs))

    def is_over(self) -> bool:
        left = self._waiting if self.is_closed else []
        return self._no_more() and not any(
            c.state == "running" and c not in left for c in self.candidates
        )

    def winner(self) -> Candidate | None:
        """The best candidate that trained to its end; the earlier of two equal ones."""
        scores = {
            c.number: self._sign * c.score
            for c in self.candidates
            if c.state == "done" and c.score is not None
        }
        return self.candidates[max(scores, key=scores.__getitem__)] if scores else None

    def is_left_out(self) -> bool:
        """Whether other members' candidates were better, so that none of this one's reached the end."""
        stopped = any(c.state == "stopped" for c in self.candidates)
        return self.search.scope == "ensemble" and self.is_over() and stopped and not self.winner()

    # -- the record --------------------------------------------------------------------------

    def save(self) -> None:
        """`search/<member>.json` for a later call, `search/<member>.csv` to read and plot."""
        name = f"search/{self.member.name}"
        record = {
            "key": self._key,
            "seconds": round(self.seconds(), 3),
            "exhausted": self._exhausted,
            "left_out": self.is_left_out(),
            "candidates": [asdict(candidate) for candidate in self.candidates],
        }
        self.store.write_json(f"{name}.json", sealed(record))
        content = io.StringIO()
        pd.DataFrame(map(self._row, self.candidates)).to_csv(content, index=False)
        self.store.write(f"{name}.csv", content.getvalue())

    def _row(self, candidate: Candidate) -> dict[str, Any]:
        outcome = {
            "epochs": candidate.epochs,
            self.search.metric: candidate.score,
            "state": candidate.state,
            "reason": candidate.reason,
            "curve": json.dumps(candidate.curve),
            "hash": candidate.hash,
        }
        settings = {
            # `epochs` and `loss` may be settings and outcomes
            f"recipe.{key}" if key in outcome else key: _cell(value)
            for key, value in candidate.settings.items()
        }
        return {"candidate": candidate.number, **settings, **outcome}

    def _recall(self) -> None:
        """The candidates of an earlier call; the bracket gets their scores again.

        That the epochs of unfinished ones are among them is what keeps a resumed search to its
        decisions: a candidate that was let past a rung is past it, whatever came there since.
        """
        record = find_search(self.member.name, self.store)
        if isinstance(record, Damage):
            self.damage = record
            return
        if record is None or (
            record.key != self._key
            and record.key != key_as_written(self.member, self.search, self._photographs)
        ):
            return  # the space, the member or the data changed: a new search
        self.damage = self._of_no_unit(record)
        if self.damage:
            return
        self._seconds, self._exhausted = record.seconds, record.exhausted
        self.candidates = record.candidates
        for candidate in self.candidates:
            for epoch in range(1, candidate.epochs + 1):
                best = max(self._sign * value for value in candidate.curve[:epoch])
                self._bracket.recall(self._name(candidate), epoch, best)

    def _of_no_unit(self, record: SearchRecord) -> Damage | None:
        """The damage where what is written of a candidate is not of one unit."""
        for row in record.candidates:
            try:
                same = self.unit(row.settings).hash == row.hash
            except (ValidationError, ValueError, TypeError) as error:
                return damaged_search(self.member.name, f"damaged ({first_line(error)})")
            if not same:
                why = f"damaged (candidate {row.number}: its settings are not those of its hash)"
                return damaged_search(self.member.name, why)
        return None

    def _name(self, candidate: Candidate) -> str:
        return f"{self.member.name}/{candidate.number}"


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict) else value


def _seed(seed: int, number: int, attempt: int) -> int:
    """A seed of its own for each draw, so that a resumed search goes on as it would have."""
    text = f"{seed}/{number}/{attempt}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big")
