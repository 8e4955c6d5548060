"""The epochs of one training: network, optimiser, and which epoch was the best.

`Training` is what members/training/fit.py drives. An epoch begins by seeding Python's, NumPy's and torch's
generators from (seed, epoch), and the learning rate is a function of progress and history.

An epoch that runs out of memory begins again from where it began, with the same photos, varied and mixed
alike, half as many at once.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from functools import partial

import torch
from torch import nn

from members.batches.drawn import seed_everything
from members.batches.loader import NETWORK, WEIGHTS, derived_seed
from members.batches.photos import Photos
from members.errors import BadInput, first_line
from members.networks import saving
from members.networks.checkpointing import checkpoint, statistics_counted_once
from members.networks.compiling import compiled_network
from members.networks.ema import Average, TimmAverage, running_mean
from members.networks.freezing import body_of, learn, train_mode
from members.networks.models import build_model, least_in_batch
from members.out_of_memory import AtOnce, OutOfMemory, free_memory, halved
from members.recipe.recipe import Recipe
from members.recipe.stages import Stage, copy_size, first_patient_epoch, is_averaged, stage_of
from members.training import optim
from members.training.epoch import Diverged, Epoch, State, copied, identity
from members.training.feed import Feed
from members.training.losses import taught_loss
from members.training.metric import LOSS, Metric
from members.training.precision import autocast, precision
from members.training.ranks import OutOfMemoryForAll, Ranks
from members.training.swa import EpochMean, learning_norms, retake_statistics
from members.training.validation import validated

_LOOK_EVERY = 20  # steps between looks at the loss on a GPU, where each look waits for it


class Training:
    """The live part of a training: network, optimiser, history, and weights of the best epoch."""

    def __init__(
        self,
        recipe: Recipe,
        train: Photos,
        valid: Photos | None,
        n_classes: int,
        weights: torch.Tensor | None,
        seed: int,
        device: str,
        loader_workers: int,
        on_step: Callable[[int, int], None] | None,
        ranks: Ranks,
        metrics: Sequence[Metric],
    ):
        self.recipe, self.train, self.valid = recipe, train, valid
        self.n_classes, self.seed, self.device = n_classes, seed, device
        self.class_weights = None if weights is None else weights.to(device)
        self.workers, self.ranks, self.metrics = loader_workers, ranks, metrics
        self.metric = next(m for m in (LOSS, *metrics) if m.name == recipe.metric)
        self.on_step = on_step or (lambda done, steps: None)
        self.history: list[dict[str, float]] = []
        self.best_epoch = 0
        self.best_weights: dict[str, torch.Tensor] = {}
        self.at_once = AtOnce()
        self.last_state: State | None = None

    def resume(self, state: State) -> None:
        """Stand where `state` was taken. Raises BadInput where it does not fit the network."""
        self.start(pretrained=False)
        try:
            self.history = [dict(row) for row in state["history"]]
            self.enter(len(self.history) - 1)
            self.best_epoch = state["best_epoch"]
            self.at_once = AtOnce(**state.get("at_once", {}))
            if self.valid is not None:
                # what the next are compared with
                self.history[self.best_epoch - 1][self.metric.name]
            self.load(state)
            self.last_state = state
        except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
            why = first_line(error)
            raise BadInput(f"this state does not fit the network ({why}). Start without") from None

    def epochs(self, begun: bool, first: bytes | None = None) -> Iterator[Epoch]:
        """Each epoch, until `stop_reason` is not empty. begun: `resume` was called. first: as of `start`."""
        self.begin = partial(self.start, pretrained=first is None, first=first)
        if not begun:
            self.begin()
        while not self.stop_reason():
            row = self.epoch_in_memory(len(self.history))
            self.history.append(row)
            if best := self.is_best(row):
                self.best_epoch = len(self.history)
                self.best_weights = copied(self.kept.state_dict())
            reason = self.stop_reason()
            number = len(self.history)
            yield Epoch(number, row, best, bool(reason), reason, partial(self.state, number))
            if not reason:
                self.state(number)  # where the next epoch begins, should it have to begin again

    def epoch_in_memory(self, index: int) -> dict[str, float]:
        """`epoch`; where it runs out of memory once more from its beginning, half as many photos at once.

        Raises OutOfMemoryForAll where there is nothing left to halve.
        """
        while True:
            try:
                return self.epoch(index)
            except OutOfMemoryForAll as error:
                why = str(error)
            batch = range(min(self.recipe.batch_size, len(self.train)))
            now = self.at_once.train or -(-self.feed.seen(index, batch) // self.ranks.size)
            try:
                half = halved(now, least_in_batch(self.model), why)
            except OutOfMemory as error:
                raise OutOfMemoryForAll(str(error)) from None
            look = self.at_once.look
            for name in ("model", "body", "forward", "optimizer", "average", "feed"):
                vars(self).pop(name, None)
            free_memory()
            if self.last_state is None:
                self.begin()
            else:
                self.resume(self.last_state)
            self.at_once = AtOnce(half, self.at_once.since or index + 1, look)

    def start(self, pretrained: bool = True, first: bytes | None = None) -> None:
        """Network, optimiser, scaler and average, new. first: weights to begin with; raises BadInput."""
        recipe, device = self.recipe, self.device
        torch.manual_seed(derived_seed(self.seed, WEIGHTS))
        model = build_model(recipe, self.n_classes, pretrained=pretrained).to(device)
        checkpoint(model, recipe)
        if first is not None:
            saving.load_bytes(model, first, "the weights to begin with")
        if recipe.channels_last:
            # documented by torch, and missing from its types
            model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.model = model
        self.body = body_of(model) if recipe.head_first else []
        self.stage: Stage | None = None
        self.enter(0)
        dtype = precision(recipe, device)
        kind = torch.device(device).type
        self.scaler = torch.amp.GradScaler(kind, enabled=dtype is torch.float16)
        self.average: Average | TimmAverage | EpochMean | None = None
        if recipe.ema is not None:
            self.average = running_mean(model, recipe.ema)

    def enter(self, epoch: int) -> None:
        """Have learn what learns in `epoch` (from 0), from photos of its size.

        Weights that begin to learn later have an optimiser that is new with them: what it knows of
        the head's first steps is of other ones.
        """
        stage, before = stage_of(self.recipe, epoch), self.stage
        if stage == before:
            return
        # translated anew: a program of the other stage would be another one than after a resume
        self.forward = compiled_network(self.model) if self.recipe.compile else self.model
        if before is None or stage.head_only != before.head_only:
            learn(self.model, self.body, whether=not stage.head_only)
            self.optimizer = optim.create_optimizer(self.model, self.recipe)
        if before is None or stage.size != before.size:
            self.feed = Feed(
                self.recipe,
                self.train.in_size(copy_size(self.recipe, stage.size)),
                self.n_classes,
                size=stage.size,
                seed=self.seed,
                device=self.device,
                workers=self.workers,
                ranks=self.ranks,
                least=least_in_batch(self.model),
            )
        self.stage = stage

    def load(self, state: State) -> None:
        """Network, optimiser, scaler and average as in `state`."""
        if self.recipe.swa and state["average"]:
            self.average = EpochMean(self.model)
        self.kept.load_state_dict(state["best_weights"])  # raises where they do not fit
        self.model.load_state_dict(state["model"])
        optim.load_optimizer(self.optimizer, state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.best_weights = state["best_weights"]
        if self.average:
            self.average.load_state_dict(state["average"])

    @property
    def kept(self) -> nn.Module:
        """The network that is validated and kept: the averaged one where there is one."""
        return self.average.network if self.average else self.model

    def epoch(self, index: int) -> dict[str, float]:
        """Train and validate epoch `index` (from 0); its row of the history."""
        started = time.perf_counter()
        train_loss, lr = self.train_epoch(index)
        trained = time.perf_counter()
        if is_averaged(self.recipe, index):
            self.take_into_mean(index)
        row = {"epoch": index + 1, "train_loss": train_loss, "lr": lr}
        if self.valid is not None:
            row |= self.validate(self.valid)
            if not math.isfinite(row["loss"]):
                raise Diverged(index + 1, lr, row["loss"])
        row["seconds"] = time.perf_counter() - started
        row["photos_per_second"] = len(self.train) / max(trained - started, 1e-9)
        return row

    def train_epoch(self, index: int) -> tuple[float, float]:
        """Mean loss over the photos, and the last step's learning rate."""
        recipe, device = self.recipe, self.device
        self.enter(index)
        # several ranks draw their dropout apart, the first as if it were alone
        others = () if self.ranks.first else (self.ranks.rank,)
        seed_everything(derived_seed(self.seed, NETWORK, index, *others))
        steps = self.feed.steps(index)
        batches = self.feed.batches([rows for step in steps for rows in step], index)
        again = statistics_counted_once if recipe.grad_checkpointing else nullcontext
        drops = optim.plateau_drops(recipe, self.history, self.metric)
        total = torch.zeros((), device=device)
        look_every = _LOOK_EVERY if torch.device(device).type == "cuda" else 1
        train_mode(self.model)
        for step, parts in enumerate(steps):
            lr = optim.learning_rate(recipe, index, step, len(steps), drops)
            optim.set_learning_rate(self.optimizer, lr)
            self.optimizer.zero_grad(set_to_none=True)
            photos = self.feed.seen(index, *parts)
            for rows in parts:
                with self.ranks.in_memory():
                    x, truth, mine = next(batches)
                for own, where, n in self.feed.divided(index, rows, mine, self.at_once):
                    loss = self.batch_loss(x[own], truth[own], where, n)
                    with self.ranks.in_memory(), again(self.model):
                        scaled = self.scaler.scale(loss * (n / photos))
                        if scaled.requires_grad:  # not where all photos are other ranks'
                            scaled.backward()
                    total += loss.detach() * n
            looked = (step + 1) % look_every == 0 or step + 1 == len(steps)
            if looked and not math.isfinite(value := float(total)):
                raise Diverged(index + 1, lr, value)
            self.update()
            self.on_step(step + 1, len(steps))
        self.ranks.settle(self.model, self.kept)
        return float(total) / sum(self.feed.seen(index, *parts) for parts in steps), lr

    def batch_loss(
        self, x: torch.Tensor, truth: torch.Tensor, mine: slice, photos: int
    ) -> torch.Tensor:
        """The loss of a whole batch of `photos`, on every rank; it learns from its own alone."""
        with self.ranks.in_memory():
            if len(x):
                with autocast(self.recipe, self.device):
                    outputs = self.forward(x).float()
            else:
                outputs = torch.zeros_like(truth[:, : self.n_classes])
        outputs, truth = self.ranks.join(outputs, truth, where=mine, n=photos)
        temperature = None if self.train.soft is None else self.train.soft.temperature
        return taught_loss(outputs, truth, self.recipe, self.class_weights, temperature)

    def update(self) -> None:
        """One optimiser step with the gradients that the parts of its batch added up."""
        self.ranks.add_up_gradients(self.model)
        with self.ranks.in_memory():
            if optim.clips(self.recipe):
                self.scaler.unscale_(self.optimizer)
                optim.clip_gradients(self.model, self.recipe)
            self.scaler.step(self.optimizer)
            self.scaler.update()
            if self.average and self.recipe.ema is not None:
                self.average.update(self.model)

    def take_into_mean(self, index: int) -> None:
        """The weights after epoch `index` (from 0), for the mean of epochs; its batch norms then see
        the batches of that epoch again."""
        if self.average is None:
            self.average = EpochMean(self.model)
        self.average.update(self.model)
        norms = learning_norms(self.model)
        if not norms:
            return
        inputs = self.feed.inputs(index, self.at_once, self.on_step)
        with self.ranks.in_memory(), autocast(self.recipe, self.device):
            retake_statistics(self.average.network, norms, inputs, self.ranks)

    def validate(self, valid: Photos) -> dict[str, float]:
        """loss and all metrics of the network that is kept."""
        return validated(
            self.kept,
            valid,
            self.recipe,
            self.n_classes,
            self.class_weights,
            self.metrics,
            device=self.device,
            on_step=self.on_step,
            ranks=self.ranks,
            at_once=self.at_once,
        )

    def is_best(self, row: dict[str, float]) -> bool:
        """Whether no earlier epoch has as good a metric; without a validation part always."""
        if self.valid is None or self.best_epoch == 0:
            return True
        name, sign = self.metric.name, self.metric.sign
        return sign * row[name] > sign * self.history[self.best_epoch - 1][name]

    def stop_reason(self) -> str:
        """Why training is over; empty while it goes on."""
        done, patience = len(self.history), self.recipe.patience
        if done >= self.recipe.epochs:
            return f"all {self.recipe.epochs} epochs are done"
        since = max(self.best_epoch, first_patient_epoch(self.recipe))
        if patience is not None and done and done - since >= patience:
            return f"no better {self.recipe.metric} since epoch {self.best_epoch}"
        return ""

    def state(self, number: int) -> State:
        """See `Epoch.state`. Raises RuntimeError where epoch `number` is not the last one."""
        if number != len(self.history):
            raise RuntimeError(
                f"the state after epoch {number} is gone, epoch {len(self.history)} has run; "
                "take epoch.state() before the next epoch begins"
            )
        if self.last_state is not None and len(self.last_state["history"]) == number:
            return self.last_state
        # where the best weights are the network's own, one copy serves twice, in memory and on disk
        shared = self.best_epoch == number and not self.average
        self.last_state = {
            "made_by": json.dumps(identity(self.recipe, self.n_classes, self.seed)),
            "history": [dict(row) for row in self.history],
            "best_epoch": self.best_epoch,
            "best_weights": self.best_weights,
            "model": self.best_weights if shared else copied(self.model.state_dict()),
            "optimizer": copied(self.optimizer.state_dict()),
            "scaler": self.scaler.state_dict(),
            "average": copied(self.average.state_dict()) if self.average else None,
            "at_once": self.at_once.to_state(),
        }
        return self.last_state
