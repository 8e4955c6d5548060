"""Bits that flip on a disk, drawn with a fixed seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np


def drawn(files: Sequence[Path], number: int, seed: int = 0) -> Iterator[tuple[Path, int]]:
    """Files and bits in them, the files in turns: `number` flips."""
    generator = np.random.default_rng(seed)
    assert files
    for n in range(number):
        file = files[n % len(files)]
        yield file, int(generator.integers(8 * file.stat().st_size))


def flip(file: Path, bit: int) -> None:
    content = bytearray(file.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    file.write_bytes(content)


@contextmanager
def flipped(file: Path, bit: int) -> Iterator[None]:
    """The file with one bit flipped, and as it was afterwards."""
    before = file.read_bytes()
    flip(file, bit)
    try:
        yield
    finally:
        file.write_bytes(before)
