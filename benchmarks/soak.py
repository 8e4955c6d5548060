"""A long run whose processes are killed all the time: every unit is done at its end, as if undisturbed.

    PYTHONPATH=. python benchmarks/soak.py [--units 102] [--every 20] [--epochs 3]

Trains small networks on 24 photographs by the real command, and sends SIGKILL to a training process
or to one that leads a run, drawn at random, every so many seconds. Prints what was killed how often,
how many units were done, whether all tables are those of an undisturbed run, and seconds.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.faults.started_command import photographs
from tests.faults.training_processes import LEADER, WORKER, Running, tables, training, undisturbed

FOLDS = 2
KINDS = {WORKER: "training processes", LEADER: "processes that lead a run"}


@dataclass
class Soak:
    """What became of a run. killed: kind -> how often; different: tables that an undisturbed run has
    not, or with other rows."""

    code: int
    printed: str
    units: int
    done: int
    different: list[str]
    seconds: float
    killed: Counter[str] = field(default_factory=Counter)


def spec_of(units: int, epochs: int) -> str:
    """Three members, as many seeds as make `units` (or a few more) over two folds."""
    seeds = list(range(1, -(-units // (3 * FOLDS)) + 1))
    return f"""\
name: small
data: {{layout: table, train: photos.csv}}
folds: {{k: {FOLDS}}}
defaults: {{model: test_resnet, image_size: [32, 32], batch_size: 8, epochs: {epochs}}}
members:
  - {{name: plain, seeds: {seeds}}}
  - {{name: f1, seeds: {seeds}, loss: f1}}
  - {{name: fast, seeds: {seeds}, lr: 3.0e-3}}
resources: {{gpus: 0}}
tracking: []
"""


def soak(folder: Path, units: int, every: float, epochs: int, seed: int = 0) -> Soak:
    """Run it in `folder`; the seed draws what is killed, if not when that is."""
    spec = spec_of(units, epochs)
    photographs(folder)
    began = time.monotonic()
    with training(folder, spec) as run:
        killed = _kill_until_it_ends(run, folder / "runs/small", every, random.Random(seed))
        code, printed = run.end(), run.printed
    seconds = time.monotonic() - began
    done = len(list((folder / "runs/small").glob("units/*/*/*/unit.json")))
    found, wanted = tables(folder / "runs/small"), undisturbed(folder, spec)
    different = sorted(n for n in {*found, *wanted} if found.get(n) != wanted.get(n))
    return Soak(code, printed, units, done, different, seconds, killed)


def _kill_until_it_ends(
    run: Running, of_run: Path, every: float, random: random.Random
) -> Counter[str]:
    """A kill every so many seconds, or later: an epoch or a unit has ended since the last one.

    Of the last unit all processes would be killed before they are ready, where that takes as long.
    """
    killed: Counter[str] = Counter()
    before = -1.0
    while run.driver.poll() is None:
        time.sleep(every)
        kept = max((_changed(file) for file in of_run.glob("units/*/*/*/*")), default=0.0)
        if kept <= before:
            continue
        kind = random.choice(list(KINDS))
        with contextlib.suppress(psutil.NoSuchProcess):  # it ended by itself
            if found := run.processes(kind):
                random.choice(found).kill()
                killed[KINDS[kind]] += 1
                before = kept
    return killed


def _changed(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except FileNotFoundError:  # moved or removed meanwhile
        return 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--units", type=int, default=102)
    parser.add_argument("--every", type=float, default=20.0, help="seconds between two kills")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = soak(Path(folder), options.units, options.every, options.epochs, options.seed)
    for kind, times in sorted(found.killed.items()):
        print(f"{kind} killed: {times}")
    print(f"units done: {found.done} of {found.units}, exit code {found.code}")
    print(f"tables equal to an undisturbed run's: {'no' if found.different else 'yes'}")
    print(f"seconds: {found.seconds:.0f}")
    if found.different:
        print(f"{len(found.different)} differ: {', '.join(found.different[:5])}, ...")
    if found.code:
        print(found.printed)


if __name__ == "__main__":
    main()
