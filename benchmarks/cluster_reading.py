"""Photographs read by the machines of a Ray cluster, beside one machine of it and beside this one alone.

    PYTHONPATH=. python benchmarks/cluster_reading.py [--photos 50000 200000] [--nodes 1 4]

Drawn JPEGs of 32 x 32, each content its own. Every scan is a process of its own with a memo of its own, as
`check --address` begins. Nodes are Rays of one CPU each, all on this machine: with fewer cores than nodes the
seconds say what tasks cost and not what machines gain; the shares say how the work was spread. Memory is
the greatest of the process that gathers the rows, above what it had before the first photograph; it must
not grow with their number by more than the rows that it returns.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from orchestrator.cluster.connect import _free_port
from orchestrator.cluster.private import show_token
from tests.orchestrator.command_line import another_ray

ROOT = Path(__file__).parent.parent


def draw(folder: Path, photos: int) -> None:
    """The noise differs, so that each file has a digest of its own."""
    rng = np.random.default_rng(0)
    for start in range(0, photos, 1000):
        (folder / f"{start:06d}").mkdir()
        for number in range(start, min(start + 1000, photos)):
            pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8).repeat(4, 0).repeat(4, 1)
            Image.fromarray(pixels).save(folder / f"{start:06d}" / f"{number}.jpg", quality=90)


def read(folder: Path, photos: int, address: str | None) -> None:
    """One scan; prints what it took as JSON."""
    from members.reading.scan import scan
    from orchestrator.cluster.reading import reading_at

    paths = sorted(map(str, folder.glob("*/*.jpg")))[:photos]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as memo:
        found = scan(paths, Path(memo) / "scan.parquet", read_by=reading_at(address))
    took = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert (found["problem"] == "").all()
    assert found["digest"].nunique() == photos
    rows = int(found.memory_usage(deep=True).sum())
    print(json.dumps({"seconds": took, "peak": (peak - before) / 1024, "rows": rows / 2**20}))


def shares(port: int) -> str:
    """How many calls each node had."""
    from ray.util.state import list_tasks

    tasks = list_tasks(address=f"http://127.0.0.1:{port}", limit=10_000)
    by_node = collections.Counter(task.node_id for task in tasks if task.node_id)
    return ", ".join(f"{number / by_node.total():.0%}" for number in by_node.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, nargs="+", default=[50_000, 200_000])
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--read", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.read:
        folder, photos, address = given.read
        read(Path(folder), int(photos), address or None)
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    show_token()
    with tempfile.TemporaryDirectory() as name:
        draw(Path(name), max(given.photos))
        print(
            f"{'':<14}{'photographs':>12}{'seconds':>9}{'memory, MiB':>13}{'its rows':>10}  spread"
        )

        def line(side: str, photos: int, address: str) -> None:
            command = [sys.executable, __file__, "--read", name, str(photos), address]
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
            if done.returncode:
                sys.exit(done.stderr[-2000:])
            found = json.loads(done.stdout.splitlines()[-1])
            print(
                f"{side:<14}{photos:>12,}{found['seconds']:>9.1f}{found['peak']:>13.0f}"
                f"{found['rows']:>10.0f}",
                end="",
                flush=True,
            )

        for photos in given.photos:
            line("this machine", photos, "")
            print()
            for nodes in given.nodes:
                port = _free_port()
                with another_ray(nodes, port) as address:
                    line(f"{nodes} nodes", photos, address)
                    print(f"  {shares(port)}", flush=True)


if __name__ == "__main__":
    main()
