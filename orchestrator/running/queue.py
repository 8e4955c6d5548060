"""The units that are not given out yet: the costliest first, and each after those that it waits for.

A student waits for its teachers' units, see `Unit.teachers`, and so does a unit for the one whose weights it
starts from, which is called a teacher of it here, too. A teacher's unit is *open* while it is
queued or trained. One that is neither was done before, or is done now, unless it failed.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from orchestrator.spec.spec import Member
from orchestrator.units.unit import Unit

# whether it comes after the members that were named first, minus what hangs on it, its place among
# equals, its path
_Entry = tuple[bool, float, int, str]


class Queue:
    """Adding a unit and taking one cost the logarithm of how many wait.

    cost: of one unit of a member, in any unit of time. first: names of members whose units, and those
    that they wait for, come before all others.
    """

    def __init__(self, cost: Callable[[Member], float], first: Collection[str] = ()):
        self._cost, self._first = cost, first
        self._waiting: dict[str, Unit] = {}  # path -> unit
        self._ready: dict[
            str, _Entry
        ] = {}  # path -> its entry in the heap; older ones count no more
        self._heap: list[_Entry] = []
        self._open: set[str] = set()
        self._failed: dict[str, str] = {}  # path -> title
        self._students: dict[str, dict[str, Unit]] = defaultdict(dict)  # teacher's path -> theirs
        self._missing: dict[str, set[str]] = {}  # student's path -> teachers that are open
        self._in_vain: list[tuple[Unit, str]] = []
        self._front = self._back = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[Unit]:
        """In no order that means anything."""
        return iter(self._waiting.values())

    def n_ready(self) -> int:
        """How many wait for no other unit."""
        return len(self._ready)

    def add(self, units: Sequence[Unit], behind: bool = True) -> None:
        """behind: of equal ones, those that are there go first, or else these."""
        for unit in units:
            self._waiting[unit.path] = unit
            self._open.add(unit.path)
        for unit in units:
            for teacher in _teachers_of(unit):
                self._students[teacher][unit.path] = unit
        places = range(self._back, self._back + len(units))
        if behind:
            self._back += len(units)
        else:
            self._front -= len(units)
            places = range(self._front, self._front + len(units))
        for place, unit in zip(places, units, strict=True):
            self._enter(unit, place)
        self._raise_teachers_of(units)

    def pop(self, only_first: bool = False) -> Unit | None:
        """The costliest that waits for no other; it counts as trained until it has ended.

        only_first: None where that is not of the members that were named first.
        """
        while self._heap:
            entry = self._heap[0]
            late, _, _, path = entry
            if self._ready.get(path) != entry:
                heapq.heappop(self._heap)
            elif late and only_first:
                return None
            else:
                heapq.heappop(self._heap)
                del self._ready[path]
                return self._waiting.pop(path)
        return None

    def begin(self, unit: Unit) -> None:
        """A unit that was never queued is trained."""
        self._open.add(unit.path)

    def end(self, unit: Unit) -> None:
        """It is done, or was stopped."""
        self._open.discard(unit.path)
        for student in self._students.pop(unit.path, {}).values():
            missing = self._missing.get(student.path, set())
            missing.discard(unit.path)
            if student.path in self._waiting and not missing:
                self._make_ready(student, self._place_back())

    def fail(self, unit: Unit) -> None:
        """It failed, and with it those that cannot be without it: `in_vain` names them."""
        self._open.discard(unit.path)
        self._failed[unit.path] = unit.title
        for student in self._students.pop(unit.path, {}).values():
            if student.path in self._waiting:
                self._give_up(student)

    def of_member(self, name: str) -> list[Unit]:
        """Those that wait."""
        return [unit for unit in self._waiting.values() if unit.member.name == name]

    def drop(self, unit: Unit) -> list[Unit]:
        """It will not be trained: it, and those that cannot be without it, leave the queue."""
        self._waiting.pop(unit.path, None)
        self._ready.pop(unit.path, None)
        self._open.discard(unit.path)
        found = [unit]
        for student in self._students.pop(unit.path, {}).values():
            if student.path in self._waiting:
                found += self.drop(student)
        return found

    def in_vain(self) -> list[tuple[Unit, str]]:
        """Units that left the queue because no teacher will come for them, and why; each once."""
        found, self._in_vain = self._in_vain, []
        return found

    def clear(self) -> list[Unit]:
        """Nothing more is given out; what was left."""
        left = list(self._waiting.values())
        self._waiting, self._ready, self._heap = {}, {}, []
        return left

    # -- what waits for what -----------------------------------------------------------------------

    def _enter(self, unit: Unit, place: int) -> None:
        teachers = _teachers_of(unit)
        if any(path in self._failed for path in teachers):
            self._give_up(unit)
            return
        self._missing[unit.path] = {path for path in teachers if path in self._open}
        if not self._missing[unit.path]:
            self._make_ready(unit, place)

    def _make_ready(self, unit: Unit, place: int) -> None:
        students = self._students.get(unit.path, {}).values()
        after = max((self._cost(student.member) for student in students), default=0.0)
        late = not any(own.member.name in self._first for own in (unit, *students))
        entry = (late, -(self._cost(unit.member) + after), place, unit.path)
        self._ready[unit.path] = entry
        heapq.heappush(self._heap, entry)

    def _raise_teachers_of(self, units: Iterable[Unit]) -> None:
        """Of these students: more hangs on their teachers than did."""
        for path in {path for unit in units for path in _teachers_of(unit)}:
            if path in self._ready:
                self._make_ready(self._waiting[path], self._ready[path][2])

    def _give_up(self, unit: Unit) -> None:
        lost = [self._failed[path] for path in _teachers_of(unit) if path in self._failed]
        which = "was to label test photos for it" if unit.member.pseudo else "was to teach it"
        when = "its teachers are"
        if unit.source in self._failed:
            which, when = "it was to start from", "that one is"
        why = (
            f"{' and '.join(lost)} failed, which {which}. It is trained by the call in which {when}"
        )
        del self._waiting[unit.path]
        self._ready.pop(unit.path, None)
        self._in_vain.append((unit, why))
        self.fail(unit)

    def _place_back(self) -> int:
        self._back += 1
        return self._back - 1


def _teachers_of(unit: Unit) -> list[str]:
    """Folders of all units that it learns from, and of the one that it starts from."""
    teachers = [folder for folders in unit.teachers for folder in folders]
    return [*teachers, unit.source] if unit.source else teachers
