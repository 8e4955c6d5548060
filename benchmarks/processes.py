"""CPU seconds of whole processes, of several that take turns.

A process counts from its start to its end, with the processes that it started and waited for.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent


def python(*words: object, checkout: Path = ROOT) -> tuple[list[str], dict[str, str]]:
    """A command of this Python, and the environment in which it imports from a checkout.

    Modules are kept compiled, as those of installed packages are: to compile them anew takes .2 s.
    """
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return [sys.executable, *map(str, words)], environment


def cpu_seconds(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> float:
    """Ends this process where the command fails."""
    with tempfile.TemporaryFile("w+") as printed:
        begun = subprocess.Popen(
            command, env=environment, cwd=folder, stdout=printed, stderr=subprocess.STDOUT
        )
        _, status, used = os.wait4(begun.pid, 0)
        begun.returncode = os.waitstatus_to_exitcode(status)
        if begun.returncode:
            printed.seek(0)
            sys.exit(f"{' '.join(command)[:300]}\n{printed.read()[-2000:]}")
    return used.ru_utime + used.ru_stime


def compare(
    sides: Mapping[str, tuple[list[str], dict[str, str]]], folder: Path, times: int
) -> None:
    """Print the median of each side's CPU seconds, their range, and the ratio to the first side's.

    Every side runs once before, which does not count: it reads what the disk has.
    """
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(times + 1):
        for name, (command, environment) in sides.items():
            found = cpu_seconds(command, environment, folder)
            if turn:
                taken[name].append(found)
    base: float | None = None
    for name, seconds in taken.items():
        middle = statistics.median(seconds)
        base = middle if base is None else base
        spread = f"{min(seconds):.2f} to {max(seconds):.2f}"
        print(f"{name:<40}{middle:>7.2f} s  {spread:<14}{middle / base:>7.2f}x", flush=True)
