"""What ended a training process, in a sentence: from the exceptions that Ray raises about it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from members.errors import first_line
from orchestrator.cluster.ray_internals.trials import errors_of_worker

_KILLED = "it was killed, by SIGKILL or for want of memory"
_LOST_NODE = "its machine was lost"
NO_TIME = "the hours of the run are over"
LEADER = "the process that leads its training died"

# what Ray's message about a lost process holds, and what it comes to
_WORDS = (
    ("running low on memory", "Ray ended it, because its machine was running out of memory"),
    ("node has died", _LOST_NODE),
    ("node was terminated", _LOST_NODE),
    ("owner has died", LEADER),
    ("connection error code 2", _KILLED),
    ("Worker exits unexpectedly", "it ended itself"),
    ("SIGTERM", "it was terminated by SIGTERM"),
)


def cause_of(error: BaseException) -> str:
    """error: as `fit` of a Train run raises it, or anything else."""
    failures: Mapping[int, BaseException] | None = getattr(error, "worker_failures", None)
    if failures:
        return cause_of(_telling(failures.values()))
    inner = getattr(error, "controller_failure", None) or getattr(error, "cause", None)
    if isinstance(inner, BaseException):
        return cause_of(inner)
    text = str(error)
    if found := cause_in(text):
        crash = _crash_of(text) if found == _KILLED else ""
        return f"it crashed with {crash}" if crash else found
    # Ray hands on what was raised in a worker as the text of its traceback
    return text.strip().splitlines()[-1] if "Traceback (" in text else first_line(error)


def cause_of_leader(text: str) -> str:
    """text: of the error that Tune has of a trial, whose process leads the training."""
    found = cause_in(text)
    if found == _LOST_NODE:
        return f"{LEADER}: {found}"
    lines = text.strip().splitlines()
    return LEADER if found or not lines else f"{LEADER}: {lines[-1]}"


def is_outside(cause: str) -> bool:
    """Whether something else than the training process died first, and it with that."""
    return cause.startswith((LEADER, _LOST_NODE))


def cause_in(text: str) -> str:
    """What a message of Ray comes to; empty where it is about no lost process."""
    return next((words for sign, words in _WORDS if sign in text), "")


def _crash_of(text: str) -> str:
    """The signal that an actor wrote into its log as it crashed; none where it had no time to.

    text: Ray's message about the actor.
    """
    actor, process = re.search(r"actor_id: (\w+)", text), re.search(r"pid: (\d+)", text)
    where = re.search(r"ip: (\S+)", text)
    if not (actor and process and where):
        return ""
    log = errors_of_worker(actor[1], int(process[1]), where[1])
    found = re.search(r"\*\*\* (SIG[A-Z]+) received|Fatal Python error: (.+)", log)
    return (found[1] or found[2]) if found else ""


def _telling(failures: Iterable[BaseException]) -> BaseException:
    """Of several ranks' failures one that is no consequence of another's."""
    every = list(failures)
    own = [error for error in every if "LostContact" not in f"{type(error).__name__} {error}"]
    return (own or every)[0]
