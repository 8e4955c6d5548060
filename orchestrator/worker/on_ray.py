"""A training process on Ray: a worker of a Train run, and its line to the command.

A question is a report with a number, `asked`. The answer comes by the actor of answers.py, where the
process waits for it: a Train run has no way of its own from the driver to its workers.
"""

from __future__ import annotations

from typing import Any

from members.training.ranks import Ranks
from orchestrator.worker.answers import name_of_answers
from orchestrator.worker.job import Job, Setup
from orchestrator.worker.loop import run_jobs


def train_units(config: dict[str, Any]) -> None:
    """Ray Train's loop. config: `setup` and the first `job`, as `to_config` makes them."""
    import ray.train

    context = ray.train.get_context()
    ranks = Ranks(context.get_world_rank(), context.get_world_size())
    setup = Setup.from_config(config["setup"])
    run_jobs(setup, Job.from_config(config["job"]), ToDriver(setup, ranks), ranks)


class ToDriver:
    """The line of a worker of Ray Train; all ranks send the same, and all get the answer."""

    def __init__(self, setup: Setup, ranks: Ranks):
        self._setup, self._ranks, self._asked = setup, ranks, 0

    def send(self, report: dict[str, Any]) -> None:
        import ray.train

        ray.train.report(report)

    def ask(self, report: dict[str, Any]) -> Any:
        self._asked += 1
        self.send({**report, "asked": self._asked})
        return self._ranks.from_first(self._answer)

    def _answer(self) -> Any:
        import ray

        gone = (ray.exceptions.RayError, ValueError)  # the latter: none has its name
        try:
            answers = ray.get_actor(name_of_answers(self._setup.attempt))
            return ray.get(answers.take.remote(self._setup.process, self._asked))
        except gone:
            return None
