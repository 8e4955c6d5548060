"""Score against cost: which members are worth the milliseconds they take a photograph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ensembles.errors import BadInput
from ensembles.files.align import align
from ensembles.files.table import Table
from ensembles.files.targets import target_indices
from ensembles.judging.estimate import apply_held_out, folds_for_weights, group_array, nested_rules
from ensembles.rules.pools import Rule
from ensembles.scores import metrics
from ensembles.scores.influence import standard_error
from ensembles.voting.request import VoteRequest
from ensembles.weights.simplex import log_loss_weights
from ensembles.weights.stack import Stack, stack_members

COST = "milliseconds_per_photo"


def pareto(
    oof: Mapping[str, Table], metric: str = "macro_f1", groups: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The front of score against cost over sub-ensembles.

    oof: member -> table, with COST in its metadata. Looked at are every member alone and the
    sub-ensembles on the way from all members to one, where the next to go is the member that adds
    least log-loss for each millisecond it saves. Weights are those of least
    log-loss, refitted inside the folds for the score.

    Returns `metric`, `points` (dicts of `members`, `milliseconds`, the three scores,
    `standard_error`, `front`), cheapest first; `best` and `cheapest`: the best point, and the
    cheapest within one standard error of it (of their difference). Raises BadInput.
    """
    costs = _costs(oof)
    aligned = align(oof, "oof")
    names, first = list(aligned), next(iter(aligned.values()))
    request, targets = VoteRequest("weighted", metric), target_indices(first.meta, first.n_classes)
    if problems := request.problems(names, list(targets)):
        raise BadInput(problems)
    metric = request.metric
    of_metric, per_target = metrics.named(metric), request.per_target(targets)
    sign = of_metric.sign
    probabilities = np.stack([table.probabilities for table in aligned.values()])
    data = stack_members(probabilities, first.label, per_target.get(metric))
    of = group_array(aligned, groups)
    folds = folds_for_weights(first.fold, of)
    cost = np.array([costs[name] for name in names])
    alone = [np.array([j]) for j in range(len(names))]
    points: list[dict[str, Any]] = []
    moves: list[np.ndarray] = []
    for chosen in alone + _on_the_way_down(data, cost):
        part = data.members(chosen)
        rules = nested_rules(part, folds, lambda rows: Rule(log_loss_weights(rows.true).weights))
        held_out = apply_held_out(part, rules)
        moves.append(of_metric.influence(data.labels, held_out, data.values))
        points.append(
            {
                "members": [names[j] for j in chosen],
                "milliseconds": _together([names[j] for j in chosen], aligned, costs),
                **metrics.score_all(data.labels, held_out, per_target),
                "standard_error": of_metric.standard_error(data.labels, held_out, data.values, of),
            }
        )
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
        return behind <= standard_error(moves[best] - moves[i], of)

    cheapest = next(i for i in range(len(points)) if points[i]["front"] and as_good(i))
    return {
        "metric": metric,
        "points": points,
        "best": points[best],
        "cheapest": points[cheapest],
    }


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


def _on_the_way_down(data: Stack, cost: np.ndarray) -> list[np.ndarray]:
    """Index arrays of the members in use, from all that get weight to two."""
    found, chosen = [], np.arange(data.n_members)
    while len(chosen) > 1:
        true = data.true[chosen]
        weights = log_loss_weights(true).weights
        used = weights > 0
        chosen, true, weights = chosen[used], true[used], weights[used]
        if len(chosen) < 2:
            break
        found.append(chosen)
        mixture = weights @ true
        loss = np.log(mixture).mean()
        left = [
            np.log(np.maximum(mixture - w * own, 1e-300) / (1 - w)).mean()
            for w, own in zip(weights, true, strict=True)
        ]
        worth = (loss - np.array(left)) / cost[chosen]
        chosen = np.delete(chosen, worth.argmin())
    return found
