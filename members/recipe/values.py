"""What single keys of a recipe may hold, where a type says too little: each a type with its check."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from members.recipe.blocks import NAMED_STATISTICS, Balance, RunningMean, Statistics, View, known
from members.recipe.chains import read_chain
from members.recipe.policies import read_policy

LOSSES = ("cross_entropy", "focal", "label_smoothing", "bce", "f1")
MIN_SIDE, MAX_SIDE = 8, 4096
NORMALIZATIONS = (*NAMED_STATISTICS, "model", "computed")


def _square(size: Any) -> Any:
    if isinstance(size, str):
        raise ValueError(f"[height, width] in pixels, or one number for a square; got {size!r}")
    return (size, size) if isinstance(size, int) and not isinstance(size, bool) else size


def _squares(sizes: Any) -> Any:
    return [_square(size) for size in sizes] if isinstance(sizes, list | tuple) else sizes


def _sides(size: tuple[int, int]) -> tuple[int, int]:
    if not all(MIN_SIDE <= side <= MAX_SIDE for side in size):
        raise ValueError(
            f"[height, width] in pixels, each {MIN_SIDE} to {MAX_SIDE}; got {list(size)}"
        )
    return size


def _all_sides(sizes: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    return tuple(map(_sides, sizes))


def _crop_sides(crop: tuple[float, float] | None) -> tuple[float, float] | None:
    if crop and not all(0 < side <= 1 or (side > 1 and side == int(side)) for side in crop):
        raise ValueError(
            "[height, width], each a fraction of the photo (above 0, at most 1) or a whole "
            f"number of pixels; got {list(crop)}"
        )
    return crop


def _each_once(views: tuple[str, ...]) -> tuple[str, ...]:
    if len({*views}) < len(views):
        raise ValueError(f"each view once, got {list(views)}")
    return views


def _different(candidates: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
    for views in candidates:
        if not views or len({*views}) < len(views):
            raise ValueError(f"each at least one view, and each view once; got {list(views)}")
    if len({frozenset(views) for views in candidates}) < len(candidates) or len(candidates) == 1:
        every = [list(views) for views in candidates]
        raise ValueError(f"at least two different ones to choose from; got {every}")
    return candidates


def _known_loss(loss: str | dict[str, float]) -> str | dict[str, float]:
    for name in [loss] if isinstance(loss, str) else loss:
        known("loss", name, LOSSES, also="or a weighted sum: {f1: 1, cross_entropy: 1}")
    if not isinstance(loss, str) and not (loss and min(loss.values()) > 0):
        raise ValueError(f"a weighted sum needs factors above 0, got {loss}")
    return loss


def _known_sampling(value: Any) -> Any:
    if isinstance(value, str):
        known("sampling", value, ("shuffle",), also="or {balance: class | age_group | TARGET}")
    return value


def _known_weights(value: Any) -> Any:
    if isinstance(value, str):
        known("choice of class weights", value, ("balanced",), also="or one number a class")
    return value


def _useful_weights(weights: Any) -> Any:
    if isinstance(weights, tuple) and (not weights or min(weights) < 0 or max(weights) == 0):
        raise ValueError(f"numbers of 0 or more, not all 0; got {list(weights)}")
    return weights


def _known_normalization(value: str | Statistics) -> str | Statistics:
    if isinstance(value, str):
        known("normalisation", value, NORMALIZATIONS, also="or {mean: [3], std: [3]}")
    return value


def _known_beforehand(value: str | Statistics | None) -> str | Statistics | None:
    if isinstance(value, str):
        known("normalisation", value, (*NAMED_STATISTICS, "model"), also="or {mean, std}")
    return value


def _a_source(value: bool | str) -> bool | str:
    if isinstance(value, str) and value.removeprefix("package:").strip() == "":
        raise ValueError(f"true, false, a weights file, or package:NAME; got {value!r}")
    return value


def _rising(epochs: tuple[int, ...]) -> tuple[int, ...]:
    if list(epochs) != sorted({*epochs}) or min(epochs, default=1) < 1:
        raise ValueError(f"rising numbers of epochs, the first at least 1; got {list(epochs)}")
    return epochs


Size = Annotated[tuple[int, int], BeforeValidator(_square), AfterValidator(_sides)]
Sizes = Annotated[
    tuple[tuple[int, int], ...], BeforeValidator(_squares), AfterValidator(_all_sides)
]
Crop = Annotated[tuple[float, float] | None, AfterValidator(_crop_sides)]
Augmentation = Annotated[str | tuple[dict[str, dict[str, Any]], ...], BeforeValidator(read_chain)]
Policy = Annotated[str | None, AfterValidator(read_policy)]
Views = Annotated[tuple[View, ...], AfterValidator(_each_once)]
ViewsToChoose = Annotated[tuple[tuple[View, ...], ...], AfterValidator(_different)]
Loss = Annotated[str | dict[str, float], AfterValidator(_known_loss)]
Sampling = Annotated[Literal["shuffle"] | Balance, BeforeValidator(_known_sampling)]
Mean = Annotated[float, Field(gt=0, lt=1)] | RunningMean | None
ClassWeights = Annotated[
    Literal["balanced"] | tuple[float, ...] | None,
    BeforeValidator(_known_weights),
    AfterValidator(_useful_weights),
]
Normalization = Annotated[str | Statistics, AfterValidator(_known_normalization)]
TestNormalization = Annotated[str | Statistics | None, AfterValidator(_known_beforehand)]
Source = Annotated[bool | str, AfterValidator(_a_source)]
Epochs = Annotated[tuple[int, ...], AfterValidator(_rising)]
