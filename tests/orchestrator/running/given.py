"""Members, units and a watch for schedules that nobody trains for."""

from __future__ import annotations

from orchestrator.running.watch import Watch
from orchestrator.runs.store import Store
from orchestrator.spec.spec import Member
from orchestrator.units.unit import Unit


def watch() -> Watch:
    return Watch(Store("nowhere"), hang_minutes=5)


def members(*specification: tuple[str, int, float]) -> tuple[list[Unit], dict[str, float]]:
    """Units of (name, folds, cost of one) and the costs by name."""
    units, costs = [], {}
    for name, folds, cost in specification:
        member = Member(name=name, recipe={"model": name})
        units += [Unit(member, name, fold, None) for fold in range(folds)]
        costs[name] = cost
    return units, costs
