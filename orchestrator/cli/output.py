"""What the commands say before they begin, and the places that they will write to."""

from __future__ import annotations

import os
from pathlib import Path

from ensembles.errors import BadInput, wrong_place
from orchestrator.errors import WrongRequest
from orchestrator.printing import STDOUT, screen


def spec_file(given: Path, json: Path | None = None) -> Path:
    """The path itself, or the file of that name that comes with the package, which is printed."""
    from orchestrator.spec.shipped import shipped

    file = shipped(given)
    if file != given:
        screen(json).print(f"{given}: the one that comes with the package, {file}")
    return file


def spec_or_run(
    given: str | None, run: str | None, json: Path | None = None
) -> tuple[Path | None, str | None]:
    """What an argument `[RUN|SPEC]` names: a spec's file, or a run folder. run: of `--run`, for a spec's.

    Raises WrongRequest for two run folders.
    """
    if given is None or given.lower().endswith((".yaml", ".yml")):
        return None if given is None else spec_file(Path(given), json), run
    if run is not None:
        raise WrongRequest(f"{given} and --run {run}: two run folders. Give one.")
    return None, given


def json_place(file: Path | None) -> Path | None:
    """The file of `--json`, which can be written. Raises BadInput before any work."""
    if file is not None and file != STDOUT:
        _require_file(file, "--json")
    return file


def file_place(file: str | Path | None, flag: str) -> None:
    """Raise BadInput where the file cannot be written; None is no file."""
    if file is not None:
        _require_file(file, flag)


def folder_place(folder: str | Path | None, flag: str) -> None:
    """Raise BadInput where the folder cannot be made or written to; None is no folder."""
    if folder is not None:
        _require_writable(folder, flag)


def _require_file(place: str | Path, flag: str) -> None:
    """Raise BadInput where a file of this machine cannot be written; `flag` names the option."""
    if "://" not in os.fspath(place):
        path = Path(place)
        _require_folder(path.parent, f"{flag} {place}", "a file")
        if path.is_dir():
            raise BadInput(f"{flag} {place}: a folder, where a file is expected. Give a file.")


def _require_writable(place: str | Path, flag: str) -> None:
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
