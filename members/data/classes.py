"""Labels as texts -> class names in order, and their numbers.

Labels stay as they are written: `007` and `7`, `Cat` and `cat` are classes of their own, and a note
says that they look alike. One class are only texts that differ in blanks at their ends or in how
Unicode composes a letter (NFC), and `3` and `3.0` where every label is a whole number, because a
column of floats writes integers so.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from members import limits
from members.data.listing import some
from members.errors import nearest

INTEGER = re.compile(r"-?[0-9]+(\.0*)?")
FRACTION = re.compile(r"[-+]?[0-9]*\.0*[1-9][0-9]*([eE][-+]?[0-9]+)?")
MISSING = ("nan", "none", "null", "na", "n/a", "<na>", "nat", "?")
MOST_CLASSES = np.iinfo(np.int16).max

# lower-case Cyrillic and Greek letters of which one of the two cases looks like a Latin letter
_LATIN = str.maketrans("авекмнорстухіјѕαβεηικμνορτυχ", "abekmhopctyxijsabehikmnoptyx")
_BETWEEN_WORDS = re.compile(r"[\s_.\-\u2010-\u2015/\\]+")


@dataclass(frozen=True)
class Labels:
    """The labels of N photos.

    names: the K classes in order. numbers: (N,) int16, 0..K-1, -1 where unknown. notes: to be shown
    before training. problems: where there are any, the numbers mean nothing.
    """

    names: tuple[str, ...]
    numbers: np.ndarray
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def read_labels(
    where: Path,
    texts: Sequence[str],
    others: Mapping[str, Sequence[str]] | None = None,
    floats: bool = True,
    classes: tuple[str, ...] = (),
) -> Labels:
    """The classes that occur in the labels of N photos, as written in `where`; "" is unknown.

    others: further columns of the same rows, of which a problem names the one that looks like
    labels where these look like ids. floats: `3.0` is `3` where every label is a whole number.
    classes: their names in order, where the list gives them.
    """
    limits.NAME.require(f"{where}: a label", max(map(len, texts), default=0))
    written = [composed(text) for text in texts]
    written = _as_integers(written) if floats and not classes else written
    counts = Counter(filter(None, written))
    names = classes or class_names(counts)
    problems = [
        *_character_problems(where, names),
        *_no_class_problems(where, counts, others or {}),
        *_too_few_problems(where, class_names(counts)),
    ]
    if problems:
        return Labels(names, np.full(len(texts), -1, np.int16), problems=problems)
    notes = [
        *_merged_notes(where, texts, written),
        *_alike_notes(where, counts),
        *_odd_notes(where, counts),
        *_numbering_notes(where, names),
    ]
    return Labels(names, class_numbers(written, names), notes)


def known_labels(where: Path, texts: Sequence[str], names: tuple[str, ...]) -> Labels:
    """Labels of photos to predict, which must be among the classes `names`; "" is unknown.

    Unknown are also -1 and texts like `nan` that are no class. Where only one class has a number's
    value, another way to write it is that class: `7` is `007`.
    """
    limits.NAME.require(f"{where}: a label", max(map(len, texts), default=0))
    by_value: dict[int, list[str]] = defaultdict(list)
    for name in names:
        if INTEGER.fullmatch(name):
            by_value[_value(name)].append(name)
    known = {*names}
    found: list[str] = []
    unknown: list[str] = []
    outside: list[str] = []
    for text in map(composed, texts):
        same = by_value.get(_value(text), []) if INTEGER.fullmatch(text) else []
        name = text if text in known or len(same) != 1 else same[0]
        if name and name not in known:
            missing = name.casefold() in MISSING or (same == [] and _is_minus_one(name))
            (unknown if missing else outside).append(name)
        found.append(name)
    problems, notes = [], []
    if outside:
        outside = sorted({*outside})
        problems.append(
            f"{where}: labels outside the classes: {some(outside)}. "
            f"Allowed: {some(names, 20)}, or empty.{nearest(outside[0], names)}"
        )
    if unknown:
        notes.append(
            f"{where}: {len(unknown)} labels read {some(sorted({*unknown}))}, which is no class: "
            "taken as unknown."
        )
    return Labels(names, class_numbers(found, names), notes, problems)


def composed(text: str) -> str:
    """As it is compared: in Unicode's composed form (NFC), without blanks at its ends."""
    return unicodedata.normalize("NFC", text).strip()


def class_names(texts: Iterable[str]) -> tuple[str, ...]:
    """The labels that occur: numbers by value, anything else by alphabet."""
    names = sorted({text for text in texts if text})
    return tuple(sorted(names, key=_value) if all(map(INTEGER.fullmatch, names)) else names)


def class_numbers(texts: Sequence[str], names: tuple[str, ...]) -> np.ndarray:
    """Class names -> (N,) int16; -1 for what is not a class."""
    index = {name: position for position, name in enumerate(names)}
    return np.array([index.get(text, -1) for text in texts], dtype=np.int16)


def looks_alike(name: str) -> str:
    """What is the same for names that a reader may take for one another.

    Number values; else without case, compatibility forms, invisible characters, which letter stands
    between words, and whether a letter is Latin, Cyrillic or Greek.
    """
    if INTEGER.fullmatch(name):
        return str(_value(name))
    text = unicodedata.normalize("NFKC", name).casefold().translate(_LATIN)
    text = "".join(c for c in text if unicodedata.category(c) != "Cf")
    return _BETWEEN_WORDS.sub(" ", text).strip() or name


def _value(integer: str) -> int:
    return int(integer.split(".")[0])


def _is_minus_one(text: str) -> bool:
    return bool(INTEGER.fullmatch(text)) and _value(text) == -1


def _as_integers(written: list[str]) -> list[str]:
    """`3.0` as `3` where every label is a whole number; else as they are."""
    if not all(INTEGER.fullmatch(text) for text in written if text):
        return written
    whole = [text.split(".")[0] for text in written]
    return ["0" if text == "-0" else text for text in whole]


def _character_problems(where: Path, names: Sequence[str]) -> list[str]:
    """At most one problem: control characters that a terminal obeys, bytes that are no UTF-8."""
    wrong = [name for name in names if any(_is_refused(character) for character in name)]
    if not wrong:
        return []
    return [
        f"{where}: {len(wrong)} labels hold control characters or bytes that are no UTF-8: "
        f"{some(wrong)}. Write them without."
    ]


def _is_refused(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cs") and character not in "\t\n\r"


def _no_class_problems(
    where: Path, counts: Counter[str], others: Mapping[str, Sequence[str]]
) -> list[str]:
    """At most one problem: labels that are ids or measured numbers, or more than int16 counts."""
    k, n = len(counts), counts.total()
    own = (k >= 10 and k >= 0.9 * n) or (k > 1000 and k >= 0.5 * n)
    if not own and k <= MOST_CLASSES:
        return []
    if own and sum(map(bool, map(FRACTION.fullmatch, counts))) > 0.5 * k:
        what = "a measured number, no class"
    else:
        what = "an id, no class" if own else f"more than the {MOST_CLASSES} that are possible"
    problem = f"{where}: {k} labels for {n} photos ({some(sorted(counts))}): {what}."
    likely = _likely_labels(n, others)
    if likely is None:
        return [f"{problem} Give a label that many photos share."]
    name, values = likely
    return [
        f"{problem} The column {name!r} looks like labels ({some(values)}): "
        f"`data: {{columns: {{label: {name}}}}}`, or name it `label`."
    ]


def _likely_labels(
    n: int, others: Mapping[str, Sequence[str]]
) -> tuple[str, tuple[str, ...]] | None:
    """The column with the fewest values of those that have 2 to N/2, and those values."""
    values = {name: class_names(map(composed, texts)) for name, texts in others.items()}
    fit = {name: found for name, found in values.items() if 2 <= len(found) <= max(2, n / 2)}
    return min(fit.items(), key=lambda item: len(item[1]), default=None)


def _too_few_problems(where: Path, names: Sequence[str]) -> list[str]:
    """At most one problem: fewer than two classes."""
    if len(names) >= 2:
        return []
    return [f"{where}: {len(names)} classes ({some(names)}), but at least 2 must have photos."]


def _merged_notes(where: Path, texts: Sequence[str], written: Sequence[str]) -> list[str]:
    """At most one note: classes that are written in several ways."""
    ways: dict[str, set[str]] = defaultdict(set)
    for text, name in zip(texts, written, strict=True):
        ways[name].add(text)
    several = [
        " = ".join(_told_apart(sorted(found)))
        for name, found in sorted(ways.items())
        if name and len(found) > 1
    ]
    if not several:
        return []
    return [f"{where}: labels written in several ways are one class each: {some(several)}."]


def _alike_notes(where: Path, counts: Counter[str]) -> list[str]:
    """At most one note: classes that look alike and stay apart, with their photos."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in sorted(counts):
        groups[looks_alike(name)].append(name)
    alike = [
        " and ".join(
            f"{text} ({counts[name]})" for name, text in zip(names, _told_apart(names), strict=True)
        )
        for names in groups.values()
        if len(names) > 1
    ]
    if not alike:
        return []
    return [
        f"{where}: classes that look alike stay apart (photos in brackets): {some(alike)}. "
        "Where they mean the same, write them the same."
    ]


def _told_apart(names: Sequence[str]) -> list[str]:
    """Quoted; with escapes where some, but not all, are ASCII, or two forms of one letter occur."""
    plain = {name.isascii() for name in names}
    same = len({unicodedata.normalize("NFC", name) for name in names}) < len(names)
    return [ascii(name) if len(plain) > 1 or same else repr(name) for name in names]


def _odd_notes(where: Path, counts: Counter[str]) -> list[str]:
    """Notes on labels that may be none: words for nothing, line breaks, many fractions."""
    notes = []
    missing = [f"{name!r} ({counts[name]})" for name in counts if name.casefold() in MISSING]
    if missing:
        notes.append(
            f"{where}: {some(missing)} may mean that a label is missing, but counts as a class. "
            "Take those photos out where it does."
        )
    broken = [name for name in counts if not name.isprintable()]
    if broken:
        notes.append(
            f"{where}: {len(broken)} labels hold line breaks or characters that cannot be seen: "
            f"{some(broken)}. They are kept as they are."
        )
    fractions = [name for name in counts if FRACTION.fullmatch(name)]
    if len(fractions) >= 20:
        notes.append(
            f"{where}: {len(fractions)} labels are fractions ({some(sorted(fractions))}), and each "
            "is a class. Where they were measured, divide their range into a few classes."
        )
    return notes


def _numbering_notes(where: Path, names: tuple[str, ...]) -> list[str]:
    """At most one note: classes that are whole numbers, but not 0..K-1."""
    if not all(map(INTEGER.fullmatch, names)) or names == tuple(map(str, range(len(names)))):
        return []
    return [
        f"{where}: the labels {some(names)} are not 0..{len(names) - 1}. Submissions show them as "
        f"they are; tables number them from 0 in this order (`label`, `p0` to `p{len(names) - 1}`)."
    ]
