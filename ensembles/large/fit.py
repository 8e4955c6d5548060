"""The rule of a vote over tables too large for memory, and one fitted without each fold.

Log-loss weights are fitted to all rows, range by range, everything else to the sample.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ensembles.judging.reasons import member_reasons
from ensembles.judging.removal import of_members, removal
from ensembles.judging.steps import Progress
from ensembles.large.derived import Derived
from ensembles.large.ranges import Tables
from ensembles.rules.mean import AnyRule
from ensembles.rules.pools import Rule
from ensembles.scores import metrics
from ensembles.voting import gate
from ensembles.voting.fitting import NO_TEMPERATURE, finish, fitter, tempers_well, untempered
from ensembles.voting.kinds import MEAN
from ensembles.voting.request import VoteRequest
from ensembles.weights.simplex import GAP, log_loss_weights, newton_step
from ensembles.weights.stack import Stack

START_ROWS = 200_000


def fit_large(
    request: VoteRequest,
    oof: Tables,
    kept: Derived,
    sample: Stack,
    progress: Progress | None = None,
) -> tuple[AnyRule, dict[int, AnyRule], dict[str, Any]]:
    """The rule for all rows, one for each fold fitted without it, and the record's fields about them.

    progress: of a choice among kinds, as of `gate.choose`.
    """
    folds, n_rows = np.unique(kept.folds).tolist(), len(kept.labels)
    objective = metrics.METRICS.get(request.objective or "")
    log_loss = request.mode == "weighted" and objective is not None and objective.convex
    sample_folds, groups = _of_sample(kept)
    whole = "" if kept.groups is None else " of whole groups"
    to_sample = f"to a stratified sample{whole}, {len(sample.labels):,} of {n_rows:,} rows."
    if log_loss and request.pool != "log_linear" and request.top is None and not request.ridge:
        weights, gap = _log_loss_weights(oof, kept, None)
        rule, by_fold = finish(request, Rule(weights), sample), {}
        for fold in folds:
            own = Rule(_log_loss_weights(oof, kept, fold)[0])
            by_fold[fold] = finish(request, own, sample.take(sample_folds != fold))
        notes = [f"fitted to all {n_rows:,} rows."]
        if request.offsets or request.temperature:
            options = {"offsets": request.offsets, "temperature": request.temperature}
            notes = [
                f"weights {notes[0]}",
                f"{' and '.join(k for k in options if options[k])} {to_sample}",
            ]
        found = _tempered(request, rule, by_fold, sample, sample_folds, notes)
        found[2]["gap"] = gap
        return found
    if not request.needs_oof:
        rule = fitter(request, oof.names)(sample)
        return rule, dict.fromkeys(folds, rule), {"notes": ["nothing is fitted."]}
    note = f"fitted {to_sample}"
    if request.gated and sample.n_members > 1:
        asked = request.choice or MEAN
        choice = gate.choose(sample, sample_folds, groups, progress, asked, request.metric)
        # the gate merges folds, so each has one rule
        chosen = {
            fold: own
            for rows, own in choice.rules
            for fold in np.unique(sample_folds[rows]).tolist()
        }
        return choice.rule, chosen, {"notes": [note, *choice.notes], **choice.figures}
    fit = fitter(request, oof.names)
    by_fold = {fold: fit(sample.take(sample_folds != fold)) for fold in folds}
    return _tempered(request, fit(sample), by_fold, sample, sample_folds, [note])


def _of_sample(kept: Derived) -> tuple[np.ndarray, np.ndarray | None]:
    """Folds and groups (n,) of the sample's rows."""
    groups = None if kept.groups is None else kept.groups[kept.sample_rows]
    return kept.folds[kept.sample_rows], groups


def reasons_of_sample(
    request: VoteRequest,
    oof: Tables,
    kept: Derived,
    sample: Stack,
    rule: AnyRule,
    by_fold: dict[int, AnyRule],
) -> tuple[AnyRule, list[dict[str, Any]]]:
    """The rule, a mean with its members' weights, and `member_reasons`, both by the sample."""
    folds, groups = _of_sample(kept)
    removed = removal(sample, [(np.flatnonzero(folds == f), own) for f, own in by_fold.items()])
    rule = of_members(rule, removed)
    shown = rule.to_sum_1()
    return rule, member_reasons(sample, oof.names, shown, removed, request.metric, groups)


def _tempered(
    request: VoteRequest,
    rule: Rule,
    by_fold: dict[int, Rule],
    sample: Stack,
    folds: np.ndarray,
    notes: list[str],
) -> tuple[AnyRule, dict[int, AnyRule], dict[str, Any]]:
    """Without temperatures where they make the log-loss of the sample's held-out rows worse."""
    rules = [(np.flatnonzero(folds == fold), own) for fold, own in by_fold.items()]
    if not request.temperature or tempers_well(sample, rules):
        return rule, {**by_fold}, {"notes": notes}
    bare: dict[int, AnyRule] = {fold: untempered(own) for fold, own in by_fold.items()}
    return untempered(rule), bare, {"notes": [*notes, NO_TEMPERATURE]}


def _log_loss_weights(oof: Tables, kept: Derived, without: int | None) -> tuple[np.ndarray, float]:
    """Weights of least log-loss on all rows (but those of a fold), and the certified gap.

    Solved on every n-th row first; then Newton steps whose sums run over the ranges.
    """
    stride = max(1, oof.n_rows // START_ROWS)
    inside = np.ones(oof.n_rows, bool) if without is None else kept.folds != without

    def parts() -> Iterable[tuple[np.ndarray, np.ndarray]]:
        for begin, end in oof.ranges:
            yield kept.true(begin), inside[begin:end]

    # every n-th of the rows that count: folds may themselves lie at a fixed step
    some = [np.take(true, np.flatnonzero(own)[::stride], axis=1) for true, own in parts()]
    weights = log_loss_weights(np.concatenate(some, axis=1), 1e-7).weights
    best, n_rows, n_members = (weights, np.inf), int(inside.sum()), len(weights)
    for _ in range(30):
        gradient, hessian = np.zeros(n_members), np.zeros((n_members, n_members))
        for true, own in parts():
            relative = true / (weights @ true)
            relative *= own
            gradient += relative.sum(axis=1)
            hessian += relative @ relative.T
        gap = max(float(gradient.max()) / n_rows - 1, 0.0)
        if gap < best[1]:
            best = weights, gap
        if gap <= GAP:
            break
        weights = newton_step(weights, gradient / n_rows - 1, hessian / n_rows)
        weights /= weights.sum()
    return best
