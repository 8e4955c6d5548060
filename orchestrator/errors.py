"""What ends a command, and with which exit code.

    ValueError
      members.errors.BadInput       2   recipes, photographs, labels, weights; raised here too
        WrongRequest                2   specs, arguments, run folders
      ensembles.errors.BadInput     2   tables, submissions, choices of a vote
    RuntimeError
      RunFailed                     1   a right request whose work did not succeed
      members.training.ranks.RaisedByAll         a unit failed on all its processes alike: tried again by
        members.training.loop.Diverged         the schedule, at last counted as failed in a RunFailed
      members.training.ranks.LostContact         a process is gone: the unit goes on from its last epoch
    KeyboardInterrupt             130
    any other                       1   a mistake of the program, with its name

What ends with 2 has `problems`, one text a mistake: what is wrong, what was given, what is allowed,
what to do next. ensembles and members do not import each other, so each has its BadInput.
"""

from __future__ import annotations

from collections.abc import Iterable

import ensembles.errors
from members.errors import BadInput, nearest

FAILED, WRONG_REQUEST = 1, 2
BAD_INPUT = (BadInput, ensembles.errors.BadInput)
INTERRUPTED = 130  # what shells expect after Ctrl-C, and typer ends with


class WrongRequest(BadInput):
    """The request cannot be carried out as given (exit code 2)."""


class RunFailed(RuntimeError):
    """Work that was asked for rightly did not succeed (exit code 1)."""


def counted(n: int, noun: str) -> str:
    """`1 unit`, `2 units`."""
    return f"{n} {noun}{'' if n == 1 else 's'}"


def unknown(what: str, name: object, allowed: Iterable[str]) -> str:
    """`unknown key 'epoch'. Did you mean 'epochs'? Allowed: ...` (the list only where short)."""
    allowed = sorted(map(str, allowed))
    listing = f" Allowed: {', '.join(allowed)}." if len(allowed) <= 40 else ""
    return f"unknown {what} {str(name)!r}.{nearest(str(name), allowed)}{listing}"
