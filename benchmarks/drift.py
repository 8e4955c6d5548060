"""Whether what a vote says about test rows is right: drift, class shares, sets of classes.

    python benchmarks/drift.py FOLDER                  # every .npz of benchmarks/table_sets.py in it
    python benchmarks/drift.py FOLDER --names LIST     # those that a text file names, one a line

Each file's test rows are asked about as they are, where nothing has shifted but by chance, and redrawn
with replacement to other class shares, a mixture of their own and random ones, three times for each
weight of the random ones. Printed, by how far the shares moved (half the sum of the differences):
how often drift is said; accuracy and log-loss as voted, corrected by `--prior test`, and corrected by
all of the fitted shares; how many true classes are in the sets of `--sets 0.9`, and the sets' size.
Errors are of the mean over data sets.
"""

from __future__ import annotations

import os

os.environ.update({f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")})

import itertools
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.sets.labelled import files_given, groups_in, set_of, tables_in
from ensembles.errors import BadInput
from ensembles.judging.estimate import apply_held_out, nested_rules
from ensembles.rules.pools import Rule
from ensembles.scores import metrics
from ensembles.shift.after import after_vote
from ensembles.shift.conformal import in_set, prediction_sets
from ensembles.shift.options import Options
from ensembles.shift.rows import HeldOut, disagreement, numbered
from ensembles.voting import gate
from ensembles.voting.fitting import fitter
from ensembles.voting.request import VoteRequest
from ensembles.weights.stack import Stack, stack_members

SETS = 0.9
RANDOM = (0.3, 0.6, 0.9)  # weights of the random shares
DRAWS = 3
MOVED = (0.0, 0.15, 0.3, 0.5, 1.0)
SEED = 0


def default(stack: Stack, folds: np.ndarray, groups: np.ndarray | None) -> tuple[Rule, np.ndarray]:
    """The rule fitted to all rows, and what it says of held-out rows (N, K)."""
    choice = gate.choose(stack, folds, groups)
    return choice.rule, apply_held_out(stack, choice.rules)


def log_loss(stack: Stack, folds: np.ndarray, groups: np.ndarray | None) -> tuple[Rule, np.ndarray]:
    fit = fitter(VoteRequest("weighted", "log_loss"), [f"m{j}" for j in range(stack.n_members)])
    return fit(stack), apply_held_out(stack, nested_rules(stack, folds, fit))


VOTES = {"the default": default, "log-loss weights": log_loss}


def asked(tables: dict[str, np.ndarray], vote: str, seed: int) -> list[dict[str, Any]]:
    """Figures of a vote on the test rows of one split, as they are and redrawn."""
    labels, truth = tables["labels"].astype(int), tables["test_labels"].astype(int)
    groups = numbered(groups_in(tables))
    stack = stack_members(tables["oof"], labels)
    rule, held_out = VOTES[vote](stack, tables["folds"], groups)
    rows = HeldOut(
        held_out,
        disagreement(stack.favourites, held_out.argmax(axis=1)),
        labels,
        tables["folds"],
        groups,
    )
    test = tables["test_folds"].mean(axis=0, dtype=np.float64).astype(np.float32)
    mixed, favourites = rule.apply(test), test.argmax(axis=2)
    found = [_figures(rows, mixed, favourites, truth) | {"moved": 0.0, "as_is": True}]
    n_classes, random = stack.n_classes, np.random.default_rng(SEED + seed)
    there = np.bincount(truth, minlength=n_classes)
    for weight in RANDOM:
        for _ in range(DRAWS):
            wanted = (1 - weight) * there / len(truth) + weight * random.dirichlet(
                np.ones(n_classes)
            )
            wanted = np.where(there > 0, wanted, 0.0)
            of_row = (wanted / np.maximum(there, 1))[truth]
            at = random.choice(len(truth), len(truth), p=of_row / of_row.sum())
            moved = np.abs(wanted / wanted.sum() - there / len(truth)).sum() / 2
            own = _figures(rows, mixed[at], favourites[:, at], truth[at])
            found.append(own | {"moved": float(moved), "as_is": False})
    return found


def _figures(
    rows: HeldOut, mixed: np.ndarray, favourites: np.ndarray, truth: np.ndarray
) -> dict[str, Any]:
    classes = [str(k) for k in range(mixed.shape[1])]
    plain, own, _ = after_vote(Options(), "weighted", rows, mixed, favourites, classes)
    corrected, more, _ = after_vote(
        Options(prior="test"), "weighted", rows, mixed, favourites, classes
    )
    fitted, oof = (np.array(more["prior"][name]) for name in ("fitted", "before"))
    wholly = mixed * np.divide(fitted, oof, out=np.ones_like(oof), where=oof > 0)
    wholly = wholly / wholly.sum(axis=1, keepdims=True)
    ways = {"as voted": plain, "--prior test": corrected, "fitted shares": wholly}
    return {
        "said": own["drift"]["said"],
        **_sets(rows, plain, truth),
        **{
            (way, metric): metrics.named(metric).score(truth, probabilities)
            for way, probabilities in ways.items()
            for metric in ("accuracy", "log_loss")
        },
    }


def _sets(rows: HeldOut, asked: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Nothing where there are too few groups for sets of this coverage."""
    try:
        sets = in_set(asked, prediction_sets(rows, SETS)["threshold"])
    except BadInput:
        return {}
    return {
        "coverage": float(sets[np.arange(len(truth)), truth].mean()),
        "size": float(sets.sum(axis=1).mean()),
    }


def show(vote: str, rows: list[dict[str, Any]]) -> None:
    print(f"\n{vote}, {len({row['set'] for row in rows})} sets, {len(rows)} tables of test rows")
    print(
        f"{'shares moved by':<18}{'tables':>7}{'said':>7}{'accuracy, + prior, + fitted':>38}"
        f"{'log-loss, + prior, + fitted':>38}{'coverage of .9':>18}{'size':>7}"
    )
    parts = [("nothing", [row for row in rows if row["as_is"]])]
    for low, high in itertools.pairwise(MOVED):
        inside = [r for r in rows if not r["as_is"] and low <= r["moved"] < high]
        parts.append((f"{low:g} to {high:g}", inside))
    for title, own in parts:
        if own:
            print(
                f"{title:<18}{len(own):>7}{np.mean([row['said'] for row in own]):>7.2f}{_line(own)}"
            )


def _line(rows: list[dict[str, Any]]) -> str:
    text = ""
    for metric in ("accuracy", "log_loss"):
        before = _of_sets(rows, ("as voted", metric))
        text += f"{before.mean():>14.4f}"
        for way in ("--prior test", "fitted shares"):
            change = _of_sets(rows, (way, metric)) - before
            error = change.std(ddof=1) / np.sqrt(len(change)) if len(change) > 1 else np.nan
            text += f"  {change.mean():+.3f}±{error:.3f}"[:14].rjust(12)
    rows = [row for row in rows if "coverage" in row]
    if not rows:
        return text
    coverage = _of_sets(rows, "coverage")
    error = coverage.std(ddof=1) / np.sqrt(len(coverage)) if len(coverage) > 1 else np.nan
    return f"{text}{coverage.mean():>10.3f} ±{error:.3f}{_of_sets(rows, 'size').mean():>8.2f}"


def _of_sets(rows: list[dict[str, Any]], name: Any) -> np.ndarray:
    """The mean of each data set, so that one with many tables counts once."""
    sets = sorted({row["set"] for row in rows})
    return np.array([np.mean([row[name] for row in rows if row["set"] == own]) for own in sets])


def main() -> None:
    rows: dict[str, list[dict[str, Any]]] = {vote: [] for vote in VOTES}
    for seed, file in enumerate(files_given(__doc__ or "")):
        tables = tables_in(file)
        if "test_folds" not in tables:
            continue
        for vote in VOTES:
            rows[vote] += [row | {"set": set_of(file)} for row in asked(tables, vote, seed)]
        print(f"{file.stem}", file=sys.stderr)
    for vote, own in rows.items():
        show(vote, own)


if __name__ == "__main__":
    main()
