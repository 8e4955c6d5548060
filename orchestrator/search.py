"""Candidates for the settings of one member: drawn by Optuna, stopped by ASHA, remembered on disk.

Candidates of one member compete with each other and with nobody else: a weak but different member
may still help a vote. A candidate is an ordinary unit of the member with some settings replaced, on
one fold; the winner's unit therefore is already trained when the member's other folds are.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
from dataclasses import asdict, dataclass
from types import SimpleNamespace
from typing import Any

import pandas as pd

from .spec import Distribution, Member, Search
from .store import Store
from .unit_files import history_of
from .units import Photographs, Unit, of_member

_DRAWS = 50  # attempts to draw settings that no earlier candidate has


@dataclass
class Candidate:
    """One set of settings and what became of it. `state`: running, done, stopped or failed."""

    number: int
    settings: dict[str, Any]
    hash: str
    state: str = "running"
    epochs: int = 0
    score: float | None = None
    reason: str = ""


class MemberSearch:
    """Ask for candidates, report their epochs, learn which must stop, and in the end who won."""

    def __init__(self, member: Member, search: Search, photographs: Photographs, store: Store):
        self.member, self.search, self.store = member, search, store
        self._photographs = photographs
        self._sign = -1.0 if search.metric == "loss" else 1.0
        self._key = _key(member, search, photographs)
        self._asha = _asha(search, member.recipe.epochs)
        self._exhausted = False
        self.candidates = self._recall()
        self._waiting = [c for c in self.candidates if c.state == "running"]

    # -- the candidates ----------------------------------------------------------------------

    def ask(self) -> tuple[Candidate, Unit] | None:
        """The next candidate to train with its unit, or None where no more may start."""
        candidate = self._waiting.pop(0) if self._waiting else self._draw()
        return (candidate, self.unit(candidate.settings)) if candidate else None

    def unit(self, settings: dict[str, Any]) -> Unit:
        units = of_member(self.member.with_settings(settings), self._photographs)
        return next(u for u in units if u.fold == self.search.fold)

    def _draw(self) -> Candidate | None:
        if self._exhausted or len(self.candidates) >= self.search.candidates:
            return None
        number = len(self.candidates)
        known = {c.hash for c in self.candidates}
        for attempt in range(_DRAWS):
            settings = draw(
                self.search, self._told(), seed=_seed(self.search.seed, number, attempt)
            )
            unit = self.unit(settings)
            if unit.hash not in known:
                candidate = Candidate(number, settings, unit.hash)
                self.candidates.append(candidate)
                self._asha.on_trial_add(None, _trial(candidate))
                self.save()
                return candidate
        self._exhausted = True
        return None

    def _told(self) -> list[tuple[dict[str, Any], float]]:
        """Settings and scores (greater is better) of the candidates that are behind us."""
        ended = [
            c for c in self.candidates if c.state in ("done", "stopped") and c.score is not None
        ]
        return [(c.settings, self._sign * c.score) for c in ended]

    # -- what comes back ---------------------------------------------------------------------

    def epoch(self, number: int, epoch: int, score: float) -> str:
        """One epoch of a candidate: the reason why ASHA stops it here, or an empty text.

        ASHA's clock is the epoch. A candidate that has trained its last epoch is never stopped.
        """
        candidate = self.candidates[number]
        candidate.epochs, candidate.score = epoch, score
        if epoch >= candidate.settings.get("epochs", self.member.recipe.epochs):
            return ""
        bracket = self._asha._trial_info[_trial(candidate).trial_id]
        rungs = {m: (len(seen), bracket.cutoff(seen)) for m, seen in bracket._rungs}
        result = {"epoch": epoch, "score": self._sign * score}
        decision = self._asha.on_trial_result(None, _trial(candidate), result)
        if decision != "STOP":
            return ""
        milestone = max(m for m in rungs if m <= epoch)
        seen, cutoff = rungs[milestone]
        candidate.state = "stopped"
        candidate.reason = (
            f"ASHA, rung {milestone:g}: {self.search.metric} {score:.4f} is behind the cut-off "
            f"{self._sign * cutoff:.4f} of the {seen} before it"
        )
        self.save()
        return candidate.reason

    def ended(self, number: int, state: str, reason: str) -> None:
        """A candidate's training is over: `done` or `failed` (one that ASHA stopped stays so)."""
        candidate = self.candidates[number]
        if candidate.state != "stopped":
            candidate.state, candidate.reason = state, reason
        if candidate.state != "done":
            self.store.delete(f"{self.unit(candidate.settings).path}/state.pt")
        self.save()

    def is_over(self) -> bool:
        running = any(c.state == "running" for c in self.candidates)
        return not running and (self._exhausted or len(self.candidates) >= self.search.candidates)

    def winner(self) -> Candidate | None:
        """The best candidate that trained to its end; the earlier of two equal ones."""
        done = [c for c in self.candidates if c.state == "done" and c.score is not None]
        return max(done, key=lambda c: (self._sign * c.score, -c.number), default=None)

    # -- the record --------------------------------------------------------------------------

    def save(self) -> None:
        """`search/<member>.json` for a later call, `search/<member>.csv` for people."""
        name = f"search/{self.member.name}"
        rows = [asdict(candidate) for candidate in self.candidates]
        self.store.write_json(f"{name}.json", {"key": self._key, "candidates": rows})
        table = pd.DataFrame(
            [
                {
                    "candidate": c.number,
                    **c.settings,
                    "epochs": c.epochs,
                    self.search.metric: c.score,
                    "state": c.state,
                    "reason": c.reason,
                    "hash": c.hash,
                }
                for c in self.candidates
            ]
        )
        content = io.StringIO()
        table.to_csv(content, index=False)
        self.store.write(f"{name}.csv", content.getvalue())

    def _recall(self) -> list[Candidate]:
        """The candidates of an earlier, interrupted call, their epochs told to ASHA again."""
        try:
            record = self.store.read_json(f"search/{self.member.name}.json")
        except FileNotFoundError:
            return []
        if record["key"] != self._key:  # the space, the member or the data changed: a new search
            return []
        candidates = [Candidate(**row) for row in record["candidates"]]
        for candidate in candidates:
            self._asha.on_trial_add(None, _trial(candidate))
            if candidate.state == "running":
                continue  # its worker reports its earlier epochs again
            best = -math.inf
            for row in history_of(self.unit(candidate.settings), self.store)[: candidate.epochs]:
                best = max(best, self._sign * row.get(self.search.metric, -math.inf))
                result = {"epoch": int(row["epoch"]), "score": best}
                self._asha.on_trial_result(None, _trial(candidate), result)
        return candidates


def draw(search: Search, told: list[tuple[dict[str, Any], float]], seed: int) -> dict[str, Any]:
    """Settings for one candidate: by chance, or by TPE from the `told` (settings, score) pairs."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    distributions = {key: _distribution(d) for key, d in search.space.items()}
    startup = max(2, min(10, search.candidates // 3))
    sampler = (
        optuna.samplers.TPESampler(seed=seed, n_startup_trials=startup)
        if search.sampler == "tpe"
        else optuna.samplers.RandomSampler(seed=seed)
    )
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for settings, score in told:
        parameters = {k: _encode(search.space[k], v) for k, v in settings.items()}
        study.add_trial(
            optuna.trial.create_trial(params=parameters, distributions=distributions, value=score)
        )
    drawn = study.ask(distributions).params
    return {key: _decode(search.space[key], value) for key, value in drawn.items()}


def _distribution(d: Distribution):
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if d.choice is not None:  # numbered: Optuna takes scalars only, a choice may be a list
        return CategoricalDistribution(list(range(len(d.choice))))
    if d.int_uniform is not None:
        return IntDistribution(*d.int_uniform)
    if d.log_uniform is not None:
        return FloatDistribution(*d.log_uniform, log=True)
    return FloatDistribution(*d.uniform)


def _decode(d: Distribution, value: Any) -> Any:
    return d.choice[value] if d.choice is not None else value


def _encode(d: Distribution, value: Any) -> Any:
    return next(i for i, c in enumerate(d.choice) if c == value) if d.choice is not None else value


def _asha(search: Search, epochs: int):
    from ray.tune.schedulers import AsyncHyperBandScheduler

    return AsyncHyperBandScheduler(
        time_attr="epoch",
        metric="score",
        mode="max",
        max_t=epochs,
        grace_period=search.asha.grace_epochs,
        reduction_factor=search.asha.reduction_factor,
        stop_last_trials=False,
    )


def _trial(candidate: Candidate) -> SimpleNamespace:
    return SimpleNamespace(trial_id=str(candidate.number))


def _seed(seed: int, number: int, attempt: int) -> int:
    """A seed of its own for each draw, so that a resumed search goes on as it would have."""
    text = f"{seed}/{number}/{attempt}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big")


def _key(member: Member, search: Search, photographs: Photographs) -> str:
    """What a search's record belongs to: the member as written, the space, the data."""
    base = of_member(member, photographs)[0].hash
    block = search.model_dump(mode="json", exclude={"members", "candidates"})
    return hashlib.blake2b(f"{base}{json.dumps(block)}".encode(), digest_size=8).hexdigest()
