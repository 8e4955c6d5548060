"""What the commands say before they begin, and the places that they will write to."""

from __future__ import annotations

from pathlib import Path

from orchestrator.screens.console import STDOUT, screen


def spec_file(given: Path, json: Path | None = None) -> Path:
    """The path itself, or the file of that name that comes with the package, which is printed."""
    from orchestrator.spec.shipped import shipped

    file = shipped(given)
    if file != given:
        screen(json).print(f"{given}: the one that comes with the package, {file}")
    return file


def json_place(file: Path | None) -> Path | None:
    """The file of `--json`, which can be written. Raises BadInput before any work."""
    from ensembles.files import writable

    if file is not None and file != STDOUT:
        writable.require_writable_file(file, "--json")
    return file


def folder_place(folder: str | Path | None, flag: str) -> None:
    """Raise BadInput where the folder cannot be made or written to; None is no folder."""
    from ensembles.files import writable

    if folder is not None:
        writable.require_writable_folder(folder, flag)
