"""What `fit` yields, an epoch with its figures and the state after it, or raises."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from members.recipe.recipe import Recipe
from members.training.ranks import RaisedByAll

State = dict[str, Any]


class Diverged(RaisedByAll):
    """Training or validation loss is no longer a finite number."""

    def __init__(self, epoch: int, lr: float, loss: float = math.nan):
        self.epoch, self.lr, self.loss = epoch, lr, loss
        super().__init__(
            f"the loss became {loss} in epoch {epoch} at lr {lr:g}; "
            "try a lower lr, clip_grad_norm, or warmup_epochs"
        )

    def __reduce__(self):  # travels between processes
        return type(self), (self.epoch, self.lr, self.loss)


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
        Call it before the next epoch begins; later it raises RuntimeError. Leave it as it is: an epoch
        that runs out of memory begins again from it.
        """
        return self._state()


def identity(recipe: Recipe, n_classes: int, seed: int) -> dict[str, Any]:
    """The settings that a state and the run which continues it must share, as plain values.

    Without defaults, so that a state outlives a recipe key that a later version adds.
    """
    settings = recipe.model_dump(mode="json", exclude_defaults=True)
    return {**settings, "n_classes": n_classes, "seed": seed}


def copied(tree: Any) -> Any:
    """The same nest of dicts and lists with every tensor copied to the CPU."""
    if isinstance(tree, torch.Tensor):
        return tree.detach().to("cpu", copy=True)
    if isinstance(tree, dict):
        return {key: copied(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(copied(value) for value in tree)
    return tree
