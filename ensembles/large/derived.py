"""What every vote over the same large tables needs, kept on disk by the tables' digest.

For each range of rows the members' probabilities of the true class; for all rows label, fold and
group, which are small; and the rows of a sample, to which everything is fitted but log-loss weights.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ensembles.errors import BadInput
from ensembles.files import places
from ensembles.judging.estimate import folds_for_weights
from ensembles.large import ranges
from ensembles.large.ranges import Tables, read_range
from ensembles.scores.scorers import EPSILON

SAMPLE = 20_000
_SUMS = "SHA256SUMS"
RunRanges = Callable[[Callable[[tuple[int, int]], Any], Sequence[tuple[int, int]]], Iterable[Any]]


@dataclass
class Derived:
    """labels, folds: (N,) int16. groups: (N,) int32 numbers, or None where rows stand alone.

    sample_rows: (n,) indices. sample: (M, n, K) float32, their probabilities.
    """

    folder: Path
    labels: np.ndarray
    folds: np.ndarray
    groups: np.ndarray | None
    sample_rows: np.ndarray
    sample: np.ndarray

    def true(self, begin: int) -> np.ndarray:
        """(M, n) float64 of the range that begins there, each >= EPSILON."""
        return np.load(self.folder / f"true-{begin}.npy", allow_pickle=False).astype(np.float64)


def derive(oof: Tables, run: RunRanges, cache: str | os.PathLike[str] | None = None) -> Derived:
    """Read from `cache/<digest>`, or read all tables once and keep it there.

    cache: a local folder; default `$XDG_CACHE_HOME/ensemble-votes`. It takes 4 bytes a member and
    row, and may be deleted at any time; what is damaged is made again. Raises BadInput where a
    group stands in several folds.
    """
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(cache or Path(home) / "ensemble-votes") / ranges.digest(oof)
    if folder.exists() and not _is_whole(folder):
        shutil.rmtree(folder, ignore_errors=True)
    if not folder.exists():
        # another vote over the same tables may be faster: its files are the same
        with places.writing_folder(folder) as unfinished:
            _write(oof, run, unfinished)
    names = ("labels", "folds", "groups", "sample_rows", "sample")
    kept = {name: np.load(folder / f"{name}.npy", allow_pickle=False) for name in names}
    return Derived(folder, **{**kept, "groups": kept["groups"] if kept["groups"].size else None})


def _write(oof: Tables, run: RunRanges, folder: Path) -> None:
    labels, folds, groups = _small_columns(oof)
    _check_groups(folds, groups)
    # at least the three that the choice among kinds needs
    folds = folds_for_weights(folds, groups, least=3).astype(np.int16)
    rows = stratified_rows(folds, labels, groups, oof.n_classes, SAMPLE)
    wanted = {b: rows[(rows >= b) & (rows < e)] - b for b, e in oof.ranges}
    samples = []
    read = run(partial(_true_of, oof, wanted), oof.ranges)
    for (begin, _), (true, sample) in zip(oof.ranges, read, strict=True):
        np.save(folder / f"true-{begin}.npy", true)
        samples.append(sample)
    kept = {"labels": labels, "folds": folds, "sample_rows": rows}
    kept |= {"groups": np.empty(0, np.int32) if groups is None else groups}
    kept |= {"sample": np.concatenate(samples, axis=1)}
    for name, array in kept.items():
        np.save(folder / f"{name}.npy", array)
    (folder / _SUMS).write_text(_sums(folder))


def _is_whole(folder: Path) -> bool:
    """Whether every file is as it was written; not where an earlier version wrote no digests."""
    try:
        return (folder / _SUMS).read_bytes() == _sums(folder).encode()
    except OSError:
        return False


def _sums(folder: Path) -> str:
    """As `sha256sum *.npy` prints it."""
    found = sorted(folder.glob("*.npy"))
    return "".join(f"{places.file_digest(file)}  {file.name}\n" for file in found)


def _small_columns(oof: Tables) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """labels, folds (N,) int16 and groups (N,) int32 of the first member's table."""
    columns = [name for name in oof.columns if name in ("label", "fold", "group")]
    parts = []
    for begin, end in oof.ranges:
        found = ranges.read_columns(oof, oof.names[0], (begin, end), columns)
        label, fold = (found[c].to_numpy().astype(np.int16) for c in ("label", "fold"))
        group = _numbers(found["group"].combine_chunks()) if "group" in columns else label
        parts.append((label, fold, group))
    labels, folds, groups = (np.concatenate(column) for column in zip(*parts, strict=True))
    if "group" not in columns:
        return labels, folds, None
    return labels, folds, np.unique(groups, return_inverse=True)[1].astype(np.int32)


def _numbers(names: pa.Array) -> np.ndarray:
    """(n,) int64, a hash of each name that is the same in every range."""
    encoded = names.dictionary_encode()
    hashes = [
        int.from_bytes(hashlib.blake2b(str(name).encode(), digest_size=8).digest(), signed=True)
        for name in encoded.dictionary.to_pylist()
    ]
    return np.array(hashes, np.int64)[encoded.indices.to_numpy()]


def _check_groups(folds: np.ndarray, groups: np.ndarray | None) -> None:
    if groups is None:
        return
    fold_of = np.zeros(groups.max() + 1, folds.dtype)
    fold_of[groups] = folds
    straddling = np.unique(groups[fold_of[groups] != folds])
    if straddling.size:
        row = int(np.flatnonzero(np.isin(groups, straddling))[0])
        raise BadInput(
            f"{straddling.size} of {len(fold_of)} groups stand in several folds, the first is that "
            f"of row {row}. A group in training must not be scored: split by group."
        )


def stratified_rows(
    folds: np.ndarray, labels: np.ndarray, groups: np.ndarray | None, n_classes: int, size: int
) -> np.ndarray:
    """Sorted indices of about `size` rows with the shares of classes and folds that all have.

    Whole groups where there are any: a group is drawn among those of its fold whose rarest class is
    the same. The draw is always the same.
    """
    unit = np.arange(len(labels), dtype=np.int32) if groups is None else groups
    n_units = int(unit.max()) + 1
    rarity = np.argsort(np.argsort(np.bincount(labels, minlength=n_classes), kind="stable"))
    rarest = np.full(n_units, n_classes, np.int16)
    np.minimum.at(rarest, unit, rarity[labels].astype(np.int16))
    cells = np.empty(n_units, np.int32)
    cells[unit] = folds.astype(np.int32) * n_classes
    cells += rarest
    order = np.random.default_rng(0).permutation(np.arange(n_units, dtype=np.int32))
    order = order[np.argsort(cells[order], kind="stable")]
    taken = np.zeros(n_units, bool)
    # every n-th of the units shuffled and laid class beside class
    taken[order[:: max(1, len(labels) // size)]] = True
    return np.flatnonzero(taken[unit])


def _true_of(
    oof: Tables, wanted: dict[int, np.ndarray], rows: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """(M, n) float32 of the true class, and the sample's rows of the range (M, s, K)."""
    part = read_range(oof, *rows)
    assert part.label is not None  # `open_tables` refuses OOF tables without
    true = part.probabilities[:, np.arange(len(part.label)), part.label]
    return np.maximum(true, np.float32(EPSILON)), np.take(
        part.probabilities, wanted[rows[0]], axis=1
    )
