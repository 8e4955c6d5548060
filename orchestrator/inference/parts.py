"""What an ensemble is made of once it is trained: its networks, how each sees a photograph, its vote.

It is read from a run (of_run.py), and holds no network itself: networks.py loads them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from ensembles.rules.mean import AnyRule
from ensembles.second_level.stack import FittedStack
from ensembles.voting.record import VoteRecord
from members.data.codec import Codec
from members.recipe.recipe import Recipe


@dataclass(frozen=True)
class Seen:
    """How members see a photograph: those of the same are shown the same pixels.

    size: (h, w). crop: (h, w) taken from the centre first, None: nothing is cut off. cut_out: with
    the background made black before all, as `prepare --remove-background` does.
    """

    size: tuple[int, int]
    crop: tuple[float, float] | None = None
    cut_out: bool = False


@dataclass(frozen=True)
class Network:
    """A trained network's weights. place: a path or address. sha256: None where none was recorded.

    recipe: as it was trained, with the normalisation and the views for photographs to predict. fold: the
    one that it did not see; "all": it saw every row; None: not known.
    """

    place: str
    sha256: str | None
    recipe: Recipe
    fold: int | str | None = None


@dataclass(frozen=True)
class Part:
    """A member: the networks that answer for it, each counting alike.

    targets: what it predicts, None: all. milliseconds: a photograph, as measured when it was trained;
    None where it was not.
    """

    name: str
    seen: Seen
    networks: tuple[Network, ...]
    targets: tuple[str, ...] | None = None
    milliseconds: float | None = None


@dataclass(frozen=True)
class Trained:
    """A trained ensemble and its vote.

    name: of the spec; place: where it was read. vote: the name of the vote, "weighted" say, and its
    record and rule, whose members are `voters`, in this order. members: those that are needed for it
    and no others, unless all were asked for. joins: name -> the members that are multiplied;
    stacks: name -> the second level fitted to others; both in an order to be made in. bits: of 16-bit
    samples whose range a photograph does not say itself; None: not known.
    """

    name: str
    place: str
    codec: Codec
    members: tuple[Part, ...]
    vote: str
    record: VoteRecord
    rule: AnyRule
    voters: tuple[str, ...]
    joins: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    stacks: Mapping[str, FittedStack] = field(default_factory=dict)
    bits: int | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        return self.codec.classes

    @property
    def names(self) -> set[str]:
        """Of all members, joins and stacks there are."""
        return {part.name for part in self.members} | {*self.joins, *self.stacks}

    def of(self, names: Iterable[str]) -> Trained:
        """The same with some of its members, joins and stacks, and what these are made of; names of
        what is not there are of no influence, and left.
        """
        made_of = {**self.joins, **{own: tuple(stack.of) for own, stack in self.stacks.items()}}
        kept = with_parts([name for name in names if name in self.names], made_of)
        return replace(
            self,
            members=tuple(part for part in self.members if part.name in kept),
            joins={join: of for join, of in self.joins.items() if join in kept},
            stacks={stack: fitted for stack, fitted in self.stacks.items() if stack in kept},
        )

    def codec_of(self, part: Part) -> Codec:
        """Of what a member predicts."""
        return self.codec if part.targets is None else self.codec.subset(part.targets)


def with_parts(names: Iterable[str], made_of: Mapping[str, tuple[str, ...]]) -> list[str]:
    """The names and those that they are made of, each once and after what it is made of.

    made_of: join or stack -> its members.
    """
    found: dict[str, None] = {}

    def add(name: str) -> None:
        for part in made_of.get(name, ()):
            add(part)
        found.setdefault(name)

    for name in names:
        add(name)
    return list(found)
