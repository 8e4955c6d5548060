"""Score against cost: which members are worth the milliseconds they take a photograph.

Every point is a vote of its own, the one that the same request gives with the point's members alone,
with the nested estimate of that vote. Which sub-ensembles are looked at is decided by log-loss weights,
which are fitted in milliseconds where a vote that is chosen among kinds takes seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ensembles.errors import BadInput
from ensembles.files.align import align, common_rows
from ensembles.files.table import OofTable, Table
from ensembles.files.targets import target_indices
from ensembles.judging.estimate import group_array
from ensembles.judging.steps import Progress, Steps
from ensembles.scores import metrics
from ensembles.scores.influence import standard_error
from ensembles.voting.cast import cast
from ensembles.voting.kinds import MEAN
from ensembles.voting.request import Mode, VoteRequest
from ensembles.weights.simplex import GAP, log_loss_weights
from ensembles.weights.stack import stack_members

COST = "milliseconds_per_photo"
# What no sub-ensemble can be asked for, and why.
NOT_OF_A_FRONT = {
    "top": "the front itself tells which members to keep.",
    "weights": "they are fixed for all members, and the front is of some.",
    "missing_rows": "sub-ensembles would be scored on other rows than the whole. Use common_rows.",
    **dict.fromkeys(("prior", "sets", "unknown"), "no score on OOF rows depends on it."),
}


def pareto(
    oof: Mapping[str, Table],
    mode: Mode | VoteRequest = "weighted",
    objective: str | None = None,
    groups: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> dict[str, Any]:
    """The front of score against cost over sub-ensembles, each with the vote that is asked for.

    oof: member -> table with fold and label, and COST in its metadata. mode, objective, options,
    groups: as of `voting.cast.cast`; a point of some members is what `cast` gives of these alone, the
    point of all what it gives of all. Points are scored by the request's metric, macro F1 where none
    is named. progress: called with how many of the votes are done, and of how many.

    Looked at are every member alone and one sub-ensemble of each size from all members down: the next
    to go is the member whose absence costs least log-loss for each millisecond that it saves, by
    log-loss weights that are refitted without it; of several that cost nothing the dearest.

    Returns `metric`, `chosen_by` (how kinds of votes are chosen among, None where they are not) and
    `points`, cheapest first: dicts of `members`, `milliseconds`, the scores of the vote's nested
    estimate and the `standard_error` in the metric, `choice` (the kind of vote, where it is chosen),
    `front` (better than all that are cheaper). `whole`, `best`, `cheapest`: the point of all members,
    the best, and the cheapest within one standard error of it (of their difference). `notes`: those of
    the vote of all. Raises BadInput.
    """
    request = VoteRequest.of(mode, objective, **options)
    if wrong := [
        f"{n}: {why} Leave it out." for n, why in NOT_OF_A_FRONT.items() if n in request.options
    ]:
        raise BadInput(wrong)
    costs = _costs(oof)
    if request.common_rows:
        oof, request = common_rows(oof), replace(request, common_rows=False)
    aligned = align(oof, "oof")
    names, first = list(aligned), next(iter(aligned.values()))
    targets = target_indices(first.meta, first.n_classes)
    if problems := request.problems(names, list(targets)):
        raise BadInput(problems)
    metric, of = request.metric, group_array(aligned, groups)
    values = request.per_target(targets).get(metric)
    looked_at = _on_the_way_down(aligned, values, costs)
    looked_at += [(name,) for name in names if (name,) not in looked_at]
    steps = Steps(len(looked_at), progress)
    row_of = {image_id: row for row, image_id in enumerate(first.ids.tolist())}
    points: list[dict[str, Any]] = []
    moves: list[np.ndarray] = []
    notes: list[str] = []
    for members in looked_at:
        vote = cast({name: oof[name] for name in members}, None, request, groups=groups, digests={})
        notes = notes if points else vote.notes
        own, estimate = vote.held_out, vote.estimate
        assert own is not None
        assert estimate is not None
        # the vote's rows are in the order of its own first member
        rows = np.array([row_of[image_id] for image_id in vote.ids.tolist()])
        moves.append(np.empty(len(rows)))
        moves[-1][rows] = metrics.named(metric).influence(own.labels, own.probabilities, values)
        points.append(
            {
                "members": list(members),
                "milliseconds": _together(members, aligned, costs),
                **estimate,
                "standard_error": estimate["standard_error"][metric],
                "choice": vote.choice,
            }
        )
        steps.counted(None)
    whole = points[0]
    return {
        "metric": metric,
        "chosen_by": (request.choice or MEAN) if request.gated else None,
        **_front(points, moves, metric, of),
        "whole": whole,
        "notes": notes,
    }


def _front(
    points: list[dict[str, Any]], moves: list[np.ndarray], metric: str, groups: np.ndarray | None
) -> dict[str, Any]:
    """The points by cost, each told whether it is on the front; the best and the cheapest as good.

    moves: (N,) each, the rows' influences on the points' scores, in one order of rows.
    """
    sign = metrics.named(metric).sign
    order = sorted(
        range(len(points)), key=lambda i: (points[i]["milliseconds"], -sign * points[i][metric])
    )
    points, moves = [points[i] for i in order], [moves[i] for i in order]
    record = -np.inf
    for point in points:
        point["front"] = sign * point[metric] > record
        record = max(record, sign * point[metric])
    best = max(range(len(points)), key=lambda i: (sign * points[i][metric], -i))

    def as_good(i: int) -> bool:
        behind = sign * (points[best][metric] - points[i][metric])
        return behind <= standard_error(moves[best] - moves[i], groups)

    cheapest = next(i for i in range(len(points)) if points[i]["front"] and as_good(i))
    return {"points": points, "best": points[best], "cheapest": points[cheapest]}


def _costs(tables: Mapping[str, Table]) -> dict[str, float]:
    given = {name: table.meta.get(COST) for name, table in tables.items()}
    costs = {
        name: float(cost)
        for name, cost in given.items()
        if isinstance(cost, int | float) and 0 < cost < np.inf
    }
    without = [name for name in given if name not in costs]
    if not tables or without:
        raise BadInput(
            f"no cost is known of: {', '.join(without) or 'any member'}. Write what was measured, "
            f"above 0, as `{COST}` into the metadata `ensemble` of their OOF tables; tables of "
            "members trained here have it."
        )
    return costs


def _together(
    chosen: Sequence[str], tables: Mapping[str, Table], costs: Mapping[str, float]
) -> float:
    """What they take a photograph: a stack takes what its members take, and those are asked once."""
    asked: dict[str, float] = {}
    left, seen = list(chosen), set()
    while left:
        name = left.pop()
        stack = tables[name].meta.get("stack")
        of = stack.get("of") if isinstance(stack, dict) else None
        if (
            isinstance(of, list)
            and of
            and all(isinstance(own, str) and own in tables for own in of)
        ):
            left += [own for own in of if own not in seen]
            seen |= {name, *of}
        else:
            asked[name] = costs[name]
    return float(sum(asked[name] for name in tables if name in asked))


def _on_the_way_down(
    tables: Mapping[str, OofTable], values: np.ndarray | None, costs: Mapping[str, float]
) -> list[tuple[str, ...]]:
    """One sub-ensemble of each size, from all members to one. values: as of `Stack`."""
    names, first = list(tables), next(iter(tables.values()))
    probabilities = np.stack([table.probabilities for table in tables.values()])
    every = stack_members(probabilities, first.label, values).true
    chosen = list(names)
    found = [tuple(chosen)]
    while len(chosen) > 1:
        lost = _lost_without_each(every[[names.index(name) for name in chosen]])
        whole = _together(chosen, tables, costs)
        ranks = []
        for name, loss in zip(chosen, lost.tolist(), strict=True):
            saved = whole - _together([own for own in chosen if own != name], tables, costs)
            # nothing where a stack that stays asks the member anyway
            each = loss / saved if saved > 0 else np.inf if loss > 0 else 0.0
            ranks.append((each, loss, -saved))
        chosen.pop(ranks.index(min(ranks)))
        found.append(tuple(chosen))
    return found


def _lost_without_each(true: np.ndarray) -> np.ndarray:
    """(M,) >= 0, what the mixture of least log-loss loses without each member, the others' weights
    refitted. true: (M, N) as of `Stack`.
    """
    weights = log_loss_weights(true).weights
    whole, lost = np.log(weights @ true).mean(), np.zeros(len(true))
    for j in np.flatnonzero(weights):
        others = np.delete(true, j, axis=0)
        lost[j] = whole - np.log(log_loss_weights(others).weights @ others).mean()
    return np.where(lost > 2 * GAP, lost, 0.0)  # both are as exact as that
