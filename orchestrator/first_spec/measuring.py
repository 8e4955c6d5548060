"""How fast this machine trains: each network timed in as many processes at once as would train."""

from __future__ import annotations

import math
import multiprocessing
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.errors import RunFailed
from orchestrator.first_spec.machine import Machine
from orchestrator.first_spec.steps import Job, Steps, serve

_MOST = 8  # processes that are timed at once
_PATIENCE = 300.0  # seconds for one answer
_SHORT, _LONG = 0.7, 2.0  # seconds for which the steps of a network are timed


@dataclass(frozen=True)
class Timed:
    """A network at a size and batch size: what its steps take, or why it cannot be trained here."""

    steps: Steps | None
    problem: str = ""


class Stopwatch:
    """Processes that time networks side by side. `start`: seconds until such a process is there."""

    def __init__(
        self, machine: Machine, n_classes: int, allowed: float, say: Callable[[str], None]
    ):
        """allowed: seconds that are to be planned; of few, timing takes less."""
        self._machine, self._n_classes, self._say = machine, n_classes, say
        self._each = min(max(allowed / 300, _SHORT), _LONG)
        self._known: dict[str, Timed] = {}
        self._begun = time.perf_counter()
        self.start = 0.0
        self.timed = 0
        self._pipes: list[Any] = []
        self._processes: list[Any] = []

    def __enter__(self) -> Stopwatch:
        context = multiprocessing.get_context("spawn")
        machine = self._machine
        for _ in range(min(machine.slots, _MOST)):
            own, other = context.Pipe()
            settings = (other, machine.cpus_each, machine.device, machine.loaders)
            process = context.Process(target=serve, args=settings, daemon=not machine.loaders)
            process.start()
            other.close()
            self._pipes.append(own)
            self._processes.append(process)
        for pipe in self._pipes:
            self._answer(pipe)
        self.start = time.perf_counter() - self._begun
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(5)
            if process.is_alive():
                process.kill()
                process.join(5)

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.perf_counter() - self._begun

    def time(self, recipe: dict[str, Any], most: float = math.inf) -> Timed:
        """A recipe by its keys; one that was timed before is not timed again. most: as of `Job`."""
        key = repr(sorted(recipe.items()))
        if key not in self._known:
            height, width = recipe["image_size"]
            self._say(f"timing {recipe['model']} at {height} x {width}")
            self._known[key] = self._time(Job(recipe, self._n_classes, self._each, most))
            self.timed += 1
        return self._known[key]

    def _time(self, job: Job) -> Timed:
        for pipe in self._pipes:
            pipe.send(job)
        words = [self._answer(pipe) for pipe in self._pipes]
        for pipe, word in zip(self._pipes, words, strict=True):
            if word == "warm":
                pipe.send("go")
        found = [
            self._answer(pipe) if word == "warm" else word
            for pipe, word in zip(self._pipes, words, strict=True)
        ]
        if problems := [own for own in found if isinstance(own, str)]:
            return Timed(None, problems[0])
        return Timed(mean_of(found))

    def _answer(self, pipe: Any) -> Any:
        try:
            if pipe.poll(_PATIENCE):
                return pipe.recv()
        except (EOFError, OSError):
            pass
        raise RunFailed(
            "a process that times networks ended or hangs. Is there too little memory? "
            "`init --try` takes the smallest networks."
        )


def mean_of(found: list[Steps]) -> Steps:
    """Of processes side by side: what one takes beside the others."""
    n = len(found)
    return replace(
        found[0],
        step=sum(own.step for own in found) / n,
        predict=sum(own.predict for own in found) / n,
        build=sum(own.build for own in found) / n,
        save=sum(own.save for own in found) / n,
        memory=max(own.memory for own in found),
    )
