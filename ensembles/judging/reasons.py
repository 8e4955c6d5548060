"""Why the vote is as it is: what each member is worth to it, and how one photograph was decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ensembles.files.table import Table
from ensembles.judging.removal import Removal
from ensembles.rules import pools
from ensembles.rules.mean import AnyRule, MeanRule
from ensembles.scores import metrics
from ensembles.scores.influence import standard_error
from ensembles.weights.stack import Stack

NO_WEIGHT = 5e-4


def member_reasons(
    stack: Stack,
    names: Sequence[str],
    rule: AnyRule,
    removed: Removal,
    metric: str,
    groups: np.ndarray | None = None,
) -> list[dict[str, Any]]:
    """One dict a member: `member`, `weight`, `solo` (its own score), `loss_without` (what the vote
    loses without it on rows its rule did not see; the others' weights refitted where the kind was
    chosen, else in proportion) and its `standard_error`, `error_correlation` (its errors with the share
    of the others that err), `like` (the member whose errors are most like its own), `text` (the reason
    in a line).

    rule: the final one, with its weights. removed: of the rules fitted without the rows.
    metric: one of `metrics.METRICS`, or as `macro_f1:age` that of `stack.values`.
    """
    labels, n_members, of = stack.labels, stack.n_members, metrics.named(metric)
    looked_at = labels[removed.rows]
    of_group = None if groups is None else groups[removed.rows]

    def judged(mixed: np.ndarray) -> tuple[float, np.ndarray]:
        given = looked_at, mixed, stack.values, mixed.argmax(axis=1)
        return of.score(*given), of.influence(*given)

    full, moves = judged(removed.whole)
    errors = (stack.meaning(stack.favourites) != stack.meaning(labels)).astype(np.float64)
    like = _correlations(errors, errors)
    np.fill_diagonal(like, -1)
    solo = [
        of.score(labels, own, stack.values, decided)
        for own, decided in zip(map(stack.member, range(n_members)), stack.favourites, strict=True)
    ]
    best = int(np.argmax(of.sign * np.array(solo)))
    used = np.flatnonzero(abs(rule.weights) >= NO_WEIGHT)
    found = []
    for j in range(n_members):
        weight = float(rule.weights[j])
        entry: dict[str, Any] = {"member": names[j], "weight": weight, "solo": solo[j]}
        entry |= {"loss_without": None, "standard_error": None, "error_correlation": None}
        entry |= {"like": None}
        if n_members > 1:
            others = (errors.sum(axis=0) - errors[j]) / (n_members - 1)
            entry["error_correlation"] = float(_correlations(errors[j : j + 1], others[None])[0, 0])
            entry["like"] = names[int(like[j].argmax())]
            left, left_moves = judged(removed.without[j])
            entry["loss_without"] = of.sign * (full - left) + 0.0  # 0 has no sign
            entry["standard_error"] = standard_error(moves - left_moves, of_group)
        if n_members == 1:
            entry["text"] = "the only member"
        elif abs(weight) >= NO_WEIGHT:
            entry["text"] = _missed(entry, float(like[j].max()), names[best])
        elif isinstance(rule, MeanRule):
            entry["text"] = _unmoved(entry, float(like[j].max()))
        else:
            nearest = int(used[like[j][used].argmax()]) if len(used) else j
            entry["text"] = _unused(
                entry, [names[u] for u in used.tolist()], names[nearest], like[j][nearest]
            )
        found.append(entry)
    return found


def error_correlations(labels: np.ndarray, decided: np.ndarray) -> np.ndarray:
    """(M, M) float64, the correlation over rows of members' being wrong; 0 where one is always right or
    always wrong. labels: (N,) int; decided: (M, N) int, each member's most probable class.
    """
    errors = (decided != labels).astype(np.float64)
    return _correlations(errors, errors)


def explain(
    rule: AnyRule, tables: Mapping[str, Table], image_id: str, some: bool = False
) -> dict[str, Any] | None:
    """How one photograph was decided, or None where not every table has it.

    some: it is decided by those that have it, as a vote with `missing_rows` does, and `lacking` names the
    others.

    `members`: for each its weight and (K,) probabilities; `pooled`, `final`: (K,) before and after
    offsets and temperature; `decision`, `runner_up`: class names; `turned_by`: the members without
    which, each alone, the decision would be another; `offsets_decided`; `label` where known; `rules`: of
    a mean each rule's name, share and (K,) probabilities; `gradient`, of the vote and of each rule, as of
    `pools.Rule`.
    """
    there = np.array([bool((table.ids == image_id).any()) for table in tables.values()])
    lacking = [name for name, own in zip(tables, there, strict=True) if not own]
    if lacking and not (some and there.any() and isinstance(rule, pools.Rule)):
        return None
    if lacking:
        assert isinstance(rule, pools.Rule)
        rule = rule.among(there)
        tables = {name: table for name, table in tables.items() if name not in lacking}
    names, first = list(tables), next(iter(tables.values()))
    rows = [np.flatnonzero(table.ids == image_id) for table in tables.values()]
    probabilities = np.stack(
        [t.probabilities[row[:1]] for t, row in zip(tables.values(), rows, strict=True)]
    )
    pooled = rule.mix(probabilities)
    final = pools.adjust(pooled, rule.offsets, rule.temperature)
    order = np.argsort(-final[0], kind="stable")
    turned = [
        name
        for j, name in enumerate(names)
        if rule.weights[j] and rule.without(j).apply(probabilities)[0].argmax() != order[0]
    ]
    averaged = rule.parts.items() if isinstance(rule, MeanRule) else ()
    shares = rule.shares.tolist() if isinstance(rule, MeanRule) else ()
    label = None if first.label is None else first.classes[first.label[rows[0][0]]]
    return {
        "image_id": image_id,
        "classes": first.classes,
        "members": {
            name: {"weight": float(weight), "probabilities": own[0].tolist()}
            for name, weight, own in zip(names, rule.weights, probabilities, strict=True)
        },
        "pool": rule.pool,
        "gradient": rule.gradient,
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
        "rules": [
            {
                "name": name,
                "share": share,
                "probabilities": own.apply(probabilities)[0].tolist(),
                "gradient": own.gradient,
            }
            for share, (name, own) in zip(shares, averaged, strict=True)
        ],
        "label": label,
        **({"lacking": lacking} if lacking else {}),
    }


def _correlations(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(A, B) correlation of every row of a with every row of b; 0 where one is constant."""
    a, b = (x - x.mean(axis=1, keepdims=True) for x in (a, b))
    norms = np.linalg.norm(a, axis=1)[:, None] * np.linalg.norm(b, axis=1)
    return np.where(norms > 1e-12, a @ b.T / np.where(norms > 1e-12, norms, 1), 0)


def _missed(entry: dict[str, Any], alike: float, best: str) -> str:
    """Of a member with weight."""
    loss, error, other = entry["loss_without"], entry["standard_error"], entry["like"]
    about = f"its errors are most like {other}'s ({alike:.2f})"
    if entry["weight"] < 0:
        return f"weight below 0: it corrects what it shares with {other} ({alike:.2f})"
    if loss > 2 * error and loss > 0:
        lead = "the best alone, and " if entry["member"] == best else ""
        return f"{lead}missed: without it the vote loses {loss:.4f} ± {error:.4f}; {about}"
    if loss < -2 * error:
        return f"in the way: without it the vote gains {-loss:.4f} ± {error:.4f}; {about}"
    return f"perhaps not missed: without it {-loss:+.4f} ± {error:.4f}; {about}"


def _unused(entry: dict[str, Any], used: list[str], nearest: str, alike: float) -> str:
    """Of a member without weight, said of members that have some: nothing else would explain it."""
    if len(used) == 1:
        also = (
            f"scores {entry['solo']:.3f}" if alike < 0.999 else f"errs exactly where {nearest} errs"
        )
        return f"weight 0: the vote is {used[0]}'s alone; this one {also}"
    if used and alike > 0.999:
        return f"weight 0: it errs exactly where {nearest} errs"
    if used and alike > 0.4:
        return f"weight 0: it errs where {nearest} errs (correlation {alike:.2f})"
    return f"weight 0: nothing of it is in the vote; alone it scores {entry['solo']:.3f}"


def _unmoved(entry: dict[str, Any], alike: float) -> str:
    """Of a member without which a mean stays as it is."""
    about = f"its errors are most like {entry['like']}'s ({alike:.2f})"
    if alike > 0.999:
        about = f"it errs exactly where {entry['like']} errs"
    return f"the vote hardly moves without it, refitted; {about}"
