"""What changes a spec before it is validated: its `small:` block, and `--set`."""

from __future__ import annotations

from typing import Any

from orchestrator.errors import unknown
from orchestrator.spec.mistakes import Mistakes
from orchestrator.spec.yaml_lines import parse_value


def merge(raw: dict, block: dict, at: tuple, mistakes: Mistakes) -> None:
    """Merge `block` over `raw`, deep; `members` maps names to changed keys, or to null."""
    for key, value in block.items():
        path = (*at, key)
        if key == "members" and at == ("small",):
            _merge_members(raw, value, path, mistakes)
        elif isinstance(value, dict) and isinstance(raw.get(key), dict) and key != "space":
            merge(raw[key], value, path, mistakes)
        else:
            raw[key] = value
            mistakes.relocate(path[1:], path)


def _merge_members(raw: dict, value: Any, path: tuple, mistakes: Mistakes) -> None:
    if not isinstance(value, dict):
        mistakes.add(path, "give a mapping of member name -> changed keys")
        return
    left_out = []
    for name, changes in value.items():
        index = _member_index(raw, name)
        if index is None:
            names = _names(raw)
            mistakes.add((*path, name), unknown("member", name, names), shown="small.members")
        elif changes is None:
            left_out.append(index)
        elif not isinstance(changes, dict):
            mistakes.add(
                (*path, name),
                f"give a mapping of changed keys, or null to leave it out, got {changes!r}",
            )
        else:
            for key, changed in changes.items():
                raw["members"][index][key] = changed
                mistakes.relocate(("members", index, key), (*path, name, key))
    for index in sorted(left_out, reverse=True):
        del raw["members"][index]
        mistakes.document.forget("members", index)


def override(raw: dict, text: str, mistakes: Mistakes) -> None:
    """Carry out one `--set key.subkey=value`, given as `key.subkey=value`."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        mistakes.problems.append(f"--set {text}: write --set key.subkey=value")
        return
    at: Any = raw
    path: tuple = ()
    parts = key.split(".")
    if parts[0] == "members" and len(parts) > 2:
        index = _member_index(raw, parts[1])
        if index is None:
            mistakes.problems.append(f"--set {text}: {unknown('member', parts[1], _names(raw))}")
            return
        at, path, parts = raw["members"][index], ("members", index), parts[2:]
    for part in parts[:-1]:
        at = at.setdefault(part, {})
        path = (*path, part)
        if not isinstance(at, dict):
            mistakes.problems.append(
                f"--set {text}: {'.'.join(map(str, path))} has no keys below it"
            )
            return
    at[parts[-1]] = parse_value(value, mistakes.problems)
    mistakes.elsewhere[(*path, parts[-1])] = f"--set {text}"


def _member_index(raw: dict, name: str) -> int | None:
    members = raw.get("members")
    for i, member in enumerate(members if isinstance(members, list) else []):
        if isinstance(member, dict) and str(member.get("name")) == name:
            return i
    return None


def _names(raw: dict) -> list[str]:
    members = raw.get("members")
    members = members if isinstance(members, list) else []
    return [str(member.get("name")) for member in members if isinstance(member, dict)]
