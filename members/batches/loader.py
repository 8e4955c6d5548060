"""The batches of an epoch, read and augmented.

Every random number comes from (seed, purpose, epoch, place in the epoch), so an epoch is the same
whatever ran before it in this process and however many loader workers prepare it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from members.batches.device_steps import STEPS, vary_batch
from members.batches.photos import Photos
from members.batches.policies import Mean, policy_of
from members.errors import BadInput
from members.pixels.augment import Draw, Vary, augmenter, drawing_augmenter
from members.recipe.blocks import Statistics
from members.recipe.chains import Chain

# What a random number is for; part of its seed, so that no two purposes share a sequence.
WEIGHTS, ORDER, VARY, NOISE, NETWORK, MIX, POLICY, ERASE = range(8)


def derived_seed(seed: int, *key: int) -> int:
    """A 64-bit seed for `key`, statistically independent of every other key's."""
    words = np.random.SeedSequence((seed, *key)).generate_state(2)
    return int(words[0]) << 32 | int(words[1])


def in_batches(order: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """`order` cut into pieces of `batch_size`; the last may be smaller.

    A single photo left over joins the batch before it: batch norm has no statistics of one.
    """
    pieces = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    if batch_size > 1 and len(pieces) > 1 and len(pieces[-1]) == 1:
        pieces[-2:] = [np.concatenate(pieces[-2:])]
    return pieces


def in_steps(order: np.ndarray, batch_size: int, accumulate: int) -> list[list[np.ndarray]]:
    """The batches of each optimiser step: `accumulate` of them, fewer in the last.

    Together they hold the photos of one batch of `accumulate * batch_size`.
    """
    return [in_batches(rows, batch_size) for rows in in_batches(order, batch_size * accumulate)]


Batch = tuple[int, np.ndarray, np.ndarray]  # epoch, places of its photos in the epoch, rows
Places = np.ndarray | slice


def places_of(pieces: list[np.ndarray], parts: Sequence[Places]) -> list[np.ndarray]:
    """Of each piece, the places in the epoch of those of its photos that are at `parts` of it."""
    starts = np.cumsum([0, *map(len, pieces)])
    return [
        start + np.arange(len(rows))[part]
        for start, rows, part in zip(starts, pieces, parts, strict=False)
    ]


Read = tuple[Tensor, Tensor, Tensor]  # pixels, labels, numbers


class _Reader(Dataset):
    """Batch -> (pixels (B, h, w, 3) uint8, labels (B,) int64 or empty, numbers (B, n) float64), varied by the
    chain but for the steps at its end that are to be carried out `later`: of those the numbers."""

    def __init__(
        self,
        photos: Photos,
        chain: Chain | None,
        seed: int,
        mean: Mean,
        size: tuple[int, int],
        later: Sequence[str],
    ):
        self.photos, self.seed, self.size = photos, seed, size
        self.steps: list[tuple[int, Vary]] = []
        self.draw: Draw | None = None
        self.width = sum(STEPS[name].width for name in later)
        if chain and later:
            self.draw = drawing_augmenter(chain, size, [STEPS[name].numbers for name in later])
        elif chain:
            steps = ((VARY, augmenter(chain, size)), (POLICY, policy_of(chain, size, mean)))
            self.steps = [(purpose, vary) for purpose, vary in steps if vary]

    def __getitem__(self, batch: Batch) -> Read:
        epoch, places, rows = batch
        read = self.photos.read(rows)
        same = read.shape[1:3] == self.size
        pixels = read if same else np.empty((len(rows), *self.size, 3), np.uint8)
        numbers = np.empty((len(rows), self.width), np.float64)
        for i, place in enumerate(places if self.steps or self.draw else ()):
            photo = read[i]
            if self.draw:
                photo, numbers[i] = self.draw(
                    photo, derived_seed(self.seed, VARY, epoch, int(place))
                )
            for purpose, vary in self.steps:
                photo = vary(photo, derived_seed(self.seed, purpose, epoch, int(place)))
            pixels[i] = photo
        labels = self.photos.labels
        own = np.empty(0, np.int64) if labels is None else np.asarray(labels)[rows]
        labelled = torch.from_numpy(own.astype(np.int64))
        return torch.from_numpy(pixels), labelled, torch.from_numpy(numbers)


class _Told(Dataset):
    """In a loader's process: what is wrong with a batch goes to the one that trains as texts. torch would
    raise it there as a traceback of which the first line names no photo."""

    def __init__(self, reader: _Reader):
        self._reader = reader

    def __getitem__(self, batch: Batch) -> Read | list[str]:
        try:
            return self._reader[batch]
        except BadInput as error:
            return error.problems


def _read_or_raise(item: Any) -> Read:
    if item and isinstance(item[0], str):
        raise BadInput(item)
    pixels, labels, numbers = item
    return pixels, labels, numbers


def _quiet_worker(worker: int) -> None:
    """One process, one thread: OpenCV's pool does not survive a fork, and would compete."""
    import cv2

    cv2.setNumThreads(0)


class Loader:
    """Batches of `photos`, read and augmented in this process or by `workers` others.

    chain: the augmentation of training photos; None: nothing (validation, prediction). mean: of red,
    green, blue on the scale 0..1, what a policy fills in. size: (h, w) of the batches, where the
    chain cuts to another than that of `photos`. device: where the batches are to be. later: names of the
    chain's last steps, which are carried out there (members/batches/device_steps.py).
    """

    def __init__(
        self,
        photos: Photos,
        chain: Chain | None = None,
        *,
        seed: int = 0,
        workers: int = 0,
        mean: Mean = (0.5, 0.5, 0.5),
        size: tuple[int, int] | None = None,
        device: str = "cpu",
        later: Sequence[str] = (),
    ):
        self._device, self._later = device, later
        height, width = size or photos.pixels.shape[1:3]
        self._reader = _Reader(photos, chain, seed, mean, (height, width), later)
        self._plan: list[Batch] = []
        self._processes = None
        if workers:
            self._processes = DataLoader(
                _Told(self._reader),
                batch_size=None,  # an item is a whole batch
                sampler=self._plan,
                num_workers=workers,
                persistent_workers=True,
                pin_memory=torch.cuda.is_available(),
                worker_init_fn=_quiet_worker,
                generator=torch.Generator(),  # else it would draw from the network's generator
            )

    def batches(
        self, pieces: list[np.ndarray], epoch: int = 0, parts: Sequence[Places] | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """(pixels (B, h, w, 3) uint8, labels (B,) int64) of each piece of `in_batches`, in order; on the
        device.

        parts: places in each piece, where only some of it is to be read. A photo is augmented by
        its place in the epoch, whichever process reads it.
        """
        parts = parts or [slice(None)] * len(pieces)
        self._plan[:] = [
            (epoch, places, rows[part])
            for places, rows, part in zip(places_of(pieces, parts), pieces, parts, strict=True)
        ]
        if self._processes is not None:
            return map(self._on_device, map(_read_or_raise, iter(self._processes)))
        return map(self._on_device, map(self._reader.__getitem__, self._plan))

    def _on_device(self, read: Read) -> tuple[Tensor, Tensor]:
        pixels, labels, numbers = read
        pixels = on_device(pixels, self._device)
        if self._later:
            pixels = vary_batch(pixels, self._later, numbers)
        return pixels, on_device(labels, self._device)


def on_device(batch: Tensor, device: str) -> Tensor:
    """`batch` on the device; on a GPU by way of pinned memory, so that nothing waits for the copy."""
    if torch.device(device).type == "cuda" and not batch.is_pinned():
        batch = batch.pin_memory()
    return batch.to(device, non_blocking=True)


def to_input(pixels: Tensor, statistics: Statistics, *, channels_last: bool) -> Tensor:
    """(B, h, w, 3) uint8 on any device -> (B, 3, h, w) float32, normalised."""
    mean = torch.tensor(statistics.mean, device=pixels.device).view(1, 3, 1, 1) * 255
    std = torch.tensor(statistics.std, device=pixels.device).view(1, 3, 1, 1) * 255
    layout = torch.channels_last if channels_last else torch.contiguous_format
    x = pixels.permute(0, 3, 1, 2).to(torch.float32, memory_format=layout)
    return x.sub_(mean).div_(std)


def add_noise(
    x: Tensor, std: float, seed: int, n: int | None = None, part: Places = slice(None)
) -> Tensor:
    """`x` plus Gaussian noise drawn from `seed`, in place.

    n, part: where `x` is but the photos at `part` of n, whose noise is drawn together.
    """
    generator = torch.Generator(x.device).manual_seed(seed)
    shape = (len(x) if n is None else n, *x.shape[1:])
    return x.add_(torch.randn(shape, device=x.device, generator=generator)[part], alpha=std)
