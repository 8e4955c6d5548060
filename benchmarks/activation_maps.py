"""Whether class-activation maps find what decides: a patch planted at random, in every family of recipes.

    PYTHONPATH=. python benchmarks/activation_maps.py [--only vit swin] [--seconds 360] [--decoys 2]

Pictures are grey noise with texture; a patch of 16 x 16 pixels at a random place has stripes in one of
three directions and colours, and says the class; in a quarter of the pictures to learn from there is none,
a class of its own. Decoys are patches of such colours, drawn at random, without stripes. A small network
of each family begins at random and learns new pictures, from large patches to small ones, until its loss
is low. Then maps are made of the true class of 200 pictures that it never saw. Counted is how many have
the middle of their peak within the patch, grown by half a cell of the layer, and of how many the map of the
deepest layer has, by each rule; `chosen`: which layers and rules the maps are of. `covering`: how many
lose most of the class with a square covered whose middle is within the patch, grown by half the square, by
another piece of the picture as maps are made, or by its mean colour.
`chance`: the share of the picture that would be counted. Aim: at least 90 % in each family.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from members.activation_maps.candidates import RULES, candidates
from members.activation_maps.covering import SHARE, cover_all, peaks
from members.activation_maps.layers import Layer, find_layers
from members.activation_maps.maps import class_maps
from members.batches.loader import to_input
from members.networks import base_cnn  # noqa: F401  registers it with timm
from members.networks.models import statistics_of
from members.networks.timm_import import timm
from members.recipe.recipe import Recipe

PATCH, CLASSES = 16, 4  # the last class: no patch
HELD_OUT, BATCH, WARMUP = 200, 16, 50
LARGE, SHRINKING = (
    48,
    300,
)  # pixels of the first patches; steps until they are small, and decoys come
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
    "resnext": Family("resnext50_32x4d", "resnext50, resnext101", 1e-3, {"layers": (1, 1, 1, 1)}),
    "vgg": Family("vgg11", "vgg19", 3e-4, {"mlp_ratio": 1 / 16}),
    "vgg_bn": Family("vgg11_bn", "vgg19_bn", 1e-3, {"mlp_ratio": 1 / 16}),
    "vit": Family("vit_tiny_patch16_224", "vit_base_224", 5e-4, {"depth": 6}),
    "swin": Family(
        "swin_tiny_patch4_window7_224",
        "swin_base_384, swin_large_384",
        5e-4,
        {"embed_dim": 48, "depths": (2, 2, 2, 2), "num_heads": (2, 4, 8, 16)},
    ),
    "convnext": Family(
        "convnext_atto", "(no recipe)", 1e-3, {"depths": (1, 1, 3, 1), "dims": (32, 64, 128, 256)}
    ),
}


@dataclass(frozen=True)
class Planted:
    """pixels: (N, side, side, 3) uint8. classes: (N,) int. top, left: (N,) int, of the patch."""

    pixels: np.ndarray
    classes: np.ndarray
    top: np.ndarray
    left: np.ndarray

    def take(self, rows: np.ndarray) -> Planted:
        return Planted(self.pixels[rows], self.classes[rows], self.top[rows], self.left[rows])


def planted(
    n: int, side: int, seed: int, patch: int = PATCH, decoys: int = 0, none: bool = True
) -> Planted:
    """Pictures with a patch that says their class, and decoys that say nothing. none: some without a patch,
    so that no class is told by what is missing.
    """
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.normal(size=(n, 1, side // 8 + 1, side // 8 + 1)))
    texture = nn.functional.interpolate(coarse, size=(side, side), mode="bilinear").numpy()[:, 0]
    grey = 120 + 40 * texture + 28 * rng.normal(size=(n, side, side))
    pixels = np.repeat(grey[..., None], 3, axis=3)
    classes = rng.integers(CLASSES if none else CLASSES - 1, size=n)
    corners = np.empty((n, 2), int)
    for row, own in enumerate(classes):
        places: list[np.ndarray] = []
        while len(places) < 1 + decoys:
            place = rng.integers(side - patch + 1, size=2)
            if all(np.abs(place - other).max() >= patch for other in places):
                places.append(place)
        for number, (y, x) in enumerate(places):
            if number == 0 and own == CLASSES - 1:
                continue
            drawn = striped(own if number == 0 else int(rng.integers(CLASSES - 1)), patch)
            if number > 0:
                drawn = rng.permutation(drawn.reshape(-1, 3)).reshape(drawn.shape)
            pixels[row, y : y + patch, x : x + patch] = drawn
        corners[row] = places[0]
    pixels = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    return Planted(pixels, classes, corners[:, 0], corners[:, 1])


def striped(own: int, patch: int) -> np.ndarray:
    """(patch, patch, 3): stripes of a class's direction and colour."""
    stripes = np.where(np.arange(patch) // 2 % 2, 1.0, -1.0)
    lying = np.repeat(stripes[:, None], patch, axis=1)
    found = np.repeat(120 + 40 * (lying, lying.T, lying * lying.T)[own][..., None], 3, axis=2)
    found[..., own] += 110
    found[..., (own + 1) % 3] -= 55
    return found


def create(family: Family, seed: int = 0) -> nn.Module:
    """The family's network, begun at random."""
    torch.manual_seed(seed)
    options = dict(family.options)
    if timm.get_pretrained_cfg(family.model).fixed_input_size:
        options["img_size"] = (family.side, family.side)
    return timm.create_model(family.model, num_classes=CLASSES, **options)


def recipe_of(family: Family) -> Recipe:
    return Recipe(model=family.model, image_size=(family.side, family.side))


def learn(
    model: nn.Module,
    family: Family,
    seconds: float,
    decoys: int = 0,
    shrinking: int = SHRINKING,
) -> tuple[int, float]:
    """Train until the running loss is low, or for so long; how many steps, and that loss."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=family.lr, weight_decay=0.02)
    began, step, running = time.monotonic(), 0, 1.1
    model.train()
    while (running > LOW_LOSS or step < 1.5 * shrinking) and time.monotonic() - began < seconds:
        large = round(min(LARGE, family.side / 2) * (1 - step / shrinking))
        batch = planted(
            BATCH, family.side, 10_000 + step, max(PATCH, large), decoys * (step >= shrinking)
        )
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


def within(
    down: np.ndarray, across: np.ndarray, pictures: Planted, stride: np.ndarray | float
) -> np.ndarray:
    """(N,) bool: whether a place, in pixels, is in the patch, grown by half a cell."""
    inside = np.ones(len(down), bool)
    for place, start in ((down, pictures.top), (across, pictures.left)):
        inside &= (place >= start - stride / 2) & (place <= start + PATCH + stride / 2)
    return inside


def by_one_rule(
    model: nn.Module, pictures: Planted, family: Family, layers: Sequence[Layer]
) -> dict[tuple[str, str], float]:
    """(layer, rule) -> the share of its maps with the peak within the patch; an empty map is not."""
    hits: Counter[tuple[str, str]] = Counter()
    for some in torch.arange(len(pictures.classes)).split(20):
        part = pictures.take(some.numpy())
        made = candidates(model, as_input(part, family), part.classes.tolist(), layers)
        for own in made:
            down, across = (p.numpy() for p in peaks(own.cells, own.layer.size))
            full = own.cells.flatten(1).amax(1).numpy() > 0
            inside = within(down, across, part, own.layer.stride) & full
            hits[own.layer.name, own.rule] += int(inside.sum())
    return {key: count / len(pictures.classes) for key, count in hits.items()}


def by_covering(
    model: nn.Module, pictures: Planted, family: Family, one_colour: bool = False
) -> float:
    """The share of pictures that lose most of their class with a square covered whose middle is within the
    patch, grown by half of the square. one_colour: covered by the picture's mean colour.
    """
    x, inside = as_input(pictures, family), []
    for some in torch.arange(len(x)).split(20):
        part = pictures.take(some.numpy())
        by = x[some].mean(dim=(2, 3), keepdim=True).expand_as(x[some]) if one_colour else None
        falls = cover_all(model, x[some], torch.from_numpy(part.classes), by).falls
        down, across = (own.numpy() for own in peaks(falls, (family.side, family.side)))
        inside.append(within(down, across, part, SHARE * family.side))
    return float(np.concatenate(inside).mean())


def looked_at(
    model: nn.Module, family: Family, pictures: int = HELD_OUT, decoys: int = 0
) -> dict[str, Any]:
    """The shares of a trained network, of so many pictures that it never saw."""
    held_out = planted(pictures, family.side, 7, decoys=decoys, none=False)
    with torch.inference_mode():
        logits = [model(part) for part in as_input(held_out, family).split(20)]
    answers = torch.cat(logits).argmax(1).numpy()
    layers = find_layers(model, (family.side, family.side))
    maps = class_maps(model, held_out.pixels, recipe_of(family), held_out.classes.tolist(), layers)
    places = [np.unravel_index(own.cells.argmax(), own.cells.shape) for own in maps]
    down, across = (np.array(own) + 0.5 for own in zip(*places, strict=True))
    square = SHARE * family.side / 2  # from one to the next
    chosen = [own.choice for own in maps]
    stride = np.array([own.layer.stride if own.layer else square for own in chosen])
    inside = within(down, across, held_out, stride) & [own.cells.any() for own in maps]
    return {
        "accuracy": float((answers == held_out.classes).mean()),
        "within": float(inside.mean()),
        "covering": by_covering(model, held_out, family),
        "one_colour": by_covering(model, held_out, family, one_colour=True),
        "by_one_rule": by_one_rule(model, held_out, family, layers),
        "chance": float((PATCH + stride.mean()) ** 2 / family.side**2),
        "chosen": Counter((own.layer.name if own.layer else "", own.rule) for own in chosen),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=list(FAMILIES), default=list(FAMILIES))
    parser.add_argument("--seconds", type=float, default=360, help="of training a network, at most")
    parser.add_argument("--decoys", type=int, default=0, help="patches that say nothing, a picture")
    given = parser.parse_args()
    print(
        "| family | network | steps | accuracy | peak in the patch | covering | by one colour | chance | "
        + " | ".join(f"deepest, {rule}" for rule in RULES)
        + " | best of one layer and rule | chosen |\n"
        + "|---" * (10 + len(RULES))
        + "|"
    )
    for name in given.only:
        family, began = FAMILIES[name], time.monotonic()
        model = create(family)
        steps, loss = learn(model, family, given.seconds, given.decoys)
        seconds = time.monotonic() - began
        own = looked_at(model, family, decoys=given.decoys)
        one = own["by_one_rule"]
        deepest = next(iter(one))[0]
        shares = [own[key] for key in ("accuracy", "within", "covering", "one_colour", "chance")]
        shares += [one[deepest, rule] for rule in RULES]
        text = " | ".join(f"{share:.1%}" for share in shares)
        best = max(one, key=lambda key: one[key])
        chosen = ", ".join(f"{' '.join(key)} {n}" for key, n in own["chosen"].most_common(4))
        print(
            f"| {name} | {family.model} | {steps} ({seconds:.0f} s), loss {loss:.2f} | {text} "
            f"| {' '.join(best)} {one[best]:.1%} | {chosen} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
