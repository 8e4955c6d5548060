"""What the checksums of decoded photographs cost: epochs with and without, in turns, in one run.

    PYTHONPATH=. python benchmarks/cache_check.py [--people 100] [--size 224 224] [--model resnet18]

Without: the same file mapped into memory, as earlier versions read it. Prints the median epoch of
each, and what reading all photographs takes each way, as a share of an epoch: on a busy machine the
second is the one to believe.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from members.batches.photos import Photos
from members.pixels.cache import pixels
from members.reading.scan import scan
from members.recipe.recipe import Recipe
from members.samples.people import draw_people
from members.training.fit import fit

AT_ONCE = 32  # photos of a batch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--size", type=int, nargs=2, default=(224, 224))
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with tempfile.TemporaryDirectory() as folder:
        draw_people(Path(folder) / "people", profiles=given.people, eval=1, size=(256, 192))
        paths = sorted((Path(folder) / "people/train").rglob("*.jpg"))
        digests = scan(paths)["digest"].tolist()
        checked = pixels(paths, digests, size=tuple(given.size), crop=None, folder=folder)
        (file,) = Path(folder).glob("*.npy")
        mapped = np.load(file, mmap_mode="r", allow_pickle=False)
        ways = {"with": checked, "without": mapped}
        recipe = Recipe(
            model=given.model, pretrained=False, image_size=tuple(given.size), epochs=1,
            batch_size=AT_ONCE,
        )  # fmt: skip
        labels = np.arange(len(paths)) % 3
        epochs: dict[str, list[float]] = {name: [] for name in ways}
        reads: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(given.rounds + 1):
            for name, array in ways.items():
                epochs[name].append(epoch_seconds(recipe, Photos(array, labels), device))
                reads[name].append(reading_seconds(Photos(array)))
    machine = torch.cuda.get_device_name() if device == "cuda" else f"{os.cpu_count()} CPUs"
    print(f"{len(paths)} photographs of {given.size[0]}x{given.size[1]}, {given.model}, {machine}")
    middle = {name: statistics.median(seconds[1:]) for name, seconds in epochs.items()}
    read = {name: min(seconds[1:]) for name, seconds in reads.items()}
    for name in ways:
        each = " ".join(f"{seconds:.3f}" for seconds in epochs[name][1:])
        print(f"epoch {name:<8} {middle[name]:8.3f} s   ({each})")
    for name in ways:
        print(
            f"reading {name:<6} {read[name]:8.4f} s   {read[name] / middle['without']:7.2%} of an epoch"
        )
    print(
        f"the checksums cost {(read['with'] - read['without']) / middle['without']:.2%} of an epoch"
    )


def epoch_seconds(recipe: Recipe, train: Photos, device: str) -> float:
    """Of one epoch, from its history."""
    (epoch,) = fit(recipe, train, None, 3, seed=0, device=device)
    return float(epoch.state()["history"][0]["seconds"])


def reading_seconds(photos: Photos) -> float:
    """Of all photos once, batch by batch, in an order drawn anew as an epoch's is."""
    order = np.random.default_rng(0).permutation(len(photos))
    began = time.perf_counter()
    for begin in range(0, len(order), AT_ONCE):
        photos.read(order[begin : begin + AT_ONCE])
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
