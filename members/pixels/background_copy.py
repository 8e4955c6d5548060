"""A folder of photographs copied with the background of every photo made black.

    copied = remove_background("data/sample/train", "data/nobg/train")

Below the copy every photo has the path it had, its pixels upright and cut out; other files (lists
of labels, say) are copied as they are; hidden files are left out. Work that was done is kept in
`.background.jsonl`, one line a photo, and is not done again while the photo's size and times are
the same and the copy has the content that was written; photos are written under another name and
moved, so a killed copy costs the photos it was at. `contact_sheet.jpg` shows some photos before and
after, those that look wrong first.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from members import files
from members.data.listing import SUFFIXES, require_folder
from members.errors import BadInput
from members.files import Progress
from members.photo_kind import photo_kind, read_head
from members.pixels.background_file import copy_file, cut_out, is_done
from members.pixels.contact_sheet import write_contact_sheet
from members.pixels.decode import decode_alone
from members.recipe.blocks import Statistics

JOURNAL, SHEET = ".background.jsonl", "contact_sheet.jpg"
FEW, MOST = 0.05, 0.95  # a person who fills less, or more, of a photo was hardly found
SHOWN = 24  # photos on the contact sheet


@dataclass
class Copied:
    """What a copy holds. Paths are relative to the folder, with forward slashes.

    kept: photo -> share of its pixels that is person. done, already: photos made now and before.
    other_files: copied as they are. problems: the photos that could not be copied, one text each.
    extra: photos that the copy has and the original does not. statistics: of all pixels of the
    copy, each photo counting the same; None where no photo could be copied.
    """

    kept: dict[str, float]
    done: int
    already: int
    other_files: int
    problems: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    statistics: Statistics | None = None

    def suspicious(self) -> list[str]:
        """Photos of which hardly anything, or nearly everything, was kept; the oddest first."""
        odd = [path for path, share in self.kept.items() if not FEW <= share <= MOST]
        return sorted(odd, key=lambda path: (min(self.kept[path], 1 - self.kept[path]), path))


def remove_background(
    source: str | os.PathLike,
    target: str | os.PathLike,
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Copied:
    """Copy the folder `source` to `target`, the background of every photo black.

    jobs: photos worked on at once; None: as many as there are CPUs. `progress(done, total)` counts
    the photos that had to be made. A photo that cannot be read is named in `problems` and stops no
    other. Raises BadInput where the folders themselves are wrong.
    """
    source, target = Path(source), Path(target)
    _require_folders(source, target)
    photos, others = _files(source)
    if not photos:
        raise BadInput(f"{source}: no photos. Allowed endings: {' '.join(SUFFIXES)}.")
    target.mkdir(parents=True, exist_ok=True)
    with _journal(target) as (known, append):
        problems = []
        for path in others:
            kind = photo_kind(read_head(source / path))
            if kind is None:
                copy_file(source / path, target / path)
            else:  # with its background it would stand among those without
                problems.append(
                    f"{source / path}: a picture ({kind}) that no copy is written as. "
                    f"Allowed endings: {' '.join(SUFFIXES)}."
                )
        unlike = len(problems)
        todo = [path for path in photos if not is_done(known.get(path), source, target, path)]
        jobs = jobs or len(os.sched_getaffinity(0))
        # threads do: decoder and GrabCut let go of Python's lock
        made = files.in_threads(lambda path: cut_out(source, target, path), todo, jobs)
        for number, row in enumerate(made, start=1):
            if isinstance(row, str):
                problems.append(row)
            else:
                known[row["path"]] = row
                append(row)
            if progress:
                progress(number, len(todo))
        rows = [known[path] for path in photos if is_done(known.get(path), source, target, path)]
        copied = Copied(
            kept={row["path"]: row["kept"] for row in rows},
            done=len(todo) + unlike - len(problems),
            already=len(photos) - len(todo),
            other_files=len(others) - unlike,
            problems=problems,
            extra=sorted({*_files(target)[0]} - {*photos, SHEET}),
            statistics=_statistics(rows),
        )
        if copied.kept and (copied.done or not (target / SHEET).exists()):
            _draw_sheet(copied, source, target)
    return copied


def _require_folders(source: Path, target: Path) -> None:
    require_folder(source, "a folder of photos")
    one, other = source.resolve(), target.resolve()
    if one == other or one.is_relative_to(other) or other.is_relative_to(one):
        raise BadInput(
            f"{source} and {target}: one lies inside the other. "
            "The copy needs a folder of its own beside the photos."
        )
    if (source / SHEET).exists() or (source / JOURNAL).exists():
        raise BadInput(
            f"{source}: has a {SHEET if (source / SHEET).exists() else JOURNAL}, so it is such a "
            "copy itself. Give the folder of the original photos."
        )
    if target.exists() and not target.is_dir():
        raise BadInput(f"{target}: is a file. Name a folder for the copy.")
    if target.is_dir() and any(target.iterdir()) and not (target / JOURNAL).exists():
        raise BadInput(
            f"{target}: holds files that are not such a copy, which are left alone. "
            "Name an empty folder or one that does not exist yet."
        )


def _files(folder: Path) -> tuple[list[str], list[str]]:
    """Relative paths of the photos below `folder` and of all other files, hidden ones left out."""
    photos, others = [], []
    for file in _below(folder):
        path = file.relative_to(folder).as_posix()
        if path.lower().endswith(SUFFIXES):
            photos.append(path)
        elif file.is_file():
            others.append(path)
    return photos, others


def _below(folder: Path, above: tuple[Path, ...] = ()) -> Iterator[Path]:
    """What is no folder, in order; links are followed unless they lead back to where one was."""
    above = (*above, folder.resolve())
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith("."):
            continue
        if not entry.is_dir():
            yield entry
        elif entry.resolve() not in above:
            yield from _below(entry, above)


@contextmanager
def _journal(target: Path) -> Iterator[tuple[dict[str, dict], Callable[[dict], None]]]:
    """What was done before, by path, and a function that appends one row.

    Held by one process at a time; a line that a kill cut short is not counted.
    """
    busy = f"{target}: another process is copying into this folder. Wait for it or stop it."
    with files.locked(target / JOURNAL, busy) as file:
        files.remove_unfinished(target)
        file.seek(0)
        known = {}
        text = file.read()
        for line in text.splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue
            known[row["path"]] = row
        if text and not text.endswith("\n"):
            file.write("\n")

        def append(row: dict) -> None:
            file.write(json.dumps(row) + "\n")
            file.flush()

        yield known, append


def _statistics(rows: list[dict]) -> Statistics | None:
    """Mean and standard deviation of red, green, blue; a colour that never changes counts as
    spread by one level."""
    if not rows:
        return None
    mean = np.mean([row["mean"] for row in rows], axis=0)
    square = np.mean([row["square"] for row in rows], axis=0)
    std = np.sqrt(np.maximum(square - mean**2, 1 / 255**2))
    return Statistics(mean=tuple(mean.round(4).tolist()), std=tuple(std.round(4).tolist()))


def _draw_sheet(copied: Copied, source: Path, target: Path) -> None:
    """Up to half of the places for photos that look wrong, the others from all over the folder."""
    odd = copied.suspicious()[: SHOWN // 2]
    rest = sorted(set(copied.kept) - set(odd))
    places = np.linspace(0, len(rest) - 1, min(len(rest), SHOWN - len(odd))).round().astype(int)
    shown = odd + [rest[place] for place in places]
    pairs = [(decode_alone(source / path), decode_alone(target / path)) for path in shown]
    titles = [f"{path}  {copied.kept[path]:.0%}" for path in shown]
    write_contact_sheet(pairs, target / SHEET, titles)
