"""The limits on files, from the tables of the three packages."""

from __future__ import annotations

import ensembles.limits
import members.limits
import orchestrator.limits
from docs.markdown import code, table

_MODULES = (orchestrator.limits, members.limits, ensembles.limits)
_LIMIT = (members.limits.Limit, ensembles.limits.Limit)


def limits_of_files() -> str:
    """The variable that raises each limit, what it bounds, and its default."""
    found = [own for module in _MODULES for own in vars(module).values() if isinstance(own, _LIMIT)]
    by_variable = {own.variable: own for own in found}  # two packages may have the same
    rows = [
        (code(own.variable), own.bounds, f"{own.default:,} {own.unit}")
        for own in by_variable.values()
    ]
    return table(("environment variable", "bounds", "default"), rows)
