"""Losses by name: `LOSSES[name](logits, truth, recipe, weights) -> scalar`, smaller is better.

logits: (B, K) float; truth: (B, K) float, rows sum to 1, what share of a photo is of which class
(`shares_of`: a single 1 for a plain label, two shares for two mixed photos); weights: (K,) float,
how much a class counts, or None for all alike.

cross_entropy, focal, label_smoothing and bce are means over the photos, so the loss of a large batch is
the mean of its parts'. f1 is not: it counts over the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from members.errors import BadInput
from members.networks.timm_import import timm
from members.recipe.recipe import Recipe

Loss = Callable[[Tensor, Tensor, Recipe, Tensor | None], Tensor]


def cross_entropy(logits: Tensor, truth: Tensor, recipe: Recipe, weights=None) -> Tensor:
    """Minus the log of the true class's probability."""
    return _mean(truth * -functional.log_softmax(logits, dim=1), weights)


def label_smoothing(logits: Tensor, truth: Tensor, recipe: Recipe, weights=None) -> Tensor:
    """Cross entropy against `1 - smoothing` for the true class plus `smoothing / K` for every one.

    Szegedy et al. 2016, arXiv:1512.00567. With smoothing 0 it is cross_entropy.
    """
    return cross_entropy(logits, _smoothed(truth, recipe), recipe, weights)


def _smoothed(truth: Tensor, recipe: Recipe) -> Tensor:
    return (1 - recipe.smoothing) * truth + recipe.smoothing / truth.shape[1]


def bce(logits: Tensor, truth: Tensor, recipe: Recipe, weights=None) -> Tensor:
    """timm's binary cross-entropy: of each class whether it is there, by the sigmoid of its logit.

    Wightman et al. 2021, arXiv:2110.00476. The mean over photos and classes, or over photos with
    bce_sum; the truth is that of label_smoothing, and with bce_threshold 0 or 1.
    """
    # a module that is imported with timm, which its types lack
    of_timm = timm.loss.BinaryCrossEntropy(  # type: ignore[attr-defined]
        smoothing=0,
        target_threshold=recipe.bce_threshold,
        weight=weights,
        sum_classes=recipe.bce_sum,
    )
    return of_timm(logits, _smoothed(truth, recipe))


def focal(logits: Tensor, truth: Tensor, recipe: Recipe, weights=None) -> Tensor:
    """`-(1 - p)^gamma log p` with p the true class's probability: easy photos count less.

    Lin et al. 2017, arXiv:1708.02002, whose alpha are the class weights. With focal_gamma 0 it is
    cross_entropy. For mixed labels it is the mean of both labels' by their shares.
    """
    log_p = functional.log_softmax(logits, dim=1)
    # expm1 keeps 1 - p exact near p = 1; the floor keeps the power's slope finite for gamma < 1
    wrong = (-torch.expm1(log_p)).clamp_min(torch.finfo(log_p.dtype).tiny)
    return _mean(truth * -(wrong**recipe.focal_gamma * log_p), weights)


def f1(logits: Tensor, truth: Tensor, recipe: Recipe, weights=None) -> Tensor:
    """One minus the soft macro F1: counts of hits and misses replaced by probabilities.

    For class k: `F1_k = 2 sum_i p_ik y_ik / (sum_i p_ik + sum_i y_ik)`, y the truth. The mean (by
    class weights) is over the classes present in the batch, so the range is 0 to 1 whatever the
    batch holds. A class that is absent has no hits to gain; probability given to it still costs, as
    it is missing from the true classes.
    """
    p = functional.softmax(logits, dim=1)
    photos = truth.sum(0)
    scores = 2 * (p * truth).sum(0) / (p.sum(0) + photos).clamp_min(torch.finfo(p.dtype).tiny)
    counts = (photos > 0).to(p.dtype)
    counts = counts if weights is None else counts * weights
    return 1 - (scores * counts).sum() / counts.sum().clamp_min(torch.finfo(p.dtype).tiny)


def _mean(terms: Tensor, weights: Tensor | None) -> Tensor:
    """Sum over classes, mean over photos.

    Divided by the number of photos, not by their weights, so that parts of a batch add up to it.
    """
    return (terms if weights is None else terms * weights).sum(1).mean()


LOSSES: dict[str, Loss] = {
    "cross_entropy": cross_entropy,
    "focal": focal,
    "label_smoothing": label_smoothing,
    "bce": bce,
    "f1": f1,
}


def loss_of(logits: Tensor, truth: Tensor, recipe: Recipe, weights: Tensor | None = None) -> Tensor:
    """The recipe's loss, a scalar: one of LOSSES, or a weighted sum of some.

    logits, truth: (B, K) float; weights: (K,) float or None.
    """
    parts = {recipe.loss: 1.0} if isinstance(recipe.loss, str) else recipe.loss
    return sum(
        (factor * LOSSES[name](logits, truth, recipe, weights) for name, factor in parts.items()),
        start=logits.new_zeros(()),
    )


def taught_loss(
    logits: Tensor,
    truth: Tensor,
    recipe: Recipe,
    weights: Tensor | None = None,
    temperature: float | None = None,
) -> Tensor:
    """`loss_of`, or beside it the divergence from a teacher's answers, a scalar.

    Hinton et al. 2015, arXiv:1503.02531: the mean over the photos of

        h loss + (1 - h) T^2 KL(teacher || softmax(logits / T))

    truth: (B, 2K + 1) float, of each photo the shares of its labels as `loss_of` takes them, its teacher's
    of temperature T, and h. Where h is 0 the labels are not looked at; otherwise all have the same h, so
    that a loss which is no mean over photos is that of those photos, by their part of the batch. weights:
    (K,) of the classes in the recipe's loss, or None; what the teacher says counts alike for all. Without
    a temperature there is no teacher, and truth is (B, K).
    """
    if temperature is None:
        return loss_of(logits, truth, recipe, weights)
    n = logits.shape[1]
    labels, teacher, hard = truth[:, :n], truth[:, n : 2 * n], truth[:, -1]
    total = ((1 - hard) * temperature**2 * divergence(logits, teacher, temperature)).mean()
    known = hard > 0
    if known.any():
        share = hard[known].sum() / len(hard)
        total = total + share * loss_of(logits[known], labels[known], recipe, weights)
    return total


def divergence(logits: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """(B,) Kullback-Leibler divergence of `softmax(logits / temperature)` from `teacher`.

    logits, teacher: (B, K) float; the teacher's rows sum to 1 and may hold zeros.
    """
    log_p = functional.log_softmax(logits / temperature, dim=1)
    return (torch.special.xlogy(teacher, teacher) - teacher * log_p).sum(1)


def class_weights(
    recipe: Recipe, labels: Sequence[int] | np.ndarray, n_classes: int
) -> Tensor | None:
    """The recipe's class weights (K,) float32, or None.

    labels (N,): of the training part. `balanced`: N / (K' n_k) for class k with n_k photos, K' the
    number of classes that have any, so that their mean over the photos is 1; 0 for a class without
    photos. Raises BadInput where a list has not one weight a class.
    """
    if recipe.class_weights is None:
        return None
    if recipe.class_weights == "balanced":
        counts = torch.bincount(torch.as_tensor(labels), minlength=n_classes).double()
        inverse = torch.where(counts > 0, 1 / counts, 0.0)
        return (inverse * counts.sum() / (counts > 0).sum()).float()
    if len(recipe.class_weights) != n_classes:
        raise BadInput(
            f"class_weights: {len(recipe.class_weights)} weights for {n_classes} classes; give one "
            "a class in the order of the classes, or `balanced`"
        )
    return torch.tensor(recipe.class_weights)
