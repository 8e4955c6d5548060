"""Arrays that were written into one cell as text, as numpy, torch or a list prints them."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from ensembles.errors import BadInput
from ensembles.files.submissions.sheet import Sheet

# each text is read in one way only, so that a long one which is no array takes no longer
_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|[+-]?nan|[+-]?inf"
_NUMBERS = re.compile(rf"(?:{_NUMBER})(?:[\s,;|]+(?:{_NUMBER}))+,?", re.IGNORECASE)
_OPENING, _CLOSING = re.compile(r"[\[(]+"), re.compile(r"[\])]")


def inside(text: str) -> str:
    """What stands between the brackets, or the whole text where there are none."""
    text = text.strip()
    opening = _OPENING.search(text)
    closing = _CLOSING.search(text, opening.end()) if opening else None
    if not opening or not closing or "]" in text[: opening.start()]:
        return text
    return text[opening.end() : closing.start()].strip()


def is_array(text: str) -> bool:
    """Whether a cell holds two numbers or more: `[0.1 0.9]`, `tensor([0.1, 0.9])`, `0.1 0.9`."""
    if "..." in text:
        text = text.replace("...", " ")
    return _NUMBERS.fullmatch(inside(text)) is not None


def parse_arrays(sheet: Sheet, column: int) -> np.ndarray:
    """(N, K) float64, the arrays of a column. Raises BadInput where they are cut or differ in length."""
    name, cells = sheet.header[column], sheet.cells(column)
    if cut := [i for i, cell in enumerate(cells) if "..." in cell]:
        raise BadInput(
            f"{sheet.name}: `{name}` holds arrays that printing has shortened (`...`) in "
            f"{sheet.at(cut)}. Write a column a class, or print them whole: "
            "np.set_printoptions(threshold=sys.maxsize)."
        )
    if bad := [i for i, cell in enumerate(cells) if not is_array(cell)]:
        raise BadInput(
            f"{sheet.name}: `{name}` holds arrays of probabilities, but not in {sheet.at(bad)}: "
            f"{cells[bad[0]][:60]!r}. Write one for each row."
        )
    arrays = [re.split(r"[\s,;|]+", inside(cell).rstrip(", ")) for cell in cells]
    lengths = np.array([len(own) for own in arrays])
    if differing := np.flatnonzero(lengths != lengths[0]).tolist():
        raise BadInput(
            f"{sheet.name}: `{name}` holds arrays of {lengths[0]} numbers, but of "
            f"{lengths[differing[0]]} in {sheet.at(differing)}. Write one number a class."
        )
    return np.array(arrays, np.float64)


def parse_words(cell: str) -> list[str]:
    """The texts of an array of them: `['tabby cat' 'tiger']` of numpy, `['a', 'b']` of a list."""
    quoted = re.findall(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"", inside(cell))
    return [one or other for one, other in quoted] or re.split(r"[\s,]+", inside(cell))


def as_floats(cells: Sequence[str]) -> np.ndarray | None:
    """(N,) float64, or None where a cell is no number."""
    try:
        return np.array(cells, np.float64)
    except ValueError:
        return None
