"""A watch over the Ray that a command works on: a dead one is noticed within seconds.

Ray itself is silent for a minute and then aborts the process with its own words.
"""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass

from orchestrator import stopping
from orchestrator.cluster.answers import Refused, Silence, answers, split
from orchestrator.errors import FAILED

_EVERY = 1.0  # seconds between two questions
_ANSWER = 4.0  # seconds that one may take
# Where nothing listens any more, the process is gone. One of this machine does not come back; a head
# elsewhere may, and Ray itself waits for it for 60 s.
_GONE, _AWAY = 3.0, 45.0
_MUTE = 45.0  # what listens but does not answer may be on a machine at its limits
_NOTED = 6.0


@dataclass
class _Server:
    """One server of Ray. what: its name in a message; patience: seconds for which it may be gone."""

    what: str
    host: str
    port: int
    patience: float
    silent_since: float | None = None
    refuses: bool = False
    noted: bool = False

    def ask(self, seconds: float = _ANSWER) -> None:
        begun = time.monotonic()
        try:
            answers(self.host, self.port, seconds)
        except Silence as error:
            self.refuses = isinstance(error, Refused)
            self.silent_since = self.silent_since or begun
        else:
            self.silent_since, self.refuses = None, False

    def silent(self) -> float:
        """Seconds without an answer."""
        return 0.0 if self.silent_since is None else time.monotonic() - self.silent_since


class Watch:
    """Ends the process with a sentence and exit code 1 where Ray dies, until `close`.

    gcs: HOST:PORT of the head; raylet: where that of this machine listens, which the command talks to.
    """

    def __init__(self, gcs: str, raylet: tuple[str, int] | None, local: bool):
        self._servers = [_Server("head", *split(gcs), _GONE if local else _AWAY)]
        if raylet:
            self._servers.append(_Server("raylet of this machine", *raylet, _GONE))
        self._ray = "the local Ray" if local else f"the Ray at {gcs}"
        self._local = local
        self._over = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def close(self) -> None:
        self._over.set()

    def dead(self) -> str | None:
        """The sentence on what is dead now; None where all answer."""
        for server in self._servers:
            server.ask(seconds=1.0)
            if server.refuses:
                return self._sentence(server)
        return None

    def _sentence(self, server: _Server) -> str:
        state = "is gone" if server.refuses else "does not answer any more"
        back = "" if self._local else "Once the cluster is there again: "
        return (
            f"The {server.what} of {self._ray} {state}, and its work with it. "
            f"{back}{stopping.how_to_go_on()}"
        )

    def _watch(self) -> None:
        while not self._over.wait(_EVERY):
            for server in self._servers:
                server.ask()
                if self._over.is_set() or stopping.exit_code() is not None:
                    return
                limit = server.patience if server.refuses else _MUTE
                if server.silent() > limit:
                    stopping.leave(FAILED, self._sentence(server))
                self._note(server, limit)

    def _note(self, server: _Server, limit: float) -> None:
        text = None
        if server.silent() > _NOTED and not server.noted:
            server.noted = True
            text = f"does not answer; waiting for it, {limit:.0f} s at most"
        elif server.noted and not server.silent():
            server.noted = False
            text = "answers again"
        if text:
            print(f"note: the {server.what} of {self._ray} {text}", file=sys.stderr)
