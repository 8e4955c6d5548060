"""Values that options take without Typer's validators are what Typer makes of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.core import TyperCommand

from orchestrator.cli.app import commands

ROOT = Path(__file__).parents[3]
GROUP = typer.main.get_command(commands())
WRITTEN = (
    None, "", "a b", "-", "3", "0x3", "1e-3", "hard", "Hard", "soft", "test", "zsh", "numbers",
    "there.csv", "folder", "nowhere/x", "unreadable", True, False,
)  # fmt: skip


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    (tmp_path / "there.csv").write_text("a")
    (tmp_path / "folder").mkdir()
    (tmp_path / "unreadable").write_text("a")
    (tmp_path / "unreadable").chmod(0)
    monkeypatch.chdir(tmp_path)


def outcome(process, ctx, value):
    """What it returns, or the kind and text of what it raises."""
    try:
        found = process(ctx, value)
    except Exception as error:  # compared below
        return type(error), str(error), getattr(error, "message", None)
    return type(found), found


@pytest.mark.parametrize("name", list(GROUP.commands))
def test_every_option_takes_what_typer_takes(name):
    command = GROUP.commands[name]
    ctx = command.make_context(name, [], resilient_parsing=True)
    typers_own = {own.name: own for own in TyperCommand.get_params(command, ctx)}
    for param in command.get_params(ctx):
        typers = type(typers_own[param.name]).process_value
        several = param.multiple or param.nargs == -1
        given = [*WRITTEN, *((own, "b") for own in WRITTEN if isinstance(own, str)), ()]
        for value in given if several else WRITTEN:
            if value is None or isinstance(value, bool | tuple) or not several:
                assert outcome(param.process_value, ctx, value) == outcome(
                    lambda c, v, p=param, t=typers: t(p, c, v), ctx, value
                ), (param.name, value)


def test_a_command_of_plain_options_imports_no_pydantic(tmp_path):
    program = (
        "import sys\n"
        "sys.argv = ['ensemble', 'vote', '--mode', 'hard', '--submissions', 'a.csv', 'b.csv', '--out', 'v']\n"
        "from orchestrator.cli import main\n"
        "try:\n    main()\n"
        "finally:\n    print({'torch', 'pandas', 'pydantic', 'scipy', 'pyarrow.compute'} & {*sys.modules})\n"
    )
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("ImageID,ans\nx,0\ny,1\n")
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "set()"
