"""The range of 16-bit samples in photographs that do not say it: one for a whole data set."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from members.pixels.samples import FULL, reading_digest


class SampleRange:
    """How many bits the samples use: `data.bits`, or what the first part that has any needs.

    The training part is settled first, so that a test part never changes what members train on.
    """

    def __init__(self, given: int | None):
        self._given = given
        self._bits = given
        self._photos = 0

    def settle(self, scans: Sequence[pd.DataFrame]) -> list[str]:
        """Take the scans of one part into account; texts about samples beyond the range."""
        found = [scan[scan["used_bits"] > 0] for scan in scans]
        if not sum(map(len, found)):
            return []
        unmarked = pd.concat(found)
        self._photos += len(unmarked)
        used = int(unmarked["used_bits"].max())
        if self._bits is None:
            self._bits = used
        beyond = unmarked[unmarked["used_bits"] > self._bits]
        if beyond.empty:
            return []
        whose = "the training photos use" if self._given is None else "data.bits says"
        return [
            f"{len(beyond)} 16-bit photos have samples of up to {used} bits, but {whose} "
            f"{self._bits} ({', '.join(beyond['path'].head(3))}). Give data.bits: {used}, for all."
        ]

    def digests(self, scanned: pd.DataFrame) -> list[str]:
        """Of each photo: of its bytes, and of the range where it is not what it always was."""
        shared = 0 if self._bits is None or self._bits == FULL else self._bits
        return [
            reading_digest(digest, shared if used and shared else read)
            for digest, used, read in zip(
                scanned["digest"], scanned["used_bits"], scanned["read_bits"], strict=True
            )
        ]

    @property
    def bits(self) -> int | None:
        """The range of all parts so far; None where no photo needed one."""
        return self._bits

    def notes(self) -> list[str]:
        """The range, where it was found and is not the whole one."""
        if self._given is not None or self._bits is None or self._bits == FULL:
            return []
        return [
            f"{self._photos} 16-bit photos use at most {self._bits} bits: range "
            f"0..{(1 << self._bits) - 1} taken. `data.bits: {self._bits}` says it in the spec, "
            f"`data.bits: {FULL}` takes the whole range."
        ]

    def unused_problems(self) -> list[str]:
        """A text where the spec gives bits and no photo needs them."""
        if self._given is None or self._photos:
            return []
        return [
            f"data.bits: {self._given}, but no photo has 16-bit samples whose range it does not "
            "say itself. Take data.bits out."
        ]
