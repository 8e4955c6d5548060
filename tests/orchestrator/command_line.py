"""The real commands, run as a person runs them, and what the tests ask of a run folder."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import psutil

from orchestrator.cluster.connect import _free_port
from orchestrator.cluster.private import token_file

ROOT = Path(__file__).parents[2]

SPEC = """\
name: e2e
data: {train: photos/train, test: photos/eval}
folds: {k: 2}
defaults: {image_size: [48, 32], epochs: 4, batch_size: 32, lr: 3e-3}
members:
  - {name: searched, model: test_efficientnet}
  - {name: resnet, model: test_resnet, loss: f1, augmentation: flip}
  - {name: ages, model: test_vit, targets: [age], seeds: [1, 2], epochs: 2}
search:
  members: [searched]
  space: {lr: {log_uniform: [1e-5, 1e-2]}, loss: {choice: [f1, cross_entropy, focal]}}
  candidates: 4
  sampler: random
  asha: {grace_epochs: 1, reduction_factor: 2}
"""


def orchestrator(*arguments: str, cwd: Path, check: int | None = 0) -> subprocess.CompletedProcess:
    """Run one command to its end, in `cwd`; `check` is the exit code that it must have."""
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator", *arguments],
        cwd=cwd, env=environment(cwd), capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    if check is not None:
        assert done.returncode == check, f"{done.stdout}\n{done.stderr}"
    return done


def environment(cwd: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "SM_"))}
    return {**kept, "PYTHONPATH": str(ROOT), "ENSEMBLE_CACHE": str(cwd / "cache")}


def table(cwd: Path, member: str, kind: str) -> pd.DataFrame:
    return pd.read_parquet(cwd / f"runs/e2e/tables/{member}/{kind}.parquet")


def finished(cwd: Path) -> list[Path]:
    """Folders of the complete units; a candidate that ASHA stopped leaves none."""
    found = sorted(f.parent for f in (cwd / "runs/e2e").glob("units/*/*/*/unit.json"))
    assert found
    return found


def unit_files(cwd: Path) -> dict[str, int]:
    """When each finished unit was written, by its folder."""
    run = cwd / "runs/e2e"
    return {
        str(unit.relative_to(run)): (unit / "unit.json").stat().st_mtime_ns
        for unit in finished(cwd)
    }


def start_training(cwd: Path, output) -> subprocess.Popen:
    """`train-members` in the background, printing into an open file."""
    command = [sys.executable, "-m", "orchestrator", "train-members", "spec.yaml"]
    return subprocess.Popen(
        command, cwd=cwd, env=environment(cwd), stdout=output, stderr=output,
        # whoever was started in the background hands on that it does not hear of Ctrl-C
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


def wait_for(pattern: str, cwd: Path, driver: subprocess.Popen, printed: Path) -> None:
    """Wait until a file of the run appears; fail where the command ends before it does."""
    deadline = time.monotonic() + 600
    while not list((cwd / "runs/e2e").glob(pattern)) and time.monotonic() < deadline:
        assert driver.poll() is None, printed.read_text()
        time.sleep(0.1)
    assert list((cwd / "runs/e2e").glob(pattern)), printed.read_text()


def kill_everything(driver: subprocess.Popen) -> None:
    """SIGKILL for the command and every process that it started."""
    try:
        family = [driver, *psutil.Process(driver.pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        family = []
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            process.send_signal(signal.SIGKILL)
    psutil.wait_procs([p for p in family if isinstance(p, psutil.Process)], timeout=20)
    driver.wait()


@contextlib.contextmanager
def another_ray(
    nodes: int = 1,
    dashboard: int | None = None,
    cpus: int = 1,
    within: Sequence[Sequence[str]] | None = None,
):
    """The address of a Ray of so many nodes of so many CPUs, started as people start one. Killed at the end.

    within: for each node the words that go before the command that starts it.
    """
    within = within or [()] * nodes
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # a socket's path must be short
    start = [
        sys.executable,
        "-m",
        "ray.scripts.scripts",
        "start",
        f"--num-cpus={cpus}",
        "--disable-usage-stats",
    ]
    head = [
        "--head",
        "--port=0",
        "--temp-dir",
        folder,
        f"--dashboard-port={dashboard or _free_port()}",
    ]
    done = subprocess.run([*within[0], *start, *head], capture_output=True, text=True, check=False)
    try:
        assert done.returncode == 0, done.stdout + done.stderr
        address = re.search(r"--address='([^']+)'", done.stdout)[1]
        for place in within[1:]:
            more = [*place, *start, f"--address={address}"]
            token = {"RAY_AUTH_MODE": "token"} if token_file().exists() else {}
            environment = {**os.environ, **token}
            subprocess.run(more, capture_output=True, text=True, check=True, env=environment)
        yield address
    finally:
        started = [
            process
            for process in psutil.process_iter(["cmdline"])
            if folder in " ".join(process.info["cmdline"] or [])
        ]
        for process in started:
            process.kill()
        psutil.wait_procs(started, timeout=20)
        shutil.rmtree(folder, ignore_errors=True)
