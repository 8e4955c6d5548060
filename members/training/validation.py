"""The figures of a network on its validation part."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from members.batches.loader import Loader
from members.batches.mixing import shares_of
from members.batches.photos import Photos
from members.recipe.recipe import Recipe
from members.training.losses import loss_of
from members.training.metric import Metric
from members.training.predict import logits, softmax
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
) -> dict[str, float]:
    """`loss` and each of `metrics`; the loss is over the whole part at once.

    weights: (K,) of the classes in the loss, or None. Of several ranks all get the first's figures.
    """
    outputs = logits(
        network,
        valid,
        recipe,
        device=device,
        loader=Loader(valid),
        on_step=on_step,
        ranks=ranks,
    )
    labels = np.asarray(valid.labels, np.int64)

    def scored() -> dict[str, float]:
        truth = shares_of(torch.from_numpy(labels), n_classes)
        own = None if weights is None else weights.cpu()
        loss = loss_of(torch.from_numpy(outputs), truth, recipe, own)
        # as exact as may be: what is rounded may tie
        probabilities = softmax(outputs, np.float64)
        return {"loss": float(loss)} | {
            metric.name: metric.of(labels, probabilities) for metric in metrics
        }

    return ranks.from_first(scored)
