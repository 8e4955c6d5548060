"""Before Ray is started: what could not be trained, and what each unit costs."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from orchestrator.photographs.table import Photographs, codec_of, in_fold
from orchestrator.spec.spec import Member, Spec


def training_problems(spec: Spec) -> list[str]:
    """Every recipe that could not be trained, those a search may draw included. Imports torch."""
    from members.training.check import recipe_problems

    problems: dict[str, None] = {}
    if spec.resources.gpus == 0:
        problems |= dict.fromkeys(device_problems(spec, spec.members))
    for member in spec.members:
        for recipe in spec.recipes_of(member):
            problems |= dict.fromkeys(f"{member.name}: {text}" for text in recipe_problems(recipe))
    return list(problems)


def batch_problems(spec: Spec, photographs: Photographs) -> list[str]:
    """Recipes that fail at the smallest batch which training on some fold has. Imports torch.

    They must be without `training_problems`.
    """
    from members.training.check import batch_problem

    parts = {len(in_fold(photographs.train, fold)[0]) for fold in range(photographs.n_folds)}
    problems: dict[str, None] = {}
    tried: dict[tuple, str | None] = {}
    for member in spec.members:
        n_classes = len(codec_of(member, photographs.codec).classes)
        for recipe in spec.recipes_of(member):
            key = (
                recipe.model, recipe.image_size, recipe.batch_size, recipe.accumulate,
                str(recipe.freeze), n_classes,
            )  # fmt: skip
            if key not in tried:
                tried[key] = batch_problem(recipe, n_classes, parts, spec.resources.workers)
            if tried[key]:
                problems[f"{member.name}: {tried[key]}"] = None
    return list(problems)


def device_problems(spec: Spec, members: Iterable[Member]) -> list[str]:
    """What of `members` cannot be trained in processes without a GPU."""
    return [
        f"{member.name}: mixed_precision: fp16 needs a GPU, and this run's training processes get "
        "none; use auto, bf16 or off, or join a cluster with GPUs by --address"
        for member in members
        if any(recipe.mixed_precision == "fp16" for recipe in spec.recipes_of(member))
    ]


def cost_of(photographs: Photographs) -> Callable[[Member], float]:
    """Multiply-accumulates of training one unit: what the order of units is by. Imports torch."""
    from members.networks.cost import multiply_accumulates

    known: dict[tuple, float] = {}

    def cost(member: Member) -> float:
        recipe = member.recipe
        key = (recipe.model, recipe.image_size)
        if key not in known:
            n_classes = len(codec_of(member, photographs.codec).classes)
            known[key] = multiply_accumulates(recipe, n_classes)
        return 3 * known[key] * recipe.epochs * len(photographs.train)

    return cost


def memory_of_unit(spec: Spec, member: Member, photographs: Photographs) -> int:
    """Bytes that the training of one unit takes, of all its processes; an estimate. Imports torch."""
    from members.training.memory import memory_of

    resources = spec.resources
    n_classes = len(codec_of(member, photographs.codec).classes)
    one = memory_of(member.recipe, n_classes, resources.workers, resources.loader_workers)
    return resources.workers * one.total
