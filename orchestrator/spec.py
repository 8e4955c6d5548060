"""`ensembles/*.yaml` -> a validated spec; every mistake at once, each with its line.

spec = load("ensembles/demo.yaml", small=True, sets=["members.effnet.lr=1e-3"])
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from members.errors import nearest
from members.recipe import Recipe

from .errors import WrongRequest
from .yaml_lines import parse

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
Metric = Literal["macro_f1", "accuracy", "loss"]
OBJECTIVES = ("log_loss", "macro_f1", "accuracy")


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Data(_Block):
    layout: Literal["profiles", "table", "folders"] = "profiles"
    train: str
    test: str | None = None
    root: str | None = None


class Folds(_Block):
    scheme: Literal["kfold", "holdout", "all"] = "kfold"
    k: int = Field(5, ge=2)
    ratio: float = Field(0.2, gt=0, lt=1)
    seed: int = Field(42, ge=0)


class Member(_Block):
    """One member: its name, what it predicts, its seeds, and the recipe it is trained with."""

    name: Name
    targets: tuple[str, ...] | None = None
    seeds: tuple[int, ...] | None = Field(None, min_length=1)
    recipe: Recipe

    def with_settings(self, settings: dict[str, Any]) -> Member:
        """The same member with some recipe keys replaced (validated again)."""
        recipe = Recipe(**{**self.recipe.model_dump(mode="json"), **settings})
        return self.model_copy(update={"recipe": recipe})


class Distribution(_Block):
    """What one searched key is drawn from: exactly one of the four."""

    choice: tuple[Any, ...] | None = Field(None, min_length=1)
    uniform: tuple[float, float] | None = None
    log_uniform: tuple[float, float] | None = None
    int_uniform: tuple[int, int] | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Distribution:
        given = {k: v for k, v in self.model_dump().items() if v is not None}
        if len(given) != 1:
            raise ValueError(
                f"needs exactly one of choice, uniform, log_uniform, int_uniform; got {len(given)}"
            )
        kind, values = next(iter(given.items()))
        if kind != "choice" and not values[0] < values[1]:
            raise ValueError(f"{kind}: the low end must be below the high end, got {list(values)}")
        if kind == "log_uniform" and values[0] <= 0:
            raise ValueError(f"log_uniform needs values above 0, got {list(values)}")
        return self

    def extremes(self) -> list[Any]:
        """Values that must be valid for the key if every draw is to be."""
        return list(self.choice or self.uniform or self.log_uniform or self.int_uniform)


class Asha(_Block):
    grace_epochs: int = Field(1, ge=1)
    reduction_factor: float = Field(2, gt=1)


class Search(_Block):
    members: tuple[str, ...] = Field(min_length=1)
    space: dict[str, Distribution] = Field(min_length=1)
    candidates: int = Field(8, ge=1)
    sampler: Literal["random", "tpe"] = "tpe"
    metric: Metric = "macro_f1"
    fold: int = Field(0, ge=0)
    seed: int = Field(0, ge=0)
    asha: Asha = Asha()


class Vote(_Block):
    mode: Literal["hard", "soft", "weighted"] = "weighted"
    objective: str | None = None

    @field_validator("objective")
    @classmethod
    def _objective(cls, given: str | None) -> str | None:
        if given is not None and given.partition(":")[0] not in OBJECTIVES:
            raise ValueError(
                f"got {given!r}.{nearest(given, OBJECTIVES)} Allowed: {', '.join(OBJECTIVES)}, "
                "or of one target as macro_f1:age."
            )
        return given


class Resources(_Block):
    """What one training process takes. `gpus: auto` is 1 where the cluster has any, else 0."""

    cpus: int = Field(1, ge=1)
    gpus: Literal["auto"] | float = Field("auto")
    loader_workers: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _gpus(self) -> Resources:
        if self.gpus != "auto" and self.gpus < 0:
            raise ValueError(f"gpus must be 0 or more, or auto; got {self.gpus}")
        return self


class Spec(_Block):
    name: Name
    data: Data
    folds: Folds = Folds()
    members: tuple[Member, ...] = Field(min_length=1)
    search: Search | None = None
    vote: Vote = Vote()
    resources: Resources = Resources()

    def member(self, name: str) -> Member:
        return next(m for m in self.members if m.name == name)

    def searched(self) -> tuple[str, ...]:
        return self.search.members if self.search else ()

    def to_yaml(self) -> str:
        """The resolved spec, every default written out; `load` reads it back as the same spec."""
        plain = self.model_dump(mode="json", exclude_none=True)
        plain["members"] = [_flat(member) for member in self.members]
        return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=100)


def _flat(member: Member) -> dict[str, Any]:
    own = member.model_dump(mode="json", exclude_none=True, exclude={"recipe"})
    return {**own, **member.recipe.model_dump(mode="json", exclude_none=True)}


def load(path: str | Path, *, small: bool = False, sets: Sequence[str] = ()) -> Spec:
    """Read and validate a spec file.

    `small` merges its `small:` block over the rest and ends the name in `-small`; `sets` are
    `a.b=value` overrides. Raises `WrongRequest` with every mistake found.
    """
    path = Path(path)
    if not path.is_file():
        near = nearest(path.name, (p.name for p in path.parent.glob("*.yaml")))
        raise WrongRequest(f"no spec file at {path}.{near} Give the path of a YAML file.")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WrongRequest(f"{path} cannot be read as UTF-8 text: {error}.") from None
    from .spec_reader import Reader

    return Reader(parse(text, str(path)), str(path)).read(small=small, sets=sets)
