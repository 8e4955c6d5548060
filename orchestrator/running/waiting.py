"""Units that wait for others: a student for its teachers' units, see `Unit.teachers`.

A teacher's unit is *pending* while it is queued or runs. One that is neither was done before, or is
done now, unless it failed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from orchestrator.spec.spec import Member
from orchestrator.units.unit import Unit


def teachers_of(unit: Unit) -> list[str]:
    """Folders of all units that it learns from."""
    return [folder for folders in unit.teachers for folder in folders]


def ready(queue: Iterable[Unit], pending: Collection[str], failed: Collection[str]) -> list[Unit]:
    """Those of the queue that may begin, in its order. pending, failed: folders of units."""
    return [
        unit
        for unit in queue
        if not any(folder in pending or folder in failed for folder in teachers_of(unit))
    ]


def in_vain(queue: Iterable[Unit], failed: Mapping[str, str]) -> list[tuple[Unit, str]]:
    """Those of the queue that no teacher will come for, and why. failed: folder -> title."""
    found = []
    for unit in queue:
        lost = [failed[folder] for folder in teachers_of(unit) if folder in failed]
        if lost:
            which = "was to label test photos for it" if unit.member.pseudo else "was to teach it"
            why = (
                f"{' and '.join(lost)} failed, which {which}. It is trained by the call in which its "
                "teachers are"
            )
            found.append((unit, why))
    return found


def costliest_first(units: Sequence[Unit], cost: Callable[[Member], float]) -> list[Unit]:
    """By what hangs on a unit: its own cost, and that of the costliest that waits for it.

    Of equal ones the order stays.
    """
    after: dict[str, float] = {}
    for unit in units:
        for folder in teachers_of(unit):
            after[folder] = max(after.get(folder, 0.0), cost(unit.member))
    return sorted(units, key=lambda unit: -(cost(unit.member) + after.get(unit.path, 0.0)))
