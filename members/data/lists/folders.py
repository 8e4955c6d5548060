"""Folders as they are on disk, each listed once, and the names in them that are nearly another."""

from __future__ import annotations

import os
import unicodedata
from collections import defaultdict

from members.data.listing import PHOTO_ENDINGS

_ENDINGS = frozenset((*PHOTO_ENDINGS, ".heic", ".heif"))
MOST_FOLDERS = 20_000  # below a root that are searched for a name


class _Listing:
    """The names of one folder."""

    def __init__(self, folder: str):
        self.files: set[str] = set()
        self.folders: set[str] = set()
        self.links: set[str] = set()  # of the files
        self.real = folder
        self.readable = True
        try:
            self.real = os.path.realpath(folder)
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_file():
                        self.files.add(entry.name)
                        if entry.is_symlink():
                            self.links.add(entry.name)
                    elif entry.is_dir():
                        self.folders.add(entry.name)
        except PermissionError:
            self.readable = False
        except (OSError, ValueError):  # it is not there, or no path at all
            pass
        self._nearly: dict[bool, dict[str, list[str]]] = {}
        self._by_plain: dict[str, list[str]] | None = None

    def nearly(self, name: str, folders: bool) -> list[str]:
        """Names that are `name` but for capitals and the encoding of accents."""
        if folders not in self._nearly:
            index = defaultdict(list)
            for own in sorted(self.folders if folders else self.files):
                index[_folded(own)].append(own)
            self._nearly[folders] = index
        return self._nearly[folders].get(_folded(name), [])

    def by_plain(self) -> dict[str, list[str]]:
        """`plain` name -> the photos that have it."""
        if self._by_plain is None:
            self._by_plain = defaultdict(list)
            for own in sorted(self.files):
                if os.path.splitext(own)[1].lower() in _ENDINGS:  # noqa: PTH122 - 100,000 names
                    self._by_plain[plain(own)].append(own)
        return self._by_plain


class Folders:
    """What lies where, remembered."""

    def __init__(self) -> None:
        self._known: dict[str, _Listing] = {}
        self._places: dict[tuple[str, tuple[str, ...]], tuple[str, frozenset[str]] | None] = {}
        self._below: dict[str, dict[str, list[str]]] = {}

    def has(self, path: str) -> bool:
        """Whether there is such a file."""
        folder, name = os.path.split(path)
        if name in ("", ".", ".."):
            return False
        listing = self._listing(folder)
        return name in listing.files if listing.readable else os.path.isfile(path)  # noqa: PTH113

    def leads_out(self, path: str, root: str) -> str:
        """Where the file at `path`, below `root`, really is if links lead out of it; else empty."""
        folder, name = os.path.split(path)
        listing = self._listing(folder)
        linked = name in listing.links
        real = os.path.realpath(path) if linked else _joined(listing.real, name)
        return "" if real.startswith(_joined(self._listing(root).real, "")) else real

    def locate(self, root: str, parts: tuple[str, ...]) -> tuple[str, frozenset[str]] | None:
        """The one file below `root` that the names `parts` lead to, and the repairs it took."""
        folder = self._folder(root, parts[:-1]) if parts else None
        if folder is None:
            return None
        place, kinds = folder
        found = self._match(_joined(root, place), parts[-1], last=True)
        return (_joined(place, found[0]), kinds | found[1]) if found else None

    def _folder(self, root: str, parts: tuple[str, ...]) -> tuple[str, frozenset[str]] | None:
        """The same of a folder; remembered, as many files are in each."""
        if not parts:
            return "", frozenset()
        if (root, parts) not in self._places:
            above = self._folder(root, parts[:-1])
            found = above and self._match(_joined(root, above[0]), parts[-1], last=False)
            self._places[root, parts] = (
                (_joined(above[0], found[0]), above[1] | found[1]) if above and found else None
            )
        return self._places[root, parts]

    def below(self, root: str, parts: tuple[str, ...]) -> tuple[str, frozenset[str]] | None:
        """The one file whose path ends in the names `parts`, in any folder below `root`."""
        ends = [*map(_folded, parts[:-1])]
        places = [place.split("/") for place in self.candidates(root, parts[-1])]
        places = [own for own in places if [*map(_folded, own[-len(parts) : -1])] == ends]
        exact = [own for own in places if own[-len(parts) :] == [*parts]]
        if len(exact or places) != 1:
            return None
        own = (exact or places)[0]
        kinds = [
            _between(part, there) for part, there in zip(parts, own[-len(parts) :], strict=True)
        ]
        return "/".join(own), frozenset[str]().union(*kinds)

    def candidates(self, root: str, name: str) -> list[str]:
        """Paths of the photos in `root` and below whose `plain` name is that of `name`."""
        if root not in self._below:
            index: dict[str, list[str]] = defaultdict(list)
            for count, (folder, inner, _) in enumerate(os.walk(root)):
                if count == MOST_FOLDERS:
                    break
                inner[:] = [own for own in inner if not own.startswith(".")]
                relative = os.path.relpath(folder, root)
                for own, names in self._listing(folder).by_plain().items():
                    index[own] += [os.path.normpath(_joined(relative, n)) for n in names]
            self._below[root] = index
        return self._below[root].get(plain(name), [])

    def _listing(self, folder: str) -> _Listing:
        if folder not in self._known:
            self._known[folder] = _Listing(folder)
        return self._known[folder]

    def _match(self, folder: str, name: str, last: bool) -> tuple[str, frozenset[str]] | None:
        if name == "..":
            return name, frozenset()
        listing = self._listing(folder)
        if name in (listing.files if last else listing.folders):
            return name, frozenset()
        nearly = listing.nearly(name, folders=not last)
        same = [own for own in nearly if _composed(own) == _composed(name)]
        if len(same) == 1:
            return same[0], frozenset({"unicode"})
        if len(nearly) == 1:
            return nearly[0], _between(name, nearly[0])
        if last and not nearly and len(near := self._one(listing, name)) == 1:
            return near[0], _between(name, near[0])
        return None

    @staticmethod
    def _one(listing: _Listing, name: str) -> list[str]:
        """Photos of that name with another ending or other zeros, those with equal zeros first."""
        near = listing.by_plain().get(plain(name), [])
        equal = [own for own in near if _folded(_stem(own)) == _folded(_stem(name))]
        return equal or near


def _joined(folder: str, name: str) -> str:
    return os.path.join(folder, name)  # noqa: PTH118 - a Path for each of 100,000 photos is slow


def plain(path: str) -> str:
    """A file's name without its folder, its photo ending, capitals, accents' encoding, zeros."""
    stem = _folded(_stem(os.path.basename(path)))  # noqa: PTH119
    head = stem.rstrip("0123456789")
    return head + (stem[len(head) :].lstrip("0") or "0" if len(head) < len(stem) else "")


def _stem(name: str) -> str:
    stem, ending = os.path.splitext(name)  # noqa: PTH122
    return stem if ending.lower() in _ENDINGS else name


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _folded(name: str) -> str:
    return _composed(_composed(name).casefold())


def _between(given: str, there: str) -> frozenset[str]:
    """The repairs that lead from one name to another."""
    stem, own = _stem(given), _stem(there)
    ending, own_ending = given[len(stem) :], there[len(own) :]
    kinds = set()
    if ending != own_ending:
        kinds.add("case" if ending.lower() == own_ending.lower() else "ending")
    if _folded(stem) != _folded(own):
        kinds.add("zeros")
    elif _composed(stem) != _composed(own):
        kinds.add("case")
    if unicodedata.is_normalized("NFC", stem) != unicodedata.is_normalized("NFC", own):
        kinds.add("unicode")
    return frozenset(kinds)
