"""Places that a command will write to, looked at before it begins."""

from __future__ import annotations

import os
from pathlib import Path

from ensembles.errors import BadInput, wrong_place
from ensembles.files.places import Place


def require_writable_file(place: Place, flag: str) -> None:
    """Raise BadInput where a file of this machine cannot be written; `flag` names the option."""
    if "://" not in os.fspath(place):
        path = Path(place)
        _require_folder(path.parent, f"{flag} {place}", "a file")
        if path.is_dir():
            raise BadInput(f"{flag} {place}: a folder, where a file is expected. Give a file.")


def require_writable_folder(place: Place, flag: str) -> None:
    """Raise BadInput where a folder of this machine cannot be made or written to."""
    if "://" not in os.fspath(place):
        _require_folder(Path(place), f"{flag} {place}", "a folder")


def _require_folder(folder: Path, given: str, what: str) -> None:
    """folder: it or the first above it that is there must be a folder that can be written to."""
    try:
        (folder / "x").exists()  # names that are too long, links in a circle
        folder.stat()
    except FileNotFoundError:
        if folder.is_symlink():
            raise BadInput(f"{given}: {folder} is a broken link. Give {what} elsewhere.") from None
        _require_folder(folder.parent, given, what)
        return
    except (OSError, ValueError) as error:
        why = wrong_place(error) if isinstance(error, OSError) else None
        raise BadInput(f"{given}: {why or error}. Give {what} that can be written.") from None
    if not folder.is_dir():
        raise BadInput(f"{given}: {folder} is a file, where a folder is expected. Give {what}.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise BadInput(f"{given}: no permission to write into {folder}. Give {what} elsewhere.")
