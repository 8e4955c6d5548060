"""A recipe: everything that decides how one network is trained, with its defaults.

    recipe = Recipe(model="efficientnet_b3", image_size=[300, 300], loss="focal")
    problems = check(recipe)            # [] where training can start

`Recipe` imports neither torch nor timm, so that a spec is read in a blink. It refuses what it can
tell from the values alone; `check` needs the libraries and answers for names of models and
optimisers, for the weights to start from, and for whether the network takes photos of this size.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from members.augment import CHAINS
from members.errors import BadInput, nearest

LOSSES = ("cross_entropy", "focal", "label_smoothing", "f1")
NORMALIZATIONS = ("imagenet", "model")
MIN_SIDE, MAX_SIDE = 8, 4096

Metric = Literal["macro_f1", "accuracy", "loss"]


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Statistics(_Block):
    """Mean and standard deviation of red, green, blue on the scale 0..1."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @field_validator("std")
    @classmethod
    def _positive(cls, std: tuple[float, float, float]) -> tuple[float, float, float]:
        if min(std) <= 0:
            raise ValueError(f"each standard deviation must be above 0, got {list(std)}")
        return std


class Recipe(_Block):
    """How to train one network. Sizes are [height, width]; rates are per optimiser step."""

    # the network
    model: str = Field(
        description="a timm model, e.g. efficientnet_b3; with a tag (swin_large_patch4_window12_384"
        ".ms_in22k) the tag says which published weights `pretrained: true` loads"
    )
    pretrained: bool | str = Field(
        False,
        description="false: random start. true: timm's published weights (needs the internet or "
        "a filled cache). A path to .safetensors/.pth. package:NAME: the weights file that an "
        "installed package carries",
    )
    dropout: float | None = Field(
        None, ge=0, lt=1, description="before the last layer; null: the network's own default"
    )
    drop_path: float | None = Field(
        None, ge=0, lt=1, description="stochastic depth; null: the network's own default"
    )

    # the photographs
    image_size: tuple[int, int] = Field(
        (224, 224), description="[height, width] that the network sees; a number is a square"
    )
    crop: tuple[float, float] | None = Field(
        None,
        description="centre crop [height, width] before the resize: fractions of the photo where "
        "<= 1, else pixels; null: what the augmentation chain asks for",
    )
    augmentation: str = Field("base", description="a chain by name: " + ", ".join(CHAINS))
    normalize: str | Statistics = Field(
        "imagenet", description="imagenet, model (what timm states for it), or {mean, std}"
    )

    # the training
    epochs: int = Field(10, ge=1)
    batch_size: int = Field(32, ge=1)
    validation_batch_size: int | None = Field(
        None, ge=1, description="photos at once without gradients; null: twice batch_size"
    )
    optimizer: str = Field("adamw", description="any optimiser that timm knows by name")
    optimizer_args: dict[str, Any] = Field(
        {}, description="passed on to it, e.g. {momentum: 0.8} or {betas: [0.9, 0.95]}"
    )
    lr: float = Field(1e-3, gt=0, description="peak learning rate")
    weight_decay: float = Field(0.01, ge=0, description="not applied to biases and norm layers")
    clip_grad_norm: float | None = Field(None, gt=0, description="null: gradients as they come")
    schedule: Literal["cosine", "step", "constant"] = Field(
        "cosine", description="cosine falls to min_lr; step multiplies by gamma every step_epochs"
    )
    warmup_epochs: float = Field(
        0, ge=0, description="linear rise to lr, in epochs or parts of one"
    )
    step_epochs: int = Field(4, ge=1)
    gamma: float = Field(0.5, gt=0, le=1)
    min_lr: float = Field(0.0, ge=0, description="no schedule goes below it after the warm-up")

    # the loss
    loss: str = Field("cross_entropy", description=", ".join(LOSSES))
    smoothing: float = Field(
        0.1, ge=0, lt=1, description="label_smoothing only; 0 is the same as cross_entropy"
    )
    focal_gamma: float = Field(2.0, ge=0, description="focal only; 0 is cross_entropy")

    # which epoch is kept, and when to stop
    metric: Metric = Field("macro_f1", description="on the validation part; decides the best epoch")
    patience: int | None = Field(
        None, ge=1, description="stop after so many epochs without a better one; null: never"
    )

    # the machine
    mixed_precision: Literal["auto", "off", "bf16", "fp16"] = Field(
        "auto", description="auto: bf16, else fp16, on a GPU; off on a CPU"
    )
    channels_last: bool = Field(
        True, description="memory order of the pictures; 1.1-1.7 times faster for convolutions"
    )

    @field_validator("image_size", mode="before")
    @classmethod
    def _square(cls, size: Any) -> Any:
        return (size, size) if isinstance(size, int) and not isinstance(size, bool) else size

    @field_validator("image_size")
    @classmethod
    def _sides(cls, size: tuple[int, int]) -> tuple[int, int]:
        if not all(MIN_SIDE <= side <= MAX_SIDE for side in size):
            raise ValueError(
                f"[height, width] in pixels, each {MIN_SIDE} to {MAX_SIDE}; got {list(size)}"
            )
        return size

    @field_validator("crop")
    @classmethod
    def _crop_sides(cls, crop: tuple[float, float] | None) -> tuple[float, float] | None:
        for side in crop or ():
            if side <= 0 or (side > 1 and side != int(side)):
                raise ValueError(
                    "[height, width], each a fraction of the photo (above 0, at most 1) or a whole "
                    f"number of pixels; got {list(crop)}"
                )
        return crop

    @field_validator("augmentation")
    @classmethod
    def _known_chain(cls, name: str) -> str:
        return _known("augmentation", name, CHAINS)

    @field_validator("loss")
    @classmethod
    def _known_loss(cls, name: str) -> str:
        return _known("loss", name, LOSSES)

    @field_validator("normalize")
    @classmethod
    def _known_normalization(cls, value: str | Statistics) -> str | Statistics:
        if isinstance(value, str):
            _known("normalisation", value, NORMALIZATIONS, also="or {mean: [3], std: [3]}")
        return value

    @field_validator("pretrained")
    @classmethod
    def _a_source(cls, value: bool | str) -> bool | str:
        if isinstance(value, str) and value.removeprefix("package:").strip() == "":
            raise ValueError(f"true, false, a weights file, or package:NAME; got {value!r}")
        return value

    @model_validator(mode="after")
    def _learning_rates(self) -> Recipe:
        if self.min_lr > self.lr:
            raise ValueError(f"min_lr must be at most lr ({self.lr:g}), got {self.min_lr:g}")
        return self


def _known(kind: str, name: str, allowed: Any, also: str = "") -> str:
    if name not in allowed:
        known = " ".join([", ".join(allowed), also]).strip()
        raise ValueError(f"{name!r} is no known {kind}.{nearest(name, allowed)} Known: {known}")
    return name


def check(recipe: Recipe) -> list[str]:
    """Every reason why `recipe` could not be trained, one text each; empty where it can.

    Builds the network without memory (meta device) and reads the headers of weights files; takes
    about a second for a large network. Imports torch and timm.
    """
    from members import models, optim

    problems = [models.name_problem(recipe.model), optim.name_problem(recipe.optimizer)]
    if problems == [None, None]:
        problems = []
        for attempt in (models.try_out, optim.try_out):
            try:
                attempt(recipe)
            except BadInput as error:
                problems += error.problems
    return [problem for problem in problems if problem]


def flops(recipe: Recipe, n_classes: int) -> float:
    """Multiply-accumulates of one forward pass with one photo (ResNet-50 at 224: 4.1e9).

    Raises BadInput where the network cannot be built or does not take photos of this size.
    """
    from members import models

    return models.multiply_accumulates(recipe, n_classes)
