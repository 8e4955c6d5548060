"""`pseudo` of a member: test photographs that it learns from, labelled by other members.

The teacher of fold f is made of networks that never saw fold f's labels, so that the OOF score of
the member stays honest. What would break that, or mean nothing, is refused here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from orchestrator.errors import unknown

if TYPE_CHECKING:
    from orchestrator.spec.spec import Member, Spec


class Pseudo(BaseModel):
    """Whose answers to the test photographs a member learns, and which of them.

    In each fold the teachers' networks of that fold answer, each teacher with the same weight: weights
    fitted to OOF rows would have seen the fold's labels.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    of: tuple[str, ...] = Field(
        description="its teachers: members that predict the same, without `pseudo`, with select: last "
        "and no patience"
    )
    at_least: float = Field(
        0.9,
        gt=0,
        lt=1,
        description="test photos are taken whose class is as probable to the mean of the teachers, "
        "as photos of that class; above one divided by the number of classes",
    )


def with_teachers(spec: Spec) -> Spec:
    """The spec, with the teachers of each member in it: what they are decides its result."""
    if not any(member.pseudo for member in spec.members):
        return spec
    members = tuple(
        member.model_copy(update={"teachers": tuple(map(spec.member, member.pseudo.of))})
        if member.pseudo
        else member
        for member in spec.members
    )
    return spec.model_copy(update={"members": members})


def pseudo_mistakes(spec: Spec) -> Iterator[tuple[tuple, str, str | None]]:
    """As spec/checks.py: path in the YAML, text, dotted name."""
    for i, member in enumerate(spec.members):
        if member.pseudo is None:
            continue
        block, shown = ("members", i, "pseudo"), f"members.{member.name}.pseudo"
        for text in _own_problems(member, spec):
            yield block, text, shown
        of = member.pseudo.of
        if not of:
            text = "names no teacher. Give at least one member that predicts the test photos"
            yield (*block, "of"), text, f"{shown}.of"
        for name in dict.fromkeys(of):
            for text in _teacher_problems(name, member, spec):
                yield (*block, "of"), text, f"{shown}.of"
            if of.count(name) > 1:
                text = f"{name} stands there twice. Teachers have the same weight: name each once"
                yield (*block, "of"), text, f"{shown}.of"


def _own_problems(member: Member, spec: Spec) -> Iterator[str]:
    """What of the member itself, or of the whole spec, does not go with pseudo-labels."""
    recipe = member.recipe
    if spec.data.test is None:
        yield "there are no test photos to learn from. Give data.test, or leave pseudo out"
    if member.name in spec.searched():
        yield (
            f"the search draws settings of {member.name}, whose candidates would begin before there "
            "are any teachers. Search without pseudo, write the settings found into the spec, and "
            f"take {member.name} out of search.members"
        )
    if recipe.test_normalize is not None:
        yield (
            "test_normalize is for photos that are only predicted, and here test photos are trained "
            "on beside the others, normalised alike. Leave test_normalize out"
        )
    if recipe.sampling == "shuffle" or recipe.sampling.balance == "class":
        return
    by = recipe.sampling.balance
    if by == "age_group" or (member.targets is not None and by not in member.targets):
        yield (
            f"sampling.balance: {by} is not known of test photos: pseudo-labels are of "
            f"{' and '.join(member.targets or ['the classes'])} only. Balance by class, or shuffle"
        )


def _teacher_problems(name: str, member: Member, spec: Spec) -> Iterator[str]:
    networks = {own.name: own for own in spec.members}
    if name == member.name:
        yield "a member is not its own teacher. Name others"
        return
    if name in spec.made():
        yield (
            f"{name} is made of other members' tables, and has no networks of one fold alone: its "
            "answers have seen the labels of every fold. Name the members that it is made of"
        )
        return
    if name not in networks:
        yield unknown("member", name, networks)
        return
    teacher = networks[name]
    if teacher.pseudo is not None:
        if member.name in teacher.pseudo.of:
            yield f"{name} and {member.name} are each other's teachers. Leave one of the two out"
        else:
            yield (
                f"{name} has pseudo-labels itself, and labels made of such labels repeat their "
                "errors. Name its own teachers, or a member without pseudo"
            )
    if name in spec.searched():
        yield (
            f"the search draws settings of {name}, so that it is not known yet who teaches. Write the "
            f"settings found into the spec, and take {name} out of search.members"
        )
    for what, own, its in (
        ("targets", member.targets, teacher.targets),
        ("age_bounds", member.age_bounds, teacher.age_bounds),
    ):
        same = set(own) == set(its) if what == "targets" and own and its else own == its
        if not same:
            yield (
                f"{name} has {what} {_shown(its)} and {member.name} {_shown(own)}: their classes "
                "differ. Name a member of the same"
            )
    if chooses := _chosen_by_held_out(teacher):
        yield (
            f"{name} has {' and '.join(chooses)}: what its networks of a fold became was decided by "
            "the labels of that very fold, which the pseudo-labels would carry on. Give it select: "
            "last, no patience, and another schedule than plateau"
        )


def _chosen_by_held_out(teacher: Member) -> list[str]:
    """What lets the labels of the held-out rows decide about a member's networks."""
    recipe = teacher.recipe
    found = []
    if recipe.select != "last":
        found.append(f"select: {recipe.select}")
    if recipe.patience is not None:
        found.append("patience")
    if recipe.schedule == "plateau":
        found.append("schedule: plateau")
    if recipe.choose_views:
        found.append("choose_views")
    return found


def _shown(value: object) -> str:
    return "null" if value is None else str(list(value)) if isinstance(value, tuple) else str(value)
