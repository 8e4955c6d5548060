"""Train one network, epoch by epoch, in plain PyTorch.

    for epoch in fit(recipe, train, valid, n_classes=18, seed=0):
        print(epoch.number, epoch.metrics["macro_f1"], epoch.best)
        torch.save(epoch.state(), "state.pt")        # enough to go on from here, bit for bit
    weights = best_weights(epoch.state())

An epoch begins by seeding Python's, NumPy's and torch's generators from (seed, epoch), and the
learning rate is a function of progress. So a run that goes on from a state needs no generator's
state, and what else ran in the process makes no difference.
"""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from members import models, optim
from members.augment import chain_of
from members.dataset import (
    NETWORK,
    NOISE,
    WEIGHTS,
    Loader,
    Photos,
    add_noise,
    derived_seed,
    in_batches,
    shuffled,
    to_input,
)
from members.errors import BadInput
from members.losses import LOSSES
from members.predict import autocast, check_size, logits, precision
from members.recipe import Recipe

State = dict[str, Any]
_LOOK_EVERY = 20  # steps between looks at the loss on a GPU, where each look waits for it


class Diverged(RuntimeError):
    """Training or validation loss is no longer a finite number."""

    def __init__(self, epoch: int, lr: float, loss: float = math.nan):
        self.epoch, self.lr, self.loss = epoch, lr, loss
        super().__init__(
            f"the loss became {loss} in epoch {epoch} at lr {lr:g}; "
            "try a lower lr, clip_grad_norm, or warmup_epochs"
        )

    def __reduce__(self):  # travels between processes
        return type(self), (self.epoch, self.lr, self.loss)


@dataclass(frozen=True)
class Epoch:
    """What an epoch came to.

    number: from 1.
    metrics: epoch, train_loss, lr (of its last step), seconds (all of it), photos_per_second
        (training only); with a validation part also loss, macro_f1, accuracy.
    best: no earlier epoch was as good by the recipe's metric.
    last, reason: training is over, and why.
    """

    number: int
    metrics: dict[str, float]
    best: bool
    last: bool
    reason: str
    _state: Callable[[], State] = field(repr=False)

    def state(self) -> State:
        """A copy, on the CPU, of everything that `fit(..., state=)` needs to go on after here.

        Numbers, texts, lists, dicts and tensors only: `torch.load(weights_only=True)` reads it.
        Ask before the next epoch begins; later it raises RuntimeError.
        """
        return self._state()


def best_weights(state: State) -> dict[str, torch.Tensor]:
    """Weights of the best epoch so far, by name."""
    return state["best_weights"]


def fit(
    recipe: Recipe,
    train: Photos,
    valid: Photos | None,
    n_classes: int,
    *,
    seed: int,
    device: str = "cpu",
    loader_workers: int = 0,
    state: State | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Iterator[Epoch]:
    """Yield an `Epoch` after each epoch of training, the first new one after `state`.

    With `valid`, the best epoch and the early stop follow `recipe.metric`; without, the last epoch
    is the best. `on_step(done, steps)` is called after each optimiser step. A state whose run is
    over yields nothing. Raises BadInput at once for photos, labels or a state that do not fit, and
    Diverged from the epoch in which the loss is no number.
    """
    _check_photos(recipe, train, "training part", n_classes)
    if valid is not None:
        _check_photos(recipe, valid, "validation part", n_classes)
    precision(recipe, device)
    if state is not None:
        _check_state(state, recipe, n_classes, seed)
    run = _Run(recipe, train, valid, n_classes, seed, device, loader_workers, on_step)
    return run.epochs(state)


def _check_photos(recipe: Recipe, photos: Photos, what: str, n_classes: int) -> None:
    if len(photos) == 0:
        raise BadInput(f"{what}: no photographs")
    check_size(photos, recipe, what)
    labels = photos.labels
    if labels is None or len(labels) != len(photos):
        got = "no labels" if labels is None else f"{len(labels)} labels"
        raise BadInput(f"{what}: {len(photos)} photographs need as many labels, got {got}")
    low, high = int(np.min(labels)), int(np.max(labels))
    if low < 0 or high >= n_classes:
        raise BadInput(f"{what}: labels must be 0 to {n_classes - 1}, got {low} to {high}")


def _check_state(state: State, recipe: Recipe, n_classes: int, seed: int) -> None:
    mine, theirs = _identity(recipe, n_classes, seed), json.loads(state["made_by"])
    defaults = {name: field.default for name, field in Recipe.model_fields.items()}
    differ = [key for key in sorted({*mine, *theirs}) if mine.get(key) != theirs.get(key)]
    if differ:
        was, now = ({**defaults, **settings} for settings in (theirs, mine))
        raise BadInput(
            "this state belongs to another run: "
            + ", ".join(f"{key} was {was.get(key)!r}, is {now.get(key)!r}" for key in differ)
            + ". Start without it, or give back what it was made with"
        )


def _identity(recipe: Recipe, n_classes: int, seed: int) -> dict[str, Any]:
    # without defaults, so that a state outlives a recipe key that a later version adds
    settings = recipe.model_dump(mode="json", exclude_defaults=True)
    return {**settings, "n_classes": n_classes, "seed": seed}


class _Run:
    """The live side of a training: network, optimiser, and what the best epoch was."""

    def __init__(self, recipe, train, valid, n_classes, seed, device, loader_workers, on_step):
        self.recipe, self.train, self.valid = recipe, train, valid
        self.n_classes, self.seed, self.device = n_classes, seed, device
        self.workers = loader_workers
        self.on_step = on_step or (lambda done, steps: None)
        self.history: list[dict[str, float]] = []
        self.best_epoch = 0
        self.best_weights: dict[str, torch.Tensor] = {}

    def epochs(self, state: State | None) -> Iterator[Epoch]:
        if state is not None:
            self.history = [dict(row) for row in state["history"]]
            self.best_epoch = state["best_epoch"]
            if self.reason():
                return
        self.start(state)
        while not self.reason():
            row = self.epoch(len(self.history))
            self.history.append(row)
            if best := self.is_best(row):
                self.best_epoch = len(self.history)
                self.best_weights = _copy(self.model.state_dict())
            reason = self.reason()
            number = len(self.history)
            yield Epoch(
                number, row, best, bool(reason), reason, lambda number=number: self.state(number)
            )

    def start(self, state: State | None) -> None:
        recipe, device = self.recipe, self.device
        torch.manual_seed(derived_seed(self.seed, WEIGHTS))
        model = models.build(recipe, self.n_classes, pretrained=state is None).to(device)
        if recipe.channels_last:
            model = model.to(memory_format=torch.channels_last)
        self.model = model
        self.optimizer = optim.create(model, recipe)
        dtype = precision(recipe, device)
        kind = torch.device(device).type
        self.scaler = torch.amp.GradScaler(kind, enabled=dtype is torch.float16)
        self.chain = chain_of(recipe)
        self.statistics = models.statistics(recipe)
        self.loss = LOSSES[recipe.loss]
        self.reader = Loader(self.train, self.chain, seed=self.seed, workers=self.workers)
        self.valid_reader = Loader(self.valid) if self.valid is not None else None
        if state is not None:
            model.load_state_dict(state["model"])
            # a copy, since the optimiser goes on in the tensors that it is given
            self.optimizer.load_state_dict(_copy(state["optimizer"]))
            self.scaler.load_state_dict(state["scaler"])
            self.best_weights = state["best_weights"]

    def epoch(self, index: int) -> dict[str, float]:
        """Train and validate epoch `index` (from 0); its row of the history."""
        started = time.perf_counter()
        train_loss, lr = self.train_epoch(index)
        trained = time.perf_counter()
        row = {"epoch": index + 1, "train_loss": train_loss, "lr": lr}
        if self.valid is not None:
            row |= self.validate()
            if not math.isfinite(row["loss"]):
                raise Diverged(index + 1, lr, row["loss"])
        row["seconds"] = time.perf_counter() - started
        row["photos_per_second"] = len(self.train) / max(trained - started, 1e-9)
        return row

    def train_epoch(self, index: int) -> tuple[float, float]:
        """Mean loss over the photos, and the last step's learning rate."""
        recipe, device, model = self.recipe, self.device, self.model
        _seed_everything(derived_seed(self.seed, NETWORK, index))
        pieces = in_batches(shuffled(len(self.train), self.seed, index), recipe.batch_size)
        total = torch.zeros((), device=device)
        look_every = _LOOK_EVERY if torch.device(device).type == "cuda" else 1
        model.train()
        for step, (pixels, labels) in enumerate(self.reader.batches(pieces, index)):
            lr = optim.learning_rate(recipe, index, step, len(pieces))
            optim.set_learning_rate(self.optimizer, lr)
            x = pixels.to(device, non_blocking=True)
            x = to_input(x, self.statistics, channels_last=recipe.channels_last)
            if self.chain.noise_std:
                noise_seed = derived_seed(self.seed, NOISE, index, step)
                x = add_noise(x, self.chain.noise_std, noise_seed)
            with autocast(recipe, device):
                answers = model(x)
            loss = self.loss(answers.float(), labels.to(device, non_blocking=True), recipe)
            total += loss.detach() * len(pixels)
            if (step + 1) % look_every == 0 or step + 1 == len(pieces):
                self.check_finite(total, index, lr)
            self.optimize(loss)
            self.on_step(step + 1, len(pieces))
        return float(total) / len(self.train), lr

    def check_finite(self, total: torch.Tensor, index: int, lr: float) -> None:
        if not math.isfinite(value := float(total)):
            raise Diverged(index + 1, lr, value)

    def optimize(self, loss: torch.Tensor) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        if self.recipe.clip_grad_norm is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip_grad_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def validate(self) -> dict[str, float]:
        """loss, macro_f1 and accuracy; the loss is over the whole part at once."""
        answers = logits(
            self.model, self.valid, self.recipe, device=self.device, loader=self.valid_reader
        )
        labels = np.asarray(self.valid.labels, np.int64)
        loss = self.loss(torch.from_numpy(answers), torch.from_numpy(labels), self.recipe)
        return {"loss": float(loss), **scores(labels, answers.argmax(1), self.n_classes)}

    def is_best(self, row: dict[str, float]) -> bool:
        metric = self.recipe.metric
        if self.valid is None or self.best_epoch == 0:
            return True
        before = self.history[self.best_epoch - 1][metric]
        return row[metric] < before if metric == "loss" else row[metric] > before

    def reason(self) -> str:
        """Why training is over; empty while it goes on."""
        done, patience = len(self.history), self.recipe.patience
        if done >= self.recipe.epochs:
            return f"all {self.recipe.epochs} epochs are done"
        if patience is not None and done and done - self.best_epoch >= patience:
            return f"no better {self.recipe.metric} since epoch {self.best_epoch}"
        return ""

    def state(self, number: int) -> State:
        if number != len(self.history):
            raise RuntimeError(
                f"the state after epoch {number} is gone, epoch {len(self.history)} has run; "
                "take epoch.state() before the next epoch begins"
            )
        is_best = self.best_epoch == number  # then one copy serves twice, in memory and on disk
        return {
            "made_by": json.dumps(_identity(self.recipe, self.n_classes, self.seed)),
            "history": [dict(row) for row in self.history],
            "best_epoch": self.best_epoch,
            "best_weights": self.best_weights,
            "model": self.best_weights if is_best else _copy(self.model.state_dict()),
            "optimizer": _copy(self.optimizer.state_dict()),
            "scaler": self.scaler.state_dict(),
        }


def scores(labels: np.ndarray, predictions: np.ndarray, n_classes: int) -> dict[str, float]:
    """macro_f1 over all K classes (0 for one that is neither true nor predicted) and accuracy.

    labels, predictions: (N,) int64, N > 0. As scikit-learn's f1_score with labels=range(K),
    zero_division=0.
    """
    hits = np.bincount(labels[labels == predictions], minlength=n_classes)
    occurrences = np.bincount(np.concatenate([labels, predictions]), minlength=n_classes)
    f1 = 2 * hits / np.maximum(occurrences, 1)
    return {"macro_f1": float(f1.mean()), "accuracy": float(hits.sum() / len(labels))}


def _seed_everything(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def _copy(tree: Any) -> Any:
    """The same nest of dicts and lists with every tensor copied to the CPU."""
    if isinstance(tree, torch.Tensor):
        return tree.detach().to("cpu", copy=True)
    if isinstance(tree, dict):
        return {key: _copy(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(_copy(value) for value in tree)
    return tree
