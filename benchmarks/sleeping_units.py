"""What Ray's processes add to units that only sleep, and to a search beside Tune alone.

    PYTHONPATH=. python benchmarks/sleeping_units.py [units] [search]

Everything is real but the training: Ray with more slots than this machine has cores, Tune, Train, the
schedule, reports and answers. A unit sleeps its epochs away.

units: of mixed length, 60:1, on 8 slots; wall time over the greater of the longest unit and
work / slots. search: 64 candidates on 16 slots, each learning rate once, stopped by ASHA; beside it
Tune with a function that sleeps and scores the same. Each wall time runs from a Ray that is there to
the last one's end; the starts of processes, which a machine with so few cores does one after the
other, are in both.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

import numpy as np

from orchestrator.cluster import connect
from orchestrator.progress.board import Board
from orchestrator.running import tune
from orchestrator.running.capacity import Capacity
from orchestrator.running.schedule import Schedule
from orchestrator.running.watch import Watch
from orchestrator.runs.store import Store
from orchestrator.search.candidates import MemberSearch
from orchestrator.spec.blocks.resources import Resources
from orchestrator.spec.search import Search
from orchestrator.spec.spec import Member
from orchestrator.units.unit import Unit
from orchestrator.worker.job import Setup

# In place of `train_unit`, in every process. A member's name ends with the milliseconds of an epoch.
SLEEPS = """
import importlib.util
import sys


def change(module):
    import time

    def train_unit(unit, process, report):
        recipe = unit.member.recipe
        seconds = int(unit.member.name.rpartition("-")[2]) / 1000
        history = []
        try:
            for epoch in range(1, recipe.epochs + 1):
                time.sleep(seconds)
                score = recipe.lr * (1 - 0.5**epoch)
                history.append({"epoch": epoch, "seconds": seconds, "accuracy": score, "macro_f1": score})
                report.epoch(history)
        except module.Stopped:
            return False
        return True

    module.train_unit = train_unit


class Finder:
    def find_spec(self, name, path=None, target=None):
        if name != "orchestrator.worker.train_unit":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        run = spec.loader.exec_module
        spec.loader.exec_module = lambda module: (run(module), change(module))
        return spec


sys.meta_path.insert(0, Finder())
"""


class Told(Board):
    """The board as what a schedule tells its progress to."""

    def tick(self, slots: int) -> None: ...


def run(slots: int, folder: Path, units: list[Unit], costs: dict[str, float], searches) -> float:
    """Seconds of `tune.run_all`, on a Ray of so many slots."""
    store = Store(folder / "run")
    (folder / "site").mkdir(exist_ok=True)
    (folder / "site/sitecustomize.py").write_text(SLEEPS)
    here = os.pathsep.join([str(folder / "site"), os.environ.get("PYTHONPATH", "")])
    init = connect._init

    def cost(member: Member) -> float:
        return costs[member.name]

    def with_slots(ray, **how):
        init(ray, num_cpus=slots, **how)

    with (
        mock.patch.dict(os.environ, PYTHONPATH=here),
        mock.patch.object(connect, "_init", with_slots),
        connect.connect(None) as cluster,
        Capacity(cluster, Resources(gpus=0), print) as capacity,
    ):
        board = Told(cost, slots=slots, searches=searches)
        board.expect(units)
        watch = Watch(store, hang_minutes=60)
        schedule = Schedule(units, searches, lambda member: [], cost, slots, board, watch)
        setup = Setup(store.root, "sleeping", (), str(folder / "cache"), 1, 0.0, 1, 0, "benchmark")
        began = time.perf_counter()
        tune.run_all(schedule, store, setup, capacity)
        took = time.perf_counter() - began
    assert not schedule.failures, schedule.failures
    return took


def mixed(slots: int = 8, members: int = 8, folds: int = 5) -> None:
    """Units of one epoch of 3 to 180 seconds."""
    seconds = np.exp(np.linspace(np.log(3), np.log(180), members))
    units, costs = [], {}
    for number, own in enumerate(seconds):
        name = f"m{number}-{round(1000 * own)}"
        member = Member(name=name, recipe={"model": "test_resnet", "epochs": 1, "warmup_epochs": 0})
        costs[name] = float(own)
        units += [Unit(member, f"{number:016x}", fold, None) for fold in range(folds)]
    least = max(seconds.max(), folds * seconds.sum() / slots)
    with tempfile.TemporaryDirectory() as folder:
        took = run(slots, Path(folder), units, costs, {})
    print(
        f"{len(units)} units of 3 to 180 s on {slots} slots: {took:.1f} s; the least there is "
        f"{least:.1f}; ratio {took / least:.2f}",
        flush=True,
    )


SECONDS, EPOCHS, GRACE, FACTOR = 4.0, 16, 1, 4
RATES = [float(rate) for rate in np.random.default_rng(0).permutation(np.linspace(0.1, 0.9, 64))]


class NoPhotographs:
    """What a search asks of photographs."""

    n_folds = 2
    data_hash = folds_hash = "none"
    earlier = ()


def of_search(slots: int = 16) -> float:
    """Wall time of the search by our schedule."""
    name = f"net-{round(1000 * SECONDS)}"
    recipe = {"model": "test_resnet", "epochs": EPOCHS, "warmup_epochs": 0, "lr": RATES[0]}
    member = Member(name=name, recipe=recipe)
    search = Search(
        members=(name,),
        space={"lr": {"choice": RATES}},
        candidates=len(RATES),
        sampler="grid",
        metric="accuracy",
        asha={"grace_epochs": GRACE, "reduction_factor": FACTOR},
    )
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "run")
        own = MemberSearch(member, search, NoPhotographs(), store)  # type: ignore[arg-type]
        took = run(slots, Path(folder), [], {name: 1.0}, {name: own})
    epochs = sum(len(candidate.curve) for candidate in own.candidates)
    print(f"  ours: {took:.1f} s, {epochs} epochs", flush=True)
    return took


def of_tune(slots: int = 16) -> float:
    """Wall time of Tune with a function that sleeps as our units do."""
    import ray
    from ray import tune as ray_tune
    from ray.tune.schedulers import ASHAScheduler

    def trainable(config):
        for epoch in range(1, EPOCHS + 1):
            time.sleep(SECONDS)
            ray_tune.report({"epoch": epoch, "score": config["lr"] * (1 - 0.5**epoch)})

    init = connect._init
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(connect, "_init", lambda ray, **how: init(ray, num_cpus=slots, **how)),
        connect.connect(None),
    ):
        assert ray.is_initialized()
        scheduler = ASHAScheduler(
            time_attr="epoch", metric="score", mode="max", max_t=EPOCHS, grace_period=GRACE,
            reduction_factor=FACTOR,
        )  # fmt: skip
        tuner = ray_tune.Tuner(
            ray_tune.with_resources(trainable, {"cpu": 1}),
            param_space={"lr": ray_tune.grid_search(RATES)},
            tune_config=ray_tune.TuneConfig(scheduler=scheduler, max_concurrent_trials=slots),
            run_config=ray_tune.RunConfig(storage_path=folder, verbose=0),
        )
        began = time.perf_counter()
        results = tuner.fit()
        took = time.perf_counter() - began
        epochs = sum(result.metrics["epoch"] for result in results)
    print(f"  Tune alone: {took:.1f} s, {epochs} epochs", flush=True)
    return took


def main(parts: list[str]) -> None:
    if "units" in parts:
        mixed()
    if "search" in parts:
        print(f"64 candidates of at most {EPOCHS} epochs of {SECONDS:g} s on 16 slots")
        ours, theirs = of_search(), of_tune()
        print(f"  ratio {ours / theirs:.2f}")


if __name__ == "__main__":
    main(sys.argv[1:] or ["units", "search"])
