"""Whose training process is started again after it died: whatever got anywhere since the last time."""

from __future__ import annotations

_DEATHS = 4  # of a unit's process in a row, without an epoch between them
_STARTS = 8  # of processes in a row that died before they trained anything, whichever the unit


class Restarts:
    """How often each unit's process died since the unit last got anywhere, and of what."""

    def __init__(self) -> None:
        self._epochs: dict[str, int] = {}  # unit's path -> the last that it finished
        self._causes: dict[str, list[str]] = {}  # unit's path -> of its deaths since then
        self._starts: dict[str, list[str]] = {}  # the same of processes that never began with it

    def epoch_of(self, path: str) -> int:
        """The last epoch that the unit finished; 0 before its first."""
        return self._epochs.get(path, 0)

    def deaths(self, path: str) -> int:
        """In a row, without an epoch between them."""
        return len(self._causes.get(path, ()))

    def began(self) -> None:
        """Some process has begun with a unit: processes can be started."""
        self._starts.clear()

    def epoch(self, path: str, epoch: int) -> None:
        """The unit has finished `epoch`; one that a restarted process only reports again is no news."""
        if epoch > self.epoch_of(path):
            self._epochs[path] = epoch
            self._causes.pop(path, None)

    def died(self, path: str, cause: str, begun: bool) -> str:
        """The process of the unit died: why the unit is given up, or an empty text.

        begun: whether it had begun with the unit.
        """
        counted, limit = (self._causes, _DEATHS) if begun else (self._starts, _STARTS)
        causes = counted.setdefault(path, [])
        causes.append(cause)
        if len(causes) < limit:
            return ""
        epoch = self.epoch_of(path)
        where = f"after epoch {epoch}" if epoch else "before its first epoch"
        where = where if begun else "while it started"
        reasons = "; ".join(dict.fromkeys(causes))
        return f"its training process died {len(causes)} times in a row {where} ({reasons})"
