"""Cases as small JSON files: small changed files whole, of others only what differs from the right one."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from tests.fuzz.workspace import Case

_WHOLE = 6_000  # bytes of a file that is kept whole


def keep(case: Case, folder: Path, place: Path, parts: tuple[str, ...], problem: str = "") -> None:
    """folder: of the workspace with these parts, whose files are right."""
    files = {path: _difference(folder / path, new) for path, new in case.files.items()}
    record = {
        "problem": problem,
        "parts": parts,
        "command": case.command,
        "only_reads": case.only_reads,
        "files": files,
    }
    place.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def parts(place: Path) -> tuple[str, ...]:
    return tuple(json.loads(place.read_text(encoding="utf-8"))["parts"])


def read(place: Path, folder: Path) -> Case:
    record = json.loads(place.read_text(encoding="utf-8"))
    files = {path: _applied(folder / path, change) for path, change in record["files"].items()}
    return Case(tuple(record["command"]), files, record["only_reads"])


def _difference(place: Path, new: bytes | None) -> dict | None:
    """How many bytes at the beginning and at the end stay, and what stands between them."""
    if new is None:
        return None
    if len(new) <= _WHOLE:  # whatever the version that writes the right ones
        return {"head": 0, "tail": 0, "between": base64.b64encode(new).decode()}
    old = place.read_bytes() if place.exists() else b""
    head = _alike(old, new)
    tail = _alike(old[head:][::-1], new[head:][::-1])
    middle = new[head : len(new) - tail]
    return {"head": head, "tail": tail, "between": base64.b64encode(middle).decode()}


def _applied(place: Path, change: dict | None) -> bytes | None:
    if change is None:
        return None
    old = place.read_bytes() if place.exists() else b""
    tail = old[len(old) - change["tail"] :]
    return old[: change["head"]] + base64.b64decode(change["between"]) + tail


def _alike(one: bytes, other: bytes) -> int:
    """How many bytes are the same before the first that is not."""
    pairs = zip(one, other, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
