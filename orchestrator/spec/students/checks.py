"""Mistakes of members that learn from other members, `pseudo` and `teacher`, as of `checks`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.errors import unknown
from orchestrator.spec.folds.choice import covers
from orchestrator.spec.spec import Member, Spec
from orchestrator.spec.students.blocks import Teacher

Mistake = tuple[tuple, str, str | None]
# folds that are left for weights: neither the student's own nor that of the rows that are answered
LEAST_FOLDS = 3


def teacher_names(member: Member, members: Sequence[Member]) -> tuple[str, ...]:
    """Whom a member learns from: those that it names or, of a vote, all that it could name."""
    if member.pseudo is not None:
        return member.pseudo.of
    if member.teacher is None:
        return ()
    if member.teacher.of is not None:
        return member.teacher.of
    return tuple(
        own.name
        for own in members
        if own.name != member.name and not is_student(own)
        if own.folds is None and own.init_from is None and not _other_classes(member, own)
    )


def is_student(member: Member) -> bool:
    return member.pseudo is not None or member.teacher is not None


def students(spec: Spec) -> Iterator[Mistake]:
    """Teachers that would bring the held-out labels to those who learn from them, or that mean nothing."""
    for i, member in enumerate(spec.members):
        own = {"pseudo": member.pseudo, "teacher": member.teacher}
        shown = f"members.{member.name}"
        if all(own.values()):
            text = (
                "pseudo and teacher are two ways to learn from other members, and one of them is "
                "recorded. For both test photos and training photos give teacher: {unlabelled: true}"
            )
            yield ("members", i, "teacher"), text, shown
            continue
        for key in (key for key, block in own.items() if block is not None):
            for text in _student_problems(key, member, spec):
                yield ("members", i, key), text, f"{shown}.{key}"
            for text in _teachers_problems(key, member, spec):
                yield ("members", i, key, "of"), text, f"{shown}.{key}.of"
    yield from _made_of_students(spec)


def _made_of_students(spec: Spec) -> Iterator[Mistake]:
    """Stacks are fitted to OOF rows, and joins vote: a student's rows are too good for either."""
    taught = [member.name for member in spec.members if member.teacher is not None]
    made: list[tuple[tuple, str, tuple[str, ...]]] = [
        (("stacks", i, "stack"), f"members.{s.name}.stack", s.stack.of)
        for i, s in enumerate(spec.stacks)
    ]
    made += [(("join", i), f"join.{join.name}", join.of) for i, join in enumerate(spec.join)]
    for path, shown, of in made:
        if lost := [name for name in dict.fromkeys(of) if name in taught]:
            text = (
                f"{' and '.join(lost)} learnt from networks that had the labels of the folds it is scored "
                "on, so that its OOF rows look better than they are. Name its teachers instead"
            )
            yield (*path, "of"), text, f"{shown}.of"


def _student_problems(key: str, member: Member, spec: Spec) -> Iterator[str]:
    """What of the member itself, or of the whole spec, does not go with teachers."""
    if member.name in spec.searched():
        yield (
            f"the search draws settings of {member.name}, whose candidates would begin before there "
            f"are any teachers. Search without {key}, write the settings found into the spec, and "
            f"take {member.name} out of search.members"
        )
    if member.pseudo is not None:
        yield from _problems_of_test_photos(key, member, spec)
    if member.teacher is not None:
        yield from _vote_problems(member.teacher, member, spec)
    if member.teacher is not None and member.teacher.unlabelled:
        yield from _problems_of_test_photos("unlabelled", member, spec)
        if member.recipe.mixing is not None:
            yield (
                "unlabelled: a photo mixed of a labelled one and of one to predict has half a label. "
                "Leave mixing out, or unlabelled"
            )


def _problems_of_test_photos(key: str, member: Member, spec: Spec) -> Iterator[str]:
    """What does not go with training on photographs to predict."""
    recipe = member.recipe
    if spec.data.test is None:
        yield f"there are no test photos to learn from. Give data.test, or leave {key} out"
    if recipe.test_normalize is not None:
        yield (
            "test_normalize is for photos that are only predicted, and here test photos are trained "
            "on beside the others, normalised alike. Leave test_normalize out"
        )
    if recipe.sampling == "shuffle" or recipe.sampling.balance == "class":
        return
    by = recipe.sampling.balance
    if by == "age_group" or (member.targets is not None and by not in member.targets):
        says = "pseudo-labels are" if key == "pseudo" else "what their teachers say is"
        yield (
            f"sampling.balance: {by} is not known of test photos: {says} of "
            f"{' and '.join(member.targets or ['the classes'])} only. Balance by class, or shuffle"
        )


def _vote_problems(teacher: Teacher, member: Member, spec: Spec) -> Iterator[str]:
    folds, recipe = spec.folds, member.recipe
    if folds.scheme not in ("kfold", "own"):
        yield (
            f"folds.scheme {folds.scheme} holds "
            f"{'no photo' if folds.scheme == 'all' else 'only some photos'} out, and a training photo is "
            "answered by networks that did not see it. Use kfold"
        )
    several = len(teacher_names(member, spec.members)) > 1
    if folds.scheme == "kfold" and folds.k < LEAST_FOLDS and teacher.vote == "weighted" and several:
        yield few_folds(folds.k)
    if teacher.hard == 0:
        useless = [f"loss: {recipe.loss}"] if recipe.loss != "cross_entropy" else []
        useless += ["class_weights"] if recipe.class_weights is not None else []
        if useless:
            yield (
                f"hard: 0 leaves the labels out of what is learnt, so {' and '.join(useless)} would have "
                "no effect on it. Leave that out, or give hard a share above 0"
            )


def few_folds(k: int) -> str:
    return (
        f"vote: weighted fits weights to rows that are neither of the student's fold nor of the fold "
        f"they answer, and of {k} folds none are left. Use {LEAST_FOLDS} folds or more, or vote: soft"
    )


def _teachers_problems(key: str, member: Member, spec: Spec) -> Iterator[str]:
    of = teacher_names(member, spec.members)
    if not of:
        every = member.teacher is not None and member.teacher.of is None
        who = "no other member predicts the same" if every else "names no teacher"
        yield f"{who}. Give at least one member that predicts {_predicted(key)}"
    for name in dict.fromkeys(of):
        yield from _teacher_problems(name, key, member, spec)
        if of.count(name) > 1:
            yield f"{name} stands there twice. Name each teacher once"


def _predicted(key: str) -> str:
    return "the test photos" if key == "pseudo" else "the same classes"


def _teacher_problems(name: str, key: str, member: Member, spec: Spec) -> Iterator[str]:
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
    if is_student(teacher):
        if member.name in teacher_names(teacher, spec.members):
            yield f"{name} and {member.name} are each other's teachers. Leave one of the two out"
        elif teacher.teacher is not None:
            yield (
                f"{name} is a student itself: its networks of a fold have learnt from teachers that saw "
                "that fold's labels. Name its own teachers, or a member without teacher"
            )
        else:
            yield (
                f"{name} has pseudo-labels itself, and labels made of such labels repeat their "
                "errors. Name its own teachers, or a member without pseudo"
            )
    if key == "pseudo" and not covers(teacher.folds, member.folds):
        yield (
            f"{name} trains some of the folds, and in each of {member.name}'s folds its own network of that "
            f"fold labels the test photos. Leave folds out of {name}, or give {member.name} some of those"
        )
    elif key == "teacher" and teacher.folds is not None:
        yield (
            f"{name} trains some of the folds, and a training photo is answered by the network that held its "
            f"fold out, whichever that is. Leave folds out of {name}, or name others"
        )
    if teacher.init_from is not None:
        yield (
            f"{name} has init_from: its networks of a fold started from one that learnt that fold's labels, "
            "which its answers would carry on. Name others, or leave init_from out there"
        )
    if name in spec.searched():
        yield (
            f"the search draws settings of {name}, so that it is not known yet who teaches. Write the "
            f"settings found into the spec, and take {name} out of search.members"
        )
    for what, own, its in _other_classes(member, teacher):
        yield (
            f"{name} has {what} {_shown(its)} and {member.name} {_shown(own)}: their classes "
            "differ. Name a member of the same"
        )
    if chooses := _chosen_by_held_out(teacher):
        carried = "pseudo-labels" if key == "pseudo" else "what the student learns"
        yield (
            f"{name} has {' and '.join(chooses)}: what its networks of a fold became was decided by "
            f"the labels of that very fold, which {carried} would carry on. Give it select: "
            "last, no patience, and another schedule than plateau"
        )


def _other_classes(member: Member, teacher: Member) -> list[tuple[str, object, object]]:
    """Key, the member's value and the teacher's, of what makes their classes others."""
    own, its = member.targets, teacher.targets
    same_targets = set(own) == set(its) if own and its else own == its
    found: list[tuple[str, object, object]] = [] if same_targets else [("targets", own, its)]
    if member.age_bounds != teacher.age_bounds:
        found.append(("age_bounds", member.age_bounds, teacher.age_bounds))
    return found


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
