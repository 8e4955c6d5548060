"""Train one network, epoch by epoch, in plain PyTorch.

    for epoch in fit(recipe, train, valid, n_classes=18, seed=0):
        print(epoch.number, epoch.metrics["macro_f1"], epoch.best)
        torch.save(epoch.state(), "state.pt")        # enough to go on from here, bit for bit
    weights = best_weights(epoch.state())

A run that goes on from a state needs no generator's state, and what else ran in the process makes
no difference: see members/training/loop.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from members.batches.photos import Photos
from members.batches.sampling import require_columns
from members.errors import BadInput, nearest
from members.networks.models import statistics_of
from members.recipe.recipe import Recipe
from members.recipe.stages import training_copies
from members.training.epoch import Diverged, Epoch, State, identity
from members.training.loop import Training
from members.training.losses import class_weights
from members.training.metric import DEFAULT, LOSS, Metric
from members.training.precision import precision
from members.training.predict import require_size
from members.training.ranks import ALONE, Ranks

__all__ = ["Diverged", "Epoch", "State", "best_weights", "fit", "last_weights"]


def best_weights(state: State) -> dict[str, torch.Tensor]:
    """Weights of the best epoch so far, by name."""
    return state["best_weights"]


def last_weights(state: State) -> dict[str, torch.Tensor]:
    """Weights of the last epoch so far, by name: the mean of `ema` or `swa` where there is one."""
    return state["average"]["weights"] if state["average"] else state["model"]


def fit(
    recipe: Recipe,
    train: Photos,
    valid: Photos | None,
    n_classes: int,
    *,
    seed: int,
    device: str = "cpu",
    loader_workers: int = 0,
    state: State | None = None,
    on_step: Callable[[int, int], None] | None = None,
    ranks: Ranks = ALONE,
    metrics: Sequence[Metric] = DEFAULT,
    first: bytes | None = None,
) -> Iterator[Epoch]:
    """Yield an `Epoch` after each epoch of training, the first new one after `state`.

    train: its photos are there in image_size, and in each of `training_copies(recipe)`.
    With `valid`, the best epoch and the early stop follow `recipe.metric`; without, the last epoch
    is the best. `metrics`: what each epoch is scored by beside its loss, the recipe's own among
    them unless that is `loss`; without, macro F1 and accuracy. `on_step(done, steps)` is called
    after each optimiser step, and after each batch of the validation part. A state whose run is
    over yields nothing. first: weights in the safetensors format that a training without state
    begins with, in place of the recipe's `pretrained`. Several ranks (members/training/ranks.py) train one
    network: the same call on each, with the same state; apart from times each yields the same. A state
    does not depend on how many there were. Raises BadInput at once for photos, labels, a metric or a state
    that do not fit, and Diverged from the epoch in which the loss is no number.
    """
    labels = _require_photos(recipe, train, "training part", n_classes, training_copies(recipe))
    if valid is not None:
        _require_photos(recipe, valid, "validation part", n_classes)
    elif recipe.schedule == "plateau":
        raise BadInput("schedule: plateau needs a validation part to watch; use step or cosine")
    _require_metric(recipe, metrics)
    precision(recipe, device)
    if recipe.normalize == "computed":
        statistics_of(recipe)  # raises
    require_columns(recipe, train)
    known = labels if train.soft is None else labels[_require_soft(train, n_classes)]
    weights = class_weights(recipe, known, n_classes)
    if state is not None:
        _require_own_state(state, recipe, n_classes, seed)
    training = Training(
        recipe,
        train,
        valid,
        n_classes,
        weights,
        seed,
        device,
        loader_workers,
        on_step,
        ranks,
        metrics,
    )
    if state is not None:
        training.resume(state)
    return training.epochs(begun=state is not None, first=first)


def _require_metric(recipe: Recipe, metrics: Sequence[Metric]) -> None:
    known = [metric.name for metric in (*metrics, LOSS)]
    if recipe.metric not in known:
        raise BadInput(
            f"metric: {recipe.metric!r} is none of {', '.join(known)}."
            f"{nearest(recipe.metric, known)} Name one of them, or give fit(metrics=) its scorer"
        )


def _require_photos(
    recipe: Recipe,
    photos: Photos,
    what: str,
    n_classes: int,
    sizes: Sequence[tuple[int, int]] = (),
) -> np.ndarray:
    """Their labels (N,). Raises BadInput for photos that `recipe` cannot be trained with.

    sizes: in which they must be there beside image_size.
    """
    if len(photos) == 0:
        raise BadInput(f"{what}: no photographs")
    require_size(photos, recipe, what)
    for size in sizes:
        _require_size(photos, size, what)
    labels = photos.labels
    if labels is None or len(labels) != len(photos):
        got = "no labels" if labels is None else f"{len(labels)} labels"
        raise BadInput(f"{what}: {len(photos)} photographs need as many labels, got {got}")
    low, high = int(np.min(labels)), int(np.max(labels))
    if low < 0 or high >= n_classes:
        raise BadInput(f"{what}: labels must be 0 to {n_classes - 1}, got {low} to {high}")
    return labels


def _require_soft(photos: Photos, n_classes: int) -> np.ndarray:
    """Which photos (N,) bool have labels of their own. Raises BadInput for a teacher of other photos."""
    soft = photos.soft
    assert soft is not None
    if soft.shares.shape != (len(photos), n_classes) or len(soft.labelled) != len(photos):
        raise BadInput(
            f"training part: a teacher's answers {soft.shares.shape} for {len(photos)} photographs of "
            f"{n_classes} classes. Give it a row a photograph and a column a class"
        )
    return soft.labelled


def _require_size(photos: Photos, size: tuple[int, int], what: str) -> None:
    height, width = size
    try:
        pixels = photos.in_size(size).pixels
    except KeyError:
        raise BadInput(
            f"{what}: training takes copies of [{height}, {width}] (`sizes`, `margin`), and the "
            "photographs are not there in it. Give them as Photos(sizes={(h, w): pixels})"
        ) from None
    shape = (len(photos.pixels), height, width, 3)
    if pixels.dtype != np.uint8 or tuple(pixels.shape) != shape:
        raise BadInput(
            f"{what}: pixels for the size [{height}, {width}] must be uint8 of shape "
            f"({', '.join(map(str, shape))}); got {pixels.dtype} {tuple(pixels.shape)}"
        )


def _require_own_state(state: State, recipe: Recipe, n_classes: int, seed: int) -> None:
    try:
        mine, theirs = identity(recipe, n_classes, seed), dict(json.loads(state["made_by"]))
    except (KeyError, TypeError, ValueError):
        raise BadInput("this is no state of a training. Start without it") from None
    defaults = {name: field.default for name, field in Recipe.model_fields.items()}
    differ = [key for key in sorted({*mine, *theirs}) if mine.get(key) != theirs.get(key)]
    if differ:
        was, now = ({**defaults, **settings} for settings in (theirs, mine))
        raise BadInput(
            "this state belongs to another run: "
            + ", ".join(f"{key} was {was.get(key)!r}, is {now.get(key)!r}" for key in differ)
            + ". Start without it, or give back what it was made with"
        )
