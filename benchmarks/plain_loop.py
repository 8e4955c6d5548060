"""The demo's wall time, beside its units in a plain loop in one process.

    PYTHONPATH=. python benchmarks/plain_loop.py [SPEC] [--times 3] [--threads 1 2]

`train-members` trains the spec from nothing, in a folder and with a cache of its own: photographs read and
checked, Ray, searches, checkpoints, tables, report. Then the same networks in a loop, by the same `fit` and
`predict_each`, each for as many epochs as it was trained (candidates that were stopped, too): photographs
decoded once and held in memory, nothing checked, nothing written. One process, with so many threads of
torch. Both from the start of Python to its end, in turns; the best number of threads is the loop's.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent


def seconds_of(command: list[str], folder: Path, threads: int = 1) -> float:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "ENSEMBLE_CACHE": tempfile.mkdtemp(dir=folder),
        "OMP_NUM_THREADS": str(threads),
    }
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, *command], env=environment, cwd=ROOT, check=True, stdout=sys.stderr
    )
    return time.perf_counter() - began


def loop(run: Path, threads: int) -> None:
    """Train and ask every network of a finished run once more, one after the other."""
    import torch

    from members.networks.compiling import same_each_time
    from orchestrator.photographs.cache import cache_folder
    from orchestrator.photographs.table import codec_of, in_fold
    from orchestrator.runs.store import Store
    from orchestrator.spec.member_metrics import of_history
    from orchestrator.worker.inputs import Inputs

    torch.set_num_threads(threads)
    same_each_time()
    store = Store(run)
    inputs = Inputs(store, cache_folder())
    photographs = inputs.photographs
    for unit, epochs in units_of(store):
        recipe = unit.member.recipe
        photos = inputs.photos(unit, "train")
        train, valid = map(photos.take, in_fold(photographs.train, unit.fold))
        n_classes = len(codec_of(unit.member, photographs.codec).classes)
        train_and_ask(unit, epochs, train, valid, n_classes, of_history(recipe.metric), inputs)


def train_and_ask(unit, epochs, train, valid, n_classes, metrics, inputs) -> None:
    from members.networks.models import build_model
    from members.training import fit
    from members.training.predict import predict_each

    recipe, done = unit.member.recipe, None
    for done in fit.fit(recipe, train, valid, n_classes, seed=unit.seed or 0, metrics=metrics):
        if done.number == epochs:
            break
    if epochs < recipe.epochs and not done.last:
        return  # a candidate that was stopped predicts nothing
    model = build_model(recipe, n_classes, pretrained=False)
    model.load_state_dict(fit.best_weights(done.state()))
    for part in inputs.to_predict(unit).values():
        predict_each(model, part.photos, recipe, [recipe.views])


def units_of(store):
    """Each unit of a run that was trained, and for how many epochs."""
    from orchestrator.search.record import read_search
    from orchestrator.spec.load import load_recorded
    from orchestrator.units.record import find_record
    from orchestrator.units.unit import Unit

    spec = load_recorded(store.read_text("spec.yaml"), "spec.yaml")
    for member in spec.members:
        search = read_search(member.name, store)
        stopped = {c.hash: c for c in search.candidates} if search else {}
        for folder in sorted((Path(store.root) / "units" / member.name).glob("*/fold-*")):
            digest, fold = folder.parent.name, int(folder.name.removeprefix("fold-"))
            record = find_record(f"units/{member.name}/{digest}/{folder.name}", store)
            candidate = stopped.get(digest)
            own = member.with_settings(candidate.settings) if candidate else member
            epochs = len(record.history) if record else candidate.epochs
            yield Unit(own, digest, fold, None), epochs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("spec", nargs="?", default="ensembles/demo.yaml")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, os.cpu_count() or 1])
    parser.add_argument("--loop", type=Path, metavar="RUN", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.loop:
        loop(given.loop, *given.threads)
        return
    whole: list[float] = []
    plain: dict[int, list[float]] = {threads: [] for threads in given.threads}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for turn in range(given.times):
            run = folder / f"run{turn}"
            train = ["-m", "orchestrator", "train-members", given.spec, "--run", str(run)]
            whole.append(seconds_of(train, folder))
            for threads, taken in plain.items():
                again = [__file__, "--loop", str(run), "--threads", str(threads)]
                taken.append(seconds_of(again, folder, threads))
    show = f"{'':<34}{'median, s':>10}{'range':>14}"
    print(f"{given.spec}, load {os.getloadavg()[0]:.1f}\n{show}")
    sides = {"train-members": whole} | {f"plain loop, {n} threads": s for n, s in plain.items()}
    for side, taken in sides.items():
        print(f"{side:<34}{statistics.median(taken):>10.1f}{min(taken):>8.1f} to {max(taken):.1f}")
    best = min(map(statistics.median, plain.values()))
    print(f"ratio to the faster loop: {statistics.median(whole) / best:.2f}")


if __name__ == "__main__":
    main()
