"""What a spec holds: data, folds, members, search, vote, resources, as validated values."""

from __future__ import annotations

from typing import Any, Literal

import yaml
from pydantic import Field, field_validator

from ensembles.voting.request import VoteRequest
from members.recipe.recipe import Recipe
from orchestrator.spec.blocks.block import Block, Name
from orchestrator.spec.blocks.data import Data
from orchestrator.spec.blocks.resources import Cache, Resources
from orchestrator.spec.folds.choice import FoldChoice, InitFrom
from orchestrator.spec.search import Search, samples
from orchestrator.spec.students.blocks import Pseudo, Teacher


class Folds(Block):
    """Who validates what. `own`: a column of `file`, or of the file that lists the photos."""

    scheme: Literal["kfold", "holdout", "balanced_holdout", "own", "all"] = Field(
        "kfold", description="groups never straddle folds; all: nothing is held out"
    )
    k: int = Field(5, ge=2, description="number of folds (kfold)")
    ratio: float = Field(0.2, gt=0, lt=1, description="share that is held out (holdout)")
    n: int = Field(
        50, ge=1, description="people held out of each of nine age groups (balanced_holdout)"
    )
    file: str | None = Field(
        None, description="the file with the folds (own); null: the file that lists the photos"
    )
    column: str = Field("fold", description="its column of folds, 0 to k-1 (own)")
    seed: int = Field(42, ge=0, description="of the shuffling of groups")

    @property
    def number(self) -> int | None:
        """How many folds there are; None: the file of folds says (own)."""
        return {"kfold": self.k, "own": None}.get(self.scheme, 1)


class Member(Block):
    """One member: its name, what it predicts, its seeds, and the recipe it is trained with."""

    name: Name = Field(description="names its folders and tables")
    targets: tuple[str, ...] | None = Field(
        None, description="what it predicts, of mask, gender, age; null: all classes"
    )
    age_bounds: tuple[int, int] | None = Field(
        None,
        description="years in which its training labels begin the second and the third age class; "
        "scores keep 30 and 60, on the validation part too",
    )
    seeds: tuple[int, ...] | None = Field(
        None, min_length=1, description="trained once for each, predictions averaged; null: one"
    )
    photos: str | None = Field(
        None, description="which of data.copies it sees; null: the original photographs"
    )
    folds: FoldChoice = Field(
        None,
        description="of the shared folds those that it trains: 1 the first alone (a hold-out), 3 the first "
        "three, [0, 2] these; its OOF table has the rows of these folds; null: all",
    )
    init_from: InitFrom = Field(
        None,
        description="fold 0: its networks of the other folds start from the weights that fold 0's ended "
        "with, and may need fewer epochs (patience); that one learnt what they hold out, so that its OOF "
        "rows are too good; null: each starts anew",
    )
    pseudo: Pseudo | None = Field(
        None,
        description="{of: [MEMBER, ...], at_least: 0.9}: it learns from test photos, too, labelled by "
        "those members' networks that did not see the fold; null: from labelled photos only",
    )
    teacher: Teacher | None = Field(
        None,
        description="{vote: weighted, temperature: 2, hard: 0.3}: it learns to answer as the vote of other "
        "members does (distillation); null: from labels only",
    )
    teachers: tuple[Member, ...] = ()  # the members that it learns from; no key of a file
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


class Join(Block):
    """Members that predict different targets, multiplied into one that predicts all."""

    name: Name = Field(description="of the joined member")
    of: tuple[str, ...] = Field(
        min_length=2, description="its members; each target is predicted by exactly one of them"
    )


class SecondLevel(Block):
    """A stacker, fitted to the tables of other members, that votes beside them.

    Its OOF table is made by nested cross-fitting: no row is predicted by a stacker that saw it or its
    group.
    """

    of: tuple[str, ...] = Field(
        min_length=1,
        description="members that predict all targets, joins, or stacks that stand before it",
    )
    kind: Literal["logistic", "lightgbm"] = Field(
        "logistic",
        description="multinomial logistic regression on the members' log-probabilities, or "
        "gradient-boosted trees on them (`pip install lightgbm`)",
    )


class StackedMember(Block):
    """A member that is no network, `{name: ..., stack: {...}}`: it has these keys and no others."""

    name: Name = Field(description="what the member is called: a folder, a line, a key of votes")
    stack: SecondLevel = Field(description="which members it is made of, and how")


# neither photographs nor networks can object to a value of these
_JUDGED = frozenset(
    ("lr", "min_lr", "weight_decay", "warmup_epochs", "schedule", "milestones", "gamma", "epochs",
     "batch_size", "accumulate", "loss", "smoothing", "focal_gamma")
)  # fmt: skip


class Spec(Block):
    """A whole ensemble file."""

    name: Name = Field(description="names the run folder: runs/NAME")
    data: Data = Field(description="the photographs")
    folds: Folds = Field(Folds(), description="what validates what")
    members: tuple[Member, ...] = Field(min_length=1, description="the networks")
    join: tuple[Join, ...] = Field(
        (), description="members of different targets made into one; a mapping or a list of them"
    )
    stacks: tuple[StackedMember, ...] = ()  # in a file they stand among the members
    search: Search | None = Field(None, description="settings that are searched")
    vote: VoteRequest = Field(VoteRequest(), description="how the members are combined")
    resources: Resources = Field(Resources(), description="what a training process takes")
    cache: Cache | None = Field(
        None, description="decoded copies of photographs; null: as much as the disk has room for"
    )
    hours: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="of training, all calls together: what would not be done by then is not begun, and what "
        "is not done then is stopped; null: as many as it takes",
    )
    tracking: tuple[Literal["tensorboard", "wandb", "mlflow"], ...] = Field(
        ("tensorboard",), description="what gets the curves besides history.csv; []: nothing"
    )

    @field_validator("join", mode="before")
    @classmethod
    def _one_or_several(cls, joins: Any) -> Any:
        return [joins] if isinstance(joins, dict) else joins

    @field_validator("tracking", mode="before")
    @classmethod
    def _one_or_more(cls, trackers: Any) -> Any:
        return [trackers] if isinstance(trackers, str) else trackers

    def voters(self) -> tuple[str, ...]:
        """Names of what may vote: members that predict all targets, joins, and stacks. Students do not:
        their OOF rows are too good to be weighed beside others'.
        """
        whole = [m.name for m in self.members if m.targets is None and m.teacher is None]
        return (*whole, *self.made())

    def students(self) -> tuple[str, ...]:
        """Names of members with `teacher` that predict all targets."""
        return tuple(m.name for m in self.members if m.targets is None and m.teacher is not None)

    def made(self) -> tuple[str, ...]:
        """Names of joins and stacks: their tables are made of other members' tables."""
        return (*(join.name for join in self.join), *(own.name for own in self.stacks))

    def member(self, name: str) -> Member:
        return next(m for m in self.members if m.name == name)

    def searched(self) -> tuple[str, ...]:
        return self.search.members if self.search else ()

    def recipes_of(self, member: Member) -> list[Recipe]:
        """The member's recipe, and some that stand for all that its search may draw; each once.

        Keys whose every value a recipe itself can judge do not vary in them.
        """
        found = [member.recipe]
        if self.search and member.name in self.search.members:
            drawn = samples(self.search.space, fixed=_JUDGED)
            found += [member.with_settings(settings).recipe for settings in drawn]
        return [recipe for i, recipe in enumerate(found) if recipe not in found[:i]]

    def to_yaml(self) -> str:
        """The resolved spec, every default written out; `load` reads it back as the same spec."""
        plain = self.model_dump(mode="json", exclude_none=True)
        stacks = plain.pop("stacks")
        plain["members"] = [*(_flat(member) for member in self.members), *stacks]
        if not self.join:
            del plain["join"]
        for key in ("copies", "repair"):
            if not getattr(self.data, key):
                del plain["data"][key]
        return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=100)


def _flat(member: Member) -> dict[str, Any]:
    own = member.model_dump(mode="json", exclude_none=True, exclude={"recipe", "teachers"})
    return {**own, **member.recipe.model_dump(mode="json", exclude_none=True)}
