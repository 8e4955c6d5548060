"""Labels as texts -> class names in order, and their numbers."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from members.data.listing import some

INTEGER = re.compile(r"-?\d+(\.0*)?")


def class_names(texts: list[str]) -> tuple[str, ...]:
    """The labels that occur: numbers by value, anything else by alphabet."""
    names = sorted({text for text in texts if text})
    return tuple(sorted(names, key=float) if all(map(INTEGER.fullmatch, names)) else names)


def class_numbers(texts: list[str], names: tuple[str, ...]) -> np.ndarray:
    """Class names -> (N,) int16; -1 for what is not a class."""
    index = {name: position for position, name in enumerate(names)}
    return np.array([index.get(text, -1) for text in texts], dtype=np.int16)


def plain_integers(texts: list[str]) -> list[str]:
    """`3`, `03` and `3.0` become `3` where every label is such a number; else as they are."""
    if not all(INTEGER.fullmatch(text) for text in texts if text):
        return texts
    return [str(int(text.split(".")[0])) if text else "" for text in texts]


def numbering_notes(where: Path, names: tuple[str, ...]) -> list[str]:
    """At most one note: classes that are whole numbers, but not 0..K-1."""
    if not all(map(INTEGER.fullmatch, names)) or names == tuple(map(str, range(len(names)))):
        return []
    return [
        f"{where}: the labels {some(names)} are not 0..{len(names) - 1}; "
        "in tables and submissions they are numbered from 0 in this order."
    ]


def too_few_problems(where: Path, names: tuple[str, ...]) -> list[str]:
    """At most one problem: fewer than two classes."""
    if len(names) >= 2:
        return []
    return [f"{where}: {len(names)} classes ({some(names)}), but at least 2 must have photos."]
