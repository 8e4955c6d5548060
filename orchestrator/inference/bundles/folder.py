"""Where a bundle goes: a new folder that appears whole, or takes the place of an older bundle whole."""

from __future__ import annotations

import errno
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ensembles import unfinished
from ensembles.errors import names_its_place
from ensembles.files import places
from orchestrator.errors import WrongRequest
from orchestrator.inference.bundles.record import MANIFEST

_BEFORE_ALL = (1980, 1, 1, 0, 0, 0)  # zip knows no earlier time


def zip_of(out: Path) -> Path:
    """The file of `--zip`, beside the folder."""
    return out.with_name(f"{out.name}.zip")


def place_problems(out: str, zipped: bool, overwrite: bool) -> list[str]:
    """What is wrong with a folder to write a bundle to."""
    if "://" in out:
        return [
            f"--out {out}: a bundle is written to a folder of this machine. Give one, and copy it there."
        ]
    folder = Path(out)
    if not folder.name:
        return [f"--out {out}: no name for a folder. Give a new one."]
    problems = []
    if folder.exists() and not folder.is_dir():
        problems.append(f"--out {out}: a file, where a folder is made. Give another name.")
    elif folder.is_dir() and any(folder.iterdir()):
        is_bundle = (folder / MANIFEST).is_file()
        if not is_bundle:
            problems.append(
                f"--out {out}: a folder with other things in it, which is not replaced. Give a new one."
            )
        elif not overwrite:
            problems.append(f"--out {out}: there already. Give another --out DIR, or --overwrite.")
    file = zip_of(folder)
    if zipped and file.exists() and (file.is_dir() or not overwrite):
        problems.append(f"{file}: there already. Give another --out DIR, or --overwrite.")
    return problems


@names_its_place
@contextmanager
def writing_bundle(out: Path, overwrite: bool) -> Iterator[Path]:
    """An empty folder to fill, which is `out` when the block ends without an error; until then, and
    where it ends with one, what stood there stays. overwrite: a bundle there is replaced.
    """
    places.make_folder(out.parent)
    with unfinished.aside(out, folder=True) as aside:
        yield aside
        for path in [*aside.rglob("*"), aside]:
            places.sync(path)
        try:
            _put(aside, out, overwrite)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            raise WrongRequest(
                f"--out {out}: another process wrote it in the meantime. Give another --out DIR."
            ) from None
        places.sync(out.parent)


def _put(aside: Path, out: Path, overwrite: bool) -> None:
    if not (overwrite and out.is_dir() and any(out.iterdir())):
        aside.rename(out)
        return
    with unfinished.aside(out, folder=True) as old:
        kept = old / "old"
        out.rename(kept)
        try:
            aside.rename(out)
        except OSError:
            kept.rename(out)
            raise


def write_zip(out: Path) -> Path:
    """The folder as one file beside it: the same folder, the same bytes. Nothing is compressed:
    weights hardly can be.
    """
    with (
        places.writing(zip_of(out)) as stream,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive,
    ):
        for path in sorted(own for own in out.rglob("*") if own.is_file()):
            entry = zipfile.ZipInfo(f"{out.name}/{path.relative_to(out).as_posix()}", _BEFORE_ALL)
            entry.external_attr = 0o644 << 16
            with path.open("rb") as source, archive.open(entry, "w", force_zip64=True) as target:
                while piece := source.read(1 << 22):
                    target.write(piece)
    return zip_of(out)
