"""How far a class falls when a place of the picture is covered (Zeiler & Fergus 2014), for all places.

It tells the map that is right from those that are not, and is a map itself. It asks the network once a
place, where a class-activation map asks it once.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

SHARE = 1 / 4  # of the longer side of the picture, the side of the square that covers


@dataclass(frozen=True)
class Covering:
    """before: (B,) float64 log-odds of each picture's class. falls: (B, rows, columns) float64, how far they
    fall with the square covered whose middle is that of the cell; the cells cover the picture evenly.
    """

    before: Tensor
    falls: Tensor

    def at_peaks(self, cells: Tensor) -> Tensor:
        """(B,): the fall where the greatest of each of (B, rows, columns) lies; -inf where all are 0."""
        rows, columns = self.falls.shape[1:]
        down, across = peaks(cells, (rows, columns))
        falls = self.falls[torch.arange(len(cells)), down.long(), across.long()]
        return torch.where(cells.flatten(1).amax(1) > 0, falls, -torch.inf)


def log_odds(logits: Tensor, classes: Tensor) -> Tensor:
    """(..., K) logits, (...) int -> (...) float64: log p / (1 - p) of each one's class."""
    logits = logits.double()
    own = logits.gather(-1, classes[..., None])[..., 0]
    others = logits.scatter(-1, classes[..., None], -torch.inf)
    return own - torch.logsumexp(others, -1)


def cover_all(model: nn.Module, x: Tensor, classes: Tensor, by: Tensor | None = None) -> Covering:
    """Squares at all places, each half over the next, in turn.

    x: (B, 3, h, w). classes: (B,) int. by: (B, 3, h, w), what a square shows where it covers; None: what
    lies half the picture off, both ways. That is of the picture itself: in a square of one colour networks
    see more than that something is gone (benchmarks/activation_maps.py).
    """
    height, width = (int(side) for side in x.shape[2:])
    by = x.roll((height // 2, width // 2), (2, 3)) if by is None else by
    step = SHARE * max(height, width) / 2
    rows, columns = max(1, round(height / step)), max(1, round(width / step))
    places = [((i + 0.5) / rows, (j + 0.5) / columns) for i in range(rows) for j in range(columns)]
    with torch.inference_mode():
        before = log_odds(model(x), classes)
        falls = [before - log_odds(model(covered(x, by, *place)), classes) for place in places]
    return Covering(before, torch.stack(falls, 1).reshape(-1, rows, columns))


def covered(x: Tensor, by: Tensor, down: float, across: float) -> Tensor:
    """(B, 3, h, w): each picture with a square of `by` in its place; it ends at the border.

    x, by: (B, 3, h, w). down, across: the middle of the square, in [0, 1].
    """
    height, width = x.shape[2:]
    half = SHARE * max(height, width) / 2
    rows = slice(max(0, round(down * height - half)), max(1, round(down * height + half)))
    columns = slice(max(0, round(across * width - half)), max(1, round(across * width + half)))
    found = x.clone()
    found[:, :, rows, columns] = by[:, :, rows, columns]
    return found


def peaks(cells: Tensor, size: tuple[float, float]) -> tuple[Tensor, Tensor]:
    """(B, rows, columns) -> (B,) float each: the middle of the greatest cell, down and across of `size`."""
    rows, columns = cells.shape[1:]
    best = cells.flatten(1).argmax(1)
    down = torch.div(best, columns, rounding_mode="floor").float() + 0.5
    across = (best % columns).float() + 0.5
    return down * (size[0] / rows), across * (size[1] / columns)
