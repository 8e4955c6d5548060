"""What a training step costs, beside the bare step and timm's way of training on the same files.

    PYTHONPATH=. python benchmarks/training_step.py
    PYTHONPATH=. python benchmarks/training_step.py --model efficientnet_b0 --size 128 96 --photos 192

Three sides, one after the other and again, on one core: CPU seconds of the process, the first epoch of
each left out. `ours`: an epoch of `fit`, from decoded copies, which are made before and once. `bare`: the
same network, optimiser and loss on one batch in memory, forward, backward and update, nothing else. `timm`:
timm's `train.py` is not in its wheel, so this is the loop that it has, over timm's create_dataset,
create_loader (no worker processes, no prefetcher), create_optimizer_v2, its scheduler by updates and its
update of the meters: it decodes the files in each epoch. All have the same photographs, batch, flip and
AdamW; timm crops as it does by default, without colours (`--color-jitter 0`).
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from members.batches.photos import Photos
from members.networks.models import build_model, statistics_of
from members.networks.timm_import import timm
from members.pixels.crop import crop_and_resize
from members.pixels.decode import decode
from members.recipe.recipe import Recipe
from members.training.fit import fit
from members.training.optim import create_optimizer

CLASSES = 8


def write_photos(folder: Path, n: int, size: tuple[int, int]) -> np.ndarray:
    """n JPEGs of twice the network's size in class folders; their labels (n,)."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % CLASSES
    for row, label in enumerate(labels):
        place = folder / f"{label}"
        place.mkdir(exist_ok=True)
        rough = rng.integers(0, 256, (12, 9, 3), dtype=np.uint8)
        photo = Image.fromarray(rough).resize((2 * size[1], 2 * size[0]), Image.Resampling.BICUBIC)
        photo.save(place / f"{row:05d}.jpg", quality=90)
    return labels


def of_fit(recipe: Recipe, photos: Photos) -> Iterator[float]:
    """CPU seconds of each epoch."""
    began = time.process_time()
    for _ in fit(recipe, photos, None, CLASSES, seed=0):
        yield time.process_time() - began
        began = time.process_time()


def of_bare_steps(recipe: Recipe, photos: Photos) -> Iterator[float]:
    torch.manual_seed(0)
    model = build_model(recipe, CLASSES).to(memory_format=torch.channels_last).train()
    optimizer = create_optimizer(model, recipe)
    x = torch.randn(recipe.batch_size, 3, *recipe.image_size).to(memory_format=torch.channels_last)
    truth = torch.eye(CLASSES)[torch.arange(recipe.batch_size) % CLASSES]
    while True:
        began = time.process_time()
        for _ in range(len(photos) // recipe.batch_size):
            optimizer.zero_grad(set_to_none=True)
            functional.cross_entropy(model(x), truth).backward()
            optimizer.step()
        yield time.process_time() - began


def of_timm(recipe: Recipe, folder: Path) -> Iterator[float]:
    from timm.scheduler import CosineLRScheduler  # after timm, which members imports in its own way

    torch.manual_seed(0)
    model = timm.create_model(recipe.model, num_classes=CLASSES).to(
        memory_format=torch.channels_last
    )
    optimizer = timm.optim.create_optimizer_v2(  # type: ignore[attr-defined]
        model, opt=recipe.optimizer, lr=recipe.lr, weight_decay=recipe.weight_decay
    )
    given = statistics_of(recipe)
    loader = timm.data.create_loader(
        timm.data.create_dataset("", root=str(folder), is_training=True),
        input_size=(3, *recipe.image_size), batch_size=recipe.batch_size, is_training=True,
        hflip=0.5, color_jitter=0.0, interpolation="random", mean=given.mean, std=given.std, num_workers=0,
        use_prefetcher=False, persistent_workers=False, device=torch.device("cpu"),
    )  # fmt: skip
    meter, updates = timm.utils.AverageMeter(), 0  # type: ignore[attr-defined]
    scheduler = CosineLRScheduler(
        optimizer, t_initial=recipe.epochs * len(loader), t_in_epochs=False
    )
    criterion = torch.nn.CrossEntropyLoss()
    while True:
        began = time.process_time()
        model.train()
        for x, labels in loader:
            x = x.contiguous(memory_format=torch.channels_last)
            loss = criterion(model(x), labels)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            updates += 1
            meter.update(loss.item(), len(x))
            scheduler.step_update(num_updates=updates, metric=meter.avg)
        yield time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--model", default="test_efficientnet")
    parser.add_argument("--size", type=int, nargs=2, default=(128, 96), help="height and width")
    parser.add_argument("--photos", type=int, default=768)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--times", type=int, default=5, help="epochs of each side that count")
    args = parser.parse_args()
    torch.set_num_threads(1)
    recipe = Recipe(
        model=args.model, image_size=args.size, augmentation="flip", batch_size=args.batch,
        epochs=args.times + 1,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        labels = write_photos(folder, args.photos, recipe.image_size)
        began = time.process_time()
        rows = sorted(folder.rglob("*.jpg"), key=lambda file: file.stem)
        pixels = np.stack([crop_and_resize(decode(file), recipe.image_size, None) for file in rows])
        copies = time.process_time() - began
        photos = Photos(pixels, labels.astype(np.int64))
        sides: dict[str, Iterator[float]] = {
            "bare": of_bare_steps(recipe, photos),
            "ours": of_fit(recipe, photos),
            "timm": of_timm(recipe, folder),
        }
        taken: dict[str, list[float]] = {side: [] for side in sides}
        for round_ in range(args.times + 1):
            for side, epochs in sides.items():
                seconds = next(epochs)
                if round_:
                    taken[side].append(seconds)
    show(args, taken, copies)


def show(args: argparse.Namespace, taken: dict[str, list[float]], copies: float) -> None:
    print(
        f"{args.model} at {args.size[0]}x{args.size[1]}, batches of {args.batch}, one core, "
        f"{args.times} times"
    )
    print(f"decoded copies, once: {args.photos / copies:.0f} photos a CPU second")
    rate: Callable[[float], float] = lambda seconds: args.photos / seconds  # noqa: E731
    bare = statistics.median(taken["bare"])
    for side, seconds in taken.items():
        low, high = rate(max(seconds)), rate(min(seconds))
        median = statistics.median(seconds)
        print(
            f"{side:<5}{rate(median):>8.1f} photos/s ({low:.1f} to {high:.1f}), "
            f"{median / bare:.2f} times the bare step's CPU time"
        )


if __name__ == "__main__":
    main()
