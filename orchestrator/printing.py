"""Where the commands print for people, and for programs with `--json`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ensembles.files import places

if TYPE_CHECKING:
    from orchestrator.screens.console import Screen

STDOUT = Path("-")
_KERNEL = "JPY_PARENT_PID"  # Jupyter sets it for its kernels


def screen(json: Path | None = None) -> Screen:
    """For people: standard output, or standard error where `--json -` has the other for itself."""
    from orchestrator.screens.console import Screen

    aside = json == STDOUT
    # what a cell of a notebook calls has a terminal, but one whose cursor does not move
    cell = _KERNEL in os.environ
    terminal = (sys.stderr if aside else sys.stdout).isatty() and not cell
    # a file or a pipe has no width of its own: tables need room, lines stay whole
    width = None if terminal else 120
    plain = {"force_terminal": False} if cell else {}
    return Screen(stderr=aside, width=width, soft_wrap=width is not None, **plain)


def write_json(file: Path | None, value: object) -> None:
    """To the file of `--json`, or to standard output for `-`; nothing without one."""
    if file == STDOUT:
        sys.stdout.write(places.json_bytes(value).decode())
        sys.stdout.flush()
    elif file:
        places.write_json(file, value)
