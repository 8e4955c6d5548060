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


def is_averaged(recipe: Recipe, epoch: int) -> bool:
    """Whether the weights after `epoch` (from 0) are part of the mean of `swa`."""
    return recipe.swa is not None and epoch >= recipe.epochs - recipe.swa.epochs


def scheduled_epochs(recipe: Recipe) -> int:
    """How many epochs the schedule is over: those after `head_first` and before `swa`."""
    return recipe.epochs - head_epochs(recipe) - (recipe.swa.epochs if recipe.swa else 0)


def first_patient_epoch(recipe: Recipe) -> int:
    """How many epochs pass before those that patience counts.

    Else a training would end before what is still to come could make it better.
    """
    return head_epochs(recipe)
