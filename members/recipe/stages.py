"""The stages of a training: which epochs belong to each, and what is other in them.

An epoch's stage follows from the recipe and its number alone, so that a training that goes on from
a state knows it too.
"""

from __future__ import annotations

from dataclasses import dataclass

from members.recipe.recipe import Recipe


@dataclass(frozen=True)
class Stage:
    """What is other in some epochs than in those before. head_only: the rest does not learn."""

    head_only: bool


def stage_of(recipe: Recipe, epoch: int) -> Stage:
    """The stage of `epoch` (from 0)."""
    return Stage(head_only=epoch < head_epochs(recipe))


def head_epochs(recipe: Recipe) -> int:
    """How many of the first epochs train the head alone."""
    return recipe.head_first.epochs if recipe.head_first else 0


def first_patient_epoch(recipe: Recipe) -> int:
    """How many epochs pass before those that patience counts.

    Else a training would end before what is still to come could make it better.
    """
    return head_epochs(recipe)
