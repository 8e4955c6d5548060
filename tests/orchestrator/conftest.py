"""One run of three members, one of them searched, shared by the tests that only look at it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from members.samples.people import draw_people
from orchestrator.cli import app
from tests.orchestrator.command_line import SPEC, orchestrator


@pytest.fixture(scope="session")
def photos(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("photos") / "photos"
    draw_people(folder, profiles=44, eval=60, seed=5, size=(96, 72))
    return folder


@pytest.fixture(scope="session")
def eighteen_people(tmp_path_factory) -> Path:
    """A folder with small photographs of a few in `photos`, for members that train in seconds."""
    folder = tmp_path_factory.mktemp("eighteen")
    draw_people(folder / "photos", profiles=18, eval=20, size=(64, 48))
    return folder


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Run a command in this process, in a folder of its own: (exit code, stdout, stderr)."""
    for name in [name for name in os.environ if name.startswith("SM_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENSEMBLE_CACHE", str(tmp_path / "cache"))

    def command(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["orchestrator", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            app.main()
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err + captured.out
        return end.value.code, captured.out, captured.err

    return command


@pytest.fixture(scope="session")
def place(photos, tmp_path_factory):
    """A new working folder with the photographs and a spec file."""

    def place(spec: str = SPEC) -> Path:
        cwd = tmp_path_factory.mktemp("work")
        (cwd / "photos").symlink_to(photos)
        (cwd / "spec.yaml").write_text(spec)
        return cwd

    return place


@pytest.fixture(scope="session")
def trained(place) -> Path:
    cwd = place()
    done = orchestrator("train-members", "spec.yaml", cwd=cwd)
    (cwd / "output.txt").write_text(done.stdout)
    return cwd
