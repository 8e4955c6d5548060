"""The most that a file may take of memory and time, so that none of a stranger's fills the machine.

One table of all limits that this package has, each with the variable that raises it. A limit on what
a small file unpacks to leaves large files alone: they may take `RATIO` times their own size.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from members.errors import BadInput

MIB = 2**20
RATIO = 100


@dataclass(frozen=True)
class Limit:
    """variable: of the environment, a whole number of `unit`. default: where it is not set.

    bounds: what may be no more, in words for the documentation.
    """

    variable: str
    default: int
    unit: str
    bounds: str

    @property
    def value(self) -> int:
        """Raises BadInput where the variable holds no whole number from 1."""
        given = os.environ.get(self.variable) or str(self.default)
        if (
            not given.isdecimal()
            or not given.isascii()
            or not 0 < len(given) < 16
            or not int(given)
        ):
            raise BadInput(f"{self.variable}={given[:40]}: must be a whole number of {self.unit}.")
        return int(given)

    def require(self, what: str, found: int) -> None:
        """Raise BadInput where `found` is more. what: has `found`, `a.csv: a cell`."""
        if found > self.value:
            raise BadInput(f"{what} has {found:,} {self.unit}. {self.raised}")

    @property
    def raised(self) -> str:
        """The limit in words, and how to raise it."""
        return (
            f"At most {self.value:,} {self.unit} are read; where it must be more, raise the limit: "
            f"export {self.variable}=N"
        )


TEXT = Limit("ENSEMBLE_MAX_TEXT_MIB", 1024, "MiB", "a CSV or JSON file")
CELLS = Limit(
    "ENSEMBLE_MAX_CELLS", 100_000_000, "cells", "rows times columns of a CSV or JSON file"
)
CELL = Limit(
    "ENSEMBLE_MAX_CELL",
    1_000_000,
    "characters",
    "a cell of a table, list or submission, and a line of text",
)
NAME = Limit(
    "ENSEMBLE_MAX_NAME", 4096, "characters", "an id, a path, a group, or the name of a class"
)
COLUMNS = Limit("ENSEMBLE_MAX_COLUMNS", 40_000, "columns", "a table, list or submission")
UNPACKED = Limit(
    "ENSEMBLE_MAX_UNPACKED_MIB",
    1024,
    "MiB",
    "memory of a Parquet file that unpacks to more than 100 times its size",
)
PHOTO = Limit(
    "ENSEMBLE_MAX_PHOTO_MIB", 1024, "MiB", "memory of all photographs that are decoded at once"
)
FLAT_PHOTO = Limit(
    "ENSEMBLE_MAX_FLAT_PHOTO_MIB",
    512,
    "MiB",
    "memory of a photograph that unpacks to more than 1,000 times its size",
)
RATIO_OF_PHOTOS = 1000  # of one colour: JPEG 900, PNG 1,000; of the world: 2 to 50


def require_unpacked(what: str, needed: int, size: int) -> None:
    """Raise BadInput where a file of `size` bytes takes `needed` bytes of memory, out of proportion."""
    if needed > RATIO * size:
        UNPACKED.require(f"{what} in a file of {size:,} bytes: unpacked, it", -(-needed // MIB))


def require_text(what: str, size: int) -> None:
    """Raise BadInput where a text file of `size` bytes is too large to be read whole."""
    TEXT.require(what, -(-size // MIB))
