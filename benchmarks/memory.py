"""What training a unit really takes in memory, beside what `check` says before: the real worker's
code on one unit of each member, in a process of its own.

    python benchmarks/memory.py ensembles/demo.yaml ensembles/elpv.yaml

Resident memory at its peak, shared libraries included; pages of the cache of decoded photographs
are not counted, since the kernel takes them back when it needs them. Two epochs are trained: a
third takes no more.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from orchestrator.cluster.preflight import memory_of_unit
from orchestrator.photographs.files import write_photographs
from orchestrator.photographs.prepare import prepare_photographs
from orchestrator.runs.store import Store
from orchestrator.spec import load
from orchestrator.units import unit as units
from orchestrator.worker.job import Job, Setup, setup_of
from orchestrator.worker.loop import run_jobs

MIB = 1 << 20


def main(specs: list[str]) -> None:
    print(f"{'spec':8} {'member':10} {'estimate':>10} {'measured':>10}  ratio")
    for path in specs:
        spec = load(path, sets=["defaults.epochs=2", "vote.mode=soft"])
        photographs = prepare_photographs(spec).photographs
        for member in spec.members:
            member = member.with_settings({"epochs": 2, "warmup_epochs": 0})
            with tempfile.TemporaryDirectory() as folder:
                store = Store(folder)
                write_photographs(photographs, store)
                unit = units.of_member(member, photographs)[0]
                setup = replace(setup_of(spec, store, 0.0), tracking=())
                measured = peak({"setup": setup.to_config(), "job": Job(unit).to_config()})
            estimate = memory_of_unit(spec, member, photographs)
            print(
                f"{spec.name:8} {member.name:10} {estimate / MIB:6.0f} MiB {measured / MIB:6.0f} MiB"
                f"  {estimate / measured:5.2f}",
                flush=True,
            )


def peak(config: dict) -> int:
    """Bytes of the process that trains the unit, with its loader's processes, at their most."""
    started = [sys.executable, __file__, "--train", repr(config)]
    most = 0
    with subprocess.Popen(started) as process:
        while process.poll() is None:
            most = max(most, resident(process.pid) + sum(map(private, children(process.pid))))
            time.sleep(0.05)
    assert process.returncode == 0
    return most


def resident(pid: int) -> int:
    """Bytes in memory of a process, without mapped photographs."""
    total = of_photos = 0
    try:
        lines = Path(f"/proc/{pid}/smaps").read_text().splitlines()
    except OSError:
        return 0
    photos = False
    for line in lines:
        if not line[:1].isupper():
            photos = line.endswith(".npy")
        elif line.startswith("Rss:"):
            size = 1024 * int(line.split()[1])
            total += size
            of_photos += size * photos
    return total - of_photos


def private(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    fields = dict(line.split(":", 1) for line in text.splitlines()[1:])
    return 1024 * sum(int(fields[f"Private_{kind}"].split()[0]) for kind in ("Clean", "Dirty"))


def children(pid: int) -> list[int]:
    try:
        return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
    except OSError:
        return []


class Silent:
    """A line on which nobody listens."""

    def send(self, report: dict) -> None: ...

    def ask(self, report: dict) -> None: ...


def train(config: dict) -> None:
    import ray.train  # as the worker's process has it

    assert ray.train
    run_jobs(Setup.from_config(config["setup"]), Job.from_config(config["job"]), Silent())


if __name__ == "__main__":
    if sys.argv[1:2] == ["--train"]:
        import ast

        train(ast.literal_eval(sys.argv[2]))
    else:
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        main(sys.argv[1:])
