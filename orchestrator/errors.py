"""What went wrong, what was given, what is allowed, what to do next."""

from __future__ import annotations

from collections.abc import Iterable

from members.errors import nearest

FAILED, WRONG_REQUEST = 1, 2
INTERRUPTED = 130  # what shells expect after Ctrl-C, and typer ends with


class WrongRequest(ValueError):
    """The request cannot be carried out as given (exit code 2). `problems`: one text a mistake."""

    def __init__(self, problems: str | Iterable[str]):
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems))


class RunFailed(RuntimeError):
    """Work that was asked for rightly did not succeed (exit code 1)."""


def counted(n: int, noun: str) -> str:
    """`1 unit`, `2 units`."""
    return f"{n} {noun}{'' if n == 1 else 's'}"


def unknown(what: str, name: str, allowed: Iterable[str]) -> str:
    """`unknown key 'epoch'. Did you mean 'epochs'? Allowed: ...` (the list only where short)."""
    allowed = sorted(map(str, allowed))
    listing = f" Allowed: {', '.join(allowed)}." if len(allowed) <= 40 else ""
    return f"unknown {what} {str(name)!r}.{nearest(name, allowed)}{listing}"
