"""Networks by name, with a head for our classes and weights to start from.

model = build(recipe, n_classes=18)      # a torch.nn.Module: (B, 3, h, w) -> logits (B, 18)
save(model, "model.safetensors")
load(build(recipe, 18, pretrained=False), "model.safetensors")
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from members import (
    base_cnn,  # noqa: F401  registers it with timm
    files,
)
from members.errors import BadInput, nearest
from members.freezing import freeze
from members.recipe import Recipe
from members.recipe_blocks import NAMED_STATISTICS, Statistics
from members.timm_import import timm
from members.weights import read_weights, start_from

Weights = Mapping[str, torch.Tensor]


def names() -> list[str]:
    """Every architecture that `recipe.model` may name (a tag may follow after a dot)."""
    return timm.list_models()


def name_problem(name: str) -> str | None:
    """What is wrong with a model's name, or None."""
    architecture, _, tag = name.partition(".")
    if architecture not in names():
        return (
            f"model: {name!r} is no model of timm {timm.__version__}."
            f"{nearest(architecture, names())} "
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


def build(
    recipe: Recipe, n_classes: int, *, device: str | None = None, pretrained: bool = True
) -> nn.Module:
    """The recipe's network with `n_classes` outputs, on `device` (default cpu), in train mode.

    `pretrained=False` leaves out the recipe's weights (they will be replaced anyway). On the meta
    device nothing is allocated, and weights from a file are only compared, not loaded. Random
    weights are drawn from torch's global generator. What the recipe freezes asks for no gradient.
    Raises BadInput with what to change.
    """
    device = device or "cpu"
    if problem := name_problem(recipe.model):
        raise BadInput(problem)
    source = recipe.pretrained if pretrained else False
    if source is True and not _config(recipe).has_weights:
        raise BadInput(
            f"pretrained: timm publishes no weights for {recipe.model}; use `pretrained: false`, "
            "a weights file, or package:NAME"
        )
    with torch.device(device):
        model = _create(recipe, n_classes, download=source is True and device != "meta")
    if isinstance(source, str):
        matched = start_from(model, *read_weights(source), described=f"{recipe.model} ({source})")
        if device != "meta":
            model.load_state_dict(matched, strict=False)  # what is missing is the new head
    freeze(model, recipe.freeze)
    return model


def _config(recipe: Recipe):
    return timm.get_pretrained_cfg(recipe.model)


def _create(recipe: Recipe, n_classes: int, *, download: bool) -> nn.Module:
    options = {"num_classes": n_classes}
    if recipe.dropout is not None:
        options["drop_rate"] = recipe.dropout
    if recipe.drop_path is not None:
        options["drop_path_rate"] = recipe.drop_path
    if _config(recipe).fixed_input_size:  # position tables and windows follow the size
        options["img_size"] = recipe.image_size
    try:
        return timm.create_model(recipe.model, pretrained=download, **options)
    except OSError as error:  # what the hub's client raises without a connection, too
        raise BadInput(
            f"pretrained: the weights of {recipe.model} could not be downloaded ({_line(error)}). "
            "Offline: copy the file here and write `pretrained: path/to/model.safetensors`, name "
            "an installed package (`package:NAME`), fill the cache where there is a connection "
            "and carry the folder HF_HOME over, or write `pretrained: false`"
        ) from error
    except (TypeError, ValueError, AssertionError, RuntimeError) as error:
        raise BadInput(_build_problem(recipe, error)) from error


def _build_problem(recipe: Recipe, error: Exception) -> str:
    text = _line(error)
    for argument, key in (("drop_path_rate", "drop_path"), ("drop_rate", "dropout")):
        if isinstance(error, TypeError) and argument in text:
            return f"{key}: {recipe.model} has none; leave {key} out"
    if isinstance(error, TypeError) and "img_size" in text:
        size = list(_config(recipe).input_size[1:])
        return f"image_size: {recipe.model} takes {size} only, got {list(recipe.image_size)}"
    return f"model: {recipe.model} cannot be built for image_size {list(recipe.image_size)}: {text}"


def _line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def statistics(recipe: Recipe) -> Statistics:
    """Mean and standard deviation to normalise with. Raises BadInput for `computed`.

    Those are not known from the recipe alone: `dataset.with_statistics` writes them into it.
    """
    if isinstance(recipe.normalize, Statistics):
        return recipe.normalize
    if recipe.normalize in NAMED_STATISTICS:
        return NAMED_STATISTICS[recipe.normalize]
    if recipe.normalize == "computed":
        raise BadInput(
            "normalize: computed needs the training photos' own figures; train and predict with "
            "`recipe = with_statistics(recipe, train)` of members.dataset"
        )
    config = _config(recipe)

    def three(values) -> tuple[float, float, float]:  # some networks state one for all colours
        return tuple(values) * 3 if len(values) == 1 else tuple(values)

    return Statistics(mean=three(config.mean), std=three(config.std))


# -- what a network would cost, and whether it takes the photos at all ---------------------------


def try_out(recipe: Recipe, n_classes: int = 2) -> float:
    """Build without memory, compare weights, send one photo through; multiply-accumulates.

    Raises BadInput.
    """
    return _forward(recipe, build(recipe, n_classes, device="meta"), n_classes)


def multiply_accumulates(recipe: Recipe, n_classes: int) -> float:
    """Of one forward pass with one photo."""
    return _multiply_accumulates(recipe.model, recipe.image_size, n_classes)


@functools.lru_cache(maxsize=256)
def _multiply_accumulates(name: str, image_size: tuple[int, int], n_classes: int) -> float:
    recipe = Recipe(model=name, image_size=image_size)
    return _forward(recipe, build(recipe, n_classes, device="meta"), n_classes)


def _patch_problem(recipe: Recipe, model: nn.Module) -> str | None:
    """A network that cuts photos into patches drops the edge that is no whole patch, silently."""
    embed = getattr(model, "patch_embed", None)
    if not isinstance(embed, timm.layers.PatchEmbed) or embed.dynamic_img_pad:
        return None
    sizes = [*zip(recipe.image_size, embed.patch_size, strict=True)]
    if all(side % patch == 0 for side, patch in sizes):
        return None
    near = [max(1, round(side / patch)) * patch for side, patch in sizes]
    patch = " x ".join(map(str, embed.patch_size))
    return (
        f"image_size: {recipe.model} does not take {list(recipe.image_size)}: the sides must be "
        f"divisible by its patches of {patch}. Nearest: {near}"
    )


def _forward(recipe: Recipe, model: nn.Module, n_classes: int) -> float:
    if problem := _patch_problem(recipe, model):
        raise BadInput(problem)
    counter = FlopCounterMode(display=False)
    photo = torch.empty(1, 3, *recipe.image_size, device="meta")
    try:
        # the default device too: some networks make their position tables in forward
        with counter, torch.no_grad(), torch.device("meta"):
            logits = model.eval().requires_grad_(False)(photo)
    except (AssertionError, RuntimeError, ValueError) as error:
        native = list(_config(recipe).input_size[1:])
        raise BadInput(
            f"image_size: {recipe.model} does not take {list(recipe.image_size)}: "
            f"{_line(error).rstrip('.')}. Its own size is {native}"
        ) from error
    shape = getattr(logits, "shape", None)
    if shape != (1, n_classes):
        raise BadInput(
            f"model: {recipe.model} answers with {tuple(shape) if shape else type(logits)} for one "
            f"photo instead of (1, {n_classes}) logits; it is no plain classifier, choose another"
        )
    return counter.get_total_flops() / 2  # the counter counts multiplication and addition apart


# -- trained weights ------------------------------------------------------------------------------


def to_bytes(weights: nn.Module | Weights) -> bytes:
    """Weights in the safetensors format."""
    return safetensors.torch.save(_plain(weights))


def save(weights: nn.Module | Weights, path: str | Path) -> None:
    """Write weights as safetensors; the file appears complete or not at all."""
    with files.replacing(path) as unfinished:
        safetensors.torch.save_file(_plain(weights), unfinished)


def _plain(weights: nn.Module | Weights) -> dict[str, torch.Tensor]:
    weights = weights.state_dict() if isinstance(weights, nn.Module) else weights
    # own memory for each tensor: the format knows no strides (channels last) and no sharing
    return {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in weights.items()
    }


def load(model: nn.Module, path: str | Path) -> nn.Module:
    """Read what `save` wrote into `model`; every tensor must be there, none too many."""
    return load_bytes(model, Path(path).read_bytes(), described=str(path))


def load_bytes(model: nn.Module, content: bytes, described: str = "weights") -> nn.Module:
    """Read what `to_bytes` made into `model`. Raises BadInput where it belongs to another one."""
    try:
        model.load_state_dict(safetensors.torch.load(content))
    except (RuntimeError, safetensors.SafetensorError) as error:
        raise BadInput(f"{described} does not fit {type(model).__name__}: {error}") from error
    return model
