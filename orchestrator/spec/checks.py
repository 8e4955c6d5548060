"""Mistakes of a spec that no single key shows: where each stands, what is wrong, how it is called.

Each function yields (path in the YAML, text, dotted name), as `Reader.problem` takes them.
"""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.errors import unknown
from orchestrator.spec.spec import Spec

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
