"""The best sub-ensemble that a number of milliseconds a photograph pays for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ensembles.errors import BadInput
from ensembles.scores import metrics


def within_budget(found: Mapping[str, Any], milliseconds: float) -> dict[str, Any]:
    """The point of `voting.pareto.pareto` with the best nested score whose members take at most so many
    milliseconds a photograph together; of several as good the cheapest.

    Costs are those that members have in their tables' metadata, measured one photograph after the other.
    Raises BadInput where not one member is as cheap, with the cheapest, and for no number above 0.
    """
    if not (isinstance(milliseconds, int | float) and 0 < milliseconds < math.inf):
        raise BadInput(
            f"budget: {milliseconds!r}, but must be a number of milliseconds a photograph above 0."
        )
    points = found["points"]
    fitting = [point for point in points if point["milliseconds"] <= milliseconds]
    metric = found["metric"]
    sign = metrics.named(metric).sign
    if fitting:
        best = min(fitting, key=lambda own: (-sign * own[metric], own["milliseconds"]))
        return dict(best)
    cheapest = min(points, key=lambda own: (own["milliseconds"], -sign * own[metric]))
    enough = math.ceil(cheapest["milliseconds"] * 100) / 100
    raise BadInput(
        f"budget: {milliseconds:g} ms a photograph, and the cheapest vote, {', '.join(cheapest['members'])}, "
        f"takes {cheapest['milliseconds']:.2f} ({metrics.title(metric)} {cheapest[metric]:.4f}). Allow "
        f"{enough:g} or more."
    )
