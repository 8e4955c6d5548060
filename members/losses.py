"""Losses by name: `LOSSES[name](logits, labels, recipe) -> scalar`, smaller is better.

logits: (B, K) float32; labels: (B,) int64 in 0..K-1. Each is a mean over the batch.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from members.recipe import Recipe


def cross_entropy(logits: Tensor, labels: Tensor, recipe: Recipe) -> Tensor:
    """Minus the log of the true class's probability."""
    return functional.cross_entropy(logits, labels)


def label_smoothing(logits: Tensor, labels: Tensor, recipe: Recipe) -> Tensor:
    """Cross entropy against `1 - smoothing` for the true class plus `smoothing / K` for every one.

    Szegedy et al. 2016, arXiv:1512.00567. With smoothing 0 it is cross_entropy.
    """
    return functional.cross_entropy(logits, labels, label_smoothing=recipe.smoothing)


def focal(logits: Tensor, labels: Tensor, recipe: Recipe) -> Tensor:
    """`-(1 - p)^gamma log p` with p the true class's probability: easy photos count less.

    Lin et al. 2017, arXiv:1708.02002, without class weights. With focal_gamma 0 it is
    cross_entropy.
    """
    log_p = functional.log_softmax(logits, dim=1).gather(1, labels[:, None]).squeeze(1)
    # expm1 keeps 1 - p exact near p = 1; the floor keeps the power's slope finite for gamma < 1
    wrong = (-torch.expm1(log_p)).clamp_min(torch.finfo(log_p.dtype).tiny)
    return -(wrong**recipe.focal_gamma * log_p).mean()


def f1(logits: Tensor, labels: Tensor, recipe: Recipe) -> Tensor:
    """One minus the soft macro F1: counts of hits and misses replaced by probabilities.

    For class k: `F1_k = 2 sum_i p_ik [y_i = k] / (sum_i p_ik + sum_i [y_i = k])`. The mean is over
    the classes present in the batch, so the range is 0 to 1 whatever the batch holds. A class that
    is absent has no hits to gain; probability given to it still costs, as it is missing from the
    true classes.
    """
    p = functional.softmax(logits, dim=1)
    truth = functional.one_hot(labels, logits.shape[1]).to(p.dtype)
    photos = truth.sum(0)
    scores = 2 * (p * truth).sum(0) / (p.sum(0) + photos).clamp_min(torch.finfo(p.dtype).tiny)
    present = (photos > 0).to(p.dtype)
    return 1 - (scores * present).sum() / present.sum()


LOSSES: dict[str, Callable[[Tensor, Tensor, Recipe], Tensor]] = {
    "cross_entropy": cross_entropy,
    "focal": focal,
    "label_smoothing": label_smoothing,
    "f1": f1,
}
