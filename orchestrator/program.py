"""What this program is called in its messages, and the commands that they name."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path


def called() -> str:
    """As it was called: `ensemble` by the console script, else `python -m orchestrator`."""
    return "ensemble" if Path(sys.argv[0]).stem == "ensemble" else "python -m orchestrator"


def command(*words: str) -> str:
    """A command to paste into a shell."""
    return f"{called()} {shlex.join(words)}"


def same_command(without: Sequence[str] = (), more: Sequence[str] = ()) -> str:
    """The command that runs now with all of its settings, to paste; some flags left out, words added."""
    return command(*(word for word in sys.argv[1:] if word not in without), *more)


def settings(small: bool, sets: Sequence[str], run: str | None) -> list[str]:
    """The options by which another command means the same spec and run."""
    flags = ["--small"] if small else []
    flags += [word for text in sets for word in ("--set", text)]
    return flags + (["--run", run] if run else [])
