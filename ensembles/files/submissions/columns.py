"""Which column of a file is which: the ids, the answers, the probabilities of the classes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from ensembles.errors import BadInput, nearest
from ensembles.files.cells import decimal_number, whole_number
from ensembles.files.class_columns import class_columns
from ensembles.files.submissions.sheet import Sheet

# Without capitals, spaces and what joins words: `Image_ID` is imageid.
_IDS = frozenset({
    "imageid", "id", "image", "img", "imgid", "imagename", "imgname", "name", "filename",
    "fname", "file", "filepath", "imagepath", "path", "imgpath", "idcode", "photo", "photoid",
    "photoname", "picture", "pictureid", "isicid", "key", "uuid", "sample", "sampleid",
    "imagefile", "imagefilename", "imgfile", "rowid",
})  # fmt: skip
_ANSWERS = frozenset({
    "ans", "answer", "answers", "label", "labels", "target", "targets", "class", "classid",
    "classname", "classlabel", "category", "categoryid", "prediction", "predictions",
    "predicted", "predictedlabel", "predictedclass", "predlabel", "predclass", "pred", "preds",
    "ypred", "y", "ytrue", "truth", "truelabel", "trueclass", "groundtruth", "gt", "actual",
    "expected", "diagnosis", "level", "grade", "species", "breed", "result", "results",
    "output", "outputs",
})  # fmt: skip
# what timm's inference.py writes of the best few classes: `index_0`, `label_0`, `prob_0`
_RANKED = ("index", "label")


class Columns(NamedTuple):
    """Names of columns that a caller gives: `ids` of the ids, `answers` of the answers, each used
    in the files that have it. Empty where they are to be recognised.
    """

    ids: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()


RECOGNISED = Columns()


@dataclass
class Layout:
    """Positions in a sheet's header. answer: None where it has none. classes: position of each
    class's probabilities, and their names; empty where it has none. ranked: `index` or `label` ->
    its columns, best class first. unused: names of all others.
    """

    ids: int
    answer: int | None = None
    classes: dict[str, int] = field(default_factory=dict)
    ranked: dict[str, list[int]] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)

    def note(self, sheet: Sheet, used: Iterable[int]) -> None:
        """Name what is left out, once."""
        used = {self.ids, *used}
        left = [name or "(no name)" for i, name in enumerate(sheet.header) if i not in used]
        if left:
            shown = ", ".join(left[:5]) + (f", ... ({len(left)})" if len(left) > 5 else "")
            sheet.notes.append(f"{sheet.name}: columns not used: {shown}.")


def layout(sheet: Sheet, columns: Columns = RECOGNISED) -> Layout:
    """What the columns are. Raises BadInput where nothing or several things could be the ids or answers."""
    header = sheet.header
    twice = sorted(name for name, count in Counter(header).items() if name and count > 1)
    ids = _id_column(sheet, columns.ids)
    named = [i for i, name in enumerate(header) if i != ids and not _is_index(sheet, i)]
    found = Layout(ids)
    if columns.answers and (given := _given(sheet, columns.answers, "--answer-column")) is not None:
        found.answer = given
        return found
    found.ranked = _ranked(header, named)
    if found.ranked:
        return found
    found.answer = _answer_column(sheet, named)
    numeric = [i for i in named if i != found.answer and _is_numeric(sheet, i)]
    used = [header[i] for i in (ids, found.answer) if i is not None]
    if again := [name for name in used if name in twice]:
        raise BadInput(
            f"{sheet.name}: columns that stand there twice: {', '.join(again)}. Keep one of each."
        )
    if found.answer is None or len(numeric) > 1:
        classes, problems = class_columns([header[i] for i in numeric])
        if twice and found.answer is None:
            raise BadInput(
                f"{sheet.name}: columns that stand there twice: {', '.join(twice)} "
                f"({len(set(header))} different of {len(header)}). Give each its own name."
            )
        if classes is not None:
            names = classes.classes or [str(classes.first + k) for k in range(len(classes.columns))]
            place = {name: i for i, name in reversed([*enumerate(header)])}
            found.classes = dict(zip(names, (place[c] for c in classes.columns), strict=True))
        elif found.answer is None:
            raise BadInput(_no_answers(sheet, named, problems if numeric else []))
    return found


def _no_answers(sheet: Sheet, named: list[int], problems: list[str]) -> str:
    cands = [sheet.header[i] for i in named if _plain(sheet.header[i]) in _ANSWERS]
    if len(cands) > 1:
        return (
            f"{sheet.name}: {' and '.join(cands)} could each be the answers. Name the one that is: "
            "--answer-column NAME."
        )
    detail = f" ({problems[0].rstrip('.')})" if problems else ""
    return (
        f"{sheet.name}: no column ans; the first line has {sheet.columns}{detail}. Name the column "
        "of the answers: --answer-column NAME, or write ImageID,ans."
    )


def _id_column(sheet: Sheet, given: tuple[str, ...]) -> int:
    header = sheet.header
    if given and (found := _given(sheet, given, "--id-column")) is not None:
        return found
    for exact in ("ImageID", "image_id"):
        if exact in header:
            return header.index(exact)
    named = [i for i, name in enumerate(header) if _plain(name) in _IDS]
    if len(named) == 1:
        return named[0]
    if len(named) > 1:
        both = " and ".join(header[i] for i in named)
        raise BadInput(
            f"{sheet.name}: {both} could each be the ids; the first line has {sheet.columns}. Name "
            "the one that is: --id-column NAME."
        )
    answers = [i for i, name in enumerate(header) if _plain(name) in _ANSWERS]
    if len(header) == 2 and len(answers) == 1 and not _is_index(sheet, 1 - answers[0]):
        return 1 - answers[0]
    texts = [i for i in range(len(header)) if _is_unique_text(sheet, i)]
    nameless = _has_no_names(sheet)
    if len(header) > 1 and len(texts) == 1 and not nameless and texts[0] not in answers:
        return texts[0]
    lacks = "ImageID" if "ans" in header else "ImageID nor ans"
    seems = " It seems to have no line of names: write one above the rows." if nameless else ""
    raise BadInput(
        f"{sheet.name}: no column {lacks}; the first line has {sheet.columns or 'nothing'}.{seems} "
        "Name the columns ImageID,ans, or say which they are: --id-column NAME --answer-column NAME."
    )


def _has_no_names(sheet: Sheet) -> bool:
    """Whether the first line is a row: a photo's file, or an answer that others give too."""
    if any(re.search(r"\.(jpe?g|png|tiff?|bmp|webp)$", name.lower()) for name in sheet.header):
        return True
    names = [(i, name) for i, name in enumerate(sheet.header) if name]
    if any(name in sheet.cells(i) for i, name in names):
        return True
    return len(sheet.header) == 2 and whole_number(sheet.header[1]) is not None


def _answer_column(sheet: Sheet, named: list[int]) -> int | None:
    header = sheet.header
    if "ans" in header:
        return header.index("ans")
    found = [i for i in named if _plain(header[i]) in _ANSWERS]
    if not found and len(named) == 1:
        return named[0]
    if {header[i] for i in found} == {"label"} and "index" in header:  # timm's --include-index
        return header.index("index")
    if not found and "index" in header and _only(named, header, "index", "prob", "logit"):
        return header.index("index")
    return found[0] if len(found) == 1 else None


def _given(sheet: Sheet, names: tuple[str, ...], option: str) -> int | None:
    """The one column of these names, None where the file has none of them."""
    found = [i for i, name in enumerate(sheet.header) if name in names]
    if len(found) > 1:
        both = " and ".join(sheet.header[i] for i in found)
        raise BadInput(f"{sheet.name}: it has {both}. Give {option} once for this file.")
    return found[0] if found else None


def check_given(sheets: Iterable[Sheet], columns: Columns) -> None:
    """Raises BadInput for a name that no file has."""
    sheets = list(sheets)
    there = [name for sheet in sheets for name in sheet.header if name]
    problems = [
        f"{option} {name}: no file has such a column; there are "
        f"{', '.join(dict.fromkeys(there))}.{nearest(name, there)}"
        for option, given in (("--id-column", columns.ids), ("--answer-column", columns.answers))
        for name in given
        if name not in there
    ]
    if problems:
        raise BadInput(problems)


def _ranked(header: list[str], named: list[int]) -> dict[str, list[int]]:
    """`index_0`, `index_1`, ... and `label_0`, ...: the columns of the best few classes, in order."""
    position = {header[i]: i for i in named}
    found = {}
    for base in _RANKED:
        own: list[int] = []
        while f"{base}_{len(own)}" in position:
            own.append(position[f"{base}_{len(own)}"])
        if len(own) > 1:
            found[base] = own
    return found


def _is_index(sheet: Sheet, column: int) -> bool:
    """A column that numbers the rows, as pandas writes it: without a name, or `Unnamed: 0`."""
    name = sheet.header[column]
    return (
        not name
        or re.fullmatch(r"Unnamed: ?\d+(_level_\d+)?|__index_level_\d+__", name) is not None
    )


def _is_numeric(sheet: Sheet, column: int) -> bool:
    """Whether a column is numbered, or half of its first cells are numbers.

    A mistyped number is named later, with its line.
    """
    if re.search(r"\d[\])]?$", sheet.header[column]):
        return True
    cells = [row[column] for row in sheet.rows[:200]]
    found = sum(decimal_number(cell) is not None or cell.strip().lower() == "nan" for cell in cells)
    return 2 * found >= len(cells)


def _is_unique_text(sheet: Sheet, column: int) -> bool:
    cells = sheet.cells(column)
    return len(set(cells)) == len(cells) and not any(decimal_number(c) is not None for c in cells)


def _only(named: list[int], header: list[str], *allowed: str) -> bool:
    return {header[i] for i in named} <= set(allowed)


def _plain(name: str) -> str:
    return re.sub(r"[\s_\-.]+", "", name).lower()
