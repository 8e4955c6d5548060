"""Two photos made into one, with the shares of their labels.

mixup       every pixel a weighted mean (Zhang et al. 2018, arXiv:1710.09412)
cutmix      a rectangle of the partner in the photo (Yun et al. 2019, arXiv:1905.04899)
half_face   left half of the photo, right half of the partner: after a centre crop both halves are
            faces, where a random rectangle may hide what decides the class
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor
from torch.nn import functional

from members.recipe.blocks import Mixing


@dataclass(frozen=True, eq=False)
class Mix:
    """How one batch of B photos is mixed.

    share: of the photo itself, before a rectangle is cut to whole pixels within the picture.
    centre: of that rectangle, (y, x) as parts of the picture.
    partners: (B,) int; rows of the training part where `from_pool`, else places in the batch.
    """

    kind: str
    share: float
    centre: tuple[float, float]
    partners: np.ndarray
    from_pool: bool


def draw_mix(
    mixing: Mixing | None, epoch: int, n: int, pool: np.ndarray | None, seed: int
) -> Mix | None:
    """How a batch of n photos of `epoch` (from 0) is mixed, or None: not at all.

    The share is drawn from Beta(alpha, alpha); half_face has one half. `pool`: rows to draw
    partners from; None: the batch itself, in random order.
    """
    if mixing is None or (mixing.last_epoch is not None and epoch >= mixing.last_epoch):
        return None
    rng = np.random.default_rng(seed)
    if rng.random() >= mixing.probability:
        return None
    share = 0.5 if mixing.kind == "half_face" else float(rng.beta(mixing.alpha, mixing.alpha))
    centre = (float(rng.random()), float(rng.random()))
    partners = rng.permutation(n) if pool is None else rng.choice(pool, n)
    return Mix(mixing.kind, share, centre, partners, pool is not None)


def rows_to_read(rows: np.ndarray, mix: Mix | None) -> np.ndarray:
    """`rows` (B,) and after them the partners' where those come from a pool."""
    return np.concatenate([rows, mix.partners]) if mix and mix.from_pool else rows


def part_of(mix: Mix | None, n: int, part: slice) -> tuple[np.ndarray | slice, Mix | None]:
    """Of `part` of a batch of n photos: places in `rows_to_read`, and how those photos are mixed.

    The places are of the part's photos, and after them of their partners.
    """
    if part == slice(0, n):
        return slice(None), mix
    if mix is None:
        return part, None
    partners = np.arange(n, 2 * n) if mix.from_pool else mix.partners
    places = np.concatenate([np.arange(n)[part], partners[part]])
    return places, replace(mix, partners=partners[part], from_pool=True)


def apply_mix(mix: Mix, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor, float]:
    """(photos, labels, partners' labels, share of the photos' own labels).

    x: (B, 3, h, w) float, labels: (B,) int64; both 2B long where the partners come from a pool.
    The photos may be changed in place.
    """
    if mix.from_pool:
        x, other = x.chunk(2)
        labels, partners = labels.chunk(2)
    else:
        other, partners = x[mix.partners], labels[mix.partners]
    height, width = x.shape[-2:]
    if mix.kind == "mixup":
        return x.mul(mix.share).add(other, alpha=1 - mix.share), labels, partners, mix.share
    if mix.kind == "half_face":
        top, bottom, left, right = 0, height, width // 2, width
    else:
        top, bottom, left, right = rectangle(mix.share, mix.centre, height, width)
    x[..., top:bottom, left:right] = other[..., top:bottom, left:right]
    share = 1 - (bottom - top) * (right - left) / (height * width)
    return x, labels, partners, share


def mixed_rows(mix: Mix, values: Tensor, share: float) -> Tensor:
    """(B, C): `share` of each photo's values, the rest its partner's.

    values: (B, C) float, 2B long where the partners come from a pool. share: what `apply_mix` returned.
    """
    own, other = values.chunk(2) if mix.from_pool else (values, values[mix.partners])
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
    labels: Tensor, n_classes: int, partners: Tensor | None = None, share: float = 1.0
) -> Tensor:
    """(B, K) float32: `share` of each photo is of its label, the rest of its partner's.

    labels, partners: (B,) int64 in 0..K-1; share in 0..1. Without partners all is the label's.
    """
    own = functional.one_hot(labels, n_classes).float()
    if partners is None:
        return own
    return share * own + (1 - share) * functional.one_hot(partners, n_classes).float()
