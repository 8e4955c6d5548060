"""Networks by name, with a head for our classes and weights to start from.

model = build(recipe, n_classes=18)      # a torch.nn.Module: (B, 3, h, w) -> logits (B, 18)
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from members.errors import BadInput, first_line, nearest
from members.networks import base_cnn  # noqa: F401  registers it with timm
from members.networks.freezing import body_of, clear_head, freeze
from members.networks.pretrained import is_head, read_weights, start_from
from members.networks.timm_import import timm
from members.recipe.blocks import NAMED_STATISTICS, Statistics
from members.recipe.recipe import Recipe


def model_names() -> list[str]:
    """Every architecture that `recipe.model` may name (a tag may follow after a dot)."""
    return timm.list_models()


def model_problem(name: str) -> str | None:
    """What is wrong with a model's name, or None."""
    architecture, _, tag = name.partition(".")
    if architecture not in model_names():
        return (
            f"model: {name!r} is no model of timm {timm.__version__}."
            f"{nearest(architecture, model_names())} "
            "List them: python -c 'import timm; print(*timm.list_models(), sep=\"\\n\")'"
        )
    if tag:
        tags = [n.partition(".")[2] for n in timm.list_pretrained(f"{architecture}.*")]
        if tag not in tags:
            return (
                f"model: {architecture} has no published weights {tag!r}.{nearest(tag, tags)} "
                f"Known: {', '.join(tags) or 'none'}"
            )
    return None


def build_model(
    recipe: Recipe, n_classes: int, *, device: str | None = None, pretrained: bool = True
) -> nn.Module:
    """The recipe's network with `n_classes` outputs, on `device` (default cpu), in train mode.

    `pretrained=False` leaves out the recipe's weights (they will be replaced anyway). On the meta
    device nothing is allocated, and weights from a file are only compared, not loaded. Random
    weights are drawn from torch's global generator. What the recipe freezes has requires_grad=False.
    Raises BadInput with what to change.
    """
    device = device or "cpu"
    if problem := model_problem(recipe.model):
        raise BadInput(problem)
    source = recipe.pretrained if pretrained else False
    if source is True and not pretrained_config(recipe).has_weights:
        raise BadInput(
            f"pretrained: timm publishes no weights for {recipe.model}; use `pretrained: false`, "
            "a weights file, or package:NAME"
        )
    with torch.device(device):
        model = _create(recipe, n_classes, download=source is True and device != "meta")
    if recipe.zero_head:
        if source is True and device != "meta":  # whose callers ask for any number of classes
            _require_new_head(recipe, pretrained_config(recipe).num_classes == n_classes)
        clear_head(model)
    if isinstance(source, str):
        matched = start_from(model, *read_weights(source), described=f"{recipe.model} ({source})")
        if device != "meta":
            _require_new_head(recipe, any(is_head(model, name) for name in matched))
            model.load_state_dict(matched, strict=False)  # what is missing is the new head
    freeze(model, recipe.freeze)
    if recipe.head_first:
        body_of(model)  # raises
    return model


def _require_new_head(recipe: Recipe, in_weights: bool) -> None:
    if recipe.zero_head and in_weights:
        raise BadInput(
            "zero_head: the pretrained weights bring a head for as many classes, which is no new "
            "one. Leave zero_head out to go on from that head, or take weights without it"
        )


def least_in_batch(model: nn.Module) -> int:
    """Photos that a process needs in a batch to train on: batch norm has no statistics of one."""
    return 2 if any(isinstance(module, _BatchNorm) for module in model.modules()) else 1


def pretrained_config(recipe: Recipe):
    """timm's record of the recipe's published weights: input size, statistics, where they are."""
    return timm.get_pretrained_cfg(recipe.model)


def _create(recipe: Recipe, n_classes: int, *, download: bool) -> nn.Module:
    options: dict[str, Any] = {"num_classes": n_classes}
    if recipe.dropout is not None:
        options["drop_rate"] = recipe.dropout
    if recipe.drop_path is not None:
        options["drop_path_rate"] = recipe.drop_path
    if pretrained_config(recipe).fixed_input_size:  # position tables and windows follow the size
        options["img_size"] = recipe.image_size
        if recipe.sizes and _takes_any_size(recipe.model):
            options["dynamic_img_size"] = True
    try:
        return timm.create_model(recipe.model, pretrained=download, **options)
    except OSError as error:  # what the hub's client raises without a connection, too
        raise BadInput(
            f"pretrained: the weights of {recipe.model} could not be downloaded ({first_line(error)}). "
            "Offline: copy the file here and write `pretrained: path/to/model.safetensors`, name "
            "an installed package (`package:NAME`), fill the cache where there is a connection "
            "and carry the folder HF_HOME over, or write `pretrained: false`"
        ) from error
    except (TypeError, ValueError, AssertionError, RuntimeError) as error:
        raise BadInput(_build_problem(recipe, error)) from error


@functools.lru_cache(maxsize=256)
def _takes_any_size(name: str) -> bool:
    """Whether timm has the network fit its position tables to each photo's size."""
    try:
        with torch.device("meta"):
            timm.create_model(name, pretrained=False, dynamic_img_size=True)
    except (
        TypeError
    ):  # no such argument; `require_network` finds out whether it takes them all the same
        return False
    return True


def _build_problem(recipe: Recipe, error: Exception) -> str:
    text = first_line(error)
    for argument, key in (("drop_path_rate", "drop_path"), ("drop_rate", "dropout")):
        if isinstance(error, TypeError) and argument in text:
            return f"{key}: {recipe.model} has none; leave {key} out"
    if isinstance(error, TypeError) and "img_size" in text:
        size = list(pretrained_config(recipe).input_size[1:])
        return f"image_size: {recipe.model} takes {size} only, got {list(recipe.image_size)}"
    return f"model: {recipe.model} cannot be built for image_size {list(recipe.image_size)}: {text}"


def statistics_of(recipe: Recipe) -> Statistics:
    """Mean and standard deviation to normalise with. Raises BadInput for `computed`.

    Those are not known from the recipe alone: members/batches/statistics.py writes them into it.
    """
    if isinstance(recipe.normalize, Statistics):
        return recipe.normalize
    if recipe.normalize in NAMED_STATISTICS:
        return NAMED_STATISTICS[recipe.normalize]
    if recipe.normalize == "computed":
        raise BadInput(
            "normalize: computed needs the training photos' own figures; train and predict with "
            "`recipe = with_statistics(recipe, train)` of members.batches.statistics"
        )
    config = pretrained_config(recipe)

    def three(values) -> tuple[float, float, float]:  # some networks state one for all colours
        return tuple(values) * 3 if len(values) == 1 else tuple(values)

    return Statistics(mean=three(config.mean), std=three(config.std))
