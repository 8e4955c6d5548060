"""What a request is answered that is not answered with classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestrator.printable import printable, shortened
from orchestrator.serving.settings import RETRY_AFTER


class Refused(Exception):
    """status: of HTTP. problems: (photograph, what is wrong with it), where it is the photographs.

    retry: whether the same request may succeed a little later; then the answer has `Retry-After`.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        problems: Sequence[tuple[str, str]] = (),
        *,
        retry: bool = False,
    ):
        super().__init__(detail)
        self.status, self.detail, self.problems, self.retry = status, detail, list(problems), retry

    @property
    def headers(self) -> dict[str, str]:
        found = {"Retry-After": str(RETRY_AFTER)} if self.retry else {}
        if self.status == 401:
            found["WWW-Authenticate"] = "Bearer"
        return found

    @property
    def content(self) -> dict[str, Any]:
        """`detail` and, where there are any, `problems`: name and problem of each."""
        found: dict[str, Any] = {"detail": shortened(printable(self.detail))}
        if self.problems:
            found["problems"] = [
                {"name": name, "problem": shortened(printable(problem))}
                for name, problem in self.problems
            ]
        return found


def busy(queue: int) -> Refused:
    """Sent away before it is read."""
    return Refused(503, f"{queue} requests are being answered already. Ask again.", retry=True)


def no_answer(member: str, seconds: float) -> Refused:
    return Refused(
        503, f"the member {member} did not answer within {seconds:.0f} s. Ask again.", retry=True
    )
