"""`ensembles/*.yaml` -> a validated spec; every mistake at once, each with its line.

spec = load("ensembles/demo.yaml", small=True, sets=["members.effnet.lr=1e-3"])
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ensembles import metrics
from members.errors import nearest
from members.recipe import Recipe

from .errors import WrongRequest
from .search_space import Search, samples
from .yaml_lines import parse

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PhotoCopy(_Block):
    """Folders with other pictures of the same photographs, by the same relative paths."""

    train: str
    test: str | None = None


class Data(_Block):
    layout: Literal["profiles", "table", "folders"] = "profiles"
    train: str
    test: str | None = None
    root: str | None = None
    corrections: str | None = None  # a CSV of labels that are wrong: members/corrections.py
    copies: dict[Name, PhotoCopy] = {}  # a member chooses one: `photos: NAME`

    @model_validator(mode="after")
    def _profiles_only(self) -> Data:
        if self.corrections and self.layout != "profiles":
            raise ValueError(
                "corrections are for the layout `profiles`, whose labels are names of folders; "
                f"with layout {self.layout} correct the labels where they stand"
            )
        return self


class Folds(_Block):
    """Who validates what. `own`: a column of `file`, or of the file that lists the photos."""

    scheme: Literal["kfold", "holdout", "balanced_holdout", "own", "all"] = "kfold"
    k: int = Field(5, ge=2)
    ratio: float = Field(0.2, gt=0, lt=1)
    n: int = Field(50, ge=1)  # people held out of each of nine age groups: balanced_holdout
    file: str | None = None
    column: str = "fold"
    seed: int = Field(42, ge=0)


class Member(_Block):
    """One member: its name, what it predicts, its seeds, and the recipe it is trained with.

    age_bounds: where its training labels begin the second and the third age class; the scoring
    keeps 30 and 60, for validation too. photos: which of `data.copies` it sees; None: the originals.
    """

    name: Name
    targets: tuple[str, ...] | None = None
    age_bounds: tuple[int, int] | None = None
    seeds: tuple[int, ...] | None = Field(None, min_length=1)
    photos: str | None = None
    recipe: Recipe

    @field_validator("age_bounds")
    @classmethod
    def _in_order(cls, bounds: tuple[int, int] | None) -> tuple[int, int] | None:
        if bounds and not 0 < bounds[0] < bounds[1]:
            raise ValueError(f"two rising ages in years, e.g. [29, 58]; got {list(bounds)}")
        return bounds

    def with_settings(self, settings: dict[str, Any]) -> Member:
        """The same member with some recipe keys replaced (validated again)."""
        recipe = Recipe(**{**self.recipe.model_dump(mode="json"), **settings})
        return self.model_copy(update={"recipe": recipe})


class Vote(_Block):
    mode: Literal["hard", "soft", "weighted"] = "weighted"
    objective: str | None = None
    top: int | None = Field(None, ge=1)  # the best so many members by their own OOF scores

    @field_validator("objective")
    @classmethod
    def _objective(cls, given: str | None) -> str | None:
        if given is None:
            return None
        found = metrics.canonical(given)
        if metrics.base(found) not in metrics.METRICS:
            near = nearest(given, (*metrics.METRICS, *metrics.ALIASES))
            raise ValueError(
                f"got {given!r}.{near} Allowed: {', '.join(metrics.METRICS)}, "
                "or of one target as macro_f1:age."
            )
        return found


class Resources(_Block):
    """What one training process takes, and how many train one unit together.

    cpus, gpus, loader_workers: of each process. `gpus: auto` is 1 where the cluster has any, else 0.
    workers: processes that divide each batch of a unit among them; batch_size stays that of the
        unit. They train what one would, but for batch norm, whose statistics are those of each
        process's own photos (as with smaller batches), and for dropout, which each draws for
        itself. More units at once use a machine better than more processes a unit: set it where a
        batch is too large for one GPU, or where there are fewer units than GPUs.
    """

    cpus: int = Field(1, ge=1)
    gpus: Literal["auto"] | float = Field("auto")
    loader_workers: int = Field(0, ge=0)
    workers: int = Field(1, ge=1)

    @model_validator(mode="after")
    def _gpus(self) -> Resources:
        if self.gpus != "auto" and self.gpus < 0:
            raise ValueError(f"gpus must be 0 or more, or auto; got {self.gpus}")
        if self.workers > 1 and self.gpus != "auto" and 0 < self.gpus < 1:
            raise ValueError(
                f"{self.workers} workers cannot share a GPU (NCCL wants one for each), got gpus: "
                f"{self.gpus:g}; give 1, auto, or 0 for CPUs"
            )
        return self


class Join(_Block):
    """Members that predict different targets, multiplied into one that predicts all."""

    name: Name
    of: tuple[str, ...] = Field(min_length=2)


# neither photographs nor networks can object to a value of these
_JUDGED = frozenset(
    ("lr", "min_lr", "weight_decay", "warmup_epochs", "schedule", "milestones", "gamma", "epochs",
     "batch_size", "accumulate", "loss", "smoothing", "focal_gamma")
)  # fmt: skip


class Spec(_Block):
    """A whole ensemble file.

    tracking: who gets the curves besides `history.csv`; [] is nobody.
    """

    name: Name
    data: Data
    folds: Folds = Folds()
    members: tuple[Member, ...] = Field(min_length=1)
    join: tuple[Join, ...] = ()
    search: Search | None = None
    vote: Vote = Vote()
    resources: Resources = Resources()
    tracking: tuple[Literal["tensorboard", "wandb", "mlflow"], ...] = ("tensorboard",)

    @field_validator("join", mode="before")
    @classmethod
    def _one_or_several(cls, joins: Any) -> Any:
        return [joins] if isinstance(joins, dict) else joins

    @field_validator("tracking", mode="before")
    @classmethod
    def _one_or_more(cls, trackers: Any) -> Any:
        return [trackers] if isinstance(trackers, str) else trackers

    def voters(self) -> tuple[str, ...]:
        """Names of what may vote: members that predict all targets, and joins."""
        whole = [member.name for member in self.members if member.targets is None]
        return (*whole, *(join.name for join in self.join))

    def member(self, name: str) -> Member:
        return next(m for m in self.members if m.name == name)

    def searched(self) -> tuple[str, ...]:
        return self.search.members if self.search else ()

    def recipes_of(self, member: Member) -> list[Recipe]:
        """The member's recipe, and some that speak for all that its search may draw; each once.

        Keys whose every value a recipe itself can judge do not vary in them.
        """
        found = [member.recipe]
        if member.name in self.searched():
            drawn = samples(self.search.space, fixed=_JUDGED)
            found += [member.with_settings(settings).recipe for settings in drawn]
        return [recipe for i, recipe in enumerate(found) if recipe not in found[:i]]

    def to_yaml(self) -> str:
        """The resolved spec, every default written out; `load` reads it back as the same spec."""
        plain = self.model_dump(mode="json", exclude_none=True)
        plain["members"] = [_flat(member) for member in self.members]
        if not self.join:
            del plain["join"]
        if not self.data.copies:
            del plain["data"]["copies"]
        return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=100)


def _flat(member: Member) -> dict[str, Any]:
    own = member.model_dump(mode="json", exclude_none=True, exclude={"recipe"})
    return {**own, **member.recipe.model_dump(mode="json", exclude_none=True)}


def load(path: str | Path, *, small: bool = False, sets: Sequence[str] = ()) -> Spec:
    """Read and validate a spec file.

    `small` merges its `small:` block over the rest (a member mapped to null is left out) and ends
    the name in `-small`; `sets` are `a.b=value` overrides. Raises `WrongRequest` with every mistake
    found.
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
