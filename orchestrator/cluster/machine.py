"""The memory of this machine or container: how much there is, and what was ended for want of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

# above this a limit of cgroup v1 means: none
_NO_LIMIT = 1 << 60
_LOWER = (
    "Lower batch_size, image_size or resources.loader_workers, or raise resources.cpus, so that "
    "fewer units train at once"
)


def memory() -> int:
    """Bytes that processes of this machine may have: its own, or the limit of its container."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([total, *_limits()])


def cpus() -> int:
    """CPUs that a local Ray counts: the machine's, or those that its container may use."""
    count = os.cpu_count() or 1
    for folder in _cgroups(""):
        quota = _words(folder / "cpu.max")
        if len(quota) == 2 and quota[0] != "max":
            count = min(count, max(1, int(quota[0]) // int(quota[1])))
    return count


def oom_kills() -> int:
    """How many processes the kernel has killed for want of memory, in this container or machine."""
    for folder in _cgroups(""):
        events = dict(zip(*[iter(_words(folder / "memory.events"))] * 2, strict=False))
        if "oom_kill" in events:
            return int(events["oom_kill"])
    words = _words(Path("/proc/vmstat"))
    return int(words[words.index("oom_kill") + 1]) if "oom_kill" in words else 0


def why_it_died(cause: str, kills_before: int) -> str:
    """The cause of a process's death, with what to lower where that was want of memory.

    cause: in words, as Ray's message has it. kills_before: `oom_kills()` before the process began;
    where that has risen, a process that was killed was killed by the kernel.
    """
    if "low on memory" in cause or "out of memory" in cause:
        return f"{cause.rstrip('.')}. {_LOWER}"
    killed = any(sign in cause for sign in ("killed", "SIGKILL", "died", "connection error"))
    if killed and oom_kills() > kills_before:
        has = f"{memory() / 2**30:.1f} GiB"
        return f"the kernel killed it: out of memory (all of {has} were taken). {_LOWER}"
    return cause


def _limits() -> Iterator[int]:
    for folder in (*_cgroups(""), *_cgroups("memory")):
        for name in ("memory.max", "memory.limit_in_bytes"):
            words = _words(folder / name)
            if words and words[0] != "max" and int(words[0]) < _NO_LIMIT:
                yield int(words[0])


def _cgroups(controller: str) -> Iterator[Path]:
    """The folders of this process's cgroup and those above it; `` is cgroup v2."""
    root = Path("/sys/fs/cgroup") / controller
    for line in _lines(Path("/proc/self/cgroup")):
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            own = root / path.strip("/")
            yield from (f for f in (own, *own.parents) if f == root or root in f.parents)


def _words(file: Path) -> list[str]:
    return " ".join(_lines(file)).split()


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except OSError:  # another kernel, or a container that hides it
        return []
