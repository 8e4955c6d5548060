"""Which photographs are meant: files, folders, patterns, lists, prefixes of an object store.

What is given -> the ids that the photographs have in the answers:

    a folder            the paths below it, with forward slashes
    a file, a pattern   the paths as they were given, or as the pattern finds them
    a CSV or Parquet    the column image_id, or without one the column path
    -                   the lines of standard input
    s3://bucket/prefix  the keys below the prefix; of one object, the address
"""

from __future__ import annotations

import glob
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ensembles import object_store
from members.data.folder_contents import contents_of
from members.data.listing import PHOTO_ENDINGS, some
from members.errors import BadInput, first_line
from orchestrator.errors import BAD_INPUT, WrongRequest, counted

LISTS = (".csv", ".tsv", ".parquet")
STDIN = "-"
_PATTERN = ("*", "?", "[")


@dataclass(frozen=True)
class Photo:
    """A photograph to predict: its id in the answers, and the path or address of its file."""

    id: str
    place: str


def find_photos(
    given: Sequence[str], stdin: Iterable[str] | None = None
) -> tuple[list[Photo], list[str]]:
    """The photographs that `given` means, in its order, and notes on what is left out.

    stdin: the lines of standard input, None: those of this process. Raises WrongRequest with every
    mistake: paths that lead nowhere, lists that cannot be read, ids that occur twice, no photograph.
    """
    found: list[Photo] = []
    notes: list[str] = []
    problems: list[str] = []
    if given.count(STDIN) > 1:
        problems.append("- stands there twice: standard input can be read once.")
    for text in dict.fromkeys(given):
        try:
            photos, own_notes = _of_one(text, stdin)
        except BAD_INPUT as error:
            problems += error.problems
            continue
        except OSError as error:
            problems.append(f"{text}: {error.strerror or error}. Give photos that can be read.")
            continue
        if not photos:
            problems.append(f"{text}: no photos there. {_ALLOWED}")
        found += photos
        notes += own_notes
    if not given:
        problems.append(f"no photos were given. {_ALLOWED}")
    again = [name for name, count in Counter(photo.id for photo in found).items() if count > 1]
    if again:
        problems.append(
            f"ids that stand for several photos: {len(again)} ({some(again)}). Give each photo "
            "once; where two folders have the same file names, give the folder above them, or a CSV "
            "with the columns image_id and path."
        )
    if problems:
        raise WrongRequest(problems)
    return found, notes


_ALLOWED = (
    "Give photos, folders of photos, patterns such as 'photos/*.jpg', a CSV or Parquet with a column "
    "path, s3://bucket/prefix, or - for a list on standard input."
)


def _of_one(text: str, stdin: Iterable[str] | None) -> tuple[list[Photo], list[str]]:
    if text == STDIN:
        lines = [line.rstrip("\r\n") for line in (sys.stdin if stdin is None else stdin)]
        return [photo for line in lines if line.strip() for photo in _of_line(line)], []
    if "://" in text:
        return _of_store(text)
    path = Path(text)
    if path.is_dir():
        contents = contents_of(path)
        if problems := contents.problems():
            raise BadInput(problems)
        return [Photo(own, str(path / own)) for own in contents.photos], contents.notes()
    if path.suffix.lower() in LISTS:
        return _of_list(path), []
    if not path.exists() and any(sign in text for sign in _PATTERN):
        return [Photo(own, own) for own in _matching(text)], []
    return list(_of_line(text)), []


def _of_line(text: str) -> Iterator[Photo]:
    """A file of its own: whether it is a photograph is found out when it is read."""
    if "://" not in text:
        path = Path(text)
        if path.is_dir():
            raise BadInput(f"{text}: a folder, where a photo is expected. Give it as an argument.")
        if not path.exists():
            raise BadInput(f"{text}: there is no such file. {_ALLOWED}")
    yield Photo(text, text)


def _matching(pattern: str) -> list[str]:
    """Files that a pattern finds, sorted; `**` goes into folders, hidden files are none."""
    # Path.glob takes no pattern of an absolute path
    every = glob.glob(pattern, recursive=True)  # noqa: PTH207
    found = sorted(own for own in every if Path(own).is_file())
    return [own for own in found if own.lower().endswith(PHOTO_ENDINGS)]


def _of_list(file: Path) -> list[Photo]:
    from members.data.lists.read import read_list

    listed = read_list(file)
    if problems := listed.lacking(["path"]):
        raise BadInput(problems)
    paths = listed.frame["path"].tolist()
    ids = listed.frame["image_id"].tolist() if "image_id" in listed.text_columns else paths
    problems = []
    for what, values in (("path", paths), ("image_id", ids)):
        if empty := [listed.where(row) for row, value in enumerate(values) if not value]:
            problems.append(f"{file}: no {what} in {some(empty)}. Write it, or take the row out.")
    places = [own if "://" in own else str(file.parent / own) for own in paths]
    if problems:
        raise BadInput(problems)
    return [Photo(*own) for own in zip(ids, places, strict=True)]


def _of_store(address: str) -> tuple[list[Photo], list[str]]:
    """An object, or all below a prefix. Their addresses keep what stands behind a ?."""
    from pyarrow import fs

    plain, mark, options = address.partition("?")
    try:
        filesystem, base = object_store.connected(address)
    except ValueError as error:  # Arrow's, of a kind of address that it does not know
        if isinstance(error, BAD_INPUT):
            raise
        raise BadInput(
            f"{address}: no address that photos are read from ({first_line(error)}). {_ALLOWED}"
        ) from None
    info = filesystem.get_file_info(base)
    if info.type == fs.FileType.File:
        return [Photo(plain, address)], []
    if info.type == fs.FileType.NotFound:
        raise BadInput(f"{address}: there is no such object or prefix. {_ALLOWED}")
    below = filesystem.get_file_info(fs.FileSelector(base, recursive=True))
    names = sorted(own.path[len(base) :].lstrip("/") for own in below if own.is_file)
    photos = [name for name in names if name.lower().endswith(PHOTO_ENDINGS)]
    others = [name for name in names if name not in set(photos)]
    notes = []
    if others:
        notes.append(f"{address}: {counted(len(others), 'object')} left out: {some(others)}.")
    root = str(PurePosixPath(plain)).replace(":/", "://", 1)
    return [Photo(name, f"{root}/{name}{mark}{options}") for name in photos], notes
