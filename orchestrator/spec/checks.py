"""Mistakes of a spec that no single key shows: where each stands, what is wrong, how it is called.

Each function yields (path in the YAML, text, dotted name), as `Mistakes.add` takes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from orchestrator.errors import unknown
from orchestrator.spec.spec import Member, Spec

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
                yield ("members", i, "targets"), unknown("target", target, allowed), None
        if member.age_bounds and "age" not in (member.targets or allowed):
            text = f"{member.name} does not learn ages in years"
            yield ("members", i, "age_bounds"), text, None


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


def pseudo(spec: Spec) -> Iterator[Mistake]:
    """Teachers that would bring the held-out labels to those who learn from them, or that mean nothing."""
    for i, member in enumerate(spec.members):
        if member.pseudo is None:
            continue
        block, shown = ("members", i, "pseudo"), f"members.{member.name}.pseudo"
        for text in _student_problems(member, spec):
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


def _student_problems(member: Member, spec: Spec) -> Iterator[str]:
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
        workers(spec), targets(spec), copies(spec), joins(spec), stacks(spec), pseudo(spec)
    )


def vote(spec: Spec, *, members_known: bool) -> Iterator[Mistake]:
    """members_known: no member is wrong, so that the names of those that vote are all there."""
    voters = spec.voters() if members_known else None
    for path, text in spec.vote.mistakes(voters, targets_of(spec)):
        yield ("vote", *path), text, None
