"""Keys of a recipe that have an effect beside another key only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from members.recipe.recipe import Recipe


class Use(NamedTuple):
    """of: the key that decides. among: its values beside which the key has an effect, for the message.
    has_effect: whether it has in a recipe. neutral: values that say what is so without the key, too."""

    of: str
    among: tuple[str, ...]
    has_effect: Callable[[Recipe], bool]
    neutral: tuple[Any, ...] = ()


def _of_losses(*names: str, neutral: tuple[Any, ...] = ()) -> Use:
    def has_effect(recipe: Recipe) -> bool:
        return bool({*names} & ({recipe.loss} if isinstance(recipe.loss, str) else {*recipe.loss}))

    return Use("loss", names, has_effect, neutral)


def _of_schedules(*names: str, neutral: tuple[Any, ...] = ()) -> Use:
    return Use("schedule", names, lambda recipe: recipe.schedule in names, neutral)


USES = {
    "smoothing": _of_losses("label_smoothing", "bce", neutral=(0,)),
    "focal_gamma": _of_losses("focal"),
    "step_epochs": _of_schedules("step"),
    "milestones": _of_schedules("milestones", neutral=((), [], None)),
    "plateau_epochs": _of_schedules("plateau"),
    "gamma": _of_schedules("step", "milestones", "plateau", neutral=(1,)),
    "min_lr": _of_schedules("cosine", "step", "milestones", "plateau", neutral=(0,)),
}
# who writes all of these, which never have an effect together, has written a recipe out whole, as `spec.yaml`
# of a run folder is
_ALL_OF_THEM = {"smoothing", "focal_gamma", "step_epochs", "plateau_epochs", "gamma"}


def without_effect(recipe: Recipe, written: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(key, what is wrong) of each key of `written` that does nothing in `recipe`.

    written: keys and values as they were given for this recipe alone: what stands for several of them, in a
    recipe file or the defaults of a spec, may be for the others. Nothing of a recipe that was written out
    whole.
    """
    if {*written} >= _ALL_OF_THEM:
        return
    for key, use in USES.items():
        if key in written and written[key] not in use.neutral and not use.has_effect(recipe):
            yield (
                key,
                f"{written[key]!r} has no effect beside `{use.of}: {getattr(recipe, use.of)}`. Write "
                f"{_one_of(use)}, or leave {key} out",
            )
    mixing = written.get("mixing")
    if recipe.mixing and isinstance(mixing, dict):
        kinds = [recipe.mixing.kind, *([recipe.mixing.switch.kind] if recipe.mixing.switch else [])]
        blocks = [("mixing", mixing), ("mixing.switch", mixing.get("switch"))]
        for kind, (name, block) in zip(kinds, blocks, strict=False):
            if kind == "half_face" and isinstance(block, dict) and "alpha" in block:
                yield (
                    f"{name}.alpha",
                    f"{block['alpha']!r} has no effect beside `kind: half_face`, which has one half of "
                    "each. Write `kind: mixup` or `cutmix`, or leave alpha out",
                )


def _one_of(use: Use) -> str:
    return f"`{use.of}: {use.among[0]}`{''.join(f' or `{name}`' for name in use.among[1:])}"
