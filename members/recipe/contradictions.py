"""What keys of a recipe say against each other."""

from __future__ import annotations

from typing import Any


def contradictions(recipe: Any) -> list[str]:
    """A text for each pair of keys that cannot both be meant; empty where there is none.

    recipe: a Recipe; not typed as one, since its file imports this one.
    """
    return [*_learning_rates(recipe), *_head_first(recipe)]


def _learning_rates(recipe: Any) -> list[str]:
    found = []
    if recipe.min_lr > recipe.lr:
        found.append(f"min_lr must be at most lr ({recipe.lr:g}), got {recipe.min_lr:g}")
    if recipe.schedule == "milestones" and not recipe.milestones:
        found.append("schedule: milestones needs them, e.g. `milestones: [10, 20, 25]`")
    return found


def _head_first(recipe: Any) -> list[str]:
    first = recipe.head_first
    if first is None:
        return []
    found = []
    if first.epochs >= recipe.epochs:
        found.append(
            f"head_first: its {first.epochs} epochs leave none of the {recipe.epochs} to train the "
            f"rest in. At most {recipe.epochs - 1}, or more epochs; `freeze: backbone` trains the "
            "head alone"
        )
    if recipe.freeze == "backbone":
        found.append(
            "head_first has no effect beside `freeze: backbone`, with which the head alone learns "
            "to the end. Leave one of them out"
        )
    return found
