"""A disk in a file, whose power can be cut: what a copy of the file holds is what was on the disk."""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest


class Disk:
    """An ext4 file system in a file. Skips the test where this machine lets nobody mount one."""

    def __init__(self, image: Path, megabytes: int = 64):
        self.image = image
        if os.geteuid() != 0 or shutil.which("mkfs.ext4") is None:
            pytest.skip("to mount a disk in a file takes root and mkfs.ext4")
        with image.open("wb") as file:
            file.truncate(megabytes << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)

    @contextlib.contextmanager
    def mounted(self) -> Iterator[Path]:
        """Where it is mounted; of a disk whose power was cut the journal is replayed."""
        folder = self.image.with_suffix(".mounted")
        folder.mkdir(exist_ok=True)
        # commit=1, no auto_da_alloc: what nobody synced is lost, and files moved over others empty
        options = "loop,commit=1,noauto_da_alloc"
        done = subprocess.run(
            ["mount", "-o", options, self.image, folder],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            pytest.skip(f"no disk in a file can be mounted here: {done.stderr.strip()}")
        try:
            yield folder
        finally:
            gc.collect()  # files that are open still
            subprocess.run(["umount", "-l", folder], check=True)

    def cut(self, writer: subprocess.Popen, image: Path) -> Disk:
        """The disk as it would be found if the power failed now."""
        writer.send_signal(signal.SIGSTOP)
        try:
            while True:
                before = self.image.stat().st_mtime_ns
                subprocess.run(["cp", "--sparse=always", self.image, image], check=True)
                if self.image.stat().st_mtime_ns == before:  # the kernel wrote nothing meanwhile
                    break
        finally:
            writer.send_signal(signal.SIGCONT)
        copy = object.__new__(Disk)
        copy.image = image
        return copy


def cuts(disk: Disk, writer: subprocess.Popen, begun: Path, pause: float) -> list[Disk]:
    """The disk at many moments, from when `begun` is there until the writer has ended.

    pause: seconds between two, or as long as the last one took, so that the writer gets on.
    """
    while not begun.exists() and writer.poll() is None:
        time.sleep(0.01)
    found: list[Disk] = []
    while writer.poll() is None:
        started = time.monotonic()
        found.append(disk.cut(writer, disk.image.with_name(f"cut-{len(found)}.img")))
        time.sleep(max(pause, time.monotonic() - started))
    return found
