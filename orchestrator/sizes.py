"""Sizes in bytes, as people write them: 50 GB, 500 MB."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

PATTERN = r"^([0-9]{1,15}(\.[0-9]{1,9})?) *(([kKmMgGtT])([iI]?))?[bB]$"
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_UNITS = ("B", "kB", "MB", "GB", "TB")


def size_of(given: Any) -> int:
    """`50 GB` -> 50 * 10^9 bytes, `64 GiB` -> 64 * 2^30. Raises ValueError."""
    if given == 0 and not isinstance(given, bool):
        return 0
    found = re.fullmatch(PATTERN, given) if isinstance(given, str) else None
    if found is None:
        raise ValueError(
            f"a size with its unit, e.g. 50 GB, 500 MB, 1.5 TB or 64 GiB; or 0 for no copies; got {given!r}"
        )
    base = 1024 if found[5] else 1000
    return round(float(found[1]) * base ** _POWERS[(found[4] or "").lower()])


def written(size: int) -> str | int:
    """What `size_of` reads as so many bytes: in the largest unit in which it is a whole number."""
    power = 0
    while size and power < len(_UNITS) - 1 and size % 1000 ** (power + 1) == 0:
        power += 1
    return f"{size // 1000**power} {_UNITS[power]}" if size else 0


def shown(size: float) -> str:
    """`61 GB`, `4.5 MB`: to two digits."""
    power = 0
    while size >= 999.5 and power < len(_UNITS) - 1:
        size, power = size / 1000, power + 1
    return f"{size:.1f} {_UNITS[power]}" if power and size < 9.95 else f"{size:.0f} {_UNITS[power]}"


Size = Annotated[int, BeforeValidator(size_of), PlainSerializer(written, when_used="json")]  # bytes
