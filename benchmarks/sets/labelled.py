"""Table sets with a labelled test part: the files that a benchmark is given, and what is in them."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np


def files_given(description: str) -> list[Path]:
    """From the command line: every .npz of a folder, or of these those that a text file names."""
    parser = argparse.ArgumentParser(description=description.split("\n", 1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--names", type=Path)
    given = parser.parse_args()
    files = sorted(given.folder.glob("*.npz"))
    if given.names:
        wanted = {line.strip().removesuffix(".npz") for line in given.names.read_text().split("\n")}
        files = [file for file in files if file.stem in wanted]
    return files


def tables_in(file: Path) -> dict[str, np.ndarray]:
    """Its arrays by name; those of benchmarks/coverage.py's description."""
    with np.load(file, allow_pickle=False) as found:
        return {name: found[name] for name in found.files if name != "names"}


def set_of(file: Path) -> str:
    """The data set that a split is of: `wine` of `wine-2.npz`."""
    return file.stem.rpartition("-")[0]


def groups_in(tables: dict[str, np.ndarray], name: str = "groups") -> np.ndarray | None:
    """(N,), or None where every row is a group of its own."""
    found = tables.get(name)
    return None if found is None or len(np.unique(found)) == len(found) else found
