"""Folds of many groups, beside scikit-learn's StratifiedGroupKFold, which gives the same ones.

    PYTHONPATH=. python benchmarks/folds.py

Single photographs (each its own group) and people of several; 5 folds. CPU seconds of the process, the
median of three, and whether both say the same. ImageNet's size is ours alone: scikit-learn would hold a
table of 1.28 million groups by 1,000 classes, 10 GB.
"""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from members.data.folds.stratified import stratified_group_folds

K, SEED, TIMES = 5, 42, 3


def of_scikit_learn(labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
    fold = np.empty(len(labels), np.int16)
    splitter = StratifiedGroupKFold(K, shuffle=True, random_state=SEED)
    for number, (_, rows) in enumerate(splitter.split(labels, labels, groups)):
        fold[rows] = number
    return fold


def ours(labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
    return stratified_group_folds(labels, groups, K, SEED)


def seconds(split: Callable, times: int, *given: np.ndarray) -> tuple[float, float, np.ndarray]:
    """Median and range of the CPU seconds, and the folds."""
    taken = []
    for _ in range(times):
        begun = time.process_time()
        fold = split(*given)
        taken.append(time.process_time() - begun)
    return statistics.median(taken), max(taken) - min(taken), fold


def main() -> None:
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(0)
    uneven = np.concatenate([np.full(895, 1300), rng.integers(732, 1300, 105)])  # as ImageNet's
    sets = {
        "18,900 of 2,700 people, 18": (rng.integers(0, 18, 18900), np.repeat(np.arange(2700), 7)),
        "50,000 single, 10 classes": (rng.integers(0, 10, 50000), rng.permutation(50000)),
        "1,280,000 single, 1,000": (
            np.repeat(np.arange(1000), uneven),
            rng.permutation(int(uneven.sum())),
        ),
    }
    print(f"{'photographs':<30}{'ours, s':>16}{'scikit-learn, s':>20}{'ratio':>8}  the same")
    for name, given in sets.items():
        own, spread, fold = seconds(ours, TIMES, *given)
        line = f"{name:<30}{own:>9.2f} +-{spread:>4.2f}"
        if len(given[0]) < 100_000:
            other, wide, expected = seconds(of_scikit_learn, TIMES, *given)
            line += f"{other:>13.2f} +-{wide:>4.2f}{own / other:>8.3f}  "
            line += "yes" if np.array_equal(fold, expected) else "no"
        print(line, flush=True)


if __name__ == "__main__":
    main()
