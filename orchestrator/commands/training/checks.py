"""Whether all recipes can be trained, found out beside what else there is to do before training."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial

from members.errors import BadInput
from orchestrator.cluster.preflight import batch_problems, training_problems
from orchestrator.photographs.table import Photographs
from orchestrator.runs.store import Store
from orchestrator.spec.spec import Spec
from orchestrator.tracking.follow import tracking_problems


class Checks:
    """Of recipes and trackers, in a thread of their own.

    What earlier calls have not found out already takes torch and timm, whose imports alone are seconds;
    Ray's start mostly waits for processes.

    whole: units on all rows are trained, too.
    """

    def __init__(self, spec: Spec, photographs: Photographs, store: Store, whole: bool):
        pool = ThreadPoolExecutor(1, thread_name_prefix="checks")
        find = partial(_problems, spec, photographs, store, whole)
        self._found = pool.submit(copy_context().run, find)
        pool.shutdown(wait=False)

    def require(self) -> None:
        """Raises BadInput with all that is wrong, when all is known."""
        if problems := self._found.result():
            raise BadInput(problems)

    def require_so_far(self) -> None:
        """As `require`, where all is known already."""
        if self._found.done():
            self.require()


def _problems(spec: Spec, photographs: Photographs, store: Store, whole: bool) -> list[str]:
    problems = training_problems(spec) or batch_problems(spec, photographs, whole)
    return problems + tracking_problems(spec.tracking, store)
