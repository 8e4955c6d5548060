"""From members' tables to a vote with its honest score."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from ensembles.errors import BadInput
from ensembles.files.compare import alike_tables
from ensembles.files.digests import table_digest
from ensembles.files.table import OofTable, Table
from ensembles.files.targets import target_indices
from ensembles.judging.estimate import (
    apply_held_out,
    estimate,
    folds_for_weights,
    group_array,
    is_all,
    nested_rules,
    refit_shifts,
)
from ensembles.judging.reasons import member_reasons
from ensembles.judging.removal import of_members, removal
from ensembles.judging.steps import Progress, begins
from ensembles.rules import votes
from ensembles.rules.mean import AnyRule, applied
from ensembles.rules.pools import Rule
from ensembles.scores import metrics
from ensembles.scores.groups import distinct
from ensembles.shift.after import after_vote
from ensembles.shift.rows import HeldOut, disagreement, numbered
from ensembles.voting import gate
from ensembles.voting.fitting import (
    NO_TEMPERATURE,
    fitter,
    fixed_rule,
    tempers_well,
    untempered,
)
from ensembles.voting.kinds import MEAN
from ensembles.voting.matching import (
    leaking_kinds,
    matched,
    notes_on_rows,
    one_member_note,
    optimistic,
    optimistic_notes,
    require_folds,
)
from ensembles.voting.partial import PartialRows, partial_rows, partial_rules
from ensembles.voting.request import MODES, Mode, VoteRequest
from ensembles.voting.result import Vote
from ensembles.voting.stored import of_rule
from ensembles.weights.fit import best_member
from ensembles.weights.simplex import certified_gap
from ensembles.weights.stack import Stack, stack_members

__all__ = ["MODES", "cast"]


def cast(
    oof: Mapping[str, Table] | None,
    test: Mapping[str, Table] | None,
    mode: Mode | VoteRequest,
    objective: str | None = None,
    groups: Mapping[str, str] | None = None,
    digests: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Vote:
    """Vote over members' tables, which need not be aligned yet.

    oof, test: member -> table. Either may be None or empty, but whatever is fitted needs `oof`, in
    which every table has fold and label (`OofTable`, or a `Table` with both). The rows voted on are
    `test`'s, or `oof`'s where there is no test table.
    mode: a `VoteRequest`, or its mode beside its objective and other options by name.
    groups: image id -> group (a person, say) of every OOF row, for standard errors that know which
    rows err together; without it, the tables' own `group`.
    digests: file -> sha256 of the tables' files, for the record; without it, those of the tables.
    progress: called with how many of the fits are done, and of how many.

    Raises BadInput with every problem: unknown or useless choices, tables that do not fit.
    """
    request = VoteRequest.of(mode, objective, **options)
    # products as small as a vote's are slower on several threads, by far where cores are busy
    with threadpool_limits(1, "blas"):
        return _cast(oof or {}, test or {}, request, groups, digests, progress)


def _cast(
    given_oof: Mapping[str, Table],
    given_test: Mapping[str, Table],
    request: VoteRequest,
    groups: Mapping[str, str] | None,
    digests: Mapping[str, str] | None,
    progress: Progress | None,
) -> Vote:
    started, mode = time.perf_counter(), request.mode
    either = given_oof or given_test
    targets = _targets(either)
    if problems := request.problems(list(either), list(targets)):
        raise BadInput(problems)
    if digests is None:
        given = (("oof", given_oof), ("test", given_test))
        digests = {f"{k} {name}": table_digest(t) for k, own in given for name, t in own.items()}
    partial = None
    if request.missing_rows and given_oof:
        given_oof, partial = partial_rows(given_oof, groups)
    both = matched(given_oof, given_test, request)
    oof, test = both.oof, both.test
    source: Mapping[str, Table] = test or oof
    names = list(source)
    scores: dict[str, Any] = {}
    notes = [*both.notes, *([] if len(names) > 1 else [one_member_note(names[0])])]
    first = source[names[0]]
    if problems := request.after.problems(bool(oof), bool(test), first.n_classes, first.answers):
        raise BadInput(problems)
    if found := optimistic(oof):
        notes += optimistic_notes(found)
        scores["optimistic"] = found
    if oof:
        scored, more = _scored(oof, request, groups, request.per_target(targets), progress, partial)
        scores |= scored
        notes += more
    else:
        scores["rule"] = fixed_rule(request, names)
        notes.append("no OOF tables: nothing can be said about the score.")
        notes += alike_tables(test)
    rule, voted = scores["rule"], scores.pop("voted", None)
    members = _tables(source)
    if test or voted is None:
        voted = applied(rule, members)
    shown: Table = replace(first, probabilities=voted)
    if partial and not test:
        shown = partial.voted(rule, shown)
        notes += partial.notes_of_votes
    mixed, after, more = after_vote(
        request.after,
        mode,
        scores.get("held_out"),
        shown.probabilities,
        np.stack([own.argmax(axis=1) for own in members]) if test else None,
        first.classes,
    )
    notes += more
    fitted_for = request.fitted_for
    table = Table(
        shown.ids,
        mixed,
        shown.fold,
        shown.label,
        {**first.meta, "member": f"{mode}-{fitted_for}" if fitted_for else mode},
    )
    scores["rule"] = rule.to_sum_1()
    return Vote(
        mode=mode,
        objective=fitted_for,
        rows="test" if test else "oof",
        table=table,
        notes=notes,
        tables=dict(digests),
        common_rows=both.common,
        **of_rule(rule, names),
        **scores,
        **after,
        seconds=time.perf_counter() - started,
    )


def _scored(
    oof: Mapping[str, OofTable],
    request: VoteRequest,
    groups: Mapping[str, str] | None,
    per_target: metrics.Views,
    progress: Progress | None,
    partial: PartialRows | None = None,
) -> tuple[dict[str, Any], list[str]]:
    """The figures of `Vote` by name, the rule among them and `voted`, the rule's vote on these rows, and
    notes, from aligned OOF tables.
    """
    names, first = list(oof), next(iter(oof.values()))
    data = stack_members(_tables(oof), first.label, per_target.get(request.metric))
    group_of = group_array(oof, groups)
    folds = folds_for_weights(first.fold, group_of)
    require_folds(folds, group_of, first, request)
    leaking, more = leaking_kinds(oof, group_of, request)
    notes = notes_on_rows(first, oof, data, folds) + more
    figures: dict[str, Any] = {}
    of_group = numbered(group_of)

    def score(
        mixed: np.ndarray,
        shifts: dict[str, float] | None = None,
        decided: np.ndarray | None = None,
    ) -> dict[str, Any]:
        return estimate(data.labels, mixed, of_group, per_target, shifts, decided)

    def inside(mixed: np.ndarray) -> dict[str, float]:
        return metrics.score_all(data.labels, mixed, per_target)

    rule: AnyRule
    rules: Sequence[tuple[np.ndarray, AnyRule]]
    if request.gated and data.n_members > 1:
        choice = gate.choose(
            data, folds, of_group, progress, request.choice or MEAN, request.metric, leaking
        )
        notes += choice.notes
        rule, rules, held_out = choice.rule, choice.rules, choice.held_out
        figures |= choice.figures
    elif partial:
        rule, rules, more = _tempered(
            request, data, *partial_rules(partial, request, data, folds, progress)
        )
        notes += [*partial.notes, *more]
        held_out = apply_held_out(data, rules)
        figures["missing_rows"] = partial.record(len(folds))
        if not partial.some.any():
            figures |= _certified(request, rule, data)
    else:
        rule, rules, more = _fitted(request, names, data, folds, progress)
        notes += more
        held_out = apply_held_out(data, rules)
        figures |= _certified(request, rule, data)
    begins(progress, "voting on all rows")
    single = np.empty((data.n_rows, data.n_classes), np.float32)
    for fold in distinct(folds):
        own, others = (np.flatnonzero(part) for part in (folds == fold, folds != fold))
        best = best_member(data, request.metric, others)
        single[own] = votes.soft([data.given[best][own]])
    best = best_member(data, request.metric)
    uniform = votes.soft(data.given)
    begins(progress, "voting without each member")
    removed = removal(data, rules)
    rule = of_members(rule, removed)
    whole = len(rules) == 1 and rules[0][1] is rule and not data.is_large
    # a rule that was fitted to nothing has voted on all rows already
    voted = held_out if whole and is_all(rules[0][0], data.n_rows) else applied(rule, data.given)
    figures |= {
        "rule": rule,
        "voted": voted,
        "held_out": HeldOut(
            held_out,
            disagreement(data.favourites, held_out.argmax(axis=1)),
            data.labels,
            folds,
            of_group,
        ),
        "oof_ids": first.ids,
        "oof": inside(voted),
        "estimate": score(
            held_out, refit_shifts(data, rule, [own for _, own in rules], per_target)
        ),
        "best_single": {
            "member": names[best],
            **score(single),
            "oof": inside(data.given[best]),
        },
        "uniform": {**score(uniform), "oof": inside(uniform)},
        "solo": {
            name: score(own, decided=favourites)
            for name, own, favourites in zip(names, data.given, data.favourites, strict=True)
        },
        "reasons": member_reasons(data, names, rule.to_sum_1(), removed, request.metric, of_group),
    }
    return figures, notes


def _fitted(
    request: VoteRequest,
    names: list[str],
    data: Stack,
    folds: np.ndarray,
    progress: Progress | None,
) -> tuple[Rule, list[tuple[np.ndarray, Rule]], list[str]]:
    """The rule that a request names, those fitted without each fold, and notes."""
    fit = fitter(request, names)
    rule = fit(data)
    everything = [(np.arange(len(folds)), rule)]
    rules = nested_rules(data, folds, fit, progress) if request.needs_oof else everything
    return _tempered(request, data, rule, rules)


def _tempered(
    request: VoteRequest, data: Stack, rule: Rule, rules: list[tuple[np.ndarray, Rule]]
) -> tuple[Rule, list[tuple[np.ndarray, Rule]], list[str]]:
    """As they are, or without temperatures that make the log-loss of held-out rows worse."""
    if not request.temperature or tempers_well(data, rules):
        return rule, rules, []
    bare = [(rows, untempered(own)) for rows, own in rules]
    return untempered(rule), bare, [NO_TEMPERATURE]


def _certified(request: VoteRequest, rule: Rule, data: Stack) -> dict[str, float]:
    """The gap of weights that are of least log-loss over all members."""
    fitted_for = request.fitted_for
    plain = rule.pool == "linear" and request.top is None and not request.ridge
    if not (plain and fitted_for and metrics.named(fitted_for).convex):
        return {}
    return {"gap": certified_gap(rule.weights, data.true)}


def _targets(tables: Mapping[str, Table]) -> dict[str, np.ndarray]:
    """As `targets.target_indices`, of the first table; members must agree in their classes."""
    first = next(iter(tables.values()), None)
    if first is None or first.probabilities.ndim != 2:  # which `align` refuses
        return {}
    return target_indices(first.meta, first.n_classes)


def _tables(tables: Mapping[str, Table]) -> list[np.ndarray]:
    return [table.probabilities for table in tables.values()]
