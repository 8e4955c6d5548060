"""Small photographs in folders and lists, and a stopwatch that measures nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from orchestrator.first_spec.measuring import Timed
from orchestrator.first_spec.steps import Steps


def photo(path: Path, size: tuple[int, int] = (32, 32), mode: str = "RGB") -> Path:
    """Noise that hangs on the path, so that no two are alike. size: (height, width)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([*path.name.encode(), *path.parent.name.encode()])
    shape = {"RGB": (*size, 3), "RGBA": (*size, 4), "L": size}[mode]
    Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8), mode).save(path)
    return path


def photos(folder: Path, names: Iterable[str]) -> Path:
    """Photographs by their paths below `folder`, which is returned."""
    for name in names:
        photo(folder / name)
    return folder


class Stopwatch:
    """Takes the place of the one that starts processes: seconds a step by model, 0.01 for others.

    fails: model -> the problem that it has, at the batch sizes above `at`.
    """

    def __init__(
        self,
        step: dict[str, float] | None = None,
        fails: dict[str, str] | None = None,
        at: int = 0,
        start: float = 5.0,
    ):
        self.start, self.seconds = start, 1.0
        self.step, self.fails, self.at = step or {}, fails or {}, at
        self.asked: list[dict[str, Any]] = []

    def __call__(self, *_: object) -> Stopwatch:
        return self

    def __enter__(self) -> Stopwatch:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    @property
    def timed(self) -> int:
        return len(self.asked)

    def time(self, recipe: dict[str, Any], most: float = math.inf) -> Timed:
        self.asked.append(recipe)
        model = recipe["model"].partition(".")[0]
        if model in self.fails and recipe["batch_size"] > self.at:
            return Timed(None, self.fails[model])
        return Timed(Steps(self.step.get(model, 0.01), 0.0001, 0.1, 0.01))
