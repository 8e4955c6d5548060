"""The figures of a network on its validation part."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from members.batches.loader import Loader
from members.batches.mixing import shares_of
from members.batches.photos import Photos
from members.out_of_memory import AtOnce
from members.recipe.recipe import Recipe
from members.training.losses import loss_of
from members.training.metric import Metric
from members.training.predict import logits, looks, softmax
from members.training.ranks import Ranks


def validated(
    network: nn.Module,
    valid: Photos,
    recipe: Recipe,
    n_classes: int,
    weights: Tensor | None,
    metrics: Sequence[Metric],
    *,
    device: str,
    on_step: Callable[[int, int], None],
    ranks: Ranks,
    at_once: AtOnce,
) -> dict[str, float]:
    """`loss` and each of `metrics`; the loss is over the whole part at once.

    Of the photos as they are, or of the mean over the recipe's views where it has
    `validation_views`. weights: (K,) of the classes in the loss, or None. Of several ranks all get
    the first's figures. at_once: as in `predict_each`.
    """
    views = recipe.views if recipe.validation_views else ("plain",)
    seen = [
        logits(
            network,
            valid,
            recipe,
            device=device,
            loader=Loader(valid),
            look=look,
            on_step=on_step,
            ranks=ranks,
            at_once=at_once,
        )
        for look in looks(views)
    ]
    labels = np.asarray(valid.labels, np.int64)

    def scored() -> dict[str, float]:
        outputs = seen[0] if len(seen) == 1 else logits_of_mean(seen)
        truth = shares_of(torch.from_numpy(labels), n_classes)
        own = None if weights is None else weights.cpu()
        loss = loss_of(torch.from_numpy(outputs.astype(np.float32)), truth, recipe, own)
        # as exact as may be: what is rounded may tie
        probabilities = softmax(outputs, np.float64)
        return {"loss": float(loss)} | {
            metric.name: metric.of(labels, probabilities) for metric in metrics
        }

    return ranks.from_first(scored)


def logits_of_mean(seen: Sequence[np.ndarray]) -> np.ndarray:
    """(N, K) float64 whose softmax is the mean of the softmax of each of `seen` (N, K)."""
    mean = np.mean([softmax(outputs, np.float64) for outputs in seen], axis=0)
    return np.log(np.maximum(mean, np.finfo(np.float64).tiny))
