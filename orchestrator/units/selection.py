"""Which epochs of a unit are kept, and which one its tables are made from: from histories alone.

A history is a list with a row an epoch, from the first on, with its metrics by name.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from members.recipe.recipe import Recipe
from orchestrator.spec import member_metrics

History = Sequence[dict[str, Any]]


def kept_epochs(history: History, recipe: Recipe) -> list[int]:
    """Numbers of the epochs whose weights and predictions are kept by themselves."""
    if recipe.select == "common_epoch":
        return list(range(1, len(history) + 1))
    return submitted_epochs(history, recipe)


def submitted_epochs(history: History, recipe: Recipe) -> list[int]:
    """Numbers of the epochs that reach `submissions_above`, and so get a pair of submissions."""
    bar, sign = recipe.submissions_above, member_metrics.sign(recipe.metric)
    if bar is None:
        return []
    return [
        number
        for number, row in enumerate(history, start=1)
        if sign * row[recipe.metric] >= sign * bar
    ]


def chosen_by_all_folds(recipe: Recipe) -> bool:
    """Whether what predicts is known only when every fold is trained: its epoch, or its views."""
    return recipe.select == "common_epoch" or bool(recipe.choose_views)


def mean_curve(histories: Sequence[History], metric: str) -> list[float]:
    """The mean of `metric` over the units, for each epoch that all of them ran."""
    together = min(map(len, histories))
    # fsum rounds once, so the order of the units cannot make two equal means differ
    return [
        math.fsum(history[epoch][metric] for history in histories) / len(histories)
        for epoch in range(together)
    ]


def common_epoch(histories: Sequence[History], metric: str) -> int:
    """The epoch, from 1, with the best mean over the units; of equal ones the earliest."""
    curve = mean_curve(histories, metric)
    sign = member_metrics.sign(metric)
    return max(range(len(curve)), key=lambda epoch: sign * curve[epoch]) + 1
