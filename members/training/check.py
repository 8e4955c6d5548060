"""Whether a recipe can be trained, found out without a photo and without memory.

    problems = recipe_problems(recipe)            # [] where training can start

It covers the names of models, optimisers and transforms, for the weights to start from, and for
whether the network takes photos of this size.
"""

from __future__ import annotations

from members.errors import BadInput
from members.networks import compiling, cost, models
from members.pixels import augment
from members.recipe.recipe import Recipe
from members.training import optim


def recipe_problems(recipe: Recipe) -> list[str]:
    """Every reason why `recipe` could not be trained, one text each; empty where it can.

    Builds the network without memory (meta device) and reads the headers of weights files; takes
    about a second for a large network.
    """
    problems = [models.name_problem(recipe.model), optim.name_problem(recipe.optimizer)]
    if problems == [None, None]:
        problems = []
        for attempt in (cost.try_out, optim.try_out):
            try:
                attempt(recipe)
            except BadInput as error:
                problems += error.problems
    problems += augment.problems(recipe)
    problems += [compiling.problem() if recipe.compile else None]
    return [problem for problem in problems if problem]
