"""Which kind of vote: the mean of all that are near the best on rows they were not fitted to.

Every candidate is fitted without each fold and scored on it. "Near" means: behind the best in the
objective by no more than NEAR standard errors of the difference between the two, over groups (paired,
since all candidates err on the same rows). All that are near count equally, each with its temperature,
in probabilities, with one temperature after: few rows cannot tell them apart, and their mean is better
than a pick. The estimate is nested once more: for each fold the choice itself is made without it, from
fits without two folds.

SIMPLEST takes of those within one standard error the simplest instead (Breiman et al. 1984): first
in the objective and, of those that are as good, in log-loss.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ensembles.errors import BadInput
from ensembles.judging.estimate import apply_held_out, folds_for_weights
from ensembles.judging.scored import SECOND, Scored
from ensembles.judging.steps import Progress, Steps
from ensembles.rules.mean import AnyRule, MeanRule, OneRule
from ensembles.rules.pools import Rule
from ensembles.scores import metrics
from ensembles.voting.candidates import (
    MOST_WORK,
    ROWS_A_CLASS,
    Fits,
    candidates_of,
    too_much_to_stack,
    tries_offsets,
)
from ensembles.voting.fitted import MANY, Fitted, Shared, turned
from ensembles.voting.kinds import AVERAGED, MEAN, PLAIN, SIMPLEST, WITH_OFFSETS
from ensembles.weights.stack import Stack

OBJECTIVE = "macro_f1"
# Standard errors from the best within which a candidate is part of the mean.
NEAR = 2.0
# All candidates are fitted folds x (folds + 1) / 2 times; two thirds of many rows are enough.
FOLDS, FOLDS_OF_MANY = 5, 3
# Fits side by side, each with its own rows of the tables: as many as are in so many bytes.
ROOM = 1 << 29


@dataclass
class Choice:
    """name: the candidate chosen, or MEAN where several are. rule: what was fitted to all rows.
    table: one dict a candidate, simplest first, with its nested scores. rules: for each fold its rows
    and the rule that a choice without them took. held_out: (N, K) float32, the votes of those rules.
    asked: how it was to be chosen. notes: kinds that were left out.
    """

    name: str
    rule: AnyRule
    table: list[dict[str, Any]]
    rules: list[tuple[np.ndarray, AnyRule]]
    held_out: np.ndarray
    asked: str = MEAN
    notes: list[str] = field(default_factory=list)

    @property
    def figures(self) -> dict[str, Any]:
        """The fields of a `VoteRecord` about the choice."""
        near = NEAR if self.asked == MEAN else None
        of = {"choice": self.name, "chosen_by": self.asked, "near": near}
        return {**of, "candidates": self.table}


def choose(
    stack: Stack,
    folds: np.ndarray,
    groups: np.ndarray | None = None,
    progress: Progress | None = None,
    choice: str = MEAN,
    objective: str = OBJECTIVE,
    left_out: Sequence[str] = (),
) -> Choice:
    """Fit all candidates, choose, and predict every row by a choice that did not see its fold.

    folds: (N,) of the tables; merged into few where there are many, drawn by group where there are
    fewer than three. groups: (N,), for standard errors. progress: called with how many of the fits
    and choices are done, and of how many. choice: MEAN, SIMPLEST or a candidate's name. objective: a
    metric that a candidate must be near the best in. left_out: kinds that MEAN and SIMPLEST do without,
    with and without offsets.

    Temperatures are fitted to predictions of rows that the weights were not fitted to: on their own
    rows weights are surer than they should be. Raises BadInput for two groups, and for a candidate
    that tables of this size do not allow.
    """
    folds = gate_folds(folds, groups)
    names = np.unique(folds).tolist()
    if len(names) < 3:
        raise BadInput(
            f"{len(names)} groups of OOF rows: to choose among kinds of votes takes 3 or more. Name "
            "an --objective, or vote with --mode soft."
        )
    candidates = [
        name
        for name in _candidates(choice, objective, stack.n_rows, stack.n_classes)
        if name.removesuffix(WITH_OFFSETS) not in left_out or name == choice
    ]
    pairs = list(itertools.combinations(names, 2))
    steps = Steps(len(pairs) + 2 * len(names) + 1, progress)
    with ThreadPoolExecutor(_at_once(stack)) as threads:
        shared = Shared(stack, folds, candidates, objective, threads)

        def alone_without(fold: int) -> Fitted:
            # from where without another fold as well it ended, of some of the same rows
            near = next(own for out, own in of_pairs.items() if fold in out)
            return shared.fit((fold,), near.result().starts)

        def scored(parts: dict[int, Fitted]) -> Scored:
            rows = np.flatnonzero(np.isin(folds, list(parts)))
            of = None if groups is None else groups[rows]
            said = shared.said(rows, parts)
            return Scored(said, stack.labels[rows], folds[rows], of)

        def chosen_without(fold: int) -> tuple[np.ndarray, AnyRule]:
            others = [f for f in names if f != fold]
            inner = scored({f: of_pairs[min(f, fold), max(f, fold)].result() for f in others})
            chosen = chosen_of(inner, choice, objective)
            own = {name: alone[fold].result().rules[name] for name in chosen}
            return np.flatnonzero(folds == fold), _averaged(own, inner)

        def chosen_of_all() -> tuple[Scored, list[str]]:
            outer = scored({fold: own.result() for fold, own in alone.items()})
            outer.look(candidates, losses=stack.is_large)
            return outer, chosen_of(outer, choice, objective)

        def fitted_to_all() -> AnyRule:
            outer, chosen = of_all.result()
            starts = alone[names[0]].result().starts
            whole = Fits(shared.whole, objective, removable=True, starts=starts)
            whole.fit_offsets(turned(chosen))
            return _averaged({name: whole.rule(name) for name in chosen}, outer)

        # In an order in which each waits only for earlier ones, and as little as may be. Of many rows side
        # by side, since numpy spends its time where others may run.
        of_pairs = {pair: threads.submit(shared.fit, pair) for pair in pairs}
        alone = {fold: threads.submit(alone_without, fold) for fold in names}
        choices = {names[0]: threads.submit(chosen_without, names[0])}
        of_all = threads.submit(chosen_of_all)
        choices[names[1]] = threads.submit(chosen_without, names[1])
        whole = threads.submit(fitted_to_all)
        choices |= {fold: threads.submit(chosen_without, fold) for fold in names[2:]}
        for what, waited_for in (
            ("fitting without two folds", of_pairs),
            ("fitting without a fold", alone),
            ("choosing without a fold", choices),
        ):
            steps.begins(what)
            for future in waited_for.values():
                steps.counted(future.result())
        steps.begins("fitting to all rows")
        rule, rules = whole.result(), [choices[fold].result() for fold in names]
        outer, chosen = of_all.result()
        held_out = apply_held_out(stack, rules, threads)
    found = Choice(
        chosen[0] if len(chosen) == 1 else MEAN,
        rule,
        _table(outer, chosen, choice, objective),
        rules,
        held_out,
        choice,
    )
    if not tries_offsets(stack.n_rows, stack.n_classes):
        found.notes.append(
            f"{stack.n_classes} classes with {len(folds) / stack.n_classes:.1f} OOF rows each: no "
            f"class offsets were tried (from {ROWS_A_CLASS} rows on they are)."
        )
    if choice == MEAN and too_much_to_stack(stack.n_rows, stack.n_classes):
        found.notes.append(
            f"{stack.n_rows:,} rows of {stack.n_classes} classes: no stackers were tried (up to "
            f"rows x classes x classes = {MOST_WORK:,.0f} they are)."
        )
    steps.counted(None)
    return found


def chosen_of(scored: Scored, choice: str, objective: str) -> list[str]:
    """The candidates of the vote, simplest first."""
    if choice == MEAN:
        return scored.near(scored.names, objective, NEAR)
    if choice == SIMPLEST:
        return scored.near(scored.near(scored.names, objective, 1), SECOND, 1)[:1]
    return scored.names


def gate_folds(folds: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """(N,) three to FOLDS folds, whole ones of the tables where those are three or more."""
    folds = folds_for_weights(folds, groups, least=3)
    most = FOLDS if len(folds) <= MANY else FOLDS_OF_MANY
    return np.unique(folds, return_inverse=True)[1] % most


def _at_once(stack: Stack) -> int:
    """How many threads may fit, each with its own rows of the tables, or of large ones with none."""
    most, size = os.cpu_count() or 1, stack.n_members * stack.given[0].nbytes
    if stack.n_rows <= MANY:
        return 1
    return most if stack.is_large else max(1, min(most, ROOM // size))


def _candidates(choice: str, objective: str, n_rows: int, n_classes: int) -> list[str]:
    """Those that a choice is made among. Raises BadInput where tables of this size do not allow the
    one that was named.
    """
    if choice in (MEAN, SIMPLEST):
        kinds = PLAIN if choice == SIMPLEST else AVERAGED
        return candidates_of(kinds, n_rows, n_classes, objective)
    if choice not in candidates_of(
        [choice.removesuffix(WITH_OFFSETS)], n_rows, n_classes, objective
    ):
        raise BadInput(
            f"choice: {choice!r} takes more rows or fewer classes than these {n_rows} OOF rows of "
            f"{n_classes} classes. Leave it out, or name another candidate."
        )
    return [choice]


def _averaged(rules: dict[str, OneRule], scored: Scored) -> AnyRule:
    """One candidate as it is, several as a mean, with the temperatures of their held-out rows."""
    last = scored.last_temperature(list(rules))
    first = next(iter(rules.values()))
    if len(rules) == 1 and isinstance(first, Rule):
        return replace(first, temperature=last)
    if len(rules) == 1:
        return MeanRule(rules, np.ones(1), last)
    parts = {
        name: replace(rule, temperature=scored.temperature(name)) for name, rule in rules.items()
    }
    return MeanRule(parts, np.full(len(parts), 1 / len(parts)), last)


def _table(scored: Scored, chosen: list[str], choice: str, objective: str) -> list[dict[str, Any]]:
    """A dict a candidate; how far behind in log-loss only where it is near in the objective."""
    names, errors = scored.names, NEAR if choice == MEAN else 1
    good = scored.near(names, objective, errors)
    best, surest = scored.best(names, objective), scored.best(good, SECOND)
    rows = []
    for name in names:
        gap, error = scored.behind(name, best, objective)
        row: dict[str, Any] = {"name": name}
        row |= {metric: scored.score(name, metric)[0] for metric in (*metrics.REPORTED, objective)}
        row |= {"behind": gap, "standard_error": error, "as_good": name in good}
        in_loss = scored.behind(name, surest, SECOND) if name in good else (None, None)
        row |= {"loss_behind": in_loss[0], "loss_standard_error": in_loss[1]}
        row |= {"chosen": name in chosen}
        row |= {"share": 1 / len(chosen) if name in chosen else 0.0}
        rows.append(row)
    return rows
