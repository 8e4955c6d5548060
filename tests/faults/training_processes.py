"""A small run by the real command, and the processes of Ray that train in it, to send signals to."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pyarrow.parquet as pq
from PIL import Image

from tests.orchestrator.command_line import environment, kill_everything
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


def photographs(folder: Path, number: int = 24) -> None:
    """`photos.csv` and photographs of noise, of two classes."""
    rng = np.random.default_rng(0)
    rows = ["path,label"]
    for i in range(number):
        pixels = rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
        rows.append(f"{i}.png,{'ab'[i % 2]}")
    (folder / "photos.csv").write_text("\n".join(rows) + "\n")


@dataclass
class Running:
    """`train-members` in `folder`, in the background, with what it has printed so far."""

    folder: Path
    driver: subprocess.Popen

    @property
    def printed(self) -> str:
        return (self.folder / "printed.txt").read_text()

    @property
    def root(self) -> Path:
        return self.folder / "runs/small"

    def processes(self, kind: str) -> list[psutil.Process]:
        """Those of this command's own Ray whose title begins with `kind`."""
        found = []
        for process in psutil.Process(self.driver.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if " ".join(process.cmdline()).startswith(kind):
                    found.append(process)
        return found

    def wait_for(self, condition: Callable[[], bool], seconds: float = 400) -> None:
        """Until `condition()` is true; fails where the command ends before."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.driver.poll() is None, self.printed
            assert time.monotonic() < deadline, self.printed
            time.sleep(0.1)

    def wait_for_epochs(self) -> None:
        """Until a unit has finished a few epochs, of which the command knows the first by then."""
        self.wait_for(lambda: self.last_epoch() >= 5)

    def last_epoch(self) -> int:
        """Of the unit that is furthest; 0 before its first."""
        found = [len(file.read_text().splitlines()) - 1 for file in self.root.rglob("history.csv")]
        return max(found, default=0)

    def end(self, seconds: float = 420) -> int:
        """Its exit code."""
        return self.driver.wait(seconds)

    def tables(self) -> dict[str, object]:
        return tables(self.root)


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
    variables = environment(folder)
    if before is not None:
        variables["PYTHONPATH"] = os.pathsep.join([str(before), variables["PYTHONPATH"]])
    with (folder / "printed.txt").open("w") as output:
        driver = subprocess.Popen(
            [sys.executable, "-m", "orchestrator", "train-members", "spec.yaml", *arguments],
            cwd=folder, env=variables, stdout=output, stderr=output,
        )  # fmt: skip
        try:
            yield Running(folder, driver)
        finally:
            kill_everything(driver)


def undisturbed(folder: Path, spec: str) -> dict[str, object]:
    """`tables` of a run of `spec` on the photographs in `folder` that nothing happens to.

    Where one process trains a unit, this one does it, without Ray.
    """
    other = folder / "undisturbed"
    other.mkdir()
    photographs(other)
    if "workers:" in spec:
        with training(other, spec) as run:
            assert run.end() == 0, run.printed
    else:
        (other / "spec.yaml").write_text(spec)
        with commands(other) as command:
            command("train-members", "spec.yaml")
    return tables(other / "runs/small")
