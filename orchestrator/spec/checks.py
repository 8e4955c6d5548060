"""Mistakes of a spec that no single key shows: where each stands, what is wrong, how it is called.

Each function yields (path in the YAML, text, dotted name), as `Mistakes.add` takes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, product
from typing import Any

from members.recipe.recipe import Recipe
from members.recipe.without_effect import USES, without_effect
from orchestrator.errors import unknown
from orchestrator.spec.folds.checks import begun_from, some_folds
from orchestrator.spec.search import Distribution
from orchestrator.spec.spec import Member, Spec
from orchestrator.spec.students.checks import students

Mistake = tuple[tuple, str, str | None]


def copies(spec: Spec) -> Iterator[Mistake]:
    """Each member's `photos` is one of `data.copies`, with a test part where the data has one."""
    known = spec.data.copies
    for i, member in enumerate(spec.members):
        path, shown = ("members", i, "photos"), f"members.{member.name}.photos"
        if member.photos is not None and not known:
            text = (
                f"got {member.photos!r}, but the spec names no copies of the photos: "
                "data: {copies: {NAME: {train: DIR, test: DIR}}}"
            )
            yield path, text, shown
        elif member.photos is not None and member.photos not in known:
            yield path, unknown("copy", member.photos, known), shown
    used = {member.photos for member in spec.members}
    for name, copy in known.items():
        if name in used and (copy.test is None) != (spec.data.test is None):
            has, lacks = ("data", "it") if copy.test is None else ("it", "data")
            text = f"{has} has a `test`, and {lacks} has none: give both or neither"
            yield ("data", "copies", name), text, None


def workers(spec: Spec) -> Iterator[Mistake]:
    """Each of several processes takes part in every batch."""
    processes = spec.resources.workers
    for member in spec.members:
        if member.recipe.batch_size < processes:
            text = (
                f"{processes} processes cannot divide the batches of {member.name}: its "
                f"batch_size, that of all together, is {member.recipe.batch_size}"
            )
            yield ("resources", "workers"), text, None


def targets_of(spec: Spec) -> tuple[str, ...]:
    """What the photographs are labelled with."""
    return ("label",) if spec.data.layout != "profiles" else ("mask", "gender", "age")


def targets(spec: Spec) -> Iterator[Mistake]:
    """Members predict targets that the data has."""
    allowed = targets_of(spec)
    for i, member in enumerate(spec.members):
        for target in member.targets or ():
            if target not in allowed:
                shown = f"members.{member.name}.targets"
                yield ("members", i, "targets"), unknown("target", target, allowed), shown
        if member.age_bounds and "age" not in (member.targets or allowed):
            text = f"{member.name} does not learn ages in years"
            yield ("members", i, "age_bounds"), text, f"members.{member.name}.age_bounds"


def joins(spec: Spec) -> Iterator[Mistake]:
    """Each join has a name of its own, and parts that share no target and leave none out."""
    every = targets_of(spec)
    taken = [member.name for member in spec.members]
    names = list(taken)
    for i, join in enumerate(spec.join):
        path, shown = ("join", i), f"join.{join.name}"
        if join.name in taken:
            yield path, "a member or join of this name exists; choose another", shown
        for name in [name for name in join.of if name not in names]:
            yield path, unknown("member", name, names), shown
        parts = {name: spec.member(name).targets or every for name in join.of if name in names}
        for target in every:
            have = [name for name, targets in parts.items() if target in targets]
            if len(have) != 1 and len(parts) == len(join.of):
                found = f"{' and '.join(have)} do" if have else "none does"
                yield path, f"exactly one part must predict {target!r}, but {found}", shown
        taken.append(join.name)


def stacks(spec: Spec) -> Iterator[Mistake]:
    """Each stack has a name of its own, and is of members, joins or earlier stacks that are whole."""
    networks = {member.name: member for member in spec.members}
    taken = [*networks, *(join.name for join in spec.join)]
    later = [own.name for own in spec.stacks]
    for i, own in enumerate(spec.stacks):
        path, shown = ("stacks", i, "stack", "of"), f"members.{own.name}.stack.of"
        if own.name in [join.name for join in spec.join]:
            text = "a join of this name exists; choose another"
            yield ("stacks", i, "name"), text, f"members.{own.name}"
        later = later[1:]
        for name in dict.fromkeys(own.stack.of):
            member = networks.get(name)
            if name == own.name:
                yield path, "a stack is not made of itself", shown
            elif name in later:
                text = f"{name} is a stack that stands behind it. Move {name} before {own.name}"
                yield path, text, shown
            elif name not in taken:
                yield path, unknown("member", name, taken), shown
            elif member and member.targets is not None:
                text = (
                    f"{name} predicts {' and '.join(member.targets)} only. Join such members, and "
                    "name the join"
                )
                yield path, text, shown
            elif own.stack.of.count(name) > 1:
                yield path, f"{name} stands there twice", shown
        if spec.folds.scheme == "all":
            text = "folds.scheme all holds no photos out, and a stack is fitted to held-out ones"
            yield ("stacks", i, "stack"), text, f"members.{own.name}.stack"
        taken.append(own.name)


def one_folder_elsewhere(spec: Spec) -> list[str]:
    """A note on members and joins whose folders are one where capitals do not count."""
    names = [*(member.name for member in spec.members), *spec.made()]
    by_folded: dict[str, list[str]] = {}
    for name in names:
        by_folded.setdefault(name.casefold(), []).append(name)
    return [
        f"{' and '.join(same)} differ in capitals only: copied to a disk where those do not count "
        "(macOS, Windows), their folders are one. Rename one of them."
        for same in by_folded.values()
        if len(same) > 1
    ]


def members(spec: Spec) -> Iterator[Mistake]:
    """What is wrong with the members together: all of the above but the vote."""
    return chain(
        workers(spec),
        targets(spec),
        copies(spec),
        joins(spec),
        stacks(spec),
        some_folds(spec),
        begun_from(spec),
        students(spec),
    )


def vote(spec: Spec, *, members_known: bool) -> Iterator[Mistake]:
    """members_known: no member is wrong, so that the names of those that vote are all there."""
    voters = (*spec.voters(), *spec.students()) if members_known else None
    for path, text in spec.vote.mistakes(voters, targets_of(spec)):
        yield ("vote", *path), text, None


# -- what nothing depends on -----------------------------------------------------------------------

_DECIDING = ("loss", "schedule")  # keys beside which others have an effect


def keys_without_effect(spec: Spec, written: Sequence[Mapping[str, Any]]) -> Iterator[Mistake]:
    """Recipe keys that a member wrote itself, or that its search draws, and that do nothing.

    written: what is said of each of `spec.members` alone. Keys in `defaults:` and in recipe files may be
    for other members.
    """
    drawn = {member.name: list(_drawn(spec, member)) for member in spec.members}
    for i, (member, keys) in enumerate(zip(spec.members, written, strict=True)):
        own = {key: value for key, value in keys.items() if key not in _space(spec, member)}
        found = [dict(without_effect(recipe, own)) for recipe in drawn[member.name]]
        for key, text in found[0].items():
            if all(key in others for others in found):
                yield ("members", i, *key.split(".")), text, f"members.{member.name}.{key}"
    if not spec.search:
        return
    recipes = [recipe for name in spec.search.members for recipe in drawn[name]]
    for key in spec.search.space:
        if key in USES and not any(USES[key].has_effect(recipe) for recipe in recipes):
            use = USES[key]
            text = (
                f"{key} has no influence on a candidate's score: none of the searched members has "
                f"`{use.of}: {' or '.join(use.among)}`. Leave it out"
            )
            yield ("search", "space", key), text, None


def _drawn(spec: Spec, member: Member) -> Iterator[Recipe]:
    """The member's recipe, with all that its search may draw of the deciding keys."""
    space = _space(spec, member)
    deciding = [key for key in _DECIDING if key in space]
    for values in product(*(space[key].probes() for key in deciding)):
        yield member.recipe.model_copy(update=dict(zip(deciding, values, strict=True)))


def _space(spec: Spec, member: Member) -> Mapping[str, Distribution]:
    return spec.search.space if spec.search and member.name in spec.searched() else {}
