"""Whether the standard errors of a vote's estimate are of the right size, on tables with a test part.

    python benchmarks/coverage.py FOLDER                  # every .npz in it
    python benchmarks/coverage.py FOLDER --names LIST     # those that a text file names, one a line

Each file holds oof (M, N, K), labels (N,), folds (N,), test_folds (F, M, T, K), what the models of
each fold predict for the test rows, and test_labels (T,); optional: groups (N,) and test_groups (T,).

The test part is scored in three ways: by the models of single folds (mean score), as out-of-fold
rows are predicted; by the mean over the folds' models, as the test tables are; and the latter less
what averaging is expected to gain. How often a score lies within 1 and 2 printed errors of the
estimate is printed beside how often it should: the test score has an error of its own. z is the
distance in the joint error of the two, which should have spread 1; its mean shows a bias. Errors by
the delta method alone, as they were before, stand beside those that are printed now.
"""

from __future__ import annotations

import os

os.environ.update({f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")})

import sys
from collections.abc import Callable
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.sets.labelled import files_given, groups_in, set_of, tables_in
from ensembles.judging.averaging import LEAST_FOLDS, expected_gains, votes_by_fold
from ensembles.judging.estimate import apply_held_out, estimate, nested_rules, refit_shifts
from ensembles.rules.pools import Rule
from ensembles.scores import influence, metrics
from ensembles.voting import gate
from ensembles.voting.fitting import fitter
from ensembles.voting.request import VoteRequest
from ensembles.weights.offsets import fit_temperature
from ensembles.weights.stack import Stack, stack_members

TARGETS = {
    "fold": "by single folds' models",
    "mean": "by the mean over the folds' models",
    "less": "by the mean, less the expected gain",
}
REQUESTS = {
    "log-loss weights": VoteRequest("weighted", "log_loss"),
    "macro-F1 weights, offsets": VoteRequest("weighted", "macro_f1", offsets=True),
    "uniform": VoteRequest("soft"),
}
Fitted = tuple[Rule, list[tuple[np.ndarray, Rule]]]


def default(stack: Stack, folds: np.ndarray, groups: np.ndarray | None) -> Fitted:
    choice = gate.choose(stack, folds, groups)
    return choice.rule, choice.rules


def by_request(request: VoteRequest) -> Callable[..., Fitted]:
    def fit(stack: Stack, folds: np.ndarray, groups: np.ndarray | None) -> Fitted:
        own = fitter(request, [f"m{j}" for j in range(stack.n_members)])
        rule = own(stack)
        if not request.needs_oof:
            return rule, [(np.arange(len(folds)), rule)]
        return rule, nested_rules(stack, folds, own)

    return fit


VOTES: dict[str, Callable[..., Fitted]] = {
    "the default": default,
    **{name: by_request(request) for name, request in REQUESTS.items()},
}


def judged(tables: dict[str, np.ndarray], fit: Callable[..., Fitted]) -> list[dict[str, Any]]:
    """For each reported metric the estimate, its errors, the test scores and the expected gain."""
    labels, truth = tables["labels"].astype(int), tables["test_labels"].astype(int)
    groups, test_groups = groups_in(tables), groups_in(tables, "test_groups")
    stack, by_fold = stack_members(tables["oof"], labels), tables["test_folds"]
    mean = by_fold.mean(axis=0, dtype=np.float64).astype(np.float32)
    rule, rules = fit(stack, tables["folds"], groups)
    held_out, whole = apply_held_out(stack, rules), rule.apply(mean)
    shifts = refit_shifts(stack, rule, [own for _, own in rules])
    found = estimate(labels, held_out, groups, None, shifts)
    alone, others = votes_by_fold(rule, mean, by_fold, len(by_fold))
    gains = None
    if len(by_fold) >= LEAST_FOLDS:
        temperature = fit_temperature(rule.apply(stack.probabilities), labels)
        gains = expected_gains(alone, others, temperature)
    rows = []
    for name in metrics.REPORTED:
        of = metrics.named(name)
        moves = of.influence(labels, held_out)
        single = float(np.mean([of.score(truth, own) for own in alone]))
        rows.append(
            {
                "metric": name,
                "estimate": found[name],
                "before": influence.standard_error(moves, groups),
                "now": found["standard_error"][name],
                "of_test": of.standard_error(truth, alone[0], None, test_groups),
                "fold": single,
                "mean": of.score(truth, whole),
                "gain": gains and gains[name],
                "alike": bool((alone == alone[0]).all()),
            }
        )
        rows[-1]["less"] = rows[-1]["mean"] - (rows[-1]["gain"] or 0.0)
    return rows


def show(vote: str, rows: list[dict[str, Any]]) -> None:
    for metric in metrics.REPORTED:
        own = [row for row in rows if row["metric"] == metric]
        print(f"\n{vote}, {metrics.title(metric)}, {len(own)} splits of {_sets(own)} sets")
        print(f"{'':42s}{'within 1, right':>17s}{'within 2, right':>17s}{'z':>15s}")
        for target, title in TARGETS.items():
            for which in ("before", "now"):
                print(f"{title:36s}{which:6s}{_line(own, which, target)}")
        there = [row for row in own if row["gain"] is not None and not row["alike"]]
        if there:
            print(f"expected gain beside the gain that was: {_gains(there)}")


def _sets(rows: list[dict[str, Any]]) -> int:
    return len({row["set"] for row in rows})


def _line(rows: list[dict[str, Any]], which: str, target: str) -> str:
    away = np.array([row[target] - row["estimate"] for row in rows])
    error, of_test = (np.array([row[name] for row in rows]) for name in (which, "of_test"))
    joint = np.hypot(error, of_test)
    text = ""
    for times in (1, 2):
        ratio = np.divide(times * error, joint, out=np.zeros(len(rows)), where=joint > 0)
        right = np.mean([2 * NormalDist().cdf(own) - 1 for own in ratio])
        text += f"{np.mean(np.abs(away) <= times * error):9.2f}{right:8.2f}"
    z = np.divide(away, joint, out=np.zeros(len(rows)), where=joint > 0)
    return f"{text}{z.mean():+9.2f} ±{z.std():.2f}"


def _gains(rows: list[dict[str, Any]]) -> str:
    """Of sets' means, so that a set with many splits counts once."""
    names = sorted({row["set"] for row in rows})
    expected, gained = (
        np.array([np.mean([of(row) for row in rows if row["set"] == name]) for name in names])
        for of in (lambda row: row["gain"], lambda row: row["mean"] - row["fold"])
    )
    error = gained.std(ddof=1) / np.sqrt(len(names)) if len(names) > 1 else 0.0
    apart, nothing = (np.sqrt(np.mean(own**2)) for own in (expected - gained, gained))
    return (
        f"{expected.mean():+.4f} {gained.mean():+.4f} ±{error:.4f} over {len(names)} sets; they are "
        f"{apart:.4f} apart in a set, where without an expectation it is {nothing:.4f}"
    )


def main() -> None:
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in VOTES}
    for file in files_given(__doc__ or ""):
        tables = tables_in(file)
        for name, fit in VOTES.items():
            rows[name] += [row | {"set": set_of(file)} for row in judged(tables, fit)]
    for name, own in rows.items():
        show(name, own)


if __name__ == "__main__":
    main()
