"""From the plain YAML of a spec to `Spec`: merging, overriding, and collecting every mistake."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from pydantic import ValidationError

from members.errors import BadInput, nearest
from members.recipe.families import family
from members.recipe.recipe import Recipe
from orchestrator.errors import WrongRequest, unknown
from orchestrator.spec import checks, member_metrics, search_reader
from orchestrator.spec.search import Search
from orchestrator.spec.spec import Member, Spec
from orchestrator.spec.yaml_lines import Document, parse_value


class Reader:
    """Collects the mistakes of one file."""

    def __init__(self, document: Document, name: str):
        self.document, self.name = document, name
        self.problems: list[str] = document.problems
        self.elsewhere: dict[tuple, str] = {}  # what stands in no line of this file

    def read(self, *, small: bool, sets: Sequence[str], recorded: bool = False) -> Spec:
        """recorded: it is the spec of a trained run, whose `vote:` is looked at when it votes."""
        raw = self.document.data
        if not isinstance(raw, dict):
            raise WrongRequest(f"{self.name}: a spec is a mapping with name, data, members, ...")
        raw = copy.deepcopy(raw)
        block = raw.pop("small", None)
        self.member_names(raw)
        if small:
            if not isinstance(block, dict):
                raise WrongRequest(f"{self.name} has no `small:` block, so --small means nothing.")
            self.merge(raw, block, ("small",))
            raw["name"] = f"{raw.get('name')}-small"
        for text in sets:
            self.override(raw, text)
        spec = self.validate(raw)
        if spec and not recorded:
            self.check_vote(spec)
        if self.problems:
            raise WrongRequest(self.problems)
        return spec

    # -- where a mistake stands --------------------------------------------------------------

    def where(self, path: tuple) -> str:
        for depth in range(len(path), 0, -1):
            if path[:depth] in self.elsewhere:
                return self.elsewhere[path[:depth]]
        line = self.document.line(path)
        return f"{self.name}, line {line}" if line else self.name

    def problem(self, path: tuple, text: str, shown: str | None = None) -> None:
        dotted = shown or ".".join(map(str, path))
        self.problems.append(
            f"{self.where(path)}: {dotted}: {text}" if dotted else f"{self.where(path)}: {text}"
        )

    # -- merging -----------------------------------------------------------------------------

    def member_names(self, raw: dict) -> None:
        members = raw.get("members")
        seen: dict[str, int] = {}
        for i, member in enumerate(members if isinstance(members, list) else []):
            name = member.get("name") if isinstance(member, dict) else None
            if name in seen and name is not None:
                first = self.document.line(("members", seen[name]))
                self.problem(
                    ("members", i, "name"),
                    f"two members are called {name!r} (the other on line {first}). "
                    "Names make folders: give each its own.",
                )
            seen.setdefault(name, i)

    def member_index(self, raw: dict, name: str) -> int | None:
        members = raw.get("members")
        for i, member in enumerate(members if isinstance(members, list) else []):
            if isinstance(member, dict) and str(member.get("name")) == name:
                return i
        return None

    def merge(self, raw: dict, block: dict, at: tuple) -> None:
        """Merge `block` over `raw`, deep; `members` maps names to changed keys, or to null."""
        for key, value in block.items():
            path = (*at, key)
            if key == "members" and at == ("small",):
                self.merge_members(raw, value, path)
            elif isinstance(value, dict) and isinstance(raw.get(key), dict) and key != "space":
                self.merge(raw[key], value, path)
            else:
                raw[key] = value
                self.relocate(path[1:], path)

    def merge_members(self, raw: dict, value: Any, path: tuple) -> None:
        if not isinstance(value, dict):
            self.problem(path, "give a mapping of member name -> changed keys")
            return
        left_out = []
        for name, changes in value.items():
            index = self.member_index(raw, name)
            if index is None:
                names = [m.get("name") for m in raw.get("members") or [] if isinstance(m, dict)]
                self.problem((*path, name), unknown("member", name, names), shown="small.members")
            elif changes is None:
                left_out.append(index)
            elif not isinstance(changes, dict):
                self.problem(
                    (*path, name),
                    f"give a mapping of changed keys, or null to leave it out, got {changes!r}",
                )
            else:
                for key, changed in changes.items():
                    raw["members"][index][key] = changed
                    self.relocate(("members", index, key), (*path, name, key))
        for index in sorted(left_out, reverse=True):
            del raw["members"][index]
            self.document.forget("members", index)

    def relocate(self, path: tuple, source: tuple) -> None:
        """Messages about `path` point from now on at the line of `source`."""
        lines = self.document.lines
        moved = {
            (*path, *p[len(source) :]): n for p, n in lines.items() if p[: len(source)] == source
        }
        lines.update(moved)

    def override(self, raw: dict, text: str) -> None:
        key, equals, value = text.partition("=")
        if not equals or not key:
            self.problems.append(f"--set {text}: write --set key.subkey=value")
            return
        at: Any = raw
        path: tuple = ()
        parts = key.split(".")
        if parts[0] == "members" and len(parts) == 3:
            index = self.member_index(raw, parts[1])
            if index is None:
                names = [m.get("name") for m in raw.get("members") or [] if isinstance(m, dict)]
                self.problems.append(f"--set {text}: {unknown('member', parts[1], names)}")
                return
            at, path, parts = raw["members"][index], ("members", index), parts[2:]
        for part in parts[:-1]:
            at = at.setdefault(part, {})
            path = (*path, part)
            if not isinstance(at, dict):
                self.problems.append(
                    f"--set {text}: {'.'.join(map(str, path))} has no keys below it"
                )
                return
        at[parts[-1]] = parse_value(value)
        self.elsewhere[(*path, parts[-1])] = f"--set {text}"

    # -- validation --------------------------------------------------------------------------

    def validate(self, raw: dict) -> Spec | None:
        defaults = raw.pop("defaults", None) or {}
        if not isinstance(defaults, dict):
            self.problem(("defaults",), f"give a mapping of recipe keys, got {defaults!r}")
            defaults = {}
        allowed = ("recipe", *Recipe.model_fields)
        for key in defaults:
            if key not in allowed:
                self.problem(("defaults", key), unknown("key", key, allowed), "defaults")
        base = self.family(defaults.get("recipe"), ("defaults", "recipe"), "defaults.recipe")
        defaults = {k: v for k, v in defaults.items() if k in Recipe.model_fields}
        members = raw.pop("members", None)
        if not isinstance(members, list) or not members:
            self.problem(
                ("members",),
                "a spec needs at least one member: "
                "`members: [{name: effnet, model: efficientnet_b3}]`",
            )
            members = []
        complaints = len(self.problems)
        built = [self.member(i, m, base, defaults) for i, m in enumerate(members)]
        members_wrong = len(self.problems) > complaints or None in built
        if "search" in raw:
            raw["search"] = search_reader.read(raw["search"], self)
        spec = self.build(Spec, {**raw, "members": [m for m in built if m] or _ANY_MEMBER}, ())
        if spec and not members_wrong:
            search_reader.check(spec, self)
            for mistake in checks.workers(spec):
                self.problem(*mistake)
            self.check_targets(spec)
            for mistake in checks.copies(spec):
                self.problem(*mistake)
            self.check_joins(spec)
        return spec

    def member(self, index: int, raw: Any, base: dict, defaults: dict) -> Member | None:
        path = ("members", index)
        if not isinstance(raw, dict):
            self.problem(path, f"a member is a mapping with name and model, got {raw!r}")
            return None
        own = {k: raw[k] for k in raw if k in Member.model_fields and k != "recipe"}
        rest = {k: v for k, v in raw.items() if k not in own and k != "recipe"}
        shown = f"members.{raw.get('name', index)}"
        if "recipe" in raw:
            base = self.family(raw["recipe"], (*path, "recipe"), f"{shown}.recipe")
        unknowns = [k for k in rest if k not in Recipe.model_fields]
        for key in unknowns:
            allowed = {*Recipe.model_fields, *Member.model_fields}
            self.problem((*path, key), unknown("key", key, allowed), shown)
        rest = {k: v for k, v in rest.items() if k not in unknowns}
        # what the spec says, for one member or for all, comes before what a recipe file says
        settings = {**base, **defaults, **rest}
        settings |= self.metric(settings, path, shown)
        recipe = self.build(Recipe, settings, path, shown, fallback=("defaults",))
        if recipe is None:  # still look for mistakes in the other keys
            self.build(Member, {**own, "recipe": _ANY_RECIPE}, path, shown)
            return None
        return self.build(Member, {**own, "recipe": recipe}, path, shown)

    def metric(self, settings: dict[str, Any], path: tuple, shown: str) -> dict[str, Any]:
        """A recipe's metric by its canonical name, so that no hash depends on the spelling."""
        given = settings.get("metric")
        if not isinstance(given, str):
            return {}
        try:
            return {"metric": member_metrics.read(given)}
        except ValueError as error:
            own = (*path, "metric")
            where = own if own in self.document.lines else ("defaults", "metric")
            self.problem(where, str(error), f"{shown}.metric")
            return {"metric": "macro_f1"}  # still look for mistakes in the other keys

    def family(self, name: Any, path: tuple, shown: str) -> dict[str, Any]:
        """What a recipe file sets; empty where none is named."""
        if name is None:
            return {}
        try:
            return family(str(name))
        except BadInput as error:
            self.problem(path, str(error), shown)
            return {"model": "any"}  # still look for mistakes in the other keys

    def build(self, model: type, values: dict, path: tuple, shown: str = "", fallback: tuple = ()):
        """`model(**values)`, or None with its mistakes added to the list."""
        try:
            return model(**values)
        except ValidationError as error:
            for mistake in error.errors():
                loc = tuple(mistake["loc"])
                here = (*path, *loc)
                if fallback and (*fallback, *loc[:1]) in self.document.lines:
                    here = (
                        here if here[: len(path) + 1] in self.document.lines else (*fallback, *loc)
                    )
                text = _words(mistake, model)
                known = mistake["type"] in (*_UNKNOWN_KEY, "missing")
                dotted = ".".join(str(p) for p in (loc[:-1] if known else loc))
                self.problem(here, text, ".".join(filter(None, [shown, dotted])))
            return None

    def targets(self, spec: Spec) -> tuple[str, ...]:
        return ("label",) if spec.data.layout != "profiles" else ("mask", "gender", "age")

    def check_targets(self, spec: Spec) -> None:
        allowed = self.targets(spec)
        for i, member in enumerate(spec.members):
            for target in member.targets or ():
                if target not in allowed:
                    self.problem(("members", i, "targets"), unknown("target", target, allowed))
            if member.age_bounds and "age" not in (member.targets or allowed):
                self.problem(
                    ("members", i, "age_bounds"), f"{member.name} does not learn ages in years"
                )

    def check_vote(self, spec: Spec) -> None:
        # with a wrong member among them, the names are not all there
        voters = spec.voters() if not self.problems else None
        for path, text in spec.vote.mistakes(voters, self.targets(spec)):
            self.problem(("vote", *path), text)

    def check_joins(self, spec: Spec) -> None:
        """Each join has a name of its own, and parts that share no target and leave none out."""
        every = self.targets(spec)
        taken = [member.name for member in spec.members]
        for i, join in enumerate(spec.join):
            path, shown = ("join", i), f"join.{join.name}"
            if join.name in taken:
                self.problem(path, "a member or join of this name exists; choose another", shown)
            names = [member.name for member in spec.members]
            for name in [name for name in join.of if name not in names]:
                self.problem(path, unknown("member", name, names), shown)
            parts = {name: spec.member(name).targets or every for name in join.of if name in names}
            for target in every:
                have = [name for name, targets in parts.items() if target in targets]
                if len(have) != 1 and len(parts) == len(join.of):
                    found = f"{' and '.join(have)} do" if have else "none does"
                    self.problem(
                        path, f"exactly one part must predict {target!r}, but {found}", shown
                    )
            taken.append(join.name)


_UNKNOWN_KEY = ("extra_forbidden", "unexpected_keyword_argument")  # of a model, a dataclass
_ANY_RECIPE = Recipe(model="any")
_ANY_MEMBER = (Member(name="any", recipe=_ANY_RECIPE),)


def _words(mistake: dict[str, Any], model: type) -> str:
    """One pydantic mistake in the project's words."""
    kind, loc, given = mistake["type"], mistake["loc"], mistake["input"]
    if kind in _UNKNOWN_KEY:
        return unknown("key", loc[-1], _keys(model, loc[:-1]))
    if kind == "missing":
        return f"the key {loc[-1]!r} is missing"
    if kind == "literal_error":
        allowed = mistake["ctx"]["expected"]
        names = [n.strip("' ") for n in allowed.replace(" or ", ",").split(",")]
        return f"got {given!r}.{nearest(given, names)} Allowed: {allowed}."
    if kind == "string_pattern_mismatch":
        return (
            f"got {given!r}. A name becomes a folder: letters, digits, '.', '_' and '-', "
            "beginning with a letter or digit."
        )
    message = mistake["msg"].removeprefix("Value error, ")
    shown = "" if kind == "value_error" else f", got {given!r}"
    return f"{message[0].lower() + message[1:]}{shown}"


def _keys(model: type, loc: tuple) -> list[str]:
    """The keys allowed in the block of `model` that `loc` leads to."""
    for part in loc:
        field = model.model_fields.get(part) if isinstance(part, str) else None
        inner = _arguments(field.annotation) if field else []
        if blocks := [a for a in inner if hasattr(a, "model_fields") or is_dataclass(a)]:
            model = blocks[0]
    if is_dataclass(model):
        return [own.name for own in fields(model)]
    keys = list(model.model_fields)
    # those are gone before the spec is built
    return [*keys, *{Spec: ("defaults", "small"), Search: ("names",)}.get(model, ())]


def _arguments(annotation: Any) -> list[Any]:
    inner = getattr(annotation, "__args__", ())
    return [annotation, *(a for i in inner for a in _arguments(i))]
