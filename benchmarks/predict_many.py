"""Many photographs: what is in memory at 20,000 and at 40,000 of them, and how much of the time is the
members' own.

    PYTHONPATH=. python benchmarks/predict_many.py memory [--photos 20000 40000] [--on here local]
    PYTHONPATH=. python benchmarks/predict_many.py throughput [--photos 1500] [--on here local]

The photographs are 200 drawn ones of 96x72 under as many names as are asked for; the networks are
untrained. `here` is one process, `local` a Ray on this machine, `HOST:PORT` one that runs already.

memory: two small networks. Of all processes together the peak of what is theirs (proportional set
size, so that pages of Ray's object store count once), sampled twice a second, over the whole call and
over its second half alone: a leak would show there.

throughput: three members of seven networks. Beside what a photograph more takes, of two calls the longer
twice the shorter, the bare forward passes over the same pixels, already decoded, with one thread: before
the calls and after them, so that others on the machine harm both alike. Beside `here` they are made in one
process, beside a Ray in as many at once as there are CPUs, which share caches and memory. Starting, and
what is under way when the first answers come, is the same in both calls. ratio: photographs a CPU second
of the call over those of the bare passes; of a Ray, whose processes are not this program's, photographs a
second.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import psutil
import torch

from ensembles.rules.pools import Rule
from ensembles.voting.record import VoteRecord
from members.data.codec import PROFILES
from members.networks import saving
from members.networks.models import build_model
from members.recipe.recipe import Recipe
from members.samples.people import draw_people
from orchestrator.batch_inference.run import answer_list, here
from orchestrator.inference.ensemble import Ensemble, ways_of
from orchestrator.inference.networks import ask_member
from orchestrator.inference.parts import Network, Part, Seen, Trained
from orchestrator.inference.photos import Photo
from orchestrator.inference.pixels import see_all

DRAWN = 200
BARE = 512  # photographs of a bare process
MIB = 1 << 20
SMALL = [("test_resnet", (32, 32), 1), ("test_efficientnet", (40, 32), 1)]
REAL = [
    ("resnet18", (96, 96), 3),
    ("tf_efficientnet_lite0", (128, 96), 2),
    ("resnet10t", (96, 96), 2),
]


def untrained(members: list[tuple[str, tuple[int, int], int]], folder: Path) -> Trained:
    """members: model, (h, w), and how many networks."""
    parts = []
    for model, size, n in members:
        recipe = Recipe(model=model, image_size=size, pretrained=False)
        networks = []
        for number in range(n):
            place = folder / f"{model}-{number}.safetensors"
            if not place.exists():
                torch.manual_seed(number)
                network = build_model(recipe, len(PROFILES.classes), pretrained=False)
                saving.save(network, place)
            networks.append(Network(str(place), None, recipe))
        parts.append(Part(model, Seen(size), tuple(networks)))
    names = tuple(part.name for part in parts)
    weights = dict.fromkeys(names, 1 / len(names))
    return Trained(
        name="untrained", place=str(folder), codec=PROFILES, members=tuple(parts), vote="soft",
        record=VoteRecord(mode="soft", weights=weights, rows="test"),
        rule=Rule(np.array(list(weights.values()))), voters=names,
    )  # fmt: skip


def drawn(folder: Path, n: int) -> list[Photo]:
    """`n` names for DRAWN photographs."""
    if not (folder / "people").exists():
        draw_people(folder / "people", profiles=3, eval=DRAWN, size=(96, 72))
    files = sorted((folder / "people/eval/images").iterdir())
    (folder / "many").mkdir(exist_ok=True)
    listed = []
    for number in range(n):
        path = folder / f"many/{number:06}.jpg"
        if not path.exists():
            os.link(files[number % len(files)], path)
        listed.append(Photo(path.name, str(path)))
    return listed


class Watched:
    """The processes of one call, this one among them or not: what they hold and what they have used."""

    def __init__(self, root: psutil.Process):
        self._root = root
        self._cpu: dict[int, float] = {}
        self.samples: list[tuple[float, int]] = []

    def sample(self) -> None:
        total = 0
        for process in [self._root, *self._root.children(recursive=True)]:
            with suppress(psutil.Error):
                total += process.memory_full_info().pss
        self.samples.append((time.monotonic(), total))

    def cpu(self) -> float:
        """CPU seconds so far of all of them."""
        for process in [self._root, *self._root.children(recursive=True)]:
            with suppress(psutil.Error):
                times = process.cpu_times()
                self._cpu[process.pid] = times.user + times.system
        return sum(self._cpu.values())


@contextmanager
def engine_on(trained: Trained, place: str):
    if place == "here":
        yield here(Ensemble(trained, "cpu"))
        return
    from orchestrator.batch_inference.on_ray import on_ray

    with on_ray(trained, place, "cpu") as (engine, _):
        yield engine


def call(kind: str, place: str, n: int, folder: Path) -> None:
    """One call in this process; prints JSON: when it began, when the first answers came and the last, and
    the CPU seconds of it and its descendants by then.
    """
    trained = untrained(SMALL if kind == "memory" else REAL, folder)
    listed, watched = drawn(folder, n), Watched(psutil.Process())
    found: dict[str, float] = {}

    def progress(done: int, before: int, total: int) -> None:
        if done and "first" not in found:
            found.update(had=done, first=time.monotonic())
        if done == total:
            found.update(last=time.monotonic(), last_cpu=watched.cpu())

    begun = time.monotonic()
    with engine_on(trained, place) as engine, tempfile.TemporaryDirectory() as out:
        answer_list(listed, trained, f"{out}/answers", engine, progress=progress)
    found.update(begun=begun, whole=time.monotonic() - begun)
    print(json.dumps(found))


def in_its_own_process(kind: str, place: str, n: int, folder: Path) -> tuple[dict, Watched]:
    command = [sys.executable, __file__, "call", kind, place, str(n), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        watched = Watched(psutil.Process(process.pid))
        over = threading.Event()

        def sample() -> None:
            while not over.wait(0.5):
                with suppress(psutil.Error):
                    watched.sample()

        sampling = threading.Thread(target=sample)
        if kind == "memory":
            sampling.start()
        assert process.stdout
        printed = process.stdout.read()
        over.set()
        if kind == "memory":
            sampling.join()
    if process.returncode:
        sys.exit(f"the call ended with {process.returncode}")
    return json.loads(printed.splitlines()[-1]), watched


def memory(photos: list[int], places: list[str], folder: Path) -> None:
    print(f"{'on':<8}{'photos':>8}{'peak MiB':>10}{'2nd half':>10}{'seconds':>9}{'a second':>10}")
    for place in places:
        for n in photos:
            found, watched = in_its_own_process("memory", place, n, folder)
            half = (found["first"] + found["last"]) / 2
            peak = max(own for _, own in watched.samples) / MIB
            second = max((own for at, own in watched.samples if at > half), default=0) / MIB
            speed = (n - found["had"]) / (found["last"] - found["first"])
            print(
                f"{place:<8}{n:>8}{peak:>10.0f}{second:>10.0f}{found['whole']:>9.1f}{speed:>10.0f}",
                flush=True,
            )


def bare(folder: Path, processes: int) -> tuple[float, float]:
    """(seconds, CPU seconds) a photograph of the members' forward passes, in processes of one thread
    that begin together, the mean over these.
    """
    spawn = multiprocessing.get_context("spawn")
    together = spawn.Barrier(processes)
    with ProcessPoolExecutor(processes, spawn, _begin_with, (together,)) as pool:
        found = np.array(list(pool.map(_bare, [folder] * processes)))
    wall, cpu = found.mean(axis=0).tolist()
    return wall, cpu


def _begin_with(together) -> None:
    global _together
    _together = together


def _bare(folder: Path) -> tuple[float, float]:
    torch.set_num_threads(1)
    trained = untrained(REAL, folder)
    sample = [own.place for own in drawn(folder, BARE)]
    pixels, _ = see_all(sample, ways_of(trained))
    asks = [(own, ask_member(own, len(trained.classes), "cpu")) for own in trained.members]
    for own, ask in asks:
        ask(pixels[own.seen][:32])
    _together.wait()
    begun, cpu = time.monotonic(), time.process_time()
    for own, ask in asks:
        ask(pixels[own.seen])
    return (time.monotonic() - begun) / BARE, (time.process_time() - cpu) / BARE


def throughput(n: int, places: list[str], folder: Path) -> None:
    untrained(REAL, folder)  # made once, for all processes
    drawn(folder, max(n, BARE))
    print(f"{'on':<8}{'bare ms':>9}{'CPU ms':>8}{'whole ms':>10}{'CPU ms':>8}{'ratio':>7}")
    for place in places:
        alone = place == "here"
        processes = 1 if alone else os.cpu_count() or 1
        before = bare(folder, processes)
        once, twice = (
            in_its_own_process("throughput", place, length, folder)[0] for length in (n, 2 * n)
        )
        after = bare(folder, processes)
        wall, cpu = ((a + b) / 2 for a, b in zip(before, after, strict=True))
        whole = ((twice["last"] - twice["begun"]) - (once["last"] - once["begun"])) / n
        whole_cpu = (twice["last_cpu"] - once["last_cpu"]) / n
        ratio = cpu / whole_cpu if alone else wall / processes / whole
        of_cpu = f"{1e3 * whole_cpu:>8.2f}" if alone else f"{'':>8}"
        print(
            f"{place:<8}{1e3 * wall:>9.2f}{1e3 * cpu:>8.2f}{1e3 * whole:>10.2f}{of_cpu}{ratio:>7.3f}",
            flush=True,
        )


def main() -> None:
    if sys.argv[1:2] == ["call"]:
        kind, place, n, folder = sys.argv[2:]
        call(kind, place, int(n), Path(folder))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("memory", "throughput"))
    parser.add_argument("--photos", type=int, nargs="+")
    parser.add_argument("--on", nargs="+", default=["here", "local"])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if given.what == "memory":
            memory(given.photos or [20_000, 40_000], given.on, Path(folder))
        else:
            throughput((given.photos or [1500])[0], given.on, Path(folder))
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")


if __name__ == "__main__":
    main()
