"""The batches of an epoch as the network takes them in: drawn, varied, mixed, divided."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sized

import numpy as np
import torch
from torch import Tensor

from members.batches.device_steps import steps_on
from members.batches.erasing import erase
from members.batches.loader import (
    ERASE,
    MIX,
    NOISE,
    ORDER,
    Loader,
    add_noise,
    derived_seed,
    in_steps,
    places_of,
    to_input,
)
from members.batches.mixing import (
    Share,
    apply_mix,
    draw_mix,
    mixed_rows,
    part_of,
    rows_to_read,
    seen,
    shares_of,
)
from members.batches.photos import Photos
from members.batches.sampling import epoch_order, partner_pool
from members.networks.models import statistics_of
from members.out_of_memory import AtOnce
from members.pixels.augment import chain_of
from members.recipe.recipe import Recipe
from members.training.ranks import Ranks


class Feed:
    """Batches of the training part `train`, cut to `size` (h, w): of each the rows of this rank, at
    least `least` or none.

    A photo is drawn, varied and mixed by its place in the epoch, whichever rank reads it.
    """

    def __init__(
        self,
        recipe: Recipe,
        train: Photos,
        n_classes: int,
        *,
        size: tuple[int, int],
        seed: int,
        device: str,
        workers: int,
        ranks: Ranks,
        least: int,
    ):
        self.recipe, self.train, self.n_classes = recipe, train, n_classes
        self.seed, self.device = seed, device
        self.ranks, self.least = ranks, least
        self.chain = chain_of(recipe)
        self.statistics = statistics_of(recipe)
        self.pool = partner_pool(recipe, train.columns)
        mean = self.statistics.mean
        self.reader = Loader(
            train,
            self.chain,
            seed=seed,
            workers=workers,
            mean=mean,
            size=size,
            device=device,
            later=steps_on(device, self.chain),
        )

    def steps(self, epoch: int) -> list[list[np.ndarray]]:
        """Rows of the batches of each optimiser step of `epoch` (from 0), whole."""
        order = epoch_order(self.recipe, self.train, derived_seed(self.seed, ORDER, epoch))
        return in_steps(order, self.recipe.batch_size, self.recipe.accumulate)

    def batches(
        self, pieces: list[np.ndarray], epoch: int
    ) -> Iterator[tuple[Tensor, Tensor, slice]]:
        """For each piece of rows (B,) this rank's part of it: (input, truth, where).

        input: (b, 3, h, w) float32, normalised. truth: (b, K) float32, rows sum to 1; of photos with a
        teacher (b, 2K + 1), as `losses.taught_loss` takes it. Both on the device. where: which b of the
        B photos they are, of those that the network takes in (`seen`).
        """
        recipe, device = self.recipe, self.device
        mixes = [
            draw_mix(
                recipe.mixing,
                epoch,
                len(rows),
                self.pool,
                derived_seed(self.seed, MIX, epoch, number),
            )
            for number, rows in enumerate(pieces)
        ]
        whole = list(map(rows_to_read, pieces, mixes))
        sizes = [self.seen(epoch, rows) for rows in pieces]
        mine = [self.ranks.part(n, self.least) for n in sizes]
        parts = [part_of(mix, n, part) for mix, n, part in zip(mixes, sizes, mine, strict=True)]
        photos = [places for places, _ in parts]
        of_epoch = places_of(whole, photos)
        read = self.reader.batches(whole, epoch, photos)
        for number, (pixels, labels) in enumerate(read):
            places, mix = parts[number]
            x = to_input(pixels, self.statistics, channels_last=recipe.channels_last)
            if self.chain.noise_std:
                seed = derived_seed(self.seed, NOISE, epoch, number)
                x = add_noise(x, self.chain.noise_std, seed, len(whole[number]), places)
            if recipe.erasing:
                keys = map(int, of_epoch[number])
                seeds = (derived_seed(self.seed, ERASE, epoch, place) for place in keys)
                x = erase(x, recipe.erasing, seeds)
            partners: Tensor | None = None
            share: Share = 1.0
            if mix:
                x, labels, partners, share = apply_mix(mix, x, labels)
            truth = shares_of(labels, self.n_classes, partners, share)
            if self.train.soft is not None:
                taught = torch.from_numpy(self.train.soft.columns(whole[number][places])).to(device)
                if mix:
                    taught = mixed_rows(mix, taught, share)
                truth = torch.cat([truth, taught], dim=1)
            yield x, truth, mine[number]

    def seen(self, epoch: int, *pieces: Sized) -> int:
        """How many photos of these batches of `epoch` (from 0) the network takes in."""
        return sum(seen(self.recipe.mixing, epoch, len(rows)) for rows in pieces)

    def divided(
        self, epoch: int, rows: np.ndarray, mine: slice, at_once: AtOnce
    ) -> list[tuple[slice, slice, int]]:
        """A batch of `epoch`, of whose photos that are seen `mine` are this rank's, as `Ranks.micro_batches`
        divides it where it does not fit the memory whole."""
        n = self.seen(epoch, rows)
        if at_once.train is None:
            return [(slice(None), mine, n)]
        return self.ranks.micro_batches(n, self.least, at_once.train)

    def inputs(
        self, epoch: int, at_once: AtOnce, on_step: Callable[[int, int], None]
    ) -> Iterator[Tensor]:
        """What the network took in of this rank's photos in `epoch` (from 0), (b, 3, h, w) each time."""
        pieces = [rows for step in self.steps(epoch) for rows in step]
        batches = self.batches(pieces, epoch)
        for done, (rows, (x, _, mine)) in enumerate(zip(pieces, batches, strict=True), start=1):
            for own, _, _ in self.divided(epoch, rows, mine, at_once):
                if len(part := x[own]):
                    yield part
            on_step(done, len(pieces))
