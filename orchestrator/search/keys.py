"""What the record of a search belongs to: a later call goes on with it where it is of the same search."""

from __future__ import annotations

import hashlib
import json

from orchestrator.photographs.table import Photographs
from orchestrator.spec.search import Search
from orchestrator.spec.spec import Member
from orchestrator.units.unit import member_hash


def search_key(member: Member, search: Search, photographs: Photographs) -> str:
    """Of the member, the space, the data.

    Not of what the member itself has for a key of the space: every candidate replaces it, and in the
    `spec.yaml` of a run the winner's stands there. Nor of the limits: with higher ones a search goes on.
    """
    return key_as_written(member.with_settings(search.first()), search, photographs)


def key_as_written(member: Member, search: Search, photographs: Photographs) -> str:
    """The key that versions up to 0.4 recorded, of all that the member itself has.

    It asks for more to be the same than `search_key` does, and is equal to one of those only where the
    member itself has the first values of the space: of that same search.
    """
    base = member_hash(member, photographs)
    limits = {"members", "candidates", "hours"}
    # defaults left out: a key that a later version adds does not begin every search again
    block = search.model_dump(mode="json", exclude=limits, exclude_defaults=True)
    return hashlib.blake2b(f"{base}{json.dumps(block)}".encode(), digest_size=8).hexdigest()
