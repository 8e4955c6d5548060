"""Where the photos of a list are; and of those that are not there, where they are instead.

Each folder is listed once, however many rows name it.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from members.data.listing import some
from members.data.lists.folders import Folders

# how a photo that is not where its row says can still be found -> how messages call that
REPAIRS = {
    "backslash": "with / in place of \\",
    "percent": "with %20 and the like decoded",
    "prefix": "without the first part of the path",
    "folder": "in a folder below the root",
    "unicode": "with accents encoded otherwise (NFC, NFD)",
    "case": "with other capitals",
    "zeros": "with other leading zeros",
    "ending": "with another ending",
}
ADDRESS = re.compile(r"(?!file:)[A-Za-z][A-Za-z0-9+.-]+://|data:")


@dataclass(frozen=True)
class Found:
    """A photo that is there: its path, relative to the root or absolute, and what it took."""

    path: str
    repairs: frozenset[str] = frozenset()


class Lookup:
    """Finds the photos that lists name. repair: which of `REPAIRS` may be used.

    A repair counts only where exactly one file fits. `notes` says what was repaired.
    """

    def __init__(self, repair: Iterable[str] = ()):
        self.repair = tuple(repair)
        self.used: set[str] = set()
        self.notes: list[str] = []
        self._folders = Folders()

    def find(
        self, file: Path, texts: Sequence[str], root: Path, *, key: bool = False
    ) -> tuple[list[Path], list[str]]:
        """The paths of the photos `texts` of the list `file`; problems of those that are not there,
        and of those that lead out of `root`, which an absolute path may.

        key: whether `data.repair` counts for this list, so that the problem may advise it.
        """
        places: list[Path] = []
        repaired: dict[frozenset[str], list[tuple[str, str]]] = defaultdict(list)
        missing: list[str] = []
        outside: list[str] = []
        for text in texts:
            if leaves(text):
                own = _from_list(file, text, root)
                if own is None:
                    outside.append(text)
                elif not self._folders.has(str(own)):
                    missing.append(text)
                places.append(own or root / text)
                continue
            if text and self._folders.has(os.path.join(root, text)):  # noqa: PTH118 - 100,000 rows
                places.append(root / text)
                continue
            found = self._elsewhere(text, root) if self.repair else None
            if found and found.repairs <= {*self.repair}:
                repaired[found.repairs].append((text, found.path))
                self.used |= found.repairs
                places.append(root / found.path)
                continue
            missing.append(text)
            places.append(root / text)
        for kinds, pairs in repaired.items():
            self.notes.append(
                f"{file}: {len(pairs)} photos are read {_how(kinds)}: {_arrow(pairs)}"
            )
        problems = _outside_problem(file, outside, len(texts), root, key) if outside else []
        if missing:
            problems += self._problem(file, missing, len(texts), root, key)
        else:
            self.notes += self._link_notes(file, texts, places, root)
        return places, problems

    def _link_notes(
        self, file: Path, texts: Sequence[str], places: Sequence[Path], root: Path
    ) -> list[str]:
        """At most one note: photos below the root that are elsewhere, by a link."""
        found = [
            (text, leads)
            for text, place in zip(texts, places, strict=True)
            if not text.startswith("/")
            and (leads := self._folders.leads_out(str(place), str(root)))
        ]
        return [outside_note(file, "photos", found, root)] if found else []

    def without_effect(self) -> list[str]:
        """At most one problem: repairs that no list needed, of all that were read so far."""
        idle = [name for name in self.repair if name not in self.used]
        if not idle:
            return []
        return [f"data.repair: no photo needed {', '.join(idle)}. Take it out."]

    def _problem(
        self, file: Path, missing: list[str], total: int, root: Path, key: bool
    ) -> list[str]:
        shown = [text or "(empty path)" for text in missing]
        parts = [
            f"{file}: {len(missing)} of {total} photos are missing: {some(shown)}. "
            f"Paths are relative to {root.absolute()}"
            + ("." if root.is_dir() else ", which is no folder.")
        ]
        groups: dict[frozenset[str], list[tuple[str, str]]] = defaultdict(list)
        reasons: dict[str, list[str]] = defaultdict(list)
        for text in missing:
            found = self._elsewhere(text, root)
            if found:
                groups[found.repairs].append((text, found.path))
            else:
                reasons[self._reason(text, root)].append(text)
        parts += [
            f"{_are(len(pairs))} there {_how(k)}: {_arrow(pairs)}." for k, pairs in groups.items()
        ]
        parts += [
            f"{len(texts)} of them: {why} ({some(texts)})." for why, texts in reasons.items() if why
        ]
        needed = [name for name in REPAIRS if any(name in kinds for kinds in groups)]
        needed = list(dict.fromkeys([*self.repair, *needed]))
        if groups and key:
            parts.append(f"To read them there: data: {{repair: [{', '.join(needed)}]}}")
            parts[-1] += _root_hint(groups, root) + "."
        elif groups:
            parts.append("Correct the list.")
        return [" ".join(parts)]

    def _elsewhere(self, text: str, root: Path) -> Found | None:
        """The one file that `text` can mean, by the fewest repairs of its spelling."""
        if not text or ADDRESS.match(text):
            return None
        for spelled, kinds in _spellings(text):
            found = self._under(spelled, root)
            if found and not leaves(found.path):
                return Found(found.path, found.repairs | kinds)
        return None

    def _under(self, text: str, root: Path) -> Found | None:
        if text.startswith("/") and self._folders.has(text):
            return Found(text)
        parts = tuple(part for part in text.split("/") if part not in ("", "."))
        if not text.startswith("/") and (found := self._folders.locate(str(root), parts)):
            return Found(*found)
        if text.startswith("/") and (found := self._folders.locate("/", parts)):
            return Found(f"/{found[0]}", found[1])
        for start in range(int(not text.startswith("/")), len(parts)):
            tail = parts[start:]
            if ".." not in tail and (found := self._folders.locate(str(root), tail)):
                return Found(found[0], found[1] | {"prefix"})
        for start in range(max(1, len(parts) - 1) if parts else 0):  # a folder's name must fit
            if found := self._folders.below(str(root), parts[start:]):
                kinds = {"folder", "prefix"} if start else {"folder"}
                return Found(found[0], found[1] | kinds)
        return None

    def _reason(self, text: str, root: Path) -> str:
        if ADDRESS.match(text):
            return "addresses and no files; download the pictures and list those"
        if text.startswith("#"):
            return "comments; take these lines out"
        if "\n" in text or "\r" in text:
            return "cells with a line break; is a quote never closed?"
        if os.path.islink(root / text):  # noqa: PTH114 - False for what is no path at all
            return "broken links; what they point to is not there"
        if os.path.isdir(root / text):  # noqa: PTH112
            return "folders" if text else ""
        if self._folders.candidates(str(root), text.replace("\\", "/")):
            return "several files have such a name; write the path of the one that is meant"
        return ""


def leaves(text: str) -> bool:
    """Whether a relative path leads out of the folder that it is relative to, as it is written."""
    return ".." in text and os.path.normpath(text).split("/", 1)[0] == ".."


def outside_note(
    where: Path, what: str, found: Sequence[tuple[str, str]], root: str | os.PathLike
) -> str:
    """For links that are followed. found: paths below `root`, and where they lead."""
    return (
        f"{where}: {len(found)} {what} are reached by links that lead out of {root} "
        f"({some([f'{text} -> {leads}' for text, leads in found])}). Where that is not meant, take "
        "the links out."
    )


def _from_list(file: Path, text: str, root: Path) -> Path | None:
    """The path as read from the list's own folder, where that stays below the root."""
    own = Path(os.path.normpath(file.absolute().parent / text))
    return own if own.is_relative_to(os.path.normpath(root.absolute())) else None


def _outside_problem(
    file: Path, outside: list[str], total: int, root: Path, key: bool
) -> list[str]:
    how = "Write paths that stay inside, or absolute ones."
    if key:
        above = os.path.commonpath(
            [root.absolute(), *(os.path.normpath(file.absolute().parent / t) for t in outside)]
        )
        how = (
            f"Where they are meant, name the folder above them all: data: {{root: {above}}}. Then "
            "paths with .. are read from the list's own folder, all others from there. Or write "
            "absolute paths."
        )
    return [
        f"{file}: {len(outside)} of {total} paths lead out of {root.absolute()}, the folder that "
        f"they are relative to: {some(outside)}. {how}"
    ]


def _spellings(text: str) -> Iterator[tuple[str, frozenset[str]]]:
    """`text` as it may have been meant, the least changed first."""
    if text.startswith("file:"):
        text = unquote(re.sub("^file:(//[^/]*)?(?=/)", "", text))
        yield text, frozenset({"prefix"})
        return
    if text.startswith("~"):
        yield os.path.expanduser(text), frozenset({"prefix"})  # noqa: PTH111 - may have no such user
    yield text, frozenset()
    if "%" in text:
        yield unquote(text), frozenset({"percent"})
    if "\\" in text:
        turned = re.sub("^[A-Za-z]:", "", text.replace("\\", "/"))
        yield turned, frozenset({"backslash"})
        if "%" in text:
            yield unquote(turned), frozenset({"backslash", "percent"})


def _are(count: int) -> str:
    return f"{count} is" if count == 1 else f"{count} are"


def _how(kinds: Iterable[str]) -> str:
    return " and ".join(text for name, text in REPAIRS.items() if name in kinds)


def _arrow(pairs: list[tuple[str, str]]) -> str:
    return f"{pairs[0][0]} -> {pairs[0][1]}"


def _root_hint(groups: dict[frozenset[str], list[tuple[str, str]]], root: Path) -> str:
    """Where all are in one folder below the root, that folder is simpler than a repair."""
    places = {os.path.dirname(path) for pairs in groups.values() for _, path in pairs}  # noqa: PTH120
    if len(places) != 1 or not all(kinds == {"folder"} for kinds in groups):
        return ""
    return f", or data: {{root: {root / places.pop()}}}"
