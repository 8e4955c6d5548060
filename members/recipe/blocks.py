"""The parts of a recipe that have keys of their own."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from members.errors import nearest

# what `views` may list: see members/training/predict.py
View = Literal["plain", "flip", "crops"]


def known(kind: str, name: str, allowed: Any, also: str = "") -> str:
    """`name`, where it is one of `allowed`. Raises ValueError with the nearest of them."""
    if name not in allowed:
        every = " ".join([", ".join(allowed), also]).strip()
        raise ValueError(f"{name!r} is no known {kind}.{nearest(name, allowed)} Known: {every}")
    return name


class Block(BaseModel):
    """Settings that cannot be changed; unknown keys, infinities and NaN are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Statistics(Block):
    """Mean and standard deviation of red, green, blue on the scale 0..1."""

    mean: tuple[float, float, float] = Field(description="of red, green, blue")
    std: tuple[float, float, float] = Field(description="of red, green, blue, each above 0")

    @field_validator("std")
    @classmethod
    def _positive(cls, std: tuple[float, float, float]) -> tuple[float, float, float]:
        if min(std) <= 0:
            raise ValueError(f"each standard deviation must be above 0, got {list(std)}")
        return std


NAMED_STATISTICS = {
    "imagenet": Statistics(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    # of the competition's photos: as they are, and with the background removed
    "profiles": Statistics(mean=(0.548, 0.504, 0.479), std=(0.237, 0.247, 0.246)),
    "profiles_no_background": Statistics(
        mean=(0.2063, 0.1772, 0.1677), std=(0.3497, 0.3085, 0.2971)
    ),
    "profiles_no_background_eval": Statistics(
        mean=(0.2068, 0.1634, 0.1573), std=(0.3504, 0.2890, 0.2772)
    ),
}


class HeadFirst(Block):
    """The first epochs, in which only the head learns."""

    epochs: int = Field(ge=1, description="of those of the recipe, the first")
    lr: float = Field(
        gt=0, description="the constant rate of the head; `lr`, its warm-up and schedule come after"
    )


class WeightAveraging(Block):
    """The last epochs, whose weights are averaged: see members/training/swa.py."""

    epochs: int = Field(
        ge=2, description="of those of the recipe, the last; the mean is over their ends"
    )
    lr: float = Field(
        gt=0, description="their constant rate, high enough that they differ: about half of lr"
    )


class RunningMean(Block):
    """timm's running mean of the weights: see members/networks/ema.py."""

    decay: float = Field(gt=0, lt=1, description="share of the mean in the next one, e.g. 0.9998")
    warmup_power: float | None = Field(
        None,
        gt=0,
        description="the decay rises as 1 - (1 + steps / gamma)^-power, timm's default being 0.667; "
        "null: it is the same from the second step on",
    )
    warmup_gamma: float = Field(1.0, gt=0, description="beside warmup_power; larger is slower")

    @model_validator(mode="after")
    def _keys_together(self) -> RunningMean:
        if self.warmup_power is None and self.warmup_gamma != 1:
            raise ValueError(
                "warmup_gamma has no effect without warmup_power. Give it, or leave gamma out"
            )
        return self


class Balance(Block):
    """Draw training photos so that each value of a column is seen equally often."""

    balance: str = Field(description="class, a target (mask, gender, age, label), or age_group")


class Erasing(Block):
    """Rectangles of training photos are erased, after normalising: see members/batches/erasing.py."""

    probability: float = Field(gt=0, le=1, description="of each photo, e.g. 0.25")
    mode: Literal["const", "rand", "pixel"] = Field(
        "pixel",
        description="what stands there: const: the mean colour (0). rand: a colour from a normal "
        "distribution. pixel: each pixel from one",
    )
    count: int = Field(
        1, ge=1, description="rectangles a photo, at most; their areas together are as of one"
    )


Mixed = Literal["mixup", "cutmix", "half_face"]


class Switch(Block):
    """Another kind of mixing, which takes the first one's place now and then."""

    kind: Mixed = Field(description="other than that of `mixing`")
    probability: float = Field(0.5, gt=0, lt=1, description="of what is mixed, mixed so")
    alpha: float = Field(1.0, gt=0, description="as that of `mixing`")


class Mixing(Block):
    """Train on pairs of photos made into one: see members/batches/mixing.py."""

    kind: Mixed = Field(
        description="mixup: a weighted mean. cutmix: a rectangle of the other. half_face: the left "
        "half of one, the right half of the other"
    )
    probability: float = Field(
        1.0, gt=0, le=1, description="of each batch to be mixed; of each photo or pair by mode"
    )
    last_epoch: int | None = Field(None, ge=1, description="later epochs are plain; null: none is")
    alpha: float = Field(
        1.0, gt=0, description="shares are drawn from Beta(alpha, alpha); half_face has one half"
    )
    switch: Switch | None = Field(
        None,
        description="{kind: cutmix, probability: 0.5, alpha}: mixed so instead, with that "
        "probability; null: always as `kind` says",
    )
    mode: Literal["batch", "elem", "pair", "half"] = Field(
        "batch",
        description="as timm names them. batch: all photos of a batch in one way. elem: drawn for "
        "each photo, whether and how. pair: for each pair of the batch, first and last, second and "
        "last but one. half: as pair, and of each pair the first alone is learnt: the network takes "
        "in half of the batch",
    )
    partners: Literal["random"] | dict[str, tuple[str, ...]] = Field(
        "random",
        description="the other photo: any of the batch, or of a pool of rare ones, e.g. "
        '{age: [">=60"]} or {age_group: ["55-59", ">=60"]}',
    )

    @field_validator("partners", mode="before")
    @classmethod
    def _pool(cls, partners: Any) -> Any:
        if not isinstance(partners, dict):
            return partners
        if len(partners) != 1:
            raise ValueError(f'one column, e.g. {{age: [">=60"]}}; got {partners!r}')
        ((column, names),) = partners.items()
        names = names if isinstance(names, list | tuple) else [names]
        if not names:
            raise ValueError(f"partners.{column}: an empty pool; name at least one value")
        return {column: [str(name) for name in names]}

    @model_validator(mode="after")
    def _keys_together(self) -> Mixing:
        found = []
        if self.switch and self.switch.kind == self.kind:
            found.append(
                f"switch to {self.kind} has no effect, {self.kind} being the kind already. Another, "
                "or leave switch out"
            )
        if self.mode in ("pair", "half") and self.partners != "random":
            found.append(
                f"mode: {self.mode} mixes photos of the batch with each other, and partners are a "
                "pool. Write `mode: elem`, or leave partners out"
            )
        if found:
            raise ValueError(". ".join(found))
        return self
