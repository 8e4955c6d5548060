"""What a training step costs on a GPU, beside the bare step, and how busy the GPU is.

    PYTHONPATH=. python benchmarks/gpu_step.py                      # on a GPU
    PYTHONPATH=. python benchmarks/gpu_step.py --device cpu         # the same with small networks

Three sides, one after the other and again; the first round of each is left out. `ours`: an epoch of `fit`
over decoded copies in memory, with loader processes, a colour jitter after a flip, AdamW, and what is chosen
on the device: pinned copies without waiting, the augmentation's last steps on whole batches, channels-last,
bf16, a fused optimiser. `read`: the same, all augmentation where photos are read. `bare`: the same network,
optimiser and precision on one batch that stays on the device, forward, backward and update. Utilisation is
nvidia-smi's, sampled while a side runs. On a CPU seconds are those of the process, which loads by itself and
carries out on batches what would be a GPU's, and the output says that no GPU was used.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import numpy as np
import torch
from torch.nn import functional

from members.batches.device_steps import last_steps
from members.batches.photos import Photos
from members.errors import BadInput
from members.networks.models import build_model
from members.pixels.augment import chain_of
from members.recipe.recipe import Recipe
from members.training import feed
from members.training.fit import fit
from members.training.optim import create_optimizer, takes_fused
from members.training.precision import autocast, precision

CLASSES = 18
AUGMENTATION = [
    {"HorizontalFlip": {}},
    {"ColorJitter": {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1, "p": 0.8}},
]
NETWORKS = {  # model -> side, photos a batch
    "efficientnet_b3": (300, 64),
    "resnext50_32x4d": (224, 128),
    "swin_large_patch4_window12_384": (384, 16),
}
SMALL = {
    "test_efficientnet": (64, 32),
    "test_resnet": (64, 32),
    "test_vit": (64, 32),
}


class Utilisation:
    """Per cent of the time in which a kernel ran, sampled every half second; None without nvidia-smi."""

    def __init__(self) -> None:
        self.samples: list[float] = []
        self._over = threading.Event()

    def watch(self) -> None:
        asked = [
            "nvidia-smi",
            "--query-gpu=utilization.gpu",
            "--format=csv,noheader,nounits",
            "--id=0",
        ]
        while not self._over.wait(0.5):
            done = subprocess.run(asked, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                self.samples.append(float(done.stdout.split()[0]))

    @contextmanager
    def over(self) -> Iterator[None]:
        self._over.clear()
        watching = threading.Thread(target=self.watch)
        if shutil.which("nvidia-smi"):
            watching.start()
        try:
            yield
        finally:
            self._over.set()
            if watching.ident:
                watching.join()

    def mean(self) -> float | None:
        return statistics.fmean(self.samples) if self.samples else None


def clock(device: str) -> float:
    """Seconds: of the wall on a GPU, when it is through with what it was given; else of the CPU."""
    if device == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def of_fit(
    recipe: Recipe, photos: Photos, device: str, loaders: int, steps: tuple[str, ...]
) -> Iterator[float]:
    """Seconds of each epoch. steps: of the augmentation, those that are carried out on batches."""
    began = clock(device)
    epochs = fit(recipe, photos, None, CLASSES, seed=0, device=device, loader_workers=loaders)
    with mock.patch.object(feed, "steps_on", return_value=steps):
        next(epochs)  # the feed is made by the first
    yield clock(device) - began
    began = clock(device)
    for _ in epochs:
        yield clock(device) - began
        began = clock(device)


def of_bare_steps(recipe: Recipe, photos: Photos, device: str) -> Iterator[float]:
    """Seconds of as many steps as an epoch has."""
    torch.manual_seed(0)
    model = build_model(recipe, CLASSES).to(device)
    model = model.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimizer = create_optimizer(model, recipe)
    scaler = torch.amp.GradScaler(device, enabled=precision(recipe, device) is torch.float16)
    x = torch.randn(recipe.batch_size, 3, *recipe.image_size, device=device)
    x = x.to(memory_format=torch.channels_last)
    truth = torch.eye(CLASSES, device=device)[torch.arange(recipe.batch_size) % CLASSES]
    while True:
        began = clock(device)
        for _ in range(len(photos) // recipe.batch_size):
            optimizer.zero_grad(set_to_none=True)
            with autocast(recipe, device):
                outputs = model(x).float()
            scaler.scale(functional.cross_entropy(outputs, truth)).backward()
            scaler.step(optimizer)
            scaler.update()
        yield clock(device) - began


def measured(
    name: str, side: int, batch: int, args: argparse.Namespace
) -> dict[str, tuple[list[float], float | None]]:
    """Side -> photos a second of each round, and the GPU's mean utilisation."""
    recipe = Recipe(
        model=name, image_size=side, batch_size=batch, augmentation=AUGMENTATION, epochs=args.times + 1,
        schedule="constant",
    )  # fmt: skip
    n = batch * args.steps
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (n, side, side, 3), dtype=np.uint8)
    photos = Photos(pixels, np.arange(n, dtype=np.int64) % CLASSES)
    sides: dict[str, Iterator[float]] = {
        "bare": of_bare_steps(recipe, photos, args.device),
        "read": of_fit(recipe, photos, args.device, args.loaders, ()),
        "ours": of_fit(recipe, photos, args.device, args.loaders, last_steps(chain_of(recipe))),
    }
    rates: dict[str, list[float]] = {own: [] for own in sides}
    busy = {own: Utilisation() for own in sides}
    for round_ in range(args.times + 1):
        for own, seconds in sides.items():
            with busy[own].over():
                taken = next(seconds)
            if round_:
                rates[own].append(n / taken)
            else:
                busy[own].samples.clear()
    return {own: (rates[own], busy[own].mean()) for own in sides}


def show(name: str, side: int, batch: int, found: dict, args: argparse.Namespace) -> None:
    recipe = Recipe(model=name, image_size=side, augmentation=AUGMENTATION)
    moved = ", ".join(last_steps(chain_of(recipe)))
    dtype = precision(recipe, args.device) or torch.float32
    fused = args.device == "cuda" and takes_fused(recipe)
    print(
        f"{name} at {side}, batches of {batch}, {str(dtype).removeprefix('torch.')}"
        f"{', fused AdamW' if fused else ''}, {args.loaders} loaders, {args.times} times; on batches: {moved}"
    )
    bare = statistics.median(found["bare"][0])
    for own, (rates, busy) in found.items():
        median = statistics.median(rates)
        of_gpu = f", GPU {busy:.0f} % busy" if busy is not None and args.device == "cuda" else ""
        print(
            f"  {own:<5}{median:>9.1f} photos/s ({min(rates):.1f} to {max(rates):.1f}), "
            f"{median / bare:.2f} of the bare step's{of_gpu}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--only", help="one network of those that are listed in this file")
    parser.add_argument("--steps", type=int, default=20, help="batches an epoch")
    parser.add_argument("--loaders", type=int, help="loader processes: 8 on a GPU, else 0")
    parser.add_argument("--times", type=int, default=5, help="epochs of each side that count")
    args = parser.parse_args()
    if args.device == "cuda" and not torch.cuda.is_available():
        sys.exit("error: there is no GPU here. `--device cpu` runs the same with small networks")
    if args.device == "cpu" and args.loaders:
        sys.exit("error: on a CPU the process's own seconds are counted: leave --loaders out")
    if args.loaders is None:
        args.loaders = 8 if args.device == "cuda" else 0
    networks = NETWORKS if args.device == "cuda" else SMALL
    if args.only and args.only not in networks:
        sys.exit(f"error: {args.only} is none of {', '.join(networks)}")
    if args.device == "cpu":
        torch.set_num_threads(1)
        print(
            "No GPU was used: small networks on one core, CPU seconds. They say nothing of a GPU."
        )
    else:
        print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
    for name, (side, batch) in networks.items():
        if args.only in (None, name):
            try:
                show(name, side, batch, measured(name, side, batch, args), args)
            except (BadInput, torch.OutOfMemoryError) as error:
                print(f"{name} at {side}: {str(error).splitlines()[0]}")


if __name__ == "__main__":
    main()
