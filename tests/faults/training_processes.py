"""A small run by the real command, and the processes of Ray that train in it, to send signals to."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import torch

from tests.faults.started_command import Command, photographs, started
from tests.orchestrator.command_line import environment
from tests.orchestrator.one_slot import commands

SPEC = """\
name: small
data: {layout: table, train: photos.csv}
folds: {scheme: holdout}
defaults: {model: test_resnet, image_size: [32, 32], batch_size: 8, epochs: 200}
members: [{name: net}]
resources: {gpus: 0}
tracking: []
"""
WORKER = "ray::RayTrainWorker"
LEADER = "ray::ImplicitFunc"  # the process of a Tune trial


@dataclass
class Running(Command):
    """`train-members` in `folder`."""

    @property
    def root(self) -> Path:
        return self.folder / "runs/small"

    def processes(self, kind: str) -> list[psutil.Process]:
        """Those of this command's own Ray whose title begins with `kind`."""
        found = []
        for process in self.family():
            with contextlib.suppress(psutil.NoSuchProcess):
                if " ".join(process.cmdline()).startswith(kind):
                    found.append(process)
        return found

    def wait_for_epochs(self) -> None:
        """Until a unit has finished a few epochs, of which the command knows the first by then."""
        self.wait_for(lambda: self.last_epoch() >= 5)

    def last_epoch(self) -> int:
        """Of the unit that is furthest; 0 before its first."""
        found = [len(file.read_text().splitlines()) - 1 for file in self.root.rglob("history.csv")]
        return max(found, default=0)

    def assert_ends_as_undisturbed(self, spec: str, measured) -> None:
        """It ends well, and with the tables of a run of `spec` that nothing happens to."""
        assert self.end() == 0, self.printed
        same = tables(self.root) == undisturbed(self.folder, spec)
        measured(units=1, units_kept=1, tables_equal=same)
        assert same


def tables(root: Path) -> dict[str, object]:
    """What each unit and each member predicted, by the table's path."""
    found = sorted([*root.glob("units/*/*/*/*.parquet"), *root.glob("tables/*/*.parquet")])
    assert found
    return {str(path.relative_to(root)): pq.read_table(path).to_pydict() for path in found}


# `change(module)` runs in every process right after it has imported `members.training.loop`
AFTER_IMPORT = """
import importlib.util
import sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name != "members.training.loop":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        run = spec.loader.exec_module
        spec.loader.exec_module = lambda module: (run(module), change(module))
        return spec

sys.meta_path.insert(0, Finder())
"""


def change_training(folder: Path, change: str) -> None:
    """Make `folder` one for `training(before=)`. change: source of `change(module)`."""
    (folder / "sitecustomize.py").write_text(change + AFTER_IMPORT)


@contextlib.contextmanager
def training(
    folder: Path, spec: str = SPEC, *arguments: str, before: Path | None = None
) -> Iterator[Running]:
    """The command at work; every process of it is gone at the end.

    before: a folder whose modules are found before all others, `sitecustomize` among them.
    """
    (folder / "spec.yaml").write_text(spec)
    own = environment(folder)["PYTHONPATH"]
    env = {} if before is None else {"PYTHONPATH": os.pathsep.join([str(before), own])}
    words = ["-m", "orchestrator", "train-members", "spec.yaml", *arguments]
    with started(folder, *words, kind=Running, env=env) as run:
        yield run


def undisturbed(folder: Path, spec: str) -> dict[str, object]:
    """`tables` of a run of `spec` on the photographs in `folder` that nothing happens to.

    Where one process trains a unit, this one does it, without Ray.
    """
    other = folder / "undisturbed"
    other.mkdir()
    photographs(other, spec=spec)
    if "workers:" in spec:
        with training(other, spec) as run:
            assert run.end() == 0, run.printed
    else:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # as Ray does where a process has one CPU
        try:
            with commands(other) as command:
                command("train-members", "spec.yaml")
        finally:
            torch.set_num_threads(threads)
    return tables(other / "runs/small")
