"""Why the vote is as it is: what each member is worth to it, and how one photograph was decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ensembles.files.table import Table
from ensembles.rules import pools, votes
from ensembles.rules.pools import Rule
from ensembles.scores import metrics
from ensembles.scores.influence import standard_error
from ensembles.weights.stack import Stack

NO_WEIGHT = 5e-4


def member_reasons(
    stack: Stack,
    names: Sequence[str],
    weights: np.ndarray,
    rules: list[tuple[np.ndarray, Rule]],
    metric: str,
    groups: np.ndarray | None = None,
) -> list[dict[str, Any]]:
    """One dict a member: `member`, `weight`, `solo` (its own score), `loss_without` (what the vote
    loses without it on rows its rule did not see, the others' weights in proportion) and its
    `standard_error`, `error_correlation` (its errors with the share of the others that err),
    `like` (the member whose errors are most like its own), `text` (the reason in a line).

    weights: (M,) of the final rule. rules: for each part of the rows the rule fitted without it.
    metric: one of `metrics.METRICS`, or as `macro_f1:age` that of `stack.values`.
    """
    labels, n_members, of = stack.labels, stack.n_members, metrics.named(metric)
    whole, without = _leave_each_out(stack, rules)

    def judged(mixed: np.ndarray) -> tuple[float, np.ndarray]:
        given = labels, mixed, stack.values
        return of.score(*given), of.influence(*given)

    full, moves = judged(whole)
    errors = (stack.meaning(stack.favourites) != stack.meaning(labels)).astype(np.float64)
    like = _correlations(errors, errors)
    np.fill_diagonal(like, -1)
    solo = [of.score(labels, own, stack.values) for own in stack.probabilities]
    best = int(np.argmax(of.sign * np.array(solo)))
    found = []
    for j in range(n_members):
        entry: dict[str, Any] = {"member": names[j], "weight": float(weights[j]), "solo": solo[j]}
        entry |= {"loss_without": None, "standard_error": None, "error_correlation": None}
        entry |= {"like": None}
        if n_members > 1:
            others = (errors.sum(axis=0) - errors[j]) / (n_members - 1)
            entry["error_correlation"] = float(_correlations(errors[j : j + 1], others[None])[0, 0])
            entry["like"] = names[int(like[j].argmax())]
            left, left_moves = judged(without[j])
            entry["loss_without"] = of.sign * (full - left) + 0.0  # 0 has no sign
            entry["standard_error"] = standard_error(moves - left_moves, groups)
        entry["text"] = _in_words(entry, float(like[j].max()), names[best])
        found.append(entry)
    return found


def explain(rule: Rule, tables: Mapping[str, Table], image_id: str) -> dict[str, Any] | None:
    """How one photograph was decided, or None where no table has it.

    `members`: for each its weight and (K,) probabilities; `pooled`, `final`: (K,) before and after
    offsets and temperature; `decision`, `runner_up`: class names; `turned_by`: the members without
    which, each alone, the decision would be another; `offsets_decided`; `label` where known.
    """
    names, first = list(tables), next(iter(tables.values()))
    rows = [np.flatnonzero(table.ids == image_id) for table in tables.values()]
    if not all(len(row) for row in rows):
        return None
    probabilities = np.stack(
        [t.probabilities[row[:1]] for t, row in zip(tables.values(), rows, strict=True)]
    )
    pooled = pools.mix(probabilities, rule.weights, rule.pool)
    final = pools.adjust(pooled, rule.offsets, rule.temperature)
    order = np.argsort(-final[0], kind="stable")
    turned = []
    for j, name in enumerate(names):
        weights = np.where(np.arange(len(names)) == j, 0, rule.weights)
        if weights.sum() <= 0 or not rule.weights[j]:
            continue
        if replace(rule, weights=weights).apply(probabilities)[0].argmax() != order[0]:
            turned.append(name)
    label = None if first.label is None else first.classes[first.label[rows[0][0]]]
    return {
        "image_id": image_id,
        "classes": first.classes,
        "members": {
            name: {"weight": float(weight), "probabilities": own[0].tolist()}
            for name, weight, own in zip(names, rule.weights, probabilities, strict=True)
        },
        "pool": rule.pool,
        "pooled": pooled[0].tolist(),
        "final": final[0].tolist(),
        "decision": first.classes[order[0]],
        "runner_up": first.classes[order[1]] if len(order) > 1 else None,
        "votes": {
            first.classes[k]: int(count)
            for k, count in enumerate(np.bincount(probabilities[:, 0].argmax(axis=1)))
            if count
        },
        "offsets_decided": bool(pooled[0].argmax() != order[0]),
        "turned_by": turned,
        "label": label,
    }


def _leave_each_out(
    stack: Stack, rules: list[tuple[np.ndarray, Rule]]
) -> tuple[np.ndarray, list[np.ndarray]]:
    """The vote (N, K) and, for each member, the vote without it."""
    shape = stack.probabilities.shape[1:]
    whole, without = (
        np.empty(shape, np.float32),
        [np.empty(shape, np.float32) for _ in range(stack.n_members)],
    )
    for rows, rule in rules:
        probabilities = np.take(stack.probabilities, rows, axis=1)
        if rule.pool == "hard":
            whole[rows] = rule.apply(probabilities)
            for j, left in enumerate(without):
                left[rows] = _without(rule, j).apply(probabilities)
            continue
        log_linear = rule.pool == "log_linear"
        parts = pools.log(probabilities) if log_linear else probabilities
        total = np.tensordot(rule.weights, parts.astype(np.float64), axes=1)

        def finished(pooled: np.ndarray, rule: Rule = rule, by_log: bool = log_linear):
            mixed = pools.softmax(pooled) if by_log else _rows_to_1(pooled)
            return pools.adjust(mixed.astype(np.float32), rule.offsets, rule.temperature)

        whole[rows] = finished(total)
        for j, left in enumerate(without):
            if not rule.weights[j]:
                left[rows] = whole[rows]
            elif not np.delete(rule.weights, j).any():
                left[rows] = (
                    votes.soft(np.delete(probabilities, j, axis=0))
                    if len(probabilities) > 1
                    else whole[rows]
                )
            else:
                left[rows] = finished(total - rule.weights[j] * parts[j])
    return whole, without


def _without(rule: Rule, member: int) -> Rule:
    weights = rule.weights.copy()
    weights[member] = 0
    if not weights.any():
        weights = (np.arange(len(weights)) != member).astype(float)
    return replace(rule, weights=weights if weights.any() else rule.weights)


def _rows_to_1(total: np.ndarray) -> np.ndarray:
    total = np.maximum(total, 0)
    sums = total.sum(axis=1, keepdims=True)
    return np.where(sums > 0, total / np.where(sums > 0, sums, 1), 1 / total.shape[1])


def _correlations(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(A, B) correlation of every row of a with every row of b; 0 where one is constant."""
    a, b = (x - x.mean(axis=1, keepdims=True) for x in (a, b))
    norms = np.linalg.norm(a, axis=1)[:, None] * np.linalg.norm(b, axis=1)
    return np.where(norms > 1e-12, a @ b.T / np.where(norms > 1e-12, norms, 1), 0)


def _in_words(entry: dict[str, Any], alike: float, best: str) -> str:
    weight, other = entry["weight"], entry["like"]
    if other is None:
        return "the only member"
    if abs(weight) < NO_WEIGHT:
        if alike > 0.999:
            return f"weight 0: it errs exactly where {other} errs"
        if alike > 0.4:
            return f"weight 0: it errs where {other} errs (correlation {alike:.2f})"
        return f"weight 0: too weak alone ({entry['solo']:.3f}) to add to the others"
    loss, error = entry["loss_without"], entry["standard_error"]
    about = f"its errors are most like {other}'s ({alike:.2f})"
    if weight < 0:
        return f"weight below 0: it corrects what it shares with {other} ({alike:.2f})"
    if loss > 2 * error and loss > 0:
        lead = "the best alone, and " if entry["member"] == best else ""
        return f"{lead}missed: without it the vote loses {loss:.4f} ± {error:.4f}; {about}"
    if loss < -2 * error:
        return f"in the way: without it the vote gains {-loss:.4f} ± {error:.4f}; {about}"
    return f"perhaps not missed: without it {-loss:+.4f} ± {error:.4f}; {about}"
