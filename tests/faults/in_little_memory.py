"""Commands that must end soon and in little memory, run one after the other in a process of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.orchestrator.command_line import environment

# the peak of a process only grows, so that each command is judged by what it adds
_EACH = """
import contextlib, io, json, re, sys, time
from pathlib import Path
from orchestrator import cli

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 2**10

found, before = {}, peak()
for name, arguments in json.loads(sys.stdin.read()).items():
    sys.argv, out, began = ["orchestrator", *arguments], io.StringIO(), time.monotonic()
    code = None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            cli.main()
        except SystemExit as end:
            code = end.code
    found[name] = code, out.getvalue(), time.monotonic() - began, peak()
print(json.dumps(found))
"""


class Ended(NamedTuple):
    """code: of the exit. printed: on both streams. peak: MiB of the process until then."""

    code: int
    printed: str
    seconds: float
    peak: float


def run_each(
    commands: Mapping[str, Sequence[str | Path]], cwd: Path, timeout: int = 240
) -> dict[str, Ended]:
    """name -> how the command ended."""
    plain = {name: list(map(str, arguments)) for name, arguments in commands.items()}
    done = subprocess.run(
        [sys.executable, "-c", _EACH], input=json.dumps(plain), cwd=cwd, env=environment(cwd),
        capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return {name: Ended(*own) for name, own in json.loads(done.stdout).items()}
