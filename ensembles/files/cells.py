"""What a text means: a cell a whole number however it was printed, or nothing at all; JSON."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
# `tensor(13, device='cuda:0')`, `np.int64(3)`, `array([3])`, `[3]`, `(3,)`: one value, as printed
_PRINTED = re.compile(
    r"(?:(?:torch\.)?[Tt]ensor|(?:np|numpy|jnp)\.\w+|[Aa]rray)?"
    r"\(?[\s\[]*(?P<value>[^\s,()\[\]]+)\s*,?[\s\]]*"
    r"(?:,\s*(?:device|dtype|grad_fn|requires_grad|shape|weak_type)\s*=\s*[^(),]*)*\)?"
)
_QUOTES = "'\""
_MOST_DIGITS = 40  # no class number and no id of a photo is longer
# as pandas, numpy, R and SQL write a value that is missing
_MISSING = frozenset({"", "nan", "-nan", "none", "null", "na", "n/a", "<na>", "nat", "#n/a"})


def whole_number(text: str) -> int | None:
    """The whole number that a cell holds, exactly: `13`, `013`, `13.0`, `1.300e+01`, `tensor(13)`.

    None for everything else: `1.83`, `nan`, words, numbers of more than 40 digits.
    """
    if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS:
        return int(text)
    number = decimal_number(text)
    if number is None or number != number.to_integral_value() or number.adjusted() >= _MOST_DIGITS:
        return None
    return int(number)


def decimal_number(text: str) -> Decimal | None:
    """The finite number that a cell holds, exactly as written; None where it holds none."""
    text = bare(text)
    return Decimal(text) if len(text) <= 400 and _NUMBER.fullmatch(text) else None


def bare(text: str) -> str:
    """The cell without what printing one value puts around it: `tensor(13)` is `13`."""
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in _QUOTES:
        text = text[1:-1].strip()
    if text[-1:] not in (")", "]") or len(text) > 400:
        return text
    balanced = text.count("(") == text.count(")") and text.count("[") == text.count("]")
    if not balanced or not (own := _PRINTED.fullmatch(text)):
        return text
    value = own["value"].strip(_QUOTES)
    # a word in brackets may be a class of that name
    return value if _NUMBER.fullmatch(value) or is_missing(value) else text


def is_missing(text: str) -> bool:
    """Whether a cell is empty or holds what programs write for a missing value (`nan`, `NA`)."""
    return text.strip().lower() in _MISSING


def parse_json(text: str | bytes) -> Any:
    """`json.loads`, which raises ValueError for any text that is none, nested without end as well, and
    for a key that stands twice, of which one value would be lost.
    """
    try:
        return json.loads(text, object_pairs_hook=_each_once)
    except RecursionError:
        raise ValueError("lists or objects stand inside each other too deep") from None


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for i, (key, _) in enumerate(pairs) if key in dict(pairs[:i]))
        raise ValueError(f"the key {twice!r} stands twice")
    return found
