"""What lies in a folder and below it: photos, and all that is left out, counted and named.

A file with the ending of a readable photo is meant as one and is not opened here: where it is
damaged, members/reading/scan.py says so. Any other file is looked into: its first bytes decide.
Hidden is what begins with a dot, and a folder that begins with two underscores.
"""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from members.data.listing import PHOTO_ENDINGS, some
from members.data.lists.lookup import outside_note
from members.photo_kind import photo_kind, read_head, unreadable

FORMATS = (
    "Photos are JPEG, PNG, BMP, WebP, TIFF, GIF, AVIF, JPEG 2000, TGA, PPM and PGM, "
    "under any ending."
)
_JUNK = {
    *(".ds_store", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", ".localized"),
    *(".directory", ".gitkeep", ".gitignore", ".keep", ".picasa.ini"),
}
# most of them are TIFF by their first bytes, but what decodes is a thumbnail
_RAW = (".dng", ".nef", ".nrw", ".arw", ".sr2", ".srf", ".pef", ".3fr", ".iiq", ".kdc", ".dcr",
        ".erf", ".mef", ".mos", ".rwl", ".srw", ".cr2", ".cr3", ".orf", ".rw2", ".raf")  # fmt: skip
_UNFINISHED = (".bak", ".orig", ".old", ".tmp", ".temp", ".part", ".partial", ".crdownload", "~")

_HIDDEN = "begins with '.' or '__' (rename what should count)"
_CYCLE = "is a link back to a folder that it lies in"
_BROKEN = "links lead nowhere", "Mend them or take them out."
_CLOSED = "entries may not be read", "Allow it (chmod -R u+rX) or take them out."
_NO_TEXT = "names are no UTF-8", "Rename them."


@dataclass
class Contents:
    """Paths are relative to `root` and have `/` between their parts.

    folders: those in it that are not hidden, by name. photos: in it and below, by folder and path.
    left_out: why -> what; known junk such as .DS_Store is not counted. wrong: what and what to do
    -> where. outside: what links lead out of `root` -> to where.
    """

    root: Path
    folders: list[str] = field(default_factory=list)
    photos: list[str] = field(default_factory=list)
    left_out: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    wrong: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    outside: dict[str, str] = field(default_factory=dict)

    def notes(self) -> list[str]:
        """One note for each reason to leave something out, and one on links that lead elsewhere."""
        links = sorted(self.outside.items())
        followed = [outside_note(self.root, "entries", links, "it")] if links else []
        return followed + [
            f"{self.root}: {len(names)} entries are left out ({some(sorted(names))}): each {why}."
            for why, names in sorted(self.left_out.items(), key=lambda item: item[0] == _HIDDEN)
        ]

    def problems(self) -> list[str]:
        """One problem for each kind of what cannot be read."""
        return [
            f"{self.root}: {len(names)} {what}: {some(sorted(names))}. {fix}"
            for (what, fix), names in self.wrong.items()
        ]

    def below(self, folder: str) -> list[str]:
        """Photos in `folder` and below it, relative to it. Asked for when all of them are there."""
        start = f"{folder}/"
        of_top = self._by_top.get(folder.split("/", 1)[0], [])
        return [path[len(start) :] for path in of_top if path.startswith(start)]

    @cached_property
    def _by_top(self) -> dict[str, list[str]]:
        """Photos by the folder of `root` that they lie in: 1,000 classes are not 1,000 searches."""
        found = defaultdict(list)
        for path in self.photos:
            found[path.split("/", 1)[0]].append(path)
        return found

    def add(self, other: Contents, folder: str) -> None:
        """What is left out and wrong in a folder of this one, and its links."""
        self.outside |= {f"{folder}/{name}": to for name, to in other.outside.items()}
        for why, names in other.left_out.items():
            self.left_out[why] += [f"{folder}/{name}" for name in names]
        for what, names in other.wrong.items():
            self.wrong[what] += [f"{folder}/{name}" for name in names]

    def loose(self) -> list[str]:
        """Photos that lie in `root` itself."""
        return [path for path in self.photos if "/" not in path]


def contents_of(root: Path) -> Contents:
    """Everything in `root` and below it; links are followed, but for those that lead in circles."""
    found = Contents(root)
    todo: list[tuple[str, tuple[tuple[int, int], ...]]] = [("", ())]
    while todo:
        prefix, above = todo.pop()
        try:
            status = (root / prefix).stat()
            with os.scandir(root / prefix) as scanned:
                entries = list(scanned)
        except PermissionError:
            found.wrong[_CLOSED].append(prefix or ".")
            continue
        above = (*above, (status.st_dev, status.st_ino))
        for entry in entries:
            if _add(entry, prefix, above, found):
                todo.append((f"{prefix}{entry.name}/", above))
    found.folders.sort()
    found.photos.sort(key=lambda path: path.split("/", 1))
    return found


def _add(
    entry: os.DirEntry[str], prefix: str, above: tuple[tuple[int, int], ...], found: Contents
) -> bool:
    """Count one entry; True for a folder to be looked into."""
    path = prefix + entry.name
    if is_junk(entry.name):
        return False
    if not _is_text(entry.name):
        found.wrong[_NO_TEXT].append(path)
        return False
    try:
        is_folder = entry.is_dir()
        if entry.name.startswith(".") or (is_folder and entry.name.startswith(("__", "@eaDir"))):
            found.left_out[_HIDDEN].append(path)
        elif is_folder:
            status = entry.stat()
            if (status.st_dev, status.st_ino) in above:
                found.left_out[_CYCLE].append(path)
                return False
            if not prefix:
                found.folders.append(entry.name)
            _note_link(entry, path, found)
            return True
        elif why := _why_left_out(entry):
            found.left_out[why].append(path)
        else:
            found.photos.append(path)
            _note_link(entry, path, found)
    except PermissionError:
        found.wrong[_CLOSED].append(path)
    except OSError:
        found.wrong[_BROKEN].append(path)
    return False


def _note_link(entry: os.DirEntry[str], path: str, found: Contents) -> None:
    if entry.is_symlink():
        real = os.path.realpath(entry.path)
        if not real.startswith(os.path.join(os.path.realpath(found.root), "")):  # noqa: PTH118
            found.outside[path] = real


def is_junk(name: str) -> bool:
    """Written by a system beside any files, and not worth a word."""
    return name.lower() in _JUNK or name.startswith("._")


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _why_left_out(entry: os.DirEntry[str]) -> str:
    """Why what is no folder is no photo to be read; empty where it is one. Raises OSError."""
    name = entry.name.lower()
    if not entry.is_file():
        return _special(entry)
    if name.endswith(PHOTO_ENDINGS):
        return ""
    if name.endswith(_RAW):
        return unreadable("camera RAW")
    if name.endswith(_UNFINISHED):
        return "is a backup or unfinished by its ending"
    kind = photo_kind(read_head(entry.path))
    return "is no photo" if kind is None else unreadable(kind)


def _special(entry: os.DirEntry[str]) -> str:
    """Of a pipe, socket or device. Raises FileNotFoundError for a link that leads nowhere."""
    entry.stat()
    return "is a pipe, socket or device"
