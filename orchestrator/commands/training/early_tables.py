"""Tables of members that are complete while others are trained: `vote` and `report` have them at once."""

from __future__ import annotations

import queue
import threading
from contextlib import suppress

from orchestrator.photographs.table import Photographs
from orchestrator.runs.store import Store
from orchestrator.spec.spec import Member
from orchestrator.units.assemble import assemble


class EarlyTables:
    """Makes them beside the training, in a thread, one member after the other.

    What goes wrong is left to the end of the training, when all tables are made and what is there is
    found: nothing is said or lost here.
    """

    def __init__(self, photographs: Photographs, store: Store):
        self._photographs, self._store = photographs, store
        self._members: queue.SimpleQueue[Member | None] = queue.SimpleQueue()
        # a daemon: a run folder on a disk that is away does not keep a stopped command
        self._thread = threading.Thread(target=self._run, name="tables", daemon=True)

    def __enter__(self) -> EarlyTables:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._members.put(None)
        if kind is None:
            self._thread.join()

    def make(self, member: Member) -> None:
        """The tables of a member whose units are all done."""
        self._members.put(member)

    def _run(self) -> None:
        while member := self._members.get():
            with suppress(Exception):
                assemble(member, self._photographs, self._store)
