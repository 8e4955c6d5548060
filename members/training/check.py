"""Whether a recipe can be trained, found out without a photo and without memory.

    problems = recipe_problems(recipe)            # [] where training can start

It covers the names of models, optimisers and transforms, the weights to start from, and whether
the network takes photos of this size.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from members.batches.loader import in_steps
from members.batches.mixing import seen
from members.errors import BadInput, first_line
from members.networks.compiling import compiler_problem
from members.networks.cost import require_network
from members.networks.freezing import train_mode
from members.networks.models import build_model, least_in_batch, model_problem
from members.pixels.augment import augmentation_problems
from members.recipe.recipe import Recipe
from members.recipe.stages import training_sizes
from members.training.optim import optimizer_problem, require_optimizer
from members.training.ranks import Ranks


def recipe_problems(recipe: Recipe) -> list[str]:
    """Every reason why `recipe` could not be trained, one text each; empty where it can.

    Builds the network without memory (meta device) and reads the headers of weights files; takes
    about a second for a large network.
    """
    problems = [model_problem(recipe.model), optimizer_problem(recipe.optimizer)]
    if problems == [None, None]:
        problems = []
        for attempt in (require_network, require_optimizer):
            try:
                attempt(recipe)
            except BadInput as error:
                problems += error.problems
    problems += augmentation_problems(recipe)
    problems += [compiler_problem() if recipe.compile else None]
    return [problem for problem in problems if problem]


def batch_problem(
    recipe: Recipe, n_classes: int, parts: Iterable[int], ranks: int = 1
) -> str | None:
    """Why the network cannot be trained with the smallest batch that will occur, or None.

    parts: numbers of photos of the training parts; ranks: processes that divide each batch. One
    forward and one backward pass on the meta device, which has shapes and no memory.
    """
    parts = sorted(set(parts))
    found = (
        _batch_problem_at(recipe, size, n_classes, parts, ranks) for size in training_sizes(recipe)
    )
    return next(filter(None, found), None)


def _batch_problem_at(
    recipe: Recipe, size: tuple[int, int], n_classes: int, parts: list[int], ranks: int
) -> str | None:
    """With training photos of `size`."""
    recipe = recipe.model_copy(update={"image_size": size})

    def attempt(**other: Any) -> tuple[int, str | None]:
        relevant = recipe.model_copy(update=other).model_dump_json(include=_OF_A_PASS)
        return _smallest_pass(relevant, n_classes, tuple(parts), ranks)

    smallest, why = attempt()
    if why is None:
        return None
    height, width = size
    others: list[dict[str, Any]] = [{"image_size": (2 * height, 2 * width)}]
    if smallest == 1:
        others.insert(0, {"batch_size": 2 * recipe.batch_size})
    key = "sizes of" if recipe.sizes else "image_size"
    ways = [
        f"{key}: {list(value)}" if name == "image_size" else f"{name}: {value} or more"
        for other in others
        for name, value in other.items()
        if not attempt(**other)[1]
    ]
    photos = "1 photo" if smallest == 1 else f"{smallest} photos"
    return (
        f"batch_size: {recipe.batch_size} leaves a batch of {photos} in training parts of "
        f"{' or '.join(map(str, parts[:3]))}, with which {recipe.model} cannot be trained at "
        f"{key} {[height, width]}: {why}. What can: "
        f"{', or '.join(ways) or 'more photos, or another model'}"
    )


# of a recipe, what decides whether a pass can be made
_OF_A_PASS = {
    "model", "image_size", "batch_size", "accumulate", "freeze", "dropout", "drop_path", "mixing"
}  # fmt: skip


@functools.lru_cache(maxsize=256)
def _smallest_pass(
    relevant: str, n_classes: int, parts: tuple[int, ...], ranks: int
) -> tuple[int, str | None]:
    """Photos of the smallest batch of one process, and why it cannot be trained with.

    relevant: the keys `_OF_A_PASS` of the recipe, as JSON.
    """
    recipe = Recipe.model_validate_json(relevant)
    model = build_model(recipe, n_classes, device="meta", pretrained=False)
    sizes = {
        seen(recipe.mixing, 0, len(rows))
        for n in parts
        for step in in_steps(np.arange(n), recipe.batch_size, recipe.accumulate)
        for rows in step
    }
    shares = [Ranks(r, ranks).part(n, least_in_batch(model)) for n in sizes for r in range(ranks)]
    smallest = min((own.stop - own.start for own in shares if own.stop > own.start), default=1)
    train_mode(model)
    try:
        # the default device too: some networks make their position tables in forward
        with torch.device("meta"):
            logits = model(torch.empty(smallest, 3, *recipe.image_size))
            if logits.requires_grad:
                logits.sum().backward()
    except (RuntimeError, ValueError) as error:
        why = first_line(error).rstrip(".")
        # what only the meta device cannot do says nothing of training
        of_meta = isinstance(error, NotImplementedError) or "meta" in why
        return smallest, None if of_meta else why
    return smallest, None
