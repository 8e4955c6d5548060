"""From the plain YAML of a spec to `Spec`: merged, overridden, validated, every mistake at once."""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence
from typing import Any

from members.errors import BadInput
from members.recipe.families import family
from members.recipe.recipe import Recipe
from orchestrator.errors import WrongRequest
from orchestrator.spec import checks, member_metrics, search_checks, search_reader
from orchestrator.spec.messages.pointers import unknown_key
from orchestrator.spec.mistakes import Mistakes
from orchestrator.spec.overrides import merge, override
from orchestrator.spec.spec import Member, Spec, StackedMember
from orchestrator.spec.students.checks import teacher_names
from orchestrator.spec.yaml_lines import Document

_ANY_RECIPE = Recipe(model="any")
_ANY_MEMBER = (Member(name="any", recipe=_ANY_RECIPE),)


def read(
    document: Document, name: str, *, small: bool, sets: Sequence[str], recorded: bool = False
) -> Spec:
    """The spec of a parsed file called `name`. Raises WrongRequest with every mistake.

    recorded: it is the spec of a trained run, whose `vote:` is looked at when it votes, and whose
    search is over.
    """
    if not isinstance(document.data, dict):
        raise WrongRequest(f"{name}: a spec is a mapping with name, data, members, ...")
    raw = copy.deepcopy(document.data)
    mistakes = Mistakes(document, name)
    block = raw.pop("small", None)
    _check_names(raw, mistakes)
    if small:
        if not isinstance(block, dict):
            raise WrongRequest(f"{name} has no `small:` block, so --small means nothing.")
        merge(raw, block, ("small",), mistakes)
        raw["name"] = f"{raw.get('name')}-small"
    for text in sets:
        override(raw, text, mistakes)
    given = raw.get("members")
    spec = _validate(raw, mistakes)
    if spec and given and not recorded and not mistakes.problems:
        # `given` is without the stacks by now, which `_validate` took out
        written = [_of_small(own, block) for own in given] if small else given
        for mistake in [*checks.keys_without_effect(spec, written)]:
            mistakes.add(*mistake)
    if spec and not recorded:
        search_checks.check_influence(spec, mistakes)
        for mistake in [*checks.vote(spec, members_known=not mistakes.problems)]:
            mistakes.add(*mistake)
    if mistakes.problems:
        raise WrongRequest(mistakes.problems)
    assert spec is not None  # where it is None, that has a reason among the problems
    return _with_teachers(spec)


def _of_small(member: dict, block: dict) -> dict:
    """What `small:` says of a member: its other keys are for the run without."""
    return (block.get("members") or {}).get(member.get("name")) or {}


def _with_teachers(spec: Spec) -> Spec:
    """With the teachers of each member in it: what they are decides its result."""
    members = tuple(
        own.model_copy(update={"teachers": tuple(map(spec.member, names))}) if names else own
        for own in spec.members
        for names in [teacher_names(own, spec.members)]
    )
    return spec.model_copy(update={"members": members}) if members != spec.members else spec


def _with_plain_folds(spec: Spec) -> Spec:
    """A member that names all folds is one that names none."""
    n_folds = spec.folds.number
    if n_folds is None or spec.folds.scheme == "all":
        return spec
    every = range(n_folds)
    members = tuple(
        own.model_copy(update={"folds": None}) if own.folds in (n_folds, (*every,)) else own
        for own in spec.members
    )
    return spec.model_copy(update={"members": members}) if members != spec.members else spec


def _check_names(raw: dict, mistakes: Mistakes) -> None:
    members = raw.get("members")
    seen: dict[str, int] = {}
    for i, member in enumerate(members if isinstance(members, list) else []):
        name = member.get("name") if isinstance(member, dict) else None
        if not isinstance(name, str):
            continue  # what is no name is a mistake of its own
        if name in seen:
            first = mistakes.document.line(("members", seen[name]))
            mistakes.add(
                ("members", i, "name"),
                f"two members are called {name!r} (the other on line {first}). "
                "Names make folders: give each its own.",
            )
        seen.setdefault(name, i)


def _validate(raw: dict, mistakes: Mistakes) -> Spec | None:
    defaults = raw.pop("defaults", None) or {}
    if not isinstance(defaults, dict):
        mistakes.add(("defaults",), f"give a mapping of recipe keys, got {defaults!r}")
        defaults = {}
    allowed = ("recipe", *Recipe.model_fields)
    for key in defaults:
        if key not in allowed:
            mistakes.add(("defaults", key), unknown_key(key, allowed), "defaults")
    stacks, stacks_wrong = _stacks(raw, mistakes)
    base = _family(defaults.get("recipe"), ("defaults", "recipe"), "defaults.recipe", mistakes)
    defaults = {k: v for k, v in defaults.items() if k in Recipe.model_fields}
    members = raw.pop("members", None)
    complaints = len(mistakes.problems)
    if not isinstance(members, list) or not members:
        mistakes.add(
            ("members",),
            "a spec needs at least one member: `members: [{name: effnet, model: efficientnet_b3}]`",
        )
        members = []
    built = [_member(i, m, base, defaults, mistakes) for i, m in enumerate(members)]
    members_wrong = stacks_wrong or len(mistakes.problems) > complaints or None in built
    if "search" in raw:
        raw["search"] = search_reader.read(raw["search"], mistakes)
    raw |= {"members": [m for m in built if m] or _ANY_MEMBER, "stacks": stacks}
    spec = mistakes.build(Spec, raw, ())
    spec = spec and _with_plain_folds(spec)
    if spec and not members_wrong:
        search_checks.check_search(spec, mistakes)
        for mistake in checks.members(spec):
            mistakes.add(*mistake)
    return spec


def _stacks(raw: dict, mistakes: Mistakes) -> tuple[list[StackedMember], bool]:
    """The members that are stacks, taken out of `raw`, and whether one of them is wrong.

    What the messages say of their lines goes with them, as `stacks`.
    """
    if "stacks" in raw:
        mistakes.add(("stacks",), unknown_key("stacks", mistakes.keys(Spec)))
        del raw["stacks"]
    given = raw.get("members")
    members: list[Any] = given if isinstance(given, list) else []
    taken: list[dict] = []
    for member in list(members):
        if isinstance(member, dict) and "stack" in member:
            at = next(i for i, own in enumerate(members) if own is member)
            mistakes.move(("members", at), ("stacks", len(taken)))
            taken.append(members.pop(at))
    built = [
        mistakes.build(StackedMember, own, ("stacks", i), f"members.{own.get('name', i)}")
        for i, own in enumerate(taken)
    ]
    return [own for own in built if own], None in built


def _member(index: int, raw: Any, base: dict, defaults: dict, mistakes: Mistakes) -> Member | None:
    path = ("members", index)
    if not isinstance(raw, dict):
        mistakes.add(path, f"a member is a mapping with name and model, got {raw!r}")
        return None
    own = {k: raw[k] for k in raw if k in mistakes.keys(Member) and k != "recipe"}
    rest = {k: v for k, v in raw.items() if k not in own and k != "recipe"}
    shown = f"members.{raw.get('name', index)}"
    if "recipe" in raw:
        base = _family(raw["recipe"], (*path, "recipe"), f"{shown}.recipe", mistakes)
    unknowns = [k for k in rest if k not in Recipe.model_fields]
    for key in unknowns:
        allowed = {*Recipe.model_fields, *mistakes.keys(Member)}
        mistakes.add((*path, key), unknown_key(key, allowed), shown)
    rest = {k: v for k, v in rest.items() if k not in unknowns}
    # keys of the spec, of one member or of all, come before those of a recipe file
    settings = {**base, **defaults, **rest}
    inherited = defaults.keys() - rest.keys()
    settings |= _metric(settings, path, shown, inherited, mistakes)
    recipe = mistakes.build(Recipe, settings, path, shown, inherited)
    if recipe is None:  # still look for mistakes in the other keys
        mistakes.build(Member, {**own, "recipe": _ANY_RECIPE}, path, shown)
        return None
    return mistakes.build(Member, {**own, "recipe": recipe}, path, shown)


def _metric(
    settings: dict[str, Any],
    path: tuple,
    shown: str,
    inherited: Collection[str],
    mistakes: Mistakes,
) -> dict[str, Any]:
    """A recipe's metric by its canonical name, so that no hash depends on the spelling."""
    given = settings.get("metric")
    if not isinstance(given, str):
        return {}
    try:
        return {"metric": member_metrics.read(given)}
    except ValueError as error:
        if "metric" in inherited:
            path, shown = ("defaults",), "defaults"
        mistakes.add((*path, "metric"), str(error), f"{shown}.metric")
        return {"metric": "macro_f1"}  # still look for mistakes in the other keys


def _family(name: Any, path: tuple, shown: str, mistakes: Mistakes) -> dict[str, Any]:
    """What a recipe file sets; empty where none is named."""
    if name is None:
        return {}
    try:
        return family(str(name))
    except BadInput as error:
        mistakes.add(path, str(error), shown)
        return {"model": "any"}  # still look for mistakes in the other keys
