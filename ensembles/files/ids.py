"""Ids of two files that should be the same: which differ and, where one explains it, the reason."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import unquote

import numpy as np

from ensembles.errors import examples

_ENDING = re.compile(
    r"(?<=.)\.(jpe?g|jpe|jfif|png|bmp|gif|tiff?|webp|avif|hei[cf]|jp2|dcm|npy|npz|ppm|pgm|pbm|tga|ico"
    r"|nii|svs|mat|txt|csv|xml|json)$",
    re.IGNORECASE,
)
_BYTES = re.compile(r"""b(['"])(.*)\1""")
_ZEROS = re.compile(r"(?<![0-9.])0+(?=[0-9])")
_DECIMAL = re.compile(r"([0-9]+)\.0*")
_MOST_FOR_PAIRS = 50_000  # ids; above, a reason that takes two steps is not worth its seconds

# "the ids agree but for ..." -> the id without it
_BUT_FOR: dict[str, Callable[[str], str]] = {
    "the spaces around them": str.strip,
    "the ending": lambda i: _ENDING.sub("", i),
    "backslashes": lambda i: i.replace("\\", "/"),
    "the ./ at the start": lambda i: re.sub(r"^(\./+|/+)", "", i),
    "the folder": lambda i: re.split(r"[/\\]", i.rstrip("/\\"))[-1],
    "leading zeros": lambda i: _ZEROS.sub("", i),
    "the decimal point": lambda i: own[1] if (own := _DECIMAL.fullmatch(i)) else i,
    "capitals": str.casefold,
    "quotation marks": lambda i: (_BYTES.sub(r"\2", i) if i[:1] == "b" else i).strip("'\"`"),
    "how accents are composed (Unicode NFC)": lambda i: unicodedata.normalize("NFC", i),
    "escapes such as %20": unquote,
}


@dataclass(frozen=True)
class Agreement:
    """The ids agree but for `but_for`. count: how many do. one, other: an example."""

    but_for: str
    count: int
    one: str
    other: str


def agreement(ids: Iterable[str], others: Iterable[str]) -> Agreement | None:
    """What explains that ids of one file are not in the other: the ending, the folder, ...

    The one difference, or two at once, but for which most agree, each with a single other; None
    where there is none such.
    """
    ids, others = list(map(str, ids)), list(map(str, others))
    best = None
    # what changes no id explains nothing
    steps = [name for name, plain in _BUT_FOR.items() if any(plain(i) != i for i in ids + others)]
    tried: list[tuple[str, ...]] = [(name,) for name in steps]
    if len(ids) + len(others) <= _MOST_FOR_PAIRS:
        tried += itertools.combinations(steps, 2)
    for names in tried:
        if best is not None and best.count == min(len(ids), len(others)):
            break
        own, of_others = _plain(ids, names), _plain(others, names)
        shared = [i for i in own if i in of_others]
        if shared and (best is None or len(shared) > best.count):
            one, other = own[shared[0]], of_others[shared[0]]
            best = Agreement(" and ".join(names), len(shared), one, other)
    return best


def id_problems(
    name: str,
    ids: np.ndarray,
    first_name: str,
    first_ids: np.ndarray,
) -> list[str]:
    """The ids of `name` that are missing or not in `first_name`, with three examples each.

    Where one difference explains it, a sentence says which and what to do. Empty where both have
    the same ids, in any order.
    """
    own, first = set(ids.tolist()), set(first_ids.tolist())
    missing = [i for i in first_ids.tolist() if i not in own]
    extra = [i for i in ids.tolist() if i not in first]
    problems = []
    if missing:
        problems.append(
            f"{name}: {len(missing)} ids of {first_name} are missing: {examples(missing)}."
        )
    if extra:
        problems.append(f"{name}: {len(extra)} ids are not in {first_name}: {examples(extra)}.")
    if missing and extra and (found := agreement(extra, missing)):
        problems[-1] += f" {_in_words(found, len(extra), len(missing))}"
    elif problems:
        problems[-1] += " Give predictions of the same photographs."
    return problems


def like_id(image_id: str, known: Iterable[str]) -> str:
    """`" But for the ending it is x."` for one id that is not known, or an empty text."""
    found = agreement([image_id], known)
    return f" But for {found.but_for} it is {found.other}." if found else ""


def _plain(ids: list[str], names: tuple[str, ...]) -> dict[str, str]:
    """The id without what is named -> the id, where no two become the same."""
    plain = ids
    for name in names:
        plain = list(map(_BUT_FOR[name], plain))
    count = Counter(plain)
    return {own: i for own, i in zip(plain, ids, strict=True) if count[own] == 1}


def _in_words(found: Agreement, n_extra: int, n_missing: int) -> str:
    all_of_them = found.count == n_extra == n_missing
    who = "The ids agree" if all_of_them else f"{found.count} of them agree"
    return (
        f"{who} but for {found.but_for}: {found.one} here, {found.other} there. Write the ids "
        "alike in both files."
    )
