"""What keys of a recipe say against each other."""

from __future__ import annotations

from typing import Any

from members.recipe.chains import CHAINS, CROPS, Chain


def contradictions(recipe: Any) -> list[str]:
    """A text for each pair of keys that cannot both be meant; empty where there is none.

    recipe: a Recipe; not typed as one, since its file imports this one.
    """
    parts = (_learning_rates, _loss, _augmentation, _head_first, _swa, _sizes, _views, _memory)
    return [text for part in parts for text in part(recipe)]


def _learning_rates(recipe: Any) -> list[str]:
    found = []
    if recipe.min_lr > recipe.lr:
        found.append(f"min_lr must be at most lr ({recipe.lr:g}), got {recipe.min_lr:g}")
    if recipe.schedule == "milestones" and not recipe.milestones:
        found.append("schedule: milestones needs them, e.g. `milestones: [10, 20, 25]`")
    clips = {way: getattr(recipe, f"clip_grad_{way}") for way in ("norm", "value", "agc")}
    given = [f"clip_grad_{way} ({most:g})" for way, most in clips.items() if most is not None]
    if len(given) > 1:
        found.append(
            f"{' and '.join(given)}: gradients are clipped in one way. Leave the others out, or null "
            "where a recipe file sets them"
        )
    if recipe.clip_grad_agc is not None and recipe.freeze == "backbone":
        found.append(
            f"clip_grad_agc ({recipe.clip_grad_agc:g}) has no effect beside `freeze: backbone`: it leaves "
            "the head out, which alone learns. Write `clip_grad_norm: 1`, or leave it out"
        )
    return found


def _loss(recipe: Any) -> list[str]:
    if "bce" in (recipe.loss if isinstance(recipe.loss, dict) else [recipe.loss]):
        return []
    given = {"bce_threshold": recipe.bce_threshold is not None, "bce_sum": recipe.bce_sum}
    return [
        f"{key} has no effect on this loss, {recipe.loss}. Write `loss: bce`, or leave it out"
        for key, is_given in given.items()
        if is_given
    ]


def _augmentation(recipe: Any) -> list[str]:
    named = CHAINS.get(recipe.augmentation) if isinstance(recipe.augmentation, str) else None
    found = []
    if recipe.auto_augment and named and named.policy:
        found.append(
            f"auto_augment ({recipe.auto_augment}) would take the place of the policy of "
            f"`augmentation: {recipe.augmentation}` ({named.policy}). Leave one of them out"
        )
    varies = recipe.augmentation not in ("base", ()) or recipe.auto_augment or recipe.erasing
    if recipe.margin:
        found += _margin(recipe, named)
    if recipe.repeats > 1 and not varies:
        found.append(
            f"repeats ({recipe.repeats}): the photos would be the same each time. Give an augmentation, "
            "auto_augment or erasing, or leave repeats out"
        )
    return found


def _margin(recipe: Any, named: Chain | None) -> list[str]:
    found = []
    steps = (
        [name for name, _ in named.transforms]
        if named
        else [n for s in recipe.augmentation for n in s]
    )
    if not {*steps} & {*CROPS}:
        found.append(
            f"margin ({recipe.margin:g}): nothing in this augmentation cuts photos from their larger "
            "copies. Write `augmentation: resized_crop`, or a list with RandomResizedCrop or RandomCrop"
        )
    sizes = recipe.sizes or (recipe.image_size,)
    if any(round(side * recipe.margin) == side for size in sizes for side in size):
        found.append(f"margin ({recipe.margin:g}) adds no pixel to a side. More, or leave it out")
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


def _swa(recipe: Any) -> list[str]:
    swa = recipe.swa
    if swa is None:
        return []
    found = []
    before = recipe.head_first.epochs if recipe.head_first else 0
    if swa.epochs + before >= recipe.epochs:
        of_head = f" and the {before} of head_first" if before else ""
        found.append(
            f"swa: its {swa.epochs} epochs{of_head} leave none of the {recipe.epochs} in which all "
            "learns before. Fewer, or more epochs"
        )
    if recipe.select != "last":
        found.append(
            "swa: the mean of the last epochs' weights is what predicts, and no epoch is chosen. "
            f"Write `select: last` beside it, got {recipe.select}"
        )
    if recipe.ema is not None:
        decay = getattr(recipe.ema, "decay", recipe.ema)
        found.append(
            f"swa and ema ({decay:g}) are two means of the weights, and one network predicts. "
            "Leave one of them out"
        )
    if recipe.patience is not None:
        found.append(
            f"swa: with patience ({recipe.patience}) training could end before the epochs that are "
            "averaged. Leave one of them out"
        )
    return found


def _sizes(recipe: Any) -> list[str]:
    if len(recipe.sizes) > recipe.epochs:
        return [
            f"sizes: {len(recipe.sizes)} of them have no epoch each in epochs: {recipe.epochs}. "
            "Fewer sizes, or more epochs"
        ]
    if {*recipe.sizes} == {recipe.image_size}:
        return [
            f"sizes has no effect: all of them are image_size, {list(recipe.image_size)}. Leave it "
            "out, or begin smaller"
        ]
    return []


def _views(recipe: Any) -> list[str]:
    found = []
    if recipe.choose_views and recipe.views != ("plain",):
        found.append(
            f"views ({', '.join(recipe.views)}) has no effect beside choose_views, which says what "
            "predictions are the mean of. Leave one of them out"
        )
    if recipe.choose_views and recipe.validation_views:
        found.append(
            "validation_views: with choose_views nobody knows while training which views will "
            "predict. Leave one of them out"
        )
    elif recipe.validation_views and recipe.views == ("plain",):
        found.append(
            "validation_views has no effect: `views` is [plain], as which photos are validated "
            "without it. Leave it out, or give views, e.g. [plain, flip]"
        )
    if recipe.choose_views and recipe.select == "common_epoch":
        found.append(
            "choose_views and `select: common_epoch` would choose twice on the same rows, each "
            "kept epoch in all views. Write `select: best` or `last`, or leave choose_views out"
        )
    if recipe.choose_views and recipe.submissions_above is not None:
        found.append(
            "submissions_above writes submissions while a unit trains, and choose_views is decided "
            "when all units are there. Leave one of them out"
        )
    return found


def _memory(recipe: Any) -> list[str]:
    if recipe.grad_checkpointing and recipe.freeze == "backbone":
        return [
            "grad_checkpointing has no effect beside `freeze: backbone`, with which only the head has a "
            "backward pass. Leave it out"
        ]
    return []
