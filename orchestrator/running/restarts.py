"""Whose training process is started again after it died: whatever got anywhere since the last time."""

from __future__ import annotations

from collections import defaultdict
from enum import Enum


class Death(Enum):
    """When and with what a process died."""

    TRAINING = "while it trained the unit"
    LED = "while it trained the unit: the process that leads it did, or its machine"
    STARTING = "before it had begun with the unit"


# deaths of a unit's process in a row, without an epoch between them, after which it is given up: few
# where they are its own doing, for all that is known, more where it has trained here before
_FEW, _MORE = 4, 8


class Restarts:
    """How often each unit's process died since the unit last got anywhere, and of what."""

    def __init__(self) -> None:
        self._epochs: dict[str, int] = {}  # unit's path -> the last that it finished
        self._causes: dict[Death, dict[str, list[str]]] = {
            kind: defaultdict(list) for kind in Death
        }  # unit's path -> of its deaths since then

    def epoch_of(self, path: str) -> int:
        """The last epoch that the unit finished; 0 before its first."""
        return self._epochs.get(path, 0)

    def deaths(self, path: str) -> int:
        """In a row, without an epoch between them, while the unit was trained."""
        return len(self._causes[Death.TRAINING].get(path, ()))

    def began(self) -> None:
        """Some process has begun with a unit: processes can be started."""
        self._causes[Death.STARTING].clear()

    def epoch(self, path: str, epoch: int) -> None:
        """The unit has finished `epoch`; one that a restarted process only reports again is no news."""
        if epoch > self.epoch_of(path):
            self._epochs[path] = epoch
            for causes in self._causes.values():
                causes.pop(path, None)

    def died(self, path: str, cause: str, kind: Death) -> str:
        """The process of the unit died: why the unit is given up, or an empty text."""
        causes = self._causes[kind][path]
        causes.append(cause)
        epoch = self.epoch_of(path)
        if len(causes) < (_FEW if kind is Death.TRAINING and not epoch else _MORE):
            return ""
        where = f"after epoch {epoch}" if epoch else "before its first epoch"
        where = "while it started" if kind is Death.STARTING else where
        reasons = "; ".join(dict.fromkeys(causes))
        return f"its training process died {len(causes)} times in a row {where} ({reasons})"
