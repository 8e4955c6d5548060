"""Tables of scores: mean ranks, paired differences from one method, what printed errors cover."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

METRICS = ("macro_f1", "accuracy", "log_loss")
TITLES = {"macro_f1": "F1", "accuracy": "accuracy", "log_loss": "log-loss"}
SINGLE = "candidate "
Scores = dict[str, dict[str, dict[str, Any]]]  # split -> method -> scores


def set_of(split: str) -> str:
    return split.rsplit("-", 1)[0]


def by_set(splits: list[str], values: Iterable[float]) -> np.ndarray:
    """(S,) the mean over each data set's splits: sets count alike, however many splits they have."""
    own: dict[str, list[float]] = {}
    for split, value in zip(splits, values, strict=True):
        own.setdefault(set_of(split), []).append(value)
    return np.array([np.mean(each) for each in own.values()])


def interval(values: np.ndarray) -> tuple[float, float]:
    """Mean and half width of the 95 % interval (Student) over data sets."""
    from scipy.stats import t

    n = len(values)
    half = t.ppf(0.975, n - 1) * values.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan
    return float(values.mean()), float(half)


def ranks(scores: Scores, methods: list[str], metric: str) -> np.ndarray:
    """(splits, methods), 1 the best; ties share the mean rank."""
    from scipy.stats import rankdata

    sign = 1 if metric == "log_loss" else -1
    values = [[round(sign * each[m][metric], 9) for m in methods] for each in scores.values()]
    return rankdata(values, axis=1)


def difference(scores: Scores, method: str, base: str, metric: str) -> tuple[float, float]:
    """From `base`, over data sets; of a log-loss as per cent of it (mean of the log ratios)."""
    splits = list(scores)
    pairs = [(scores[s][method][metric], scores[s][base][metric]) for s in splits]
    if metric == "log_loss":
        ratio = by_set(splits, [float(np.log(max(a, 1e-6) / max(b, 1e-6))) for a, b in pairs])
        mean, half = interval(ratio)
        return 100 * float(np.expm1(mean)), 100 * half * float(np.exp(mean))
    return interval(by_set(splits, [a - b for a, b in pairs]))


def report(scores: Scores, base: str) -> None:
    splits = list(scores)
    first = scores[splits[0]]
    methods = [m for m in first if all(m in each for each in scores.values())]
    for name in sorted({m for each in scores.values() for m in each} - set(methods)):
        print(f"skipped: {name}: not on every split")
    votes = [m for m in methods if not m.startswith(SINGLE)]
    n_sets = len({set_of(split) for split in splits})
    print(f"\n{n_sets} data sets, {len(splits)} splits; test rows, splits of a set averaged first")
    print(f"ranks: mean over sets, of {len(votes)} (candidates are not ranked)")
    print(f"against {base}: mean difference ± 95 % over sets; log-loss in per cent of it")
    head = f"{'':<40}{'rank F1':>8}{'acc':>6}{'loss':>6}{'F1':>8}{'acc':>8}{'loss':>8}"
    print(head + f"{'F1':>17}{'accuracy':>17}{'log-loss, %':>16}{'CPU s':>9}")
    ranked = {
        metric: [by_set(splits, column).mean() for column in ranks(scores, votes, metric).T]
        for metric in METRICS
    }
    for method in [*votes, *(m for m in methods if m not in votes)]:
        row = f"{method:<40}"
        if method in votes:
            at = votes.index(method)
            row += "{:>8.1f}{:>6.1f}{:>6.1f}".format(*(ranked[m][at] for m in METRICS))
        else:
            row += f"{'':>20}"
        for metric in METRICS:
            row += f"{by_set(splits, [scores[s][method][metric] for s in splits]).mean():>8.4f}"
        for metric in METRICS:
            mean, half = difference(scores, method, base, metric)
            row += (
                f"{mean:>+9.1f} ±{half:>5.1f}"
                if metric == "log_loss"
                else f"{mean:>+10.4f} ±{half:.3f}"
            )
        seconds = np.median([scores[s][method]["seconds"] for s in splits])
        print(f"{row}{seconds:>9.2f}", flush=True)
    coverage(scores, [m for m in votes if "printed" in first[m]])


def coverage(scores: Scores, methods: list[str]) -> None:
    """How often |test score - estimate| is within 1 and 2 errors: the printed error alone, and with
    the test rows' own sampling error added in quadrature. A normal error is within them in 68 and 95 %
    if all that differs is in the error; with the printed one alone less, since test rows vary too.
    """
    splits = list(scores)
    print(
        "\nprinted estimates: share of splits (sets count alike) with the test score within 1 | 2 errors"
    )
    print(
        "test: the folds' tables averaged, as a vote is used; each: every fold's tables for itself,"
    )
    print("of which the estimate speaks. bias: test score less estimate")
    kinds = ("test, alone", "test, with its own", "each, alone", "each, with its own")
    print(f"{'':<40}{'':>9}" + "".join(f"{k:>20}" for k in kinds) + f"{'bias test':>11}{'each':>9}")
    for method in methods:
        for metric in METRICS:
            printed = [scores[s][method]["printed"] for s in splits]
            estimate = np.array([p["estimate"][metric] for p in printed])
            error = np.array([p["error"][metric] for p in printed])
            own = np.array([p["test_error"][metric] for p in printed])
            row = f"{method:<40}{TITLES[metric]:>9}"
            off = {
                "test": np.array([scores[s][method][metric] for s in splits]) - estimate,
                "each": np.array([p["folds"][metric] for p in printed]) - estimate,
            }
            for moved in off.values():
                for wide in (error, np.hypot(error, own)):
                    within = [
                        by_set(splits, (np.abs(moved) <= k * wide).astype(float)).mean()
                        for k in (1, 2)
                    ]
                    row += f"{within[0]:>12.2f} | {within[1]:.2f} "
            row += "{:>+11.4f}{:>+9.4f}".format(*(by_set(splits, m).mean() for m in off.values()))
            print(row, flush=True)
