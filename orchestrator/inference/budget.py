"""The best vote of some members that a number of milliseconds a photograph pays for."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import ensembles
from ensembles.errors import BadInput
from ensembles.judging.steps import Progress
from ensembles.lazy.budget import within_budget
from ensembles.lazy.decided import needed
from ensembles.scores import metrics
from ensembles.voting.pareto import COST
from ensembles.voting.request import VoteRequest
from orchestrator.errors import WrongRequest
from orchestrator.inference.ensemble import Ensemble
from orchestrator.inference.parts import Trained

PHOTOS, TIMES = 16, 3  # that each member is timed on, and how often


@dataclass(frozen=True)
class Within:
    """The vote that was chosen, as an ensemble of its members; milliseconds: of each member, measured
    here. line: what was chosen, in words.
    """

    trained: Trained
    milliseconds: dict[str, float]
    line: str


def measured(ensemble: Ensemble) -> dict[str, float]:
    """Milliseconds a photograph of each member, all its networks and views, on this machine.

    Of noise of the right size, PHOTOS at once; the least of TIMES, after one that does not count.
    """
    found = {}
    noise = np.random.default_rng(0)
    for part in ensemble.trained.members:
        shape = (PHOTOS, *part.seen.size, 3)
        pixels = noise.integers(0, 256, shape, np.uint8)
        seconds = []
        for _ in range(1 + TIMES):
            began = time.perf_counter()
            ensemble.ask(part.name, pixels)
            seconds.append(time.perf_counter() - began)
        found[part.name] = 1000 * min(seconds[1:]) / PHOTOS
    return found


def within(
    budget: float,
    ensemble: Ensemble,
    oof: Mapping[str, ensembles.Table],
    request: VoteRequest,
    groups: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> Within:
    """The sub-ensemble of the best nested score whose members take at most `budget` milliseconds a
    photograph, its vote fitted anew by `request`.

    ensemble: with every member. oof: of each voter. groups: as of `ensembles.cast`. Raises
    WrongRequest where no member is as cheap, with the cheapest.
    """
    trained, costs = ensemble.trained, measured(ensemble)
    tables = {
        name: replace(table, meta={**table.meta, COST: _cost(trained, name, costs)})
        for name, table in oof.items()
    }
    asked = replace(request, prior=None, sets=None, unknown=None)
    front = ensembles.pareto(tables, asked, groups=groups, progress=progress)
    try:
        point = within_budget(front, budget)
    except BadInput as error:
        raise WrongRequest([f"--budget-ms: {text}" for text in error.problems]) from None
    vote = ensembles.cast({n: tables[n] for n in point["members"]}, None, asked, groups=groups)
    voters = tuple(vote.weights)
    moving = [name for name, moves in zip(voters, needed(vote.rule), strict=True) if moves]
    chosen = replace(trained.of(moving), record=vote, rule=vote.rule, voters=voters)
    return Within(chosen, costs, _line(front, point, budget))


def _cost(trained: Trained, name: str, costs: Mapping[str, float]) -> float:
    return sum(costs[part.name] for part in trained.of([name]).members)


def _line(front: Mapping[str, Any], point: Mapping[str, Any], budget: float) -> str:
    whole, metric = front["whole"], front["metric"]
    title = metrics.title(metric)

    def figures(own: Mapping[str, Any]) -> str:
        return f"{own['milliseconds']:.1f} ms a photo, {title} {own[metric]:.4f} ±{own['standard_error']:.4f}"

    names = ", ".join(point["members"])
    if len(point["members"]) == len(whole["members"]):
        return f"within {budget:g} ms: all members ({figures(whole)})."
    return (
        f"within {budget:g} ms: {names} ({figures(point)}; all {len(whole['members'])}: "
        f"{figures(whole)}; scores on rows that nothing was fitted to)."
    )
