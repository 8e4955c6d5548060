"""Two photos made into one, with the shares of their labels.

mixup       every pixel a weighted mean (Zhang et al. 2018, arXiv:1710.09412)
cutmix      a rectangle of the partner in the photo (Yun et al. 2019, arXiv:1905.04899)
half_face   left half of the photo, right half of the partner: after a centre crop both halves are
            faces, where a random rectangle may hide what decides the class
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from members.recipe.blocks import Mixing


class Way(NamedTuple):
    """How a photo and its partner become one.

    share: of the photo itself, before a rectangle is cut to whole pixels within the picture.
    centre: of that rectangle, (y, x) as parts of the picture.
    """

    kind: str
    share: float
    centre: tuple[float, float]


PLAIN = Way("mixup", 1.0, (0.5, 0.5))  # all of the photo's own


@dataclass(frozen=True, eq=False)
class Mix:
    """How one batch of B photos is mixed.

    ways: one for all of them, or one a photo.
    partners: (B,) int; rows of the training part where `from_pool`, else places in the batch. With mode
        half (ceil(B / 2),): those of the batch that have none are but partners of the others.
    """

    ways: tuple[Way, ...]
    partners: np.ndarray
    from_pool: bool


def seen(mixing: Mixing | None, epoch: int, n: int) -> int:
    """How many of a batch of n photos of `epoch` (from 0) the network takes in: half, rounded up, with
    mode half, else all."""
    if mixing is None or mixing.mode != "half" or _is_over(mixing, epoch):
        return n
    return -(-n // 2)


def _is_over(mixing: Mixing, epoch: int) -> bool:
    return mixing.last_epoch is not None and epoch >= mixing.last_epoch


def draw_mix(
    mixing: Mixing | None, epoch: int, n: int, pool: np.ndarray | None, seed: int
) -> Mix | None:
    """How a batch of n photos of `epoch` (from 0) is mixed, or None: not at all.

    A share is drawn from Beta(alpha, alpha); half_face has one half. `pool`: rows to draw
    partners from; None: the batch itself, in random order, or where pairs are mixed from its end.
    """
    if mixing is None or _is_over(mixing, epoch):
        return None
    rng = np.random.default_rng(seed)
    if mixing.mode == "batch":
        way = _draw_way(mixing, rng)
        if way is None:
            return None
        partners = rng.permutation(n) if pool is None else rng.choice(pool, n)
        return Mix((way,), partners, pool is not None)
    drawn = [_draw_way(mixing, rng) or PLAIN for _ in range(n if mixing.mode == "elem" else n // 2)]
    if mixing.mode in ("pair", "half"):
        # the photo in the middle of an odd number has itself for partner
        ways = [*drawn, *([PLAIN] if n % 2 else []), *reversed(drawn)]
        n_seen = seen(mixing, epoch, n)
        return Mix(tuple(ways[:n_seen]), np.arange(n - 1, -1, -1)[:n_seen], False)
    partners = rng.permutation(n) if pool is None else rng.choice(pool, n)
    return Mix(tuple(drawn), partners, pool is not None)


def _draw_way(mixing: Mixing, rng: np.random.Generator) -> Way | None:
    """None: not mixed."""
    if rng.random() >= mixing.probability:
        return None
    kind, alpha = mixing.kind, mixing.alpha
    if mixing.switch and rng.random() < mixing.switch.probability:
        kind, alpha = mixing.switch.kind, mixing.switch.alpha
    share = 0.5 if kind == "half_face" else float(rng.beta(alpha, alpha))
    return Way(kind, share, (float(rng.random()), float(rng.random())))


def rows_to_read(rows: np.ndarray, mix: Mix | None) -> np.ndarray:
    """`rows` (B,) and after them the partners' where those come from a pool."""
    return np.concatenate([rows, mix.partners]) if mix and mix.from_pool else rows


def part_of(mix: Mix | None, n: int, part: slice) -> tuple[np.ndarray | slice, Mix | None]:
    """Of `part` of the n photos of a batch that are seen: places in `rows_to_read`, and how those photos are
    mixed.

    The places are of the part's photos, and after them of their partners.
    """
    if part == slice(0, n):
        return slice(None), mix
    if mix is None:
        return part, None
    partners = np.arange(n, 2 * n) if mix.from_pool else mix.partners
    places = np.concatenate([np.arange(n)[part], partners[part]])
    ways = mix.ways if len(mix.ways) == 1 else mix.ways[part]
    return places, replace(mix, ways=ways, partners=partners[part], from_pool=True)


Share = float | Tensor  # of all photos, or (B, 1) float32 of each


def apply_mix(mix: Mix, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor, Share]:
    """(photos, labels, partners' labels, share of the photos' own labels).

    x: (B, 3, h, w) float, labels: (B,) int64; both 2B long where the partners come from a pool. As many
    photos come back as have partners. They may be changed in place.
    """
    x, other = _with_partners(mix, x)
    labels, partners = _with_partners(mix, labels)
    if len(mix.ways) == 1:
        x, share = _mixed(mix.ways[0], x, other)
        return x, labels, partners, share
    shares = torch.empty(len(x), 1)
    for i, way in enumerate(mix.ways):
        x[i : i + 1], shares[i] = _mixed(way, x[i : i + 1], other[i : i + 1])
    return x, labels, partners, shares.to(x.device)


def _mixed(way: Way, x: Tensor, other: Tensor) -> tuple[Tensor, float]:
    """The photos (B, 3, h, w), perhaps changed in place, and the share of them that is their own."""
    height, width = x.shape[-2:]
    if way.kind == "mixup":
        return x.mul(way.share).add(other, alpha=1 - way.share), way.share
    if way.kind == "half_face":
        top, bottom, left, right = 0, height, width // 2, width
    else:
        top, bottom, left, right = rectangle(way.share, way.centre, height, width)
    x[..., top:bottom, left:right] = other[..., top:bottom, left:right]
    return x, 1 - (bottom - top) * (right - left) / (height * width)


def _with_partners(mix: Mix, values: Tensor) -> tuple[Tensor, Tensor]:
    """Of the photos, and of their partners."""
    if mix.from_pool:
        own, other = values.chunk(2)
        return own, other
    return values[: len(mix.partners)], values[mix.partners]


def mixed_rows(mix: Mix, values: Tensor, share: Share) -> Tensor:
    """(B, C): `share` of each photo's values, the rest its partner's.

    values: (B, C) float, 2B long where the partners come from a pool. share: what `apply_mix` returned.
    """
    own, other = _with_partners(mix, values)
    return share * own + (1 - share) * other


def rectangle(
    share: float, centre: tuple[float, float], height: int, width: int
) -> tuple[int, int, int, int]:
    """(top, bottom, left, right) in pixels: about `1 - share` of the picture, cut off at its edges."""
    side = (1 - share) ** 0.5
    edges = []
    for middle, length in zip(centre, (height, width), strict=True):
        half = round(side * length / 2)
        at = int(middle * length)
        edges += [max(0, at - half), min(length, at + half)]
    return tuple(edges)


def shares_of(
    labels: Tensor, n_classes: int, partners: Tensor | None = None, share: Share = 1.0
) -> Tensor:
    """(B, K) float32: `share` of each photo is of its label, the rest of its partner's.

    labels, partners: (B,) int64 in 0..K-1; share in 0..1, or (B, 1). Without partners all is the label's.
    """
    own = functional.one_hot(labels, n_classes).float()
    if partners is None:
        return own
    return share * own + (1 - share) * functional.one_hot(partners, n_classes).float()
