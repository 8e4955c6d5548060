"""bash, zsh and fish, asked for real what may come next."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestrator.cli.completing.shells import SCRIPTS
from tests.orchestrator.cli.completing.a_run import write_run

ROOT = Path(__file__).parents[4]
# what a terminal is sent beside text: colours, where the cursor goes
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\x1b\][^\x07]*\x07|[\r\x07\x08\x0f]")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A spec with a run, and `ensemble` to be called."""
    folder = tmp_path_factory.mktemp("completion")
    write_run(folder)
    (folder / "bin").mkdir()
    program = folder / "bin/ensemble"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m orchestrator "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    for name, text in SCRIPTS.items():
        (folder / f"completion.{name}").write_text(text)
    return folder


def environment(folder: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SM_", "RAY_"))}
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    return {**kept, "PATH": path, "PYTHONPATH": str(ROOT), "HOME": str(folder), "TERM": "xterm"}


def shell(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def asked_of_bash(folder: Path, line: str) -> list[str]:
    """What bash's function leaves in COMPREPLY for a line, the cursor at its end."""
    script = (
        "source completion.bash; COMP_LINE=$1; COMP_POINT=${#1}; _ensemble_complete ensemble; "
        "printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    done = subprocess.run(
        [shell("bash"), "--norc", "-c", script, "bash", line],
        cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.stdout.split("\n")[:-1]


def asked_of_fish(folder: Path, line: str) -> list[str]:
    done = subprocess.run(
        [shell("fish"), "--no-config", "-c", "source completion.fish; complete -C $argv[1]", line],
        cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.stdout.splitlines()


def typed(folder: Path, command: list[str], ready: str, line: str, expected: str) -> str:
    """What stands on the terminal of an interactive shell after `line` and a tab.

    ready: a command that prints READY. Waits for `expected`, at most a minute.
    """
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execve(command[0], command, environment(folder))
    shown = ""

    def read_until(text: str) -> None:
        nonlocal shown
        deadline = time.monotonic() + 60
        while text not in shown and time.monotonic() < deadline:
            if select.select([terminal], [], [], 0.2)[0]:
                shown += CONTROL.sub("", os.read(terminal, 65536).decode(errors="replace"))

    try:
        os.write(terminal, ready.encode() + b"\n")
        read_until("READY\n")
        assert "READY\n" in shown, shown
        shown = ""
        os.write(terminal, line.encode() + b"\t")
        read_until(expected)
        return shown
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(terminal)


def test_bash_gets_what_follows_the_last_equal_sign_with_spaces_that_are_none(folder):
    """It cuts words there itself."""
    assert asked_of_bash(folder, "ensemble train-members spec.yaml --only effnet r") == ["resnet"]
    assert asked_of_bash(folder, "ensemble vote --choice='strong ri") == [r"strong\ ridge\ pool"]


def test_fish_is_answered_with_meanings_and_offers_its_files_elsewhere(folder):
    assert asked_of_fish(folder, "ensemble train-m") == [
        "train-members\tSearch, train every fold of every member, write the tables; again: do what is "
        "missing."
    ]
    assert "completion.fish" in asked_of_fish(folder, "ensemble predict completion.f")


def test_a_tab_in_an_interactive_bash_completes_the_word(folder):
    command = [shell("bash"), "--norc", "--noprofile", "-i"]
    ready = 'eval "$(ensemble completion bash)"; echo REA""DY'
    line = "ensemble train-members spec.yaml --only eff"
    assert "--only effnet " in typed(folder, command, ready, line, "--only effnet ")


def test_a_tab_in_an_interactive_zsh_completes_the_word(folder):
    command = [shell("zsh"), "-f", "-i"]
    ready = 'autoload -U compinit; compinit -u -D; source completion.zsh; echo REA""DY'
    shown = typed(folder, command, ready, "ensemble vote --weights eff", "effnet_of_mine=")
    assert "effnet_of_mine=" in shown
