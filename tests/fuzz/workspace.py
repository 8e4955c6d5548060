"""A folder with a trained run and every kind of file that a command reads, and one command run in it.

`Workspace.problems(case)` is the judge: it lays the case's files over the folder, runs the command in
this process, says what the command must not have done, and puts the folder back as it was.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import re
import shutil
import sys
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer

from orchestrator.cli import app
from orchestrator.commands import train_members
from tests.fuzz import samples

MOST_LINES = 40
# where a spec is right, and of a run that was not trained
_NOT_YET = ("has no tables yet", "has no votes yet", "no run folder")
# of click and typer, for a wrong command line
_USAGE = re.compile(r"^Usage: ", re.M)


@dataclass(frozen=True)
class Case:
    """A command line, and the files (path in the workspace -> content, None: deleted) it finds.

    writes: where the command may write when it ends well. only_reads: it leaves the folder as it is,
    however it ends.
    """

    command: tuple[str, ...]
    files: Mapping[str, bytes | None]
    only_reads: bool = True


@dataclass(frozen=True)
class Ended:
    """How a command ended. error: what the last net of the command line caught, if it did."""

    code: object
    printed: str
    error: BaseException | None


class Planned(Exception):
    """Raised in place of training: the plan was made, and a Ray would be started now."""


class Workspace:
    """The folder, and the process made ready to run commands in it; close it at the end.

    parts: of `samples.PARTS`, what stands in it beside the run.
    """

    def __init__(self, folder: Path, parts: Iterable[str]):
        self.folder = folder / "work"
        self.shipped = Path(app.__file__).parents[2] / "ensembles"
        samples.fill(self.folder, parts)
        self.aside = folder / "out"
        self._patch = pytest.MonkeyPatch()
        for name in [name for name in os.environ if name.startswith(("SM_", "RAY_"))]:
            self._patch.delenv(name)
        self._patch.chdir(self.folder)
        self._patch.setenv("ENSEMBLE_CACHE", str(folder / "cache"))
        # the same for every command line, and slow to make
        self._patch.setattr(typer.main, "get_command", functools.cache(typer.main.get_command))
        self._patch.setattr(train_members, "train_on_ray", _planned)

    def close(self) -> None:
        self._patch.undo()

    def content(self, path: str) -> bytes:
        return (self.folder / path).read_bytes()

    def commands(self) -> dict[str, list[Any]]:
        """The parameters of each command."""
        group = typer.main.get_command(app.commands())
        return {name: command.params for name, command in group.commands.items()}

    def run(self, *command: str) -> Ended:
        self._patch.setattr(sys, "argv", ["orchestrator", *command])
        printed, caught = io.StringIO(), None
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            try:
                app.main()
            except SystemExit as end:
                code, caught = end.code, end.__context__
            except BaseException as error:
                code, caught = None, error
        text = printed.getvalue()
        unknown = code is None or "(--debug shows where)" in text
        if isinstance(caught, Planned):
            return Ended(0, text, None)
        return Ended(code, text, caught if unknown else None)

    def problems(self, case: Case) -> list[str]:
        """What the command did that no command may do on wrong files; empty where all is well."""
        kept = {path: self._read(path) for path in case.files}
        for path, content in case.files.items():
            self._write(path, content)
        before = self.state()
        try:
            ended = self.run(*case.command)
            found = list(_told_wrong(case, ended))
            changed = self.state() != before or (ended.code == 2 and self.aside.exists())
            if changed and case.only_reads:
                found.append(f"written to, exit {ended.code}")
                self._put_back(before)
            elif changed:
                self._put_back(before)
        finally:
            for path, content in kept.items():
                self._write(path, content)
            shutil.rmtree(self.aside, ignore_errors=True)
        return found

    def state(self) -> dict[str, tuple[int, int]]:
        """Of every file: its size, and when it was last written to or moved."""
        return {
            str(path): (status.st_size, status.st_ctime_ns)
            for path in self.folder.rglob("*")
            if (status := path.lstat()) and not path.is_dir()
        }

    def _put_back(self, before: Mapping[str, object]) -> None:
        shutil.rmtree(self.folder / "runs")
        for path in self.state().keys() - before.keys():
            Path(path).unlink()
        samples.copy_run(self.folder)

    def _read(self, path: str) -> bytes | None:
        place = self.folder / path
        return place.read_bytes() if place.exists() else None

    def _write(self, path: str, content: bytes | None) -> None:
        place = self.folder / path
        if content is None:
            place.unlink(missing_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)


def _planned(*_: object, **__: object) -> None:
    raise Planned


def _told_wrong(case: Case, ended: Ended):
    if ended.error is not None or ended.code not in (0, 1, 2):
        yield f"unhandled {where(ended.error)}" if ended.error else f"exit {ended.code}"
        return
    if "Traceback (most recent call last)" in ended.printed:
        yield "a traceback is printed"
    if ended.code == 1:
        yield f"exit 1: {ended.printed.strip()[-300:]}"
    if ended.code == 2 and not _USAGE.search(ended.printed):
        if len(ended.printed.splitlines()) > MOST_LINES:
            yield f"{len(ended.printed.splitlines())} lines are printed"
        # a table is called by its member, too; two files that do not fit by either of them
        names = [path.rsplit("/", 1)[-1] for path in case.files]
        names += [path.split("/")[-2] for path in case.files if path.endswith(".parquet")]
        names += [Path(path).stem for path in case.files if path.startswith("handed_in/")]
        names += [word for word in case.command if word.startswith("handed_in/")]
        # a key of the spec, with its file; of two lists that do not fit, either
        names += [Path(word).name for word in case.command if word.endswith(".yaml")]
        names += ["new.csv"] * ("photos.csv" in case.files)
        names += _NOT_YET
        if case.files and not any(name in ended.printed for name in names):
            yield f"no file's name: {_first_problem(ended.printed)}"


def _first_problem(printed: str) -> str:
    lines = [line for line in printed.splitlines() if line.startswith(("error:", "- "))]
    # what differs from case to case is taken out, so that alike ones are counted as one
    return re.sub(r"'[^']*'|[0-9.]+", "_", (lines or [printed[-200:]])[0])[:160]


def where(error: BaseException) -> str:
    """The error and the last line of this project that it passed."""
    root = str(Path(app.__file__).parents[2])
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith(root)]
    frames = [f for f in frames if "/tests/" not in f.filename and "/.venv/" not in f.filename]
    last = frames[-1] if frames else None
    place = f"{last.filename.removeprefix(root)}:{last.lineno} {last.name}" if last else "?"
    return f"{type(error).__name__} at {place}"
