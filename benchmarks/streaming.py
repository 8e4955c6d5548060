"""An epoch from decoded copies beside one that decodes its photographs batch by batch.

    PYTHONPATH=. python benchmarks/streaming.py [--photos 256] [--sides 500 2000] [--model test_resnet]

Drawn JPEGs. The sides take turns, CPU seconds of this process, the first turn left out, medians and ranges:

    read      all photographs in batches as an epoch reads them, nothing trained
    epoch     an epoch of `fit` of a network on them
    Pillow    each file opened, decoded and turned to RGB, nothing else
    draft     as Pillow, scaled by the decoder where it can: it is not used, since other pixels come of it

`copies` is what making them takes, once. The batches of both sides must be the same to the bit.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from members.batches.loader import Loader, in_batches
from members.batches.photos import Photos
from members.pixels.cache import Wanted, pixels
from members.pixels.crop import crop_and_resize
from members.pixels.streamed import Decoded, StreamedPixels
from members.reading.scan import scan
from members.recipe.recipe import Recipe
from members.training.fit import fit

AT_ONCE, CLASSES = 32, 4


def draw(folder: Path, photos: int, side: int) -> list[str]:
    """JPEGs of `side` by three quarters of it, some upright; their paths."""
    rng = np.random.default_rng(0)
    paths = []
    for i in range(photos):
        width, height = (side, side * 3 // 4)[:: 1 if i % 3 else -1]
        colours = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8))
        large = np.asarray(colours.resize((width, height), Image.Resampling.BICUBIC))
        noisy = np.clip(large + rng.normal(0, 6, large.shape), 0, 255).astype(np.uint8)
        paths.append(str(folder / f"{i:05}.jpg"))
        Image.fromarray(noisy).save(paths[-1], quality=90)
    return paths


def read(photos: Photos) -> int:
    """All of them; the sum of their pixels."""
    batches = in_batches(np.random.default_rng(0).permutation(len(photos)), AT_ONCE)
    return sum(int(batch.sum()) for batch, _ in Loader(photos).batches(batches))


def train(photos: Photos, recipe: Recipe) -> None:
    for _ in fit(recipe, photos, None, CLASSES, seed=0):
        pass


def with_pillow(paths: list[str], draft: tuple[int, int] | None = None) -> None:
    for path in paths:
        with Image.open(path) as photo:
            if draft:
                photo.draft("RGB", draft)
            np.asarray(photo.convert("RGB"))


def other_pixels(paths: list[str], size: tuple[int, int], right: Decoded) -> str:
    """How far photographs that the decoder scaled are from those of the copies."""
    apart = []
    for row, path in enumerate(paths[:32]):
        with Image.open(path) as photo:
            photo.draft("RGB", size[::-1])
            scaled = crop_and_resize(np.asarray(photo.convert("RGB")), size, None)
        apart.append(np.abs(scaled.astype(int) - right[row]))
    return f"{np.mean(np.array(apart) > 0):.0%} of the values, by {np.max(apart)} levels at most"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=256)
    parser.add_argument("--sides", type=int, nargs="+", default=[500, 2000])
    parser.add_argument("--model", default="test_resnet")
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--times", type=int, default=5)
    given = parser.parse_args()
    size = (given.size, given.size)
    for side in given.sides:
        with tempfile.TemporaryDirectory() as folder:
            paths = draw(Path(folder), given.photos, side)
            wanted = Wanted(paths, scan(paths)["digest"].tolist(), size, None)
            begun = time.process_time()
            copied = pixels(paths, wanted.digests, size=size, crop=None, folder=folder)
            making = time.process_time() - begun
            report(given, side, paths, making, copied, StreamedPixels(wanted))
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")


def report(
    given: argparse.Namespace,
    side: int,
    paths: list[str],
    making: float,
    copied: Decoded,
    streamed: Decoded,
) -> None:
    size = (given.size, given.size)
    recipe = Recipe(
        model=given.model, image_size=size, epochs=1, batch_size=AT_ONCE, augmentation="flip"
    )
    labels = np.arange(len(paths)) % CLASSES
    of = {"copies": Photos(copied, labels), "streamed": Photos(streamed, labels)}
    sides: dict[str, Callable[[], object]] = {
        "read, copies": lambda: read(of["copies"]),
        "read, streamed": lambda: read(of["streamed"]),
        "epoch, copies": lambda: train(of["copies"], recipe),
        "epoch, streamed": lambda: train(of["streamed"], recipe),
        "Pillow": lambda: with_pillow(paths),
        "draft": lambda: with_pillow(paths, size),
    }
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(given.times + 1):
        for name, work in sides.items():
            begun = time.process_time()
            work()
            if turn:
                taken[name].append(time.process_time() - begun)
    middle = {name: statistics.median(seconds) for name, seconds in taken.items()}
    print(f"\n{len(paths)} JPEGs of {side}x{side * 3 // 4}, {given.model} at {given.size}")
    print(f"{'':<18}{'CPU s':>8}{'range':>16}{'photos/s':>10}{'ms a photo':>12}")
    for name, seconds in taken.items():
        spread = f"{min(seconds):.3f} to {max(seconds):.3f}"
        each = middle[name] / len(paths)
        print(f"{name:<18}{middle[name]:>8.3f}{spread:>16}{1 / each:>10.0f}{1000 * each:>12.2f}")
    more = middle["epoch, streamed"] - middle["epoch, copies"]
    print(f"an epoch takes {middle['epoch, streamed'] / middle['epoch, copies']:.2f} of the copies'; "
          f"making them took {making:.2f}, as streaming {making / more:.1f} epochs")  # fmt: skip
    print(f"read beside Pillow: {middle['read, streamed'] / middle['Pillow']:.2f}")
    same = all((copied[row] == streamed[row]).all() for row in range(len(paths)))
    print(f"the same pixels: {'yes' if same else 'no'}; draft: {other_pixels(paths, size, copied)}")


if __name__ == "__main__":
    main()
