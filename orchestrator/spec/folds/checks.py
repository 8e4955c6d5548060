"""Mistakes of members that train some of the folds, as of `checks`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.spec.folds.choice import choice_problem, folds_of, source_fold
from orchestrator.spec.spec import Member, Spec

Mistake = tuple[tuple, str, str | None]


def some_folds(spec: Spec) -> Iterator[Mistake]:
    """Members that train some of the folds: such as there are, and nothing that needs every OOF row."""
    n_folds, search = spec.folds.number, spec.search
    made = [(f"the join {join.name}", join.of) for join in spec.join]
    made += [(f"the stack {own.name}", own.stack.of) for own in spec.stacks]
    some = [(i, own) for i, own in enumerate(spec.members) if own.folds is not None]
    for i, member in some:
        path, shown = ("members", i, "folds"), f"members.{member.name}.folds"
        if spec.folds.scheme == "all":
            text = "folds.scheme all holds no photos out, so that there are none. Leave it out"
            yield path, text, shown
            continue
        if n_folds is not None and (problem := choice_problem(member.folds, n_folds)):
            yield path, problem, shown
        for what in [what for what, of in made if member.name in of]:
            text = (
                f"{what} needs every OOF row, and {member.name} would have those of some folds. Leave "
                f"folds out here, or {member.name} there"
            )
            yield path, text, shown
        searched = search is not None and member.name in search.members
        if search and searched and search.fold not in folds_of(member.folds, search.fold + 1):
            text = (
                f"candidates are trained on search.fold {search.fold}, which is none of them, so that "
                "the winner's network of it would be none of the member's. Name it here, or another in "
                "search.fold"
            )
            yield path, text, shown
    voting = [(i, own) for i, own in some if own.name in spec.voters()]
    if not _in_common([own for _, own in voting]):
        i, last = voting[-1]
        told = "; ".join(f"{own.name} {_shown(own)}" for _, own in voting)
        text = f"no fold is trained by all members, and none could score their vote: {told}. Name one in all"
        yield ("members", i, "folds"), text, f"members.{last.name}.folds"


def begun_from(spec: Spec) -> Iterator[Mistake]:
    """Members whose folds start from one: it is trained, so are others, and no one trusts their rows."""
    n_folds, search = spec.folds.number, spec.search
    made = [(f"the join {join.name}", join.of) for join in spec.join]
    made += [(f"the stack {own.name}", own.stack.of) for own in spec.stacks]
    for i, member in enumerate(spec.members):
        source = source_fold(member.init_from)
        if source is None:
            continue
        texts = []
        trained = folds_of(member.folds, n_folds or max(source + 2, _most(member)))
        if n_folds == 1:
            texts.append(
                f"folds.scheme {spec.folds.scheme} has one network a seed, and none to start from it"
            )
        elif source not in trained:
            none = n_folds is not None and source >= n_folds
            why = choice_problem((source,), n_folds or 0) if none else f"it trains {_shown(member)}"
            texts.append(f"fold {source} is not trained: {why}. Name one of {_listed(trained)}")
        elif trained == (source,):
            texts.append("it trains no other fold, so that nothing would start from it")
        if member.pseudo is not None or member.teacher is not None:
            texts.append(
                "a network that learns from other members' networks of its fold starts anew: fold "
                f"{source}'s learnt from other ones"
            )
        for what in [what for what, of in made if member.name in of]:
            texts.append(
                f"{what} is made of OOF rows, and those of {member.name} would be too good for it"
            )
        if search and member.name in search.members and search.fold != source:
            texts.append(
                f"candidates are trained on search.fold {search.fold}, which would start from fold {source}. "
                f"Write search.fold: {source}"
            )
        for text in texts:
            tail = "" if "Write" in text or "Name" in text else ". Leave it out"
            yield ("members", i, "init_from"), f"{text}{tail}", f"members.{member.name}.init_from"


def _most(member: Member) -> int:
    """As many folds as the choice of the member means at least."""
    if isinstance(member.folds, tuple):
        return max(member.folds) + 1
    return min(member.folds or 0, 2)


def _listed(folds: Sequence[int]) -> str:
    return ", ".join(map(str, folds))


def _in_common(some: Sequence[Member]) -> bool:
    """Whether these members, and those that train every fold, have a fold in common."""
    first = min((own.folds for own in some if isinstance(own.folds, int)), default=None)
    lists = [{*own.folds} for own in some if isinstance(own.folds, tuple)]
    if not lists:
        return True
    shared = set.intersection(*lists)
    return any(first is None or fold < first for fold in shared)


def _shown(member: Member) -> str:
    return str(list(member.folds)) if isinstance(member.folds, tuple) else str(member.folds)
