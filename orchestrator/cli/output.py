"""Where the commands print, and the files of `--json`."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console


def console() -> Console:
    # a file or a pipe has no width of its own: tables need room, lines stay whole
    width = None if sys.stdout.isatty() else 120
    return Console(width=width, soft_wrap=width is not None, highlight=False)


def spec_file(given: Path) -> Path:
    """The path itself, or the file of that name that comes with the package, which is printed."""
    from orchestrator.spec.shipped import shipped

    file = shipped(given)
    if file != given:
        console().print(f"{given}: the one that comes with the package, {file}", markup=False)
    return file


def write_json(file: Path | None, value: object) -> None:
    if file:
        from ensembles.files import places

        places.write_json(file, value)
