"""Optimisers by timm's names, and the learning rate as a function of progress alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from members.errors import BadInput, nearest
from members.networks.pretrained import is_head
from members.networks.timm_import import timm
from members.recipe.recipe import Recipe
from members.recipe.stages import head_epochs, is_averaged, scheduled_epochs
from members.training.epoch import copied
from members.training.metric import Metric

# those of torch that have a kernel for CUDA; Adagrad's is one for CPUs
_FUSED = (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD)


def optimizer_names() -> list[str]:
    """Every optimiser that `recipe.optimizer` may name."""
    # exported without `__all__`, which its types then lack
    listed = timm.optim.list_optimizers()  # type: ignore[attr-defined]
    return [name for name in listed if isinstance(name, str)]


def optimizer_problem(name: str) -> str | None:
    """What is wrong with an optimiser's name, or None."""
    plain = name.lower().removeprefix("lookahead_")
    if plain in optimizer_names():
        return None
    return f"optimizer: {name!r} is no optimiser of timm.{nearest(plain, optimizer_names())}"


def create_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimiser over the model's weights; no weight decay on biases and norm layers.

    With layer_decay d, the block at depth i of n learns at lr * d^(n - i), the head at lr (timm's
    grouping into blocks). On a GPU all weights are updated by one kernel where torch has it.

    Raises BadInput for an unknown name, arguments it does not take, or a package it needs.
    """
    if problem := optimizer_problem(recipe.optimizer):
        raise BadInput(problem)
    given = recipe.optimizer_args
    if next(model.parameters()).is_cuda and takes_fused(recipe):
        given = {"fused": True, **given}
    try:
        optimizer = timm.optim.create_optimizer_v2(  # type: ignore[attr-defined]  # as above
            model,
            opt=recipe.optimizer,
            lr=recipe.lr,
            weight_decay=recipe.weight_decay,
            layer_decay=recipe.layer_decay,
            **given,
        )
    except (TypeError, ValueError, AssertionError, ImportError, RuntimeError) as error:
        own = f" with {recipe.optimizer_args}" if recipe.optimizer_args else ""
        raise BadInput(f"optimizer: {recipe.optimizer}{own} cannot be made: {error}") from error
    if getattr(optimizer, "is_second_order", False):
        raise BadInput(
            f"optimizer: {recipe.optimizer} needs second derivatives, which fit does not compute; "
            "adamw or adamp are near"
        )
    return optimizer


def clips(recipe: Recipe) -> bool:
    """Whether gradients are changed before a step."""
    given = (recipe.clip_grad_norm, recipe.clip_grad_value, recipe.clip_grad_agc)
    return given != (None, None, None)


def clip_gradients(model: nn.Module, recipe: Recipe) -> None:
    """Make the model's gradients smaller, in place, in the recipe's way; those of timm's `clip_mode`.

    norm: all of them by one factor, where their norm is larger. value: each number by itself. agc: those of
    each unit (a row of a weight) where their norm is more than a part of the unit's own norm, the head's
    left out (Brock et al. 2021, arXiv:2102.06171).
    """
    if recipe.clip_grad_norm is not None:
        nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_grad_norm)
    if recipe.clip_grad_value is not None:
        nn.utils.clip_grad_value_(model.parameters(), recipe.clip_grad_value)
    if recipe.clip_grad_agc is not None:
        body = (weight for name, weight in model.named_parameters() if not is_head(model, name))
        # a module that is imported with timm, which its types lack
        timm.utils.agc.adaptive_clip_grad(body, recipe.clip_grad_agc)


def require_optimizer(recipe: Recipe) -> None:
    """Raise BadInput where `create_optimizer` would, whatever the network."""
    create_optimizer(nn.Linear(2, 2), recipe.model_copy(update={"layer_decay": None}))


def takes_fused(recipe: Recipe) -> bool:
    """Whether the recipe's optimiser is one of torch's that update all weights by one kernel, and the recipe
    does not say itself how they are updated."""
    if {"fused", "foreach", "capturable", "differentiable"} & {*recipe.optimizer_args}:
        return False
    made = create_optimizer(nn.Linear(2, 2), recipe.model_copy(update={"layer_decay": None}))
    return type(made) in _FUSED


def load_optimizer(optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """What `optimizer` knew when `state` was taken, which is not changed by it.

    The kernels stay the own ones: the state may be of another device.
    """
    # a copy, since the optimiser goes on in the tensors that it is given
    loaded = copied(state)
    for group, own in zip(loaded["param_groups"], optimizer.param_groups, strict=True):
        if "fused" in own:
            group["fused"] = own["fused"]
    optimizer.load_state_dict(loaded)


def learning_rate(recipe: Recipe, epoch: int, step: int, steps: int, drops: int = 0) -> float:
    """The rate for optimiser step `step` (from 0, of `steps`) of `epoch` (from 0).

    Warm-up rises linearly and reaches `lr` at its end. Afterwards cosine falls by step to `min_lr`
    at the end of its last epoch; the others change between epochs only. `drops`: of a plateau
    schedule so far. In the epochs of `head_first` and `swa` it is that of the block; the schedule
    lies between.
    """
    before = head_epochs(recipe)
    if recipe.head_first and epoch < before:
        return recipe.head_first.lr
    if recipe.swa and is_averaged(recipe, epoch):
        return recipe.swa.lr
    epoch, epochs = epoch - before, scheduled_epochs(recipe)
    progress = epoch + step / steps
    if progress < recipe.warmup_epochs:
        return recipe.lr * min(1.0, (progress + 1 / steps) / recipe.warmup_epochs)
    if recipe.schedule == "constant":
        return recipe.lr
    if recipe.schedule != "cosine":
        times = {
            "step": epoch // recipe.step_epochs,
            "milestones": sum(epoch >= milestone for milestone in recipe.milestones),
            "plateau": drops,
        }[recipe.schedule]
        return max(recipe.min_lr, recipe.lr * recipe.gamma**times)
    done = (progress - recipe.warmup_epochs) / max(epochs - recipe.warmup_epochs, 1e-9)
    return recipe.min_lr + (recipe.lr - recipe.min_lr) * (1 + math.cos(math.pi * done)) / 2


def plateau_drops(recipe: Recipe, history: Sequence[Mapping[str, float]], metric: Metric) -> int:
    """How often a plateau schedule has multiplied the rate by gamma after the epochs of `history`.

    metric: the recipe's. As torch's ReduceLROnPlateau with patience = plateau_epochs - 1 and
    threshold 0; epochs of `head_first` do not count. 0 for other schedules.
    """
    if recipe.schedule != "plateau":
        return 0
    best, since, drops = -math.inf, 0, 0
    for row in history[head_epochs(recipe) :]:
        value = metric.sign * row[metric.name]
        since = 0 if value > best else since + 1
        best = max(best, value)
        if since == recipe.plateau_epochs:
            drops, since = drops + 1, 0
    return drops


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """For every group of weights, times the group's own `lr_scale` where it has one."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group.get("lr_scale", 1.0)
