"""Names and keys out of the JSON Schema of a spec, where the models that read one take too long to import."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SCHEMA = Path(__file__).parents[2] / "spec/spec.schema.json"


@functools.cache
def _schema() -> dict[str, Any]:
    return json.loads(SCHEMA.read_text(encoding="utf-8"))


def names(block: str, key: str) -> list[str]:
    """The names that a key of a block may have."""
    schema = _schema()["$defs"][block]["properties"][key]
    return [name for way in schema["anyOf"] for name in way.get("enum", ())]


def keys(path: Sequence[str]) -> dict[str, tuple[str, bool]]:
    """Key of the block at `path` -> its meaning, and whether it has keys below it; {} for no block.

    path: as `--set` writes it, of a member by name: `["members", "effnet"]`.
    """
    block: dict[str, Any] | None = _schema()
    parts = list(path)
    if parts[:1] == ["members"] and len(parts) > 1:
        block, parts = _schema()["$defs"]["Member"], parts[2:]
    for part in parts:
        block = _block((block or {}).get("properties", {}).get(part))
    properties = (block or {}).get("properties", {})
    return {
        key: (_described(own), key == "members" or _block(own) is not None)
        for key, own in properties.items()
        if key != "small"
    }


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        found: Any = _schema()
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    return schema


def _described(schema: dict[str, Any]) -> str:
    return schema.get("description") or _resolved(schema).get("description", "")


def _block(schema: dict[str, Any] | None) -> dict[str, Any] | None:
    """The mapping with keys of its own that a value must be, if not null; None where it may be other."""
    if schema is None:
        return None
    schema = _resolved(schema)
    if "properties" in schema:
        return schema
    ways = [way for way in schema.get("anyOf", ()) if way.get("type") != "null"]
    blocks = [_block(way) for way in ways]
    return blocks[0] if blocks and all(blocks) else None
