"""A thousand members: what plans, schedule and tables of 5,000 units cost the command that trains them.

    PYTHONPATH=. python benchmarks/many_members.py [MEMBERS] [SLOTS]

Planner, schedule, run folder and tables are real; the units are simulated: they take an hour to a
minute of a clock of their own, leave real files of few rows, one in a hundred fails, and of one in a
hundred the process dies in the last of ten epochs. Printed: the makespan beside the least there is, and
for each step seconds, the greatest memory of this process so far, and how often the run folder was asked.
Each of those takes 30 ms more than it does on this disk, as if it were a request to a server: what is
asked for at once shares them, and the seconds tell what waits for what.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import numpy as np
import yaml
from rich.console import Console
from schedule import START, play

from members.samples.people import draw_people
from orchestrator.commands.tables import make_tables
from orchestrator.photographs.files import write_photographs
from orchestrator.photographs.prepare import prepare_photographs
from orchestrator.photographs.table import Photographs, codec_of, in_fold
from orchestrator.planning.plan import make_plan
from orchestrator.runs.store import Store
from orchestrator.spec import load
from orchestrator.units import predictions
from orchestrator.units.files import files_of, write_history
from orchestrator.units.record import Rows, Seconds, UnitRecord, write_record
from orchestrator.units.unit import Unit

ASKS = ("exists", "list", "read", "write", "delete", "sizes")
REQUEST = 0.03  # seconds


def write_spec(members: int) -> None:
    """1e-4 and more as learning rates, so that each is a member of its own."""
    spec = {
        "name": "many",
        "data": {"train": "photos/train", "test": "photos/eval"},
        "folds": {"k": 5},
        "defaults": {"model": "test_resnet", "image_size": [32, 32], "epochs": 1},
        "members": [{"name": f"m{i}", "lr": 1e-4 * (1 + i)} for i in range(members)],
    }
    Path("spec.yaml").write_text(yaml.safe_dump(spec))


def finish(unit: Unit, photographs: Photographs, store: Store, rng: np.random.Generator) -> None:
    """What a trained unit leaves."""
    row = {"epoch": 1, "train_loss": 1.0, "macro_f1": 0.5, "accuracy": 0.5, "seconds": 1.0}
    classes = len(codec_of(unit.member, photographs.codec).classes)
    train, held_out = in_fold(photographs.train, unit.fold)
    record = UnitRecord(
        member=unit.member.model_dump(mode="json", exclude={"teachers"}),
        fold=unit.fold,
        seed=unit.seed,
        hash=unit.hash,
        rows=Rows(train=len(train), validation=len(held_out)),
        best_epoch=1,
        metrics=row,
        history=[row],
        seconds=Seconds(prepare=0.1, train=1.0, predict=0.1),
        data_hash=photographs.data_hash,
        folds_hash=photographs.folds_hash,
        test_hash=photographs.test_hash_of(unit.member.photos),
    )
    parts = {"oof": (photographs.train.iloc[held_out], unit.fold), "test": (photographs.test, None)}
    for kind, (frame, fold) in parts.items():
        part = predictions.PhotoPart(frame, None, fold)  # type: ignore[arg-type]
        drawn = rng.dirichlet(np.ones(classes), len(frame)).astype(np.float32)
        path = predictions.table_path(unit, kind)
        predictions.write_table(unit, store, photographs, part, drawn, path)
    store.write(predictions.weights_path(unit), b"weights")
    write_history(unit, store, record.history)
    write_record(unit.path, record.model_copy(update=files_of(unit, record, store)), store)


@contextmanager
def step(name: str, asked: Counter):
    """A line about what happens within it."""
    before, began = sum(asked.values()), time.perf_counter()
    yield
    took, asks = time.perf_counter() - began, sum(asked.values()) - before
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{name:<44}{took:>8.1f} s {memory:>7.0f} MiB {asks:>8} asks", flush=True)


@contextmanager
def counted(asked: Counter):
    """How often any store is asked for anything."""

    def counting(name: str):
        method = getattr(Store, name)

        def call(self, *rest, **more):
            asked[name] += 1
            time.sleep(REQUEST)
            return method(self, *rest, **more)

        return mock.patch.object(Store, name, call)

    patches = [counting(name) for name in ASKS]
    for patch in patches:
        patch.start()
    yield
    for patch in patches:
        patch.stop()


def main(members: int = 1000, slots: int = 2000) -> None:
    rng, asked = np.random.default_rng(0), Counter()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["ENSEMBLE_CACHE"] = str(Path(folder) / "cache")
        draw_people(Path("photos"), profiles=20, eval=20, size=(48, 36))
        write_spec(members)
        store = Store(Path(folder) / "run")
        with counted(asked):
            with step(f"spec of {members} members", asked):
                spec = load(Path("spec.yaml"))
            prepared = prepare_photographs(spec)
            write_photographs(prepared.photographs, store)
            with step("plan, nothing is there", asked):
                plan = make_plan(spec, prepared, store, [m.name for m in spec.members], False)
            units, photographs = plan.todo, plan.now.photographs
            costs = {
                m.name: float(np.exp(rng.uniform(np.log(60), np.log(3600)))) for m in spec.members
            }
            seconds = {unit.path: costs[unit.member.name] for unit in units}
            least = START + max(max(seconds.values()), sum(seconds.values()) / slots)
            ended: list[Unit] = []
            died: set[str] = set()

            def outcome(unit: Unit) -> str:
                chance = rng.random()
                if chance < 0.01 and unit.path not in died:
                    died.add(unit.path)
                    seconds[unit.path] /= 10  # it goes on from its last epoch
                    return "died"
                if chance > 0.99:
                    return "failed"
                ended.append(unit)
                return "done"

            with step(f"schedule of {len(units)} units on {slots} slots", asked):
                wall, schedule = play(units, costs, seconds, slots, outcome)
            print(
                f"    makespan {wall:.0f} s, {wall / least:.3f} of the least there is; {len(died)} processes "
                f"died, {len(schedule.failures)} units failed"
            )
        began = time.perf_counter()
        for unit in ended:
            finish(unit, photographs, store, rng)
        files = sum(len(names) for _, _, names in os.walk(store.root))
        print(f"    (files of the units, which their processes write: {files}, "
              f"{time.perf_counter() - began:.0f} s here)")  # fmt: skip
        with counted(asked):
            with step("tables of all members that are complete", asked):
                made = make_tables(spec, (), (), photographs, store, Console(quiet=True))
            print(f"    {len(made.tables)} members complete, {len(made.partial)} in part")
            with step("second call: plan, 99 % is there", asked):
                plan = make_plan(spec, prepared, store, [m.name for m in spec.members], False)
            print(f"    {len(plan.todo)} units to do")
            with step("second call: the tables again", asked):
                make_tables(spec, (), (), photographs, store, Console(quiet=True))
        print(f"asked for: {dict(asked)}")
        os.chdir("/")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
