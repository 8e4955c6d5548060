"""ASHA: Ray Tune's scheduler decides who stops; why is worked out from the scores kept here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import numpy as np

from orchestrator.spec.search import Asha


@dataclass(frozen=True)
class Stop:
    """Why a candidate stops: its score is behind the rung's cut-off, set by `compared` scores.

    cutoff: None where the rungs of the installed Ray Tune are not those that `rungs_of` gives.
    """

    rung: float  # epochs
    cutoff: float | None
    compared: int


class Bracket:
    """Candidates that compete. The clock is the epoch, and a greater score is better.

    A stop follows from the scores that a rung holds, in whatever order they came: a new bracket
    that is given the same scores again decides as the old one would have. Ray Tune is imported when
    the first decision is asked for: of a search that is over there is none.
    """

    def __init__(self, asha: Asha, epochs: int):
        self._settings, self._epochs = asha, epochs
        self._earlier: list[tuple[str, int, float]] = []
        self._trials: dict[str, SimpleNamespace] = {}
        self._reduction_factor = asha.reduction_factor
        self._rungs: dict[float, dict[str, float]] = {
            rung: {} for rung in rungs_of(asha.grace_epochs, epochs, asha.reduction_factor)
        }
        self.decides_after = tuple(sorted({*map(math.ceil, self._rungs), epochs}))  # epochs

    @cached_property
    def _asha(self) -> Any:
        from ray.tune.schedulers import AsyncHyperBandScheduler

        # Any: it reads the id of a trial and nothing of a controller, and there is neither here
        return AsyncHyperBandScheduler(
            time_attr="epoch",
            metric="score",
            mode="max",
            max_t=self._epochs,
            grace_period=self._settings.grace_epochs,
            reduction_factor=self._settings.reduction_factor,
            stop_last_trials=False,
        )

    def recall(self, candidate: str, epoch: int, score: float) -> None:
        """As `report`, of a score that was decided about by an earlier bracket."""
        self._earlier.append((candidate, epoch, score))

    def report(self, candidate: str, epoch: int, score: float) -> Stop | None:
        """A candidate's best score up to `epoch`; why it stops here, where it does."""
        earlier, self._earlier = self._earlier, []
        for told in earlier:
            self._decide(*told)
        return self._decide(candidate, epoch, score)

    def _decide(self, candidate: str, epoch: int, score: float) -> Stop | None:
        if candidate not in self._trials:
            self._trials[candidate] = SimpleNamespace(trial_id=candidate)
            self._asha.on_trial_add(None, self._trials[candidate])
        stop = self._behind(candidate, epoch, score)
        result = {"epoch": epoch, "score": score}
        if self._asha.on_trial_result(None, self._trials[candidate], result) != "STOP":
            return None
        return stop or Stop(epoch, None, 0)

    def _behind(self, candidate: str, epoch: int, score: float) -> Stop | None:
        """Enter the score on the highest rung that is reached, unless the candidate is there."""
        rung = max((rung for rung in self._rungs if rung <= epoch), default=None)
        if rung is None or candidate in self._rungs[rung]:
            return None
        before = list(self._rungs[rung].values())
        self._rungs[rung][candidate] = score
        if not before:
            return None
        cutoff = float(np.percentile(before, (1 - 1 / self._reduction_factor) * 100))
        return Stop(rung, cutoff, len(before)) if score < cutoff else None


def rungs_of(grace: int, epochs: int, factor: float) -> list[float]:
    """grace * factor^k up to `epochs`, rising. Li et al., A System for Massively Parallel
    Hyperparameter Tuning (2020), algorithm 2; the logarithm rounds as Ray Tune's does."""
    count = int(np.log(epochs / grace) / np.log(factor) + 1)
    return [grace * factor**k for k in range(count)]
