"""Whether class-activation maps find what decides: a patch planted at random, in every family of recipes.

    python benchmarks/activation_maps.py [--only vit swin] [--seconds 360]

Pictures are grey noise with texture; a patch of 16 x 16 pixels at a random place has stripes in one of
three directions and colours, and says the class. The smallest network that timm has of each family (of
Swin one with fewer and narrower blocks) begins at random and learns new pictures until its loss is low.
Then maps are made of the true class of 200 pictures that it never saw, and counted is how many have the
middle of their greatest cell within the patch, grown by half a cell on each side; beside it, for Grad-CAM.
`chance` is what a cell drawn at random would have. Aim: at least 90 % in each family.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from members.activation_maps.layer import Layer, find_layer
from members.activation_maps.maps import class_maps, outputs_and_gradients
from members.batches.loader import to_input
from members.networks import base_cnn  # noqa: F401  registers it with timm
from members.networks.models import statistics_of
from members.networks.timm_import import timm
from members.recipe.recipe import Recipe

PATCH, CLASSES = 16, 3
HELD_OUT, BATCH, WARMUP = 200, 16, 50
LOW_LOSS = 0.03  # of the running mean, where training stops


@dataclass(frozen=True)
class Family:
    """model: the network in place of the recipes. lr: its peak. options: of timm."""

    model: str
    recipes: str
    lr: float
    options: dict[str, Any] = field(default_factory=dict)
    side: int = 96


FAMILIES = {
    "base_cnn": Family("base_cnn", "base_cnn", 3e-3),
    "efficientnet": Family("efficientnet_b0", "efficientnet_b0 ... b7", 2e-3),
    "resnet": Family("resnet18", "resnet34", 1e-3),
    "resnext": Family("resnext50_32x4d", "resnext50, resnext101", 1e-3),
    "vgg": Family("vgg11", "vgg19", 3e-4),
    "vgg_bn": Family("vgg11_bn", "vgg19_bn", 1e-3),
    "vit": Family("vit_tiny_patch16_224", "vit_base_224", 5e-4),
    "swin": Family(
        "swin_tiny_patch4_window7_224",
        "swin_base_384, swin_large_384",
        5e-4,
        {"embed_dim": 48, "depths": (2, 2, 2, 2), "num_heads": (2, 4, 8, 16)},
    ),
    "convnext": Family("convnext_atto", "(no recipe)", 1e-3),
}


@dataclass(frozen=True)
class Planted:
    """pixels: (N, side, side, 3) uint8. classes: (N,) int. top, left: (N,) int, of the patch."""

    pixels: np.ndarray
    classes: np.ndarray
    top: np.ndarray
    left: np.ndarray


def planted(n: int, side: int, seed: int) -> Planted:
    """Pictures with a patch that says their class."""
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.normal(size=(n, 1, side // 8 + 1, side // 8 + 1)))
    texture = nn.functional.interpolate(coarse, size=(side, side), mode="bilinear").numpy()[:, 0]
    grey = 120 + 40 * texture + 28 * rng.normal(size=(n, side, side))
    pixels = np.repeat(grey[..., None], 3, axis=3)
    classes = rng.integers(CLASSES, size=n)
    top, left = rng.integers(side - PATCH + 1, size=(2, n))
    stripes = np.where(np.arange(PATCH) // 2 % 2, 1.0, -1.0)
    lying = np.repeat(stripes[:, None], PATCH, axis=1)
    patterns = (lying, lying.T, lying * lying.T)
    for row, (own, y, x) in enumerate(zip(classes, top, left, strict=True)):
        patch = np.repeat(120 + 40 * patterns[own][..., None], 3, axis=2)
        patch[..., own] += 110
        patch[..., (own + 1) % 3] -= 55
        pixels[row, y : y + PATCH, x : x + PATCH] = patch
    return Planted(np.clip(np.rint(pixels), 0, 255).astype(np.uint8), classes, top, left)


def create(family: Family, seed: int = 0) -> nn.Module:
    """The family's network, begun at random."""
    torch.manual_seed(seed)
    options = dict(family.options)
    if timm.get_pretrained_cfg(family.model).fixed_input_size:
        options["img_size"] = (family.side, family.side)
    return timm.create_model(family.model, num_classes=CLASSES, **options)


def recipe_of(family: Family) -> Recipe:
    return Recipe(model=family.model, image_size=(family.side, family.side))


def learn(model: nn.Module, family: Family, seconds: float) -> tuple[int, float]:
    """Train until the running loss is low, or for so long; how many steps, and that loss."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=family.lr, weight_decay=0.02)
    began, step, running = time.monotonic(), 0, 1.1
    model.train()
    while running > LOW_LOSS and time.monotonic() - began < seconds:
        batch = planted(BATCH, family.side, 10_000 + step)
        for group in optimizer.param_groups:
            group["lr"] = family.lr * min(1.0, (step + 1) / WARMUP)
        truth = torch.from_numpy(batch.classes)
        loss = nn.functional.cross_entropy(model(as_input(batch, family)), truth)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step, running = step + 1, 0.95 * running + 0.05 * loss.item()
    model.eval().requires_grad_(False)
    return step, running


def as_input(pictures: Planted, family: Family) -> Tensor:
    statistics = statistics_of(recipe_of(family))
    return to_input(torch.from_numpy(pictures.pixels), statistics, channels_last=False)


def within(maps: np.ndarray, pictures: Planted, layer: Layer) -> np.ndarray:
    """(N,) bool: whether the middle of a map's greatest cell is in the patch, grown by half a cell.

    maps: (N, rows, columns). An empty map is not.
    """
    rows, columns = maps.shape[1:]
    cell = layer.size[0] / rows, layer.size[1] / columns
    best = maps.reshape(len(maps), -1).argmax(axis=1)
    y, x = (best // columns + 0.5) * cell[0], (best % columns + 0.5) * cell[1]
    down = (y >= pictures.top - cell[0] / 2) & (y <= pictures.top + PATCH + cell[0] / 2)
    across = (x >= pictures.left - cell[1] / 2) & (x <= pictures.left + PATCH + cell[1] / 2)
    return down & across & (maps.max(axis=(1, 2)) > 0)


def grad_cams(model: nn.Module, pictures: Planted, family: Family, layer: Layer) -> np.ndarray:
    """(N, rows, columns): Grad-CAM, to compare with."""
    found = []
    for some in np.array_split(np.arange(len(pictures.classes)), len(pictures.classes) // 20):
        x = as_input(pictures, family)[torch.from_numpy(some)]
        outputs, gradients = outputs_and_gradients(model, x, pictures.classes[some].tolist(), layer)
        means = gradients.mean(dim=(2, 3), keepdim=True)
        found.append((outputs * means).sum(1).clamp_min(0).numpy())
    return np.concatenate(found)


def chance(pictures: Planted, layer: Layer) -> float:
    """The share of cells that would be counted as within the patch."""
    n, (rows, columns) = len(pictures.classes), layer.grid
    hits = 0
    for cell in range(rows * columns):
        one = np.zeros((n, rows * columns), np.float32)
        one[:, cell] = 1
        hits += int(within(one.reshape(n, rows, columns), pictures, layer).sum())
    return hits / (n * rows * columns)


def measure(name: str, seconds: float) -> dict[str, Any]:
    """One family: its network, trained, and the shares."""
    family = FAMILIES[name]
    model, began = create(family), time.monotonic()
    steps, loss = learn(model, family, seconds)
    seconds = time.monotonic() - began
    held_out = planted(HELD_OUT, family.side, 7)
    with torch.inference_mode():
        logits = [model(part) for part in as_input(held_out, family).split(20)]
    answers = torch.cat(logits).argmax(1).numpy()
    layer = find_layer(model, (family.side, family.side))
    maps = class_maps(model, held_out.pixels, recipe_of(family), held_out.classes.tolist(), layer)
    return {
        "family": name,
        "network": family.model,
        "recipes": family.recipes,
        "steps": steps,
        "seconds": round(seconds),
        "loss": round(loss, 3),
        "accuracy": float((answers == held_out.classes).mean()),
        "layer": layer.name,
        "stride": round(layer.stride, 1),
        "within": float(within(maps, held_out, layer).mean()),
        "grad_cam": float(
            within(grad_cams(model, held_out, family, layer), held_out, layer).mean()
        ),
        "chance": round(chance(held_out, layer), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=list(FAMILIES), default=list(FAMILIES))
    parser.add_argument("--seconds", type=float, default=360, help="of training a network, at most")
    given = parser.parse_args()
    print(
        "| family | network | layer | stride | steps | accuracy | peak in the patch | Grad-CAM | chance |\n"
        "|---|---|---|---|---|---|---|---|---|"
    )
    for name in given.only:
        own = measure(name, given.seconds)
        shares = (own["accuracy"], own["within"], own["grad_cam"], own["chance"])
        text = " | ".join(f"{share:.1%}" for share in shares)
        print(
            f"| {name} | {own['network']} | {own['layer']} | {own['stride']:g} | {own['steps']} "
            f"({own['seconds']} s) | {text} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
