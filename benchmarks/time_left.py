"""How right the time left is that `train-members` shows.

    PYTHONPATH=. python benchmarks/time_left.py ensembles/demo.yaml [ensembles/elpv.yaml ...]

Trains each spec from nothing in a folder of its own, reads `progress.json` every two seconds as `status`
does, and prints, when so much of the time from the first unit's start to the last one's end had passed,
which end was expected then: ratio is the whole time expected over the whole time that it took.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from members.errors import BadInput
from orchestrator.progress.record import read_progress
from orchestrator.runs.store import Store

PASSED = (1 / 3, 1 / 2, 2 / 3, 5 / 6)


def watched(spec: str, run: Path) -> list[tuple[float, float | None]]:
    """(seconds since 1970, the seconds that are left) while units are trained."""
    command = [sys.executable, "-m", "orchestrator", "train-members", spec, "--run", str(run)]
    store, seen = Store(run), []
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            time.sleep(2)
            try:
                found = read_progress(store)
            except BadInput:  # not there yet
                continue
            if found["phase"] == "training":
                seen.append((found["updated"], found["seconds_left"]))
    if process.returncode:
        sys.exit(f"{spec}: the training ended with {process.returncode}")
    return seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("specs", nargs="+")
    print(
        f"{'spec':<24}{'seconds':>9}"
        + "".join(f"{f'at {own:.2f}':>9}" for own in PASSED)
        + "   worst after 1/3"
    )
    for spec in parser.parse_args().specs:
        with tempfile.TemporaryDirectory() as folder:
            seen = watched(spec, Path(folder) / "run")
        begun, ended = seen[0][0], seen[-1][0]
        at = np.array([when for when, left in seen if left is not None])
        left = np.array([left for _, left in seen if left is not None])
        ratio = (at - begun + left) / (ended - begun)
        share = (at - begun) / (ended - begun)
        shown = [ratio[np.searchsorted(share, own)] for own in PASSED]
        after = ratio[share >= PASSED[0]]
        worst = after[np.abs(after - 1).argmax()]
        print(
            f"{Path(spec).name:<24}{ended - begun:>9.0f}"
            + "".join(f"{own:>9.2f}" for own in shown)
            + f"{worst:>18.2f}",
            flush=True,
        )
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")


if __name__ == "__main__":
    main()
