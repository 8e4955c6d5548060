"""What answers mean: classes, or what is none: missing values, scores, arrays, ids."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from ensembles.errors import examples
from ensembles.files.cells import bare, decimal_number, is_missing, whole_number
from ensembles.files.submissions.arrays import is_array
from ensembles.files.submissions.sheet import Sheet

# More different answers than this, and one for nearly every row, are no classes.
_FEW = 50
_MANY = 30  # rows


def plain_answer(answer: str) -> str:
    """The answer as it is compared: `13.0`, `1.3e1` and `tensor(13)` are 13, words are in NFC."""
    whole = whole_number(answer)
    return str(whole) if whole is not None else unicodedata.normalize("NFC", bare(answer))


def is_whole(answer: str) -> bool:
    return re.fullmatch(r"-?[0-9]+", answer) is not None


def is_score(answer: str) -> bool:
    """A number that is no whole one: `1.83`, `0.52`, `-inf`."""
    if re.fullmatch(r"[+-]?inf(inity)?", bare(answer), re.IGNORECASE):
        return True
    return decimal_number(answer) is not None and whole_number(answer) is None


def answer_problems(
    sheet: Sheet, column: int, answers: Sequence[str], allowed: Collection[str] | None
) -> list[str]:
    """Why the answers (plain) of a column are no classes, a text for each reason."""
    name, at = sheet.header[column], f"{sheet.name}: `{sheet.header[column]}`"
    kinds = {own: _kind(own, allowed) for own in set(answers)}
    rows: dict[str, list[int]] = {}
    if set(kinds.values()) != {"class"}:
        for row, answer in enumerate(answers):
            rows.setdefault(kinds[answer], []).append(row)
    problems = []
    if empty := rows.get("missing"):
        what = {answers[row] for row in empty} - {""}
        shown = f" ({', '.join(sorted(what))})" if what else ""
        named = f" A class that is called {min(what)} needs another name here." if what else ""
        problems.append(
            f"{at} is empty{shown} in {sheet.at(empty)}: {len(empty)} rows. Fill it.{named}"
        )
    if arrays := rows.get("array"):
        problems.append(
            f"{at} holds arrays of scores, not classes, in {sheet.at(arrays)}: a soft file. "
            "Vote with --mode soft."
        )
    if scores := rows.get("score"):
        problems.append(_of_scores(sheet, name, scores, answers))
    if broken := rows.get("broken"):
        problems.append(
            f"{at} holds whole rows in {sheet.at(broken)}: a quotation mark is perhaps not closed."
        )
    if allowed is not None and (wrong := rows.get("unknown")):
        shown = ", ".join(
            f"{answers[row]!r} in {sheet.unit} {sheet.lines[row]}" for row in wrong[:3]
        )
        problems.append(
            f"{sheet.name}: {len(wrong)} unknown answers: {shown}. Allowed are "
            f"{_some(sorted(allowed, key=lambda a: (len(a), a)))}."
        )
    different = len(kinds)
    if not problems and allowed is None and different > max(_FEW, 0.9 * len(answers)):
        problems.append(
            f"{at} has {different} different answers in {len(answers)} rows ({examples(answers)}): "
            "these are no classes. Name the column of the answers: --answer-column NAME."
        )
    return problems


def _kind(answer: str, allowed: Collection[str] | None) -> str:
    if allowed is not None and answer in allowed:
        return "class"
    if is_missing(answer):
        return "missing"
    if is_array(answer) or answer.startswith("{"):
        return "array"
    if re.search(r"\n[^\n]*[,;\t|]", answer):  # rows that a quotation mark has swallowed
        return "broken"
    if allowed is not None:
        return "unknown"
    return "score" if is_score(answer) else "class"


def _of_scores(sheet: Sheet, name: str, rows: list[int], answers: Sequence[str]) -> str:
    shown = [answers[row] for row in rows]
    values = np.array(shown, np.float64)
    what = (
        f"{sheet.name}: `{name}` holds scores, not classes: {examples(shown)} in {sheet.at(rows)} "
        f"({len(set(shown))} different in {len(rows)} rows). "
    )
    if len(rows) < len(answers) / 2 and not all(is_whole(a) or is_score(a) for a in answers):
        return what + "Write the class in these rows too."
    if values.min() >= 0 and values.max() <= 1:
        return what + (
            "Probabilities of the positive class vote with --mode soft; for a hard vote write the "
            "class of each photograph (1 above your threshold, else 0)."
        )
    return what + (
        "Write the class of each photograph: round a regression's output by your thresholds, or "
        "give the class of the largest score."
    )


def shifted(answers: Mapping[str, np.ndarray]) -> list[str]:
    """Files that number the classes from 1 beside files that number them from 0, or nothing.

    answers: name -> (N,) whole numbers as text, rows in one order. Some have 0 and never the
    highest number K, others K and never 0, none has both, and they do not agree better as they
    are than with the others' numbers one lower.
    """
    occurring = {name: set(map(int, set(own.tolist()))) for name, own in answers.items()}
    top = max(map(max, occurring.values()))
    from_0 = [name for name, own in occurring.items() if 0 in own and top not in own]
    from_1 = [name for name, own in occurring.items() if top in own and 0 not in own]
    both = any(0 in own and top in own for own in occurring.values())
    below = any(min(own) < 0 for own in occurring.values())
    if not from_0 or not from_1 or both or below or top < 1:
        return []
    numbers = {name: np.array(list(map(int, own)), object) for name, own in answers.items()}
    pairs = [(numbers[a], numbers[b]) for a, b in itertools.product(from_0, from_1)]
    as_they_are = sum(int((a == b).sum()) for a, b in pairs)
    one_lower = sum(int((a == b - 1).sum()) for a, b in pairs)
    # chance alone reaches this one time in 40, of few rows, of which little can be said, in 6
    errors = 2 if len(pairs[0][0]) > _MANY else 1
    if as_they_are - one_lower >= errors * np.sqrt(as_they_are + one_lower) > 0:
        return []
    return [
        f"{' and '.join(from_1)}: classes from 1 to {top}, none is 0; {' and '.join(from_0)}: classes "
        f"from 0, none is {top}. One numbers from 1, the other from 0: subtract 1 from every answer "
        "that counts from 1."
    ]


def look_alikes(classes: Collection[str]) -> list[str]:
    """A note for classes that differ by capitals, spaces or the form of letters only."""
    alike: dict[str, list[str]] = {}
    for name in classes:
        plain = re.sub(r"[\s_\-]+", " ", unicodedata.normalize("NFKC", name).casefold()).strip()
        alike.setdefault(plain, []).append(name)
    return [
        f"{' and '.join(map(repr, sorted(same)))} look alike and are counted as {len(same)} classes."
        for same in alike.values()
        if len(same) > 1
    ]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:20]) + (f", ... ({len(names)})" if len(names) > 20 else "")
