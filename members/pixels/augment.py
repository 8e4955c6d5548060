"""A recipe's augmentation chain, and its transforms as a function of photo and seed."""

from __future__ import annotations

import functools
import inspect
import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from members.errors import message_of, nearest
from members.recipe.chains import CHAINS, CROPS, Chain, Transform
from members.recipe.stages import copy_size, training_sizes

if TYPE_CHECKING:
    from members.recipe.recipe import Recipe

Vary = Callable[[np.ndarray, int], np.ndarray]  # photo (h, w, 3) uint8, seed -> photo
Draw = Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]  # and numbers (n,) float64


def chain_of(recipe: Recipe) -> Chain:
    """The chain that training uses: one by name, or the recipe's own list of transforms; with the
    recipe's policy of timm.
    """
    if isinstance(recipe.augmentation, str):
        chain = CHAINS[recipe.augmentation]
    else:
        steps = (pair for step in recipe.augmentation for pair in step.items())
        chain = Chain(transforms=tuple(steps))
    return replace(chain, policy=recipe.auto_augment) if recipe.auto_augment else chain


def crop_of(recipe: Recipe) -> tuple[float, float] | None:
    """Centre crop (height, width) for training and test photos: the recipe's, else the chain's."""
    return recipe.crop if recipe.crop is not None else chain_of(recipe).crop


def augmenter(chain: Chain, size: tuple[int, int] | None = None) -> Vary | None:
    """The chain's transforms as `vary(photo, seed) -> photo`, uint8; None where there are none.

    size: (h, w) of what comes out, (h, w, 3): crops that have no size of their own cut to it, and what
    goes in may be larger. None: there are no such crops, and what goes in has the size.
    All randomness comes from `seed`: neither earlier calls nor other generators matter.
    """
    if not chain.transforms:
        return None
    return _composed(_all_sized(chain.transforms, size))


def drawing_augmenter(
    chain: Chain, size: tuple[int, int] | None, later: Sequence[Mapping[str, int]]
) -> Draw:
    """As `augmenter`, but the last transforms are drawn and not carried out: `draw(photo, seed)` -> (photo,
    what was drawn for them, float64).

    later: of each of those, names of its parameters -> how many numbers each is. Of each come 1 and its
    numbers where it is to be carried out, else zeros. They must draw the same whatever the photo shows.
    """
    compose = _compose(_all_sized(chain.transforms, size), n_drawn=len(later))
    last = compose.transforms[len(chain.transforms) - len(later) :]

    def draw(photo: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        varied = _varied(compose, photo, seed)
        numbers: list[float] = []
        for transform, names in zip(last, later, strict=True):
            if transform.params:  # it is empty where the transform passes a photo over
                numbers += [1, *(x for name in names for x in np.ravel(transform.params[name]))]
            else:
                numbers += [0] * (1 + sum(names.values()))
        return varied, np.array(numbers, np.float64)

    return draw


def _all_sized(
    transforms: tuple[Transform, ...], size: tuple[int, int] | None
) -> tuple[Transform, ...]:
    if size is None:
        return transforms
    return tuple((name, _sized(name, own, size)) for name, own in transforms)


def _sized(name: str, arguments: dict[str, Any], size: tuple[int, int]) -> dict[str, Any]:
    """The arguments, with `size` where the transform takes one and they have none."""
    taken = transforms().get(name, ())
    if "size" in taken:
        return {"size": size, **arguments}
    if name in CROPS and "height" in taken:
        return {"height": size[0], "width": size[1], **arguments}
    return arguments


def _composed(transforms: tuple[Transform, ...]) -> Vary:
    return functools.partial(_varied, _compose(transforms))


def _compose(transforms: tuple[Transform, ...], n_drawn: int = 0) -> Any:
    """n_drawn: how many of them, the last, are only drawn."""
    albumentations = _library()
    kinds = [getattr(albumentations, name) for name, _ in transforms]
    first = len(kinds) - n_drawn
    kinds[first:] = map(_only_drawn, kinds[first:])
    return albumentations.Compose(
        [kind(**arguments) for kind, (_, arguments) in zip(kinds, transforms, strict=True)]
    )


@functools.cache
def _only_drawn(kind: type) -> type:
    """A transform that draws as `kind` does and leaves photos as they are."""
    return type(kind.__name__, (kind,), {"apply": lambda self, img, **params: img})


def _varied(compose: Any, photo: np.ndarray, seed: int) -> np.ndarray:
    # Shared by all transforms. Compose.set_random_seed would start each of them at the same
    # place of the same sequence, so that all with p=0.5 would act on the same half of photos.
    compose.set_random_state(np.random.default_rng(seed), random.Random(seed))
    return compose(image=photo)["image"]


def augmentation_problems(recipe: Recipe) -> list[str]:
    """What is wrong with a recipe's own chain: names, arguments, or what they do to its photos.

    Imports albumentations; a chain by name has been checked without.
    """
    if isinstance(recipe.augmentation, str):
        return []
    found = [text for size in training_sizes(recipe) for text in _chain_problems(recipe, size)]
    return [f"augmentation: {text}" for text in dict.fromkeys(found)]


def _chain_problems(recipe: Recipe, size: tuple[int, int]) -> Iterator[str]:
    """Of its transforms, one after the other, on a photo that is to be of `size` after them."""
    copy = shape = copy_size(recipe, size)
    for name, arguments in chain_of(recipe).transforms:
        after = _shape_after(name, arguments, shape, size)
        if isinstance(after, str):
            yield after
            continue
        if after != shape and not recipe.margin:
            yield (
                f"{name} with {arguments} makes uint8 {[*after, 3]} of uint8 {[*shape, 3]}; sizes are "
                "for image_size and crop, numbers for normalize"
            )
            continue
        if after != shape and arguments.get("p", 1) < 1:
            yield f"{name} with p: {arguments['p']} would leave the other photos {list(shape)}; leave p out"
        shape = after
    if recipe.margin and shape != size:
        yield (
            f"with margin: {recipe.margin:g} photos of {list(copy)} leave it as {list(shape)}, and the "
            f"network takes {list(size)}; RandomResizedCrop or RandomCrop without a size cut to that"
        )


@functools.cache
def transforms() -> dict[str, list[str]]:
    """Transform of albumentations that a chain may have -> the names of its arguments."""
    albumentations = _library()
    kinds = (albumentations.ImageOnlyTransform, albumentations.DualTransform)
    return {
        name: [*inspect.signature(kind).parameters]
        for name, kind in vars(albumentations).items()
        if inspect.isclass(kind) and issubclass(kind, kinds)
    }


def _shape_after(
    name: str, arguments: dict[str, Any], shape: tuple[int, int], size: tuple[int, int]
) -> tuple[int, int] | str:
    """(h, w) that a transform makes of a photo of `shape`, or what is wrong with it."""
    known = transforms()
    if name not in known:
        return f"{name!r} is no transform of albumentations.{nearest(name, known)}"
    allowed = known[name]
    for argument in arguments:
        if argument not in allowed:
            return (
                f"{name} has no argument {argument!r}.{nearest(argument, allowed)} "
                f"It takes {', '.join(allowed)}"
            )
    photo = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    certain = {**arguments, "p": 1.0} if "p" in allowed else arguments
    try:
        _compose(((name, _sized(name, arguments, size)),))  # with the `p` that was given
        varied = _composed(((name, _sized(name, certain, size)),))(photo, 0)
    except (
        Exception
    ) as error:  # whatever a transform raises, its arguments or the size are the cause
        of_arguments = error.__context__
        if isinstance(of_arguments, ValidationError):
            wrong = [
                f"{'.'.join(map(str, one['loc']))}: {one['msg'].removeprefix('Value error, ')}, "
                f"got {one['input']!r}"
                for one in of_arguments.errors()
            ]
            return f"{name}: {'; '.join(wrong)}"
        text = "; ".join(message_of(error).splitlines()[:3])
        return f"{name} with {arguments} does not work on a photo of {list(shape)}: {text}"
    if varied.dtype != np.uint8 or varied.shape[2:] != (3,):
        return (
            f"{name} with {arguments} makes {varied.dtype} {list(varied.shape)} of uint8 "
            f"{list(photo.shape)}; sizes are for image_size and crop, numbers for normalize"
        )
    return varied.shape[0], varied.shape[1]


def _library():
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # else its import opens a connection
    import albumentations

    return albumentations
