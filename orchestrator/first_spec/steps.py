"""In a process of its own: what steps, predictions and states of networks take, by the project's training."""

from __future__ import annotations

import contextlib
import io
import math
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

_PHOTOS = 128  # that are made up; training draws them again and again
_LEAST_STEPS = 3


@dataclass(frozen=True)
class Job:
    """recipe: its keys, without weights to start from. seconds: how long steps are timed. most: a step that
    takes longer is of no use, and its network is not timed any further."""

    recipe: dict[str, Any]
    n_classes: int
    seconds: float
    most: float = math.inf


@dataclass(frozen=True)
class Steps:
    """Seconds: of a training step, of a photo that is predicted, of making the network, of writing a
    state. memory: bytes of a GPU at the most, 0 without."""

    step: float
    predict: float
    build: float
    save: float
    memory: int = 0


class _Enough(Exception):
    """Steps were timed for as long as was asked."""


def serve(pipe: Any, threads: int, device: str, loaders: int) -> None:
    """Answer jobs until the other end of the pipe is closed.

    Sends "ready" once torch and the rest are imported. After each job: "warm" when its network has
    learned for a few steps, waits for any word, and sends `Steps`, or a text that says what failed. Of a
    network that is too slow it sends `Steps` at once.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started it ends it
    import torch

    from members.batches import photos  # noqa: F401
    from members.networks.compiling import same_each_time
    from members.training import fit, predict  # noqa: F401

    torch.set_num_threads(threads)
    if device == "cpu":
        same_each_time()  # as where units are trained
    pipe.send("ready")
    while True:
        try:
            job = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send(time_steps(job, device, loaders, lambda: _wait(pipe)))
        except EOFError:
            return
        except Exception as error:  # of any kind: the network is left out, with this text
            pipe.send(f"{type(error).__name__}: {error}")


def _wait(pipe: Any) -> None:
    pipe.send("warm")
    pipe.recv()


def time_steps(job: Job, device: str, loaders: int, together: Callable[[], None]) -> Steps:
    """Train a network on made-up photographs for `job.seconds`, after a few steps that do not count.

    together: called before the clock starts, so that several processes are timed side by side.
    """
    import torch

    from members.batches.photos import Photos
    from members.networks.models import build_model
    from members.recipe.recipe import Recipe
    from members.training.fit import fit
    from members.training.predict import predict

    recipe = Recipe(**{**job.recipe, "pretrained": False, "epochs": 1, "warmup_epochs": 0})
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (_PHOTOS, *recipe.image_size, 3), dtype=np.uint8)
    labels = np.arange(_PHOTOS, dtype=np.int64) % job.n_classes
    photos = Photos(pixels, labels)
    batch = recipe.batch_size

    def drawn(n: int) -> Photos:
        return photos.take(np.arange(n) % _PHOTOS)

    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    started = time.perf_counter()
    model = build_model(recipe, job.n_classes, pretrained=False)
    build = time.perf_counter() - started
    options: dict[str, Any] = {"seed": 0, "device": device, "loader_workers": loaders}
    first: list[float] = []
    warm = {**options, "on_step": lambda done, steps: first.append(time.perf_counter())}
    for epoch in fit(recipe, drawn(2 * batch), None, job.n_classes, **warm):
        started = time.perf_counter()
        torch.save(epoch.state(), io.BytesIO())
        save = time.perf_counter() - started

    if (step := first[1] - first[0]) > job.most:
        return Steps(step, step / (3 * batch), build, save)
    times: list[float] = []

    def on_step(done: int, steps: int) -> None:
        if device == "cuda":
            torch.cuda.synchronize()
        if not times:
            together()
        times.append(time.perf_counter())
        if len(times) > _LEAST_STEPS and times[-1] - times[0] > job.seconds:
            raise _Enough

    with contextlib.suppress(_Enough):
        list(fit(recipe, drawn(5000 * batch), None, job.n_classes, on_step=on_step, **options))
    looked = drawn(2 * batch)
    predict(model, looked, recipe, device=device, loader_workers=loaders)
    started, n = time.perf_counter(), 0
    while n < 2 or time.perf_counter() - started < job.seconds / 3:
        predict(model, looked, recipe, device=device, loader_workers=loaders)
        n += 1
    predicting = (time.perf_counter() - started) / (n * len(looked))
    memory = torch.cuda.max_memory_reserved() if device == "cuda" else 0
    return Steps((times[-1] - times[0]) / (len(times) - 1), predicting, build, save, memory)
