"""A command in the background with all its processes, to do something to them."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import psutil
from PIL import Image

from tests.orchestrator.command_line import environment, kill_everything

# its run takes minutes
SPEC = """\
name: small
data: {layout: table, train: photos.csv}
folds: {k: 2}
defaults: {model: test_resnet, image_size: [32, 32], batch_size: 8, epochs: 500}
members: [{name: net}]
resources: {gpus: 0}
tracking: []
"""


def photographs(folder: Path, number: int = 24, spec: str = SPEC) -> None:
    """`photos.csv`, photographs of noise of two classes, and `spec.yaml`."""
    rng = np.random.default_rng(0)
    rows = ["path,label"]
    for i in range(number):
        pixels = rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
        rows.append(f"{i}.png,{'ab'[i % 2]}")
    (folder / "photos.csv").write_text("\n".join(rows) + "\n")
    (folder / "spec.yaml").write_text(spec)


@dataclass
class Command:
    """At work in `folder`, with what it has printed so far."""

    folder: Path
    driver: subprocess.Popen
    environment: dict[str, str]

    @property
    def printed(self) -> str:
        return (self.folder / "printed.txt").read_text()

    def family(self) -> list[psutil.Process]:
        """Every process that it started, the youngest last."""
        return psutil.Process(self.driver.pid).children(recursive=True)

    def named(self, name: str) -> psutil.Process:
        (found,) = [p for p in self.family() if name in "".join(p.cmdline()[:1])]
        return found

    def wait_for(self, condition: Callable[[], object], seconds: float = 400) -> None:
        """Until `condition()` is true; fails where the command ends before."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.driver.poll() is None, self.printed
            assert time.monotonic() < deadline, self.printed
            time.sleep(0.1)

    def wait_for_an_epoch(self, run: Path | None = None) -> None:
        root = run or self.folder / "runs/small"
        self.wait_for(lambda: list(root.glob("units/*/*/*/state.pt")))

    def wait_for_text(self, text: str) -> None:
        self.wait_for(lambda: text in self.printed)

    def end(self, seconds: float = 420) -> int:
        """Its exit code."""
        return self.driver.wait(seconds)


def all_gone(processes: list[psutil.Process], seconds: float = 60) -> bool:
    """None of them runs any more; one that has ended need not have been reaped by whoever inherited it."""
    deadline = time.monotonic() + seconds
    while any(map(_runs, processes)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


C = TypeVar("C", bound=Command)


@contextlib.contextmanager
def started(folder: Path, *words: str, kind: type[C] = Command, **options: object) -> Iterator[C]:
    """`python WORDS` in `folder`, in a process group of its own; all of it is gone at the end.

    options: of Popen; `env` is added to what the commands of tests have.
    """
    extra: dict[str, str] = options.pop("env", {})  # type: ignore[assignment]
    environ = environment(folder) | extra
    with (folder / "printed.txt").open("w") as output:
        driver = subprocess.Popen(
            [sys.executable, *words], cwd=folder, env=environ, stdout=output,
            stderr=subprocess.STDOUT, start_new_session=True, **options,
        )  # fmt: skip
        try:
            yield kind(folder, driver, environ)
        finally:
            kill_everything(driver)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(driver.pid, 9)
