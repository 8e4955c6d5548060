"""What several processes per unit gain: seconds an epoch with one and with more of them.

    PYTHONPATH=. python benchmarks/workers.py [--workers 2] [--photos 256] [MODEL[:SIDE] ...]

Trains each network on random photos of SIDE x SIDE (default 96) in batches of 32, one CPU thread a
process, and prints seconds an epoch (the faster of two, after a first) and what part of it is
adding up the gradients, which happens after the backward pass (members/training/ranks.py): the same sum
taken by itself, once a step.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import distributed, multiprocessing

from members.batches.photos import Photos
from members.networks.models import build_model
from members.recipe.recipe import Recipe
from members.training.fit import fit
from members.training.ranks import Ranks

CLASSES = 18


def measure(model: str, side: int, photos: int, workers: int) -> dict[str, float]:
    """seconds: of an epoch; adding: of those, adding up gradients; weights: how many there are."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = (workers, model, side, photos, folder)
        multiprocessing.spawn(_train, args=arguments, nprocs=workers)
        return torch.load(Path(folder) / "found.pt", weights_only=True)


def _train(rank: int, workers: int, model: str, side: int, photos: int, folder: str) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=workers
    )
    ranks = Ranks(rank, workers)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (photos, side, side, 3), np.uint8)
    train = Photos(pixels, rng.integers(0, CLASSES, photos))
    recipe = Recipe(model=model, image_size=side, epochs=3, batch_size=32)
    run = fit(recipe, train, None, CLASSES, seed=0, ranks=ranks)
    seconds = [epoch.metrics["seconds"] for epoch in run]
    network = build_model(recipe, CLASSES)
    steps = len(range(0, photos, recipe.batch_size))
    spent = []
    for _ in range(10):
        distributed.barrier()
        started = time.perf_counter()
        ranks.add_up_gradients(network)
        spent.append(time.perf_counter() - started)
    if ranks.first:
        found = {
            "seconds": min(seconds[1:]),
            "adding": steps * float(np.median(spent)),
            "weights": sum(weight.numel() for weight in network.parameters()),
        }
        torch.save(found, f"{folder}/found.pt")
    distributed.destroy_process_group()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=["test_resnet", "tf_efficientnet_lite0"])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--photos", type=int, default=256)
    given = parser.parse_args()
    print(f"{'network':24} weights  1 process  {given.workers} processes  times faster  adding up")
    for text in given.models:
        model, _, side = text.partition(":")
        how = (model, int(side or 96), given.photos)
        one, more = measure(*how, 1), measure(*how, given.workers)
        print(
            f"{text:24} {more['weights'] / 1e6:6.1f}M {one['seconds']:8.2f} s "
            f"{more['seconds']:10.2f} s {one['seconds'] / more['seconds']:13.2f} "
            f"{more['adding'] / more['seconds']:9.1%}",
            flush=True,
        )


if __name__ == "__main__":
    main()
