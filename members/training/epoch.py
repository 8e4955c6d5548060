"""What `fit` yields: an epoch with its figures, and the state after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from members.recipe.recipe import Recipe

State = dict[str, Any]


@dataclass(frozen=True)
class Epoch:
    """The figures of an epoch, and access to the state after it.

    number: from 1.
    metrics: epoch, train_loss, lr (of its last step), seconds (all of it), photos_per_second
        (training only); with a validation part also loss and the metrics that `fit` was given.
    best: no earlier epoch was as good by the recipe's metric.
    last, reason: training is over, and why.
    """

    number: int
    metrics: dict[str, float]
    best: bool
    last: bool
    reason: str
    _state: Callable[[], State] = field(repr=False)

    def state(self) -> State:
        """A copy, on the CPU, of everything that `fit(..., state=)` needs to go on after here.

        Numbers, texts, lists, dicts and tensors only: `torch.load(weights_only=True)` reads it.
        Call it before the next epoch begins; later it raises RuntimeError.
        """
        return self._state()


def identity(recipe: Recipe, n_classes: int, seed: int) -> dict[str, Any]:
    """The settings that a state and the run which continues it must share, as plain values.

    Without defaults, so that a state outlives a recipe key that a later version adds.
    """
    settings = recipe.model_dump(mode="json", exclude_defaults=True)
    return {**settings, "n_classes": n_classes, "seed": seed}
