"""Probability tables of real data: many sets, to devise voting rules on and to check them on.

    python benchmarks/table_sets.py FOLDER                       # all, about 10 minutes on one core
    python benchmarks/table_sets.py FOLDER --part devise --sets 4

Data sets that ship inside packages (benchmarks/sets/sources.py), several random splits each, and
the hard votes of 30 published networks on CIFAR-10.1. Each split is FOLDER/<set>-<split>.npz:

    oof (M, N, K) float32         out of fold, by models of the other four folds
    test (M, T, K) float32        the mean over the five folds' models
    test_folds (5, M, T, K)       what each fold's models say of the test rows
    labels (N,), test_labels (T,), folds (N,), groups (N,), test_groups (T,) integers
    names (M,) text               the members

FOLDER/DEVISE.txt and FOLDER/CHECK.txt list the splits of each part, a line each. The packages are
in an environment of their own, data/venv-sets, made on the first call.
"""

from __future__ import annotations

import argparse
import sys
import time
import zlib
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.sets.environment import in_environment  # noqa: E402
from benchmarks.sets.sources import CIFAR, SOURCES, VOTES, names, part_of  # noqa: E402

FEWEST = 144  # OOF rows
SHARE = 0.6  # of the rows, out of fold


def n_splits(n_rows: int) -> int:
    """Small sets say less each, and cost less."""
    return 4 if n_rows <= 500 else 3 if n_rows <= 1000 else 2


def split(
    y: np.ndarray, groups: np.ndarray | None, most: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows out of fold, test rows, and the first ones' folds: by class, or by group where given."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, train_test_split

    n_oof = min(most, max(FEWEST, round(SHARE * len(y))))
    n_test = min(most, len(y) - n_oof)
    if groups is None:
        inside, test = train_test_split(
            np.arange(len(y)), train_size=n_oof, test_size=n_test, stratify=y, random_state=seed
        )
        parts = StratifiedKFold(5, shuffle=True, random_state=seed).split(inside, y[inside])
    else:
        inside, test = by_group(y, groups, n_oof, n_test, seed)
        splitter = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
        parts = splitter.split(inside, y[inside], groups[inside])
    folds = np.empty(len(inside), np.int16)
    for fold, (_, rows) in enumerate(parts):
        folds[rows] = fold
    return inside, test, folds


def by_group(
    y: np.ndarray, groups: np.ndarray, n_oof: int, n_test: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """No group on both sides; of 50 drawn splits the first with every class on both."""
    rng = np.random.default_rng(seed)
    n_groups, n_classes = groups.max() + 1, y.max() + 1
    for _ in range(50):
        side = rng.permutation(n_groups) < SHARE * n_groups
        order = rng.permutation(n_groups)[groups] * (1 + len(y)) + rng.permutation(len(y))
        if len(y) / n_groups > 100:  # few large groups: some rows of each, not all of some
            order = rng.permutation(len(y))
        rows = np.argsort(order)
        inside, test = rows[side[groups[rows]]][:n_oof], rows[~side[groups[rows]]][:n_test]
        counts = np.bincount(y[inside], minlength=n_classes)
        if counts.min() >= 5 and len(np.unique(y[test])) == n_classes:
            return inside, test
    raise SystemExit("no split by group has every class on both sides: leave out rare classes")


def of_source(name: str, seed: int) -> dict[str, np.ndarray]:
    from benchmarks.sets.members import chosen, cross_fitted

    source = SOURCES[name]
    x, classes, given = source.read()
    y = np.unique(classes, return_inverse=True)[1]
    groups = None if given is None else np.unique(given, return_inverse=True)[1]
    own = zlib.crc32(name.encode())
    kinds = chosen(np.random.default_rng(own))
    inside, test, folds = split(y, groups, source.rows, own % 10_000 + seed)
    n_classes = int(y.max()) + 1
    oof, by_fold, members = cross_fitted(
        x[inside], y[inside], folds, x[test], n_classes, kinds, seed
    )
    of_row = np.arange(len(y)) if groups is None else groups
    return {
        "oof": oof,
        "test": by_fold.mean(axis=0, dtype=np.float64).astype(np.float32),
        "test_folds": by_fold,
        "labels": y[inside],
        "test_labels": y[test],
        "folds": folds,
        "groups": of_row[inside],
        "test_groups": of_row[test],
        "names": np.array(members),
    }


def of_votes(name: str, seed: int) -> dict[str, np.ndarray]:
    """Half of the pictures against the other half; networks were trained on other pictures."""
    found = np.load(CIFAR, allow_pickle=False)
    version = name.rsplit("_", 1)[1]
    y = found[f"{version}_labels"].astype(int)
    tables = np.eye(10, dtype=np.float32)[found[f"{version}_votes"]]
    inside, test, folds = split(y, None, len(y) // 2, seed)
    own = tables[:, test]
    return {
        "oof": np.take(tables, inside, axis=1),
        "test": own,
        "test_folds": np.broadcast_to(own, (5, *own.shape)),
        "labels": y[inside],
        "test_labels": y[test],
        "folds": folds,
        "groups": inside,
        "test_groups": test,
        "names": found["members"],
    }


def write(name: str, seed: int, folder: Path) -> int:
    """One split's file, unless it is there; the OOF rows of it."""
    path = folder / f"{name}-{seed}.npz"
    if not path.exists():
        tables = of_votes(name, seed) if name in VOTES else of_source(name, seed)
        started = Path(f"{path}.part")
        with started.open("wb") as file:
            np.savez(file, **tables)
        started.replace(path)
    return len(np.load(path, allow_pickle=False)["labels"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--part", choices=["devise", "check", "all"], default="all")
    parser.add_argument("--sets", type=int, help="the first so many of the part")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    for part in ("devise", "check") if given.part == "all" else (given.part,):
        lines = []
        for name in names(part)[: given.sets]:
            if name in VOTES and not CIFAR.exists():
                print(f"{name}: skipped, no {CIFAR} (name it in CIFAR10_1_VOTES)", flush=True)
                continue
            assert part_of(name) == part
            started, seed, splits = time.process_time(), 0, 1
            while seed < splits:
                splits = n_splits(write(name, seed, given.folder))
                lines.append(f"{name}-{seed}")
                seed += 1
            seconds = time.process_time() - started
            tables = np.load(given.folder / f"{name}-0.npz", allow_pickle=False)
            shape = "{} members x {} OOF rows x {} classes".format(*tables["oof"].shape)
            n_test = len(tables["test_labels"])
            print(
                f"{part} {name}: {splits} splits, {shape}, {n_test} test, {seconds:.1f} s",
                flush=True,
            )
        (given.folder / f"{part.upper()}.txt").write_text("".join(f"{line}\n" for line in lines))


if __name__ == "__main__" and in_environment(__file__):
    main()
