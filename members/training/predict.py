"""Photographs in, probabilities out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from members.batches.loader import Loader, in_batches, on_device, to_input
from members.batches.photos import Photos
from members.errors import BadInput
from members.networks.models import statistics_of
from members.out_of_memory import AtOnce, in_parts
from members.recipe.recipe import Recipe
from members.training.precision import autocast
from members.training.ranks import ALONE, Ranks

CROP = 0.9  # of height and width


def plain(x: Tensor) -> Tensor:
    """The batch (B, 3, h, w) as it is."""
    return x


def flipped(x: Tensor) -> Tensor:
    """Left and right of (B, 3, h, w) swapped."""
    return x.flip(-1)


def cropped(across: float, down: float) -> Callable[[Tensor], Tensor]:
    """The part of (B, 3, h, w) that lies `across` and `down` (0..1) of the way, at full size."""

    def crop(x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        h, w = round(CROP * height), round(CROP * width)
        top, left = round(down * (height - h)), round(across * (width - w))
        part = x[..., top : top + h, left : left + w]
        return functional.interpolate(part, (height, width), mode="bilinear")

    return crop


# transforms of a batch before it is predicted, by the names that `recipe.views` may list
VIEWS: dict[str, tuple[Callable[[Tensor], Tensor], ...]] = {
    "plain": (plain,),
    "flip": (flipped,),
    "crops": tuple(
        cropped(across, down) for down, across in ((0, 0), (0, 1), (0.5, 0.5), (1, 0), (1, 1))
    ),
}


def predict(
    model: nn.Module,
    photos: Photos,
    recipe: Recipe,
    *,
    device: str = "cpu",
    loader_workers: int = 0,
    on_step: Callable[[int, int], None] | None = None,
    ranks: Ranks = ALONE,
) -> np.ndarray:
    """Probabilities (N, K) float32, rows sum to 1: the mean over the recipe's views.

    Each picture of a view counts alike, so five crops outweigh one flip. Without augmentation.
    `model` is moved to `device` and left in eval mode. Several ranks divide the photos, and each
    gets all probabilities. `on_step(done, steps)` is called after each batch of a view. Raises
    BadInput for photos of another size than the recipe's.
    """
    (mean,) = predict_each(
        model,
        photos,
        recipe,
        [recipe.views],
        device=device,
        loader_workers=loader_workers,
        on_step=on_step,
        ranks=ranks,
    )
    return mean


def predict_each(
    model: nn.Module,
    photos: Photos,
    recipe: Recipe,
    candidates: Sequence[Sequence[str]],
    *,
    device: str = "cpu",
    loader_workers: int = 0,
    on_step: Callable[[int, int], None] | None = None,
    ranks: Ranks = ALONE,
    at_once: AtOnce | None = None,
) -> list[np.ndarray]:
    """For each of `candidates` what `predict` returns with it as the recipe's views.

    What several of them see is looked at once. at_once: how many photos; it is lowered where they do
    not fit the memory.
    """
    model = model.to(device)
    look_at = partial(
        logits,
        model,
        photos,
        recipe,
        device=device,
        loader=Loader(photos, workers=loader_workers),
        on_step=on_step,
        ranks=ranks,
        at_once=at_once or AtOnce(),
    )
    views = dict.fromkeys(view for views in candidates for view in views)
    seen = {view: [softmax(look_at(look=look)) for look in VIEWS[view]] for view in views}
    means = []
    for own in candidates:
        probabilities = np.stack([p for view in own for p in seen[view]])
        means.append(probabilities.mean(axis=0, dtype=np.float64).astype(np.float32))
    return means


def looks(views: Sequence[str]) -> list[Callable[[Tensor], Tensor]]:
    """Each picture of the views, as a transform of a batch (B, 3, h, w)."""
    return [look for view in views for look in VIEWS[view]]


def for_test(recipe: Recipe) -> Recipe:
    """The recipe for unlabelled photos: `test_normalize`, where it is set, is its `normalize`."""
    if recipe.test_normalize is None:
        return recipe
    return recipe.model_copy(update={"normalize": recipe.test_normalize})


def softmax(logits: np.ndarray, dtype: type = np.float32) -> np.ndarray:
    """(N, K) of any real numbers -> (N, K) of `dtype`, rows sum to 1; computed in float64."""
    shifted = logits.astype(np.float64)
    shifted -= shifted.max(axis=1, keepdims=True, initial=-np.inf)
    powers = np.exp(shifted)
    return (powers / powers.sum(axis=1, keepdims=True)).astype(dtype, copy=False)


def logits(
    model: nn.Module,
    photos: Photos,
    recipe: Recipe,
    *,
    device: str,
    loader: Loader,
    look: Callable[[Tensor], Tensor] = plain,
    on_step: Callable[[int, int], None] | None = None,
    ranks: Ranks = ALONE,
    at_once: AtOnce | None = None,
) -> np.ndarray:
    """The network's outputs (N, K) float32 for the photos, each seen through `look`.

    Every rank gets them all. `model` is on `device` and ends in eval mode. A batch that does not fit
    the memory is divided, and `at_once.look` lowered, until it does. Raises OutOfMemory where not even
    one photo fits.
    """
    require_size(photos, recipe, "photos to predict")
    model.eval()
    statistics = statistics_of(recipe)
    batch_size = recipe.validation_batch_size or 2 * recipe.batch_size
    mine = ranks.part(len(photos))
    batches = in_batches(np.arange(len(photos))[mine], batch_size)
    at_once = at_once or AtOnce()

    def outputs(pixels: Tensor) -> Tensor:
        x = to_input(on_device(pixels, device), statistics, channels_last=recipe.channels_last)
        return model(look(x)).float()

    parts: list[Tensor] = []
    with torch.inference_mode(), autocast(recipe, device):
        for done, (pixels, _) in enumerate(loader.batches(batches), start=1):
            parts += in_parts(outputs, pixels, at_once)
            if on_step:
                on_step(done, len(batches))
    # torch types every attribute of a module as a tensor or a module
    n_classes: int = getattr(model, "num_classes")  # noqa: B009
    own = torch.cat(parts) if parts else torch.empty((0, n_classes), device=device)
    (every,) = ranks.join(own, where=mine, n=len(photos))
    return every.cpu().numpy()


def require_size(photos: Photos, recipe: Recipe, what: str) -> None:
    """Raise BadInput unless `photos` are uint8 RGB of the recipe's size."""
    pixels = photos.pixels
    shape = (*recipe.image_size, 3)
    if pixels.dtype != np.uint8 or pixels.shape[1:] != shape:
        raise BadInput(
            f"{what}: pixels must be uint8 of shape (N, {', '.join(map(str, shape))}) as "
            f"image_size says; got {pixels.dtype} {tuple(pixels.shape)}. Decode them at that size"
        )
