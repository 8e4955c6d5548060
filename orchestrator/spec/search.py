"""The search of a spec: whose settings are searched, and what each is drawn from."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from members.recipe.blocks import Block
from orchestrator.spec import member_metrics

# why a member has no tables, where its candidates competed with those of other members
STOPPED = "stopped by ASHA in the search"
_CANDIDATES = 8


class Distribution(Block):
    """What one searched key is drawn from: exactly one of the five. Both ends belong to a range."""

    choice: tuple[Any, ...] | None = Field(None, min_length=1, description="one of these values")
    uniform: tuple[float, float] | None = Field(None, description="[low, high]")
    log_uniform: tuple[float, float] | None = Field(
        None, description="[low, high] above 0, uniform in the logarithm"
    )
    int_uniform: tuple[int, int] | None = Field(None, description="[low, high], whole numbers")
    quniform: tuple[float, float, float] | None = Field(
        None,
        description="[low, high, step], drawn as NNI does: round(x / step) * step of a uniform x, "
        "clipped",
    )

    @model_validator(mode="after")
    def _one_of_them(self) -> Distribution:
        given = {k: v for k, v in self.model_dump().items() if v is not None}
        if len(given) != 1:
            names = ", ".join(Distribution.model_fields)
            raise ValueError(f"needs exactly one of {names}; got {len(given)}")
        kind, values = next(iter(given.items()))
        if kind != "choice" and (problem := range_problem(kind, *values)):
            raise ValueError(problem)
        return self

    def size(self) -> int | None:
        """How many values there are; None: a continuous range."""
        if self.choice is not None:
            return len(self.choice)
        if self.int_uniform is not None:
            return self.int_uniform[1] - self.int_uniform[0] + 1
        if self.quniform is not None:
            low, high, step = self.quniform
            return round(high / step) - round(low / step) + 1
        return None

    def value(self, i: int) -> Any:
        """The `i`-th of its `size()` values, in rising order or as listed."""
        if self.choice is not None:
            return self.choice[i]
        if self.int_uniform is not None:
            return self.int_uniform[0] + i
        assert self.quniform is not None, "a continuous range has no list of values"
        low, high, step = self.quniform
        return _number(min(max((round(low / step) + i) * step, low), high))

    def probes(self) -> list[Any]:
        """Values that must be valid for the key if every draw is to be."""
        if self.choice is not None:
            return list(self.choice)
        size = self.size()
        if size is not None:
            # the second too: where it is a whole number, so is the step
            return [self.value(i) for i in sorted({0, min(1, size - 1), size - 1})]
        ends = self.uniform or self.log_uniform
        assert ends is not None  # exactly one of the five is given
        low, high = ends
        return [low, high, low + (high - low) / math.e]


def range_problem(kind: str, low: float, high: float, step: float | None = None) -> str | None:
    """What is wrong with a range of the `kind`, or None."""
    if not low < high:
        return f"{kind}: the low end must be below the high end, got {_list(low, high)}"
    if "log" in kind and low <= 0:
        return f"{kind} needs values above 0, got {_list(low, high)}"
    if step is not None and not 0 < step <= high - low:
        return (
            f"{kind}: the step must be above 0 and at most high - low = {high - low:g}, "
            f"got {step:g}"
        )
    return None


class Asha(Block):
    """When candidates are stopped: at each rung, those behind the cut-off of it."""

    grace_epochs: int = Field(1, ge=1, description="epochs that every candidate trains")
    reduction_factor: float = Field(
        2, gt=1, description="rungs are so many times apart, and one in so many passes each"
    )


class Search(Block):
    """Candidates for the settings of some members."""

    members: tuple[str, ...] = Field(min_length=1, description="whose settings are searched")
    space: dict[str, Distribution] = Field(
        min_length=1,
        description="recipe key -> what it is drawn from; also in NNI's form, or the name of a "
        "file in either form",
    )
    sampler: Literal["random", "tpe", "grid"] = Field(
        "tpe", description="grid: every combination, the values of the last key change first"
    )
    candidates: int = Field(
        None,
        ge=1,
        validate_default=True,
        description=f"at most so many for each member; null: {_CANDIDATES}, or a whole grid",
    )
    hours: float | None = Field(
        None,
        gt=0,
        description="no new candidate of a member begins later than this after its first",
    )
    scope: Literal["member", "ensemble"] = Field(
        "member",
        description="what ASHA compares: the candidates of one member, or those of all searched "
        "members, of which one with no candidate at the end is left out of the vote",
    )
    metric: str = Field("macro_f1", description="what candidates are compared by")
    fold: int = Field(0, ge=0, description="the fold that candidates are trained on")
    seed: int = Field(0, ge=0, description="of the draws")
    asha: Asha = Field(Asha(), description="when candidates are stopped")

    @field_validator("metric")
    @classmethod
    def _known_metric(cls, given: str) -> str:
        return member_metrics.read(given)

    @field_validator("candidates", mode="before")
    @classmethod
    def _all_of_a_grid(cls, given: Any, info: ValidationInfo) -> Any:
        if given is not None:
            return given
        whole = grid_size(info.data.get("space", {})) if info.data.get("sampler") == "grid" else 0
        return whole or _CANDIDATES

    def first(self) -> dict[str, Any]:
        """The first value of each key that is drawn."""
        return {key: distribution.probes()[0] for key, distribution in self.space.items()}

    def longest(self, epochs: int) -> int:
        """Epochs of the longest candidate of a member that itself has `epochs`."""
        drawn = self.space.get("epochs")
        return epochs if drawn is None else max(map(int, drawn.probes()))


def samples(
    space: Mapping[str, Distribution], fixed: frozenset[str] = frozenset()
) -> list[dict[str, Any]]:
    """Settings that stand for all draws: each value of each key, and each pair of values of two.

    The other keys have their first value; so have the `fixed` ones in all of them.
    """
    first = {key: distribution.probes()[0] for key, distribution in space.items()}
    varied = [key for key in space if key not in fixed]
    pairs = [
        {**first, one: x, other: y}
        for one, other in itertools.combinations(varied, 2)
        for x in space[one].probes()
        for y in space[other].probes()
    ]
    return [first, *({**first, key: x} for key in varied for x in space[key].probes()), *pairs]


def grid_size(space: Mapping[str, Distribution]) -> int | None:
    """How many combinations there are; None where a range is continuous."""
    sizes = [distribution.size() for distribution in space.values()]
    known = [size for size in sizes if size is not None]
    return math.prod(known) if len(known) == len(sizes) else None


def _number(value: float) -> int | float:
    """Without the last digits that a product of floats adds; a whole number as such."""
    tidy = float(f"{value:.12g}")
    return int(tidy) if tidy.is_integer() else tidy


def _list(*values: float) -> str:
    return f"[{', '.join(f'{value:g}' for value in values)}]"
