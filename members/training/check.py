"""Whether a recipe can be trained, found out without a photo and without memory.

    problems = recipe_problems(recipe)            # [] where training can start

It covers the names of models, optimisers and transforms, the weights to start from, and whether
the network takes photos of this size.
"""

from __future__ import annotations

from members.errors import BadInput
from members.networks.compiling import compiler_problem
from members.networks.cost import require_network
from members.networks.models import model_problem
from members.pixels.augment import augmentation_problems
from members.recipe.recipe import Recipe
from members.training.optim import optimizer_problem, require_optimizer


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
