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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ensembles.errors import BadInput
from ensembles.judging.estimate import apply_held_out, folds_for_weights
from ensembles.judging.steps import Progress, Steps
from ensembles.rules.mean import AnyRule, MeanRule, OneRule
from ensembles.rules.pools import FLOOR, Rule
from ensembles.scores import metrics
from ensembles.voting.candidates import (
    ROWS_A_CLASS,
    SOFT_FLOOR,
    Fits,
    candidates_of,
    tries_offsets,
)
from ensembles.voting.kinds import AVERAGED, MEAN, PLAIN, SIMPLEST, WITH_OFFSETS
from ensembles.voting.scored import SECOND, Scored
from ensembles.weights.predicted import predicted_each
from ensembles.weights.stack import Stack

OBJECTIVE = "macro_f1"
# Standard errors from the best within which a candidate is part of the mean.
NEAR = 2.0
# All candidates are fitted folds x (folds + 1) / 2 times; two thirds of many rows are enough.
FOLDS, FOLDS_OF_MANY, MANY = 5, 3, 1_000
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
        for name in _candidates(choice, objective, *stack.probabilities.shape[1:])
        if name.removesuffix(WITH_OFFSETS) not in left_out or name == choice
    ]
    pairs = list(itertools.combinations(names, 2))
    steps = Steps(len(pairs) + 2 * len(names) + 1, progress)
    with ThreadPoolExecutor(_at_once(stack)) as threads:

        def each(do: Callable[[Any], Any], of: Iterable[Any]) -> Iterator[Any]:
            """Of many rows side by side, since numpy spends its time where others may run."""
            return map(steps.counted, threads.map(do, of))

        shared = _Shared(stack, folds, candidates, objective, threads)
        fitted = dict(zip(pairs, each(shared.fit, pairs), strict=True))
        # without one fold from where without another as well they ended, of some of the same rows
        first = {fold: next(own for out, own in fitted.items() if fold in out) for fold in names}
        singles = each(lambda fold: shared.fit((fold,), first[fold].starts), names)
        alone = dict(zip(names, singles, strict=True))

        def scored(parts: dict[int, _Fitted]) -> Scored:
            rows = np.flatnonzero(np.isin(folds, list(parts)))
            predictions = {
                name: _in_place(
                    folds[rows], {f: part.predictions[f, name] for f, part in parts.items()}
                )
                for name in candidates
            }
            of = None if groups is None else groups[rows]
            return Scored(predictions, stack.labels[rows], folds[rows], of)

        def chosen_without(fold: int) -> tuple[np.ndarray, AnyRule]:
            inner = scored({f: fitted[min(f, fold), max(f, fold)] for f in names if f != fold})
            chosen = chosen_of(inner, choice, objective)
            own = {name: alone[fold].rules[name] for name in chosen}
            return np.flatnonzero(folds == fold), _averaged(own, inner)

        rules = list(each(chosen_without, names))
    outer = scored(alone)
    chosen = chosen_of(outer, choice, objective)
    whole = Fits(shared.whole, objective, removable=True, starts=alone[names[0]].starts)
    whole.fit_offsets(_turned(chosen))
    rule = _averaged({name: whole.rule(name) for name in chosen}, outer)
    found = Choice(
        chosen[0] if len(chosen) == 1 else MEAN,
        rule,
        _table(outer, chosen, choice, objective),
        rules,
        apply_held_out(stack, rules),
        choice,
    )
    if not tries_offsets(*stack.probabilities.shape[1:]):
        found.notes.append(
            f"{stack.n_classes} classes with {len(folds) / stack.n_classes:.1f} OOF rows each: no "
            f"class offsets were tried (from {ROWS_A_CLASS} rows on they are)."
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


def _in_place(folds: np.ndarray, parts: dict[int, np.ndarray]) -> np.ndarray:
    """(n, K) from each fold's rows; class by class in memory."""
    out = np.empty((next(iter(parts.values())).shape[1], len(folds)), np.float32)
    for fold, part in parts.items():
        out[:, folds == fold] = part.T
    return out.T


def _at_once(stack: Stack) -> int:
    """How many threads may fit, each with its own rows of the tables."""
    room = ROOM // stack.probabilities.nbytes if len(stack.labels) > MANY else 1
    return max(1, min(os.cpu_count() or 1, room))


def _turned(candidates: Sequence[str]) -> list[str]:
    """The kinds of those with class offsets."""
    return [name.removesuffix(WITH_OFFSETS) for name in candidates if WITH_OFFSETS in name]


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


class _Shared:
    """What all fits are of. Logs are taken once, fold by fold, and serve every fit where few rows are
    not quicker copied and they are the same for all: where members rule classes out, how much is mixed
    in before logs is of each fit's own rows.
    """

    def __init__(
        self,
        stack: Stack,
        folds: np.ndarray,
        candidates: list[str],
        objective: str,
        threads: ThreadPoolExecutor,
    ):
        self.stack, self.folds = stack, folds
        self.candidates, self.objective = candidates, objective
        self.names, self.in_parts = np.unique(folds).tolist(), len(folds) > MANY
        self.in_parts &= not stack.has_zeros
        _ = stack.favourites  # here, not by every fit anew
        logged = () if stack.has_zeros else (FLOOR, SOFT_FLOOR)
        if not self.in_parts:
            _ = [stack.logs(floor) for floor in logged]

        def of_fold(fold: int) -> Stack:
            part = stack.take(folds == fold)
            _ = [part.logs(floor) for floor in logged]
            return part

        self.parts = dict(zip(self.names, threads.map(of_fold, self.names), strict=True))
        self.whole = self._of(self.names)

    def fit(
        self, left_out: tuple[int, ...], starts: Mapping[str, np.ndarray] | None = None
    ) -> _Fitted:
        """All candidates fitted without some folds. starts: of a fit to some of the other rows."""
        inside = self._of([fold for fold in self.names if fold not in left_out])
        fits = Fits(inside, self.objective, len(left_out) == 1, starts)
        fits.fit_offsets(_turned(self.candidates))
        rules = {name: fits.rule(name) for name in self.candidates}
        found: dict[tuple[int, str], np.ndarray] = {}
        for fold in left_out:
            zeros = self.stack.has_zeros  # logs of this fit's own mixture, not to be kept
            there = self.stack.take(self.folds == fold) if zeros else self.parts[fold]
            said = predicted_each(there, list(rules.values()))
            found |= {(fold, name): own for name, own in zip(rules, said, strict=True)}
        return _Fitted(rules, found, fits.starts)

    def _of(self, inside: list[int]) -> Stack:
        """The rows of some folds, in their order."""
        rows = np.flatnonzero(np.isin(self.folds, inside))
        parts = [(np.flatnonzero(self.folds[rows] == fold), self.parts[fold]) for fold in inside]
        if len(inside) == len(self.names):
            return self.stack.held_in(parts) if self.in_parts else self.stack
        return self.stack.take(rows, parts if self.in_parts else ())


@dataclass
class _Fitted:
    """All candidates fitted without some folds, and what they predict for those folds' rows.

    predictions: fold and name -> (n, K) float32. starts: see `Fits`.
    """

    rules: dict[str, OneRule]
    predictions: dict[tuple[int, str], np.ndarray]
    starts: dict[str, np.ndarray]
