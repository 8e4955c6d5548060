"""Whether names of files say which photographs belong together, and how sure that is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from members.data.name_groups import RULES, NameRule, examples, group_of_name

_FEWEST = 10  # groups: fewer are words that many names begin with
_MOST_IN_ONE = 40  # photos a group on average: of more, the part is a kind, not one thing
_SURE, _PERHAPS = 0.9, 0.5  # share of photos that have another of their group
_SEEN_AGAIN = 2.0  # how often what follows the part occurs: views and counters repeat in each group


@dataclass(frozen=True)
class NameGroups:
    """A rule that may make groups: how many, of how many photos each, two examples, how sure."""

    rule: NameRule
    count: int
    mean: float
    examples: tuple[str, ...]
    sure: bool

    def line(self) -> str:
        return (
            f"{self.rule} of the file name would make {self.count:,} groups of {self.mean:.1f} photos "
            f"({'; '.join(self.examples)})"
        )


def guess(names: Sequence[str], labels: Sequence[str]) -> NameGroups | None:
    """The rule that fits the names (N,) best, whose classes are `labels` (N,); None: none fits.

    It is sure where nearly all photos share their part with a few others, and what follows it occurs
    again in other groups, as views and counters do.
    """
    found = [own for rule in RULES if (own := _tried(names, labels, rule)) is not None]
    return max(found, key=lambda own: (own.sure, own.rule == "all_but_last_part"), default=None)


def _tried(names: Sequence[str], labels: Sequence[str], rule: NameRule) -> NameGroups | None:
    parts = [group_of_name(name, rule) for name in names]
    counts = Counter(part for part in parts if part is not None)
    several = {part for part, count in counts.items() if count > 1}
    words = {own.casefold() for own in labels}
    if several & words or {own.casefold() for own in several} & words:
        return None  # the class itself
    shared = sum(counts[part] for part in several)
    if len(several) < _FEWEST or shared < _PERHAPS * len(names):
        return None
    if max(counts.values()) > len(names) / 5:
        return None
    ends = Counter(
        PurePosixPath(name).stem[len(part) :]
        for name, part in zip(names, parts, strict=True)
        if part is not None
    )
    mean = shared / len(several)
    again = sum(ends.values()) / len(ends)
    sure = shared >= _SURE * len(names) and mean <= _MOST_IN_ONE and again >= _SEEN_AGAIN
    shown = examples([own or "" for own in parts], names) if "" not in several else []
    return NameGroups(rule, len(counts), mean, tuple(shown), sure)
