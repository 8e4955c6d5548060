"""The stages of a training: which epochs belong to each, and what is other in them.

An epoch's stage follows from the recipe and its number alone, so that a training that goes on from
a state knows it too.
"""

from __future__ import annotations

from dataclasses import dataclass

from members.recipe.recipe import Recipe


@dataclass(frozen=True)
class Stage:
    """What is other in some epochs than in those before.

    head_only: the rest does not learn. size: (height, width) of the training photos.
    """

    head_only: bool
    size: tuple[int, int]


def stage_of(recipe: Recipe, epoch: int) -> Stage:
    """The stage of `epoch` (from 0)."""
    return Stage(head_only=epoch < head_epochs(recipe), size=size_of(recipe, epoch))


def size_of(recipe: Recipe, epoch: int) -> tuple[int, int]:
    """(height, width) of the training photos in `epoch` (from 0): each size has an equal share."""
    sizes = recipe.sizes or (recipe.image_size,)
    return sizes[min(epoch * len(sizes) // recipe.epochs, len(sizes) - 1)]


def training_sizes(recipe: Recipe) -> list[tuple[int, int]]:
    """Each (height, width) in which training photos are seen, once, in the order of the epochs."""
    return [*dict.fromkeys(recipe.sizes or (recipe.image_size,))]


def copy_size(recipe: Recipe, size: tuple[int, int]) -> tuple[int, int]:
    """(height, width) of the decoded copies that training photos of `size` are cut from: `margin`
    times each side, rounded."""
    margin = recipe.margin or 1
    return round(margin * size[0]), round(margin * size[1])


def training_copies(recipe: Recipe) -> list[tuple[int, int]]:
    """Each (height, width) in which training photos are there before they are augmented, once."""
    return [*dict.fromkeys(copy_size(recipe, size) for size in training_sizes(recipe))]


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

    Else a training would end before all of the network, or the last size, could make it better.
    """
    last = size_of(recipe, recipe.epochs - 1)
    others = [epoch for epoch in range(recipe.epochs) if size_of(recipe, epoch) != last]
    return max(head_epochs(recipe), others[-1] + 1 if others else 0)
