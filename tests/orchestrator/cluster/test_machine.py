"""What a machine has room for, and whether the kernel killed a process for want of memory."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from orchestrator.cluster import machine
from orchestrator.cluster.preflight import room_on

GIB = 1 << 30
CGROUPS = Path("/sys/fs/cgroup")


def test_it_has_the_memory_of_the_machine_or_of_its_container():
    assert 0 < machine.memory() <= psutil.virtual_memory().total
    assert 1 <= machine.cpus() <= os.cpu_count()


@pytest.fixture
def group() -> Iterator[Path]:
    """A cgroup in which 64 MiB may be taken."""
    v2 = (CGROUPS / "cgroup.controllers").exists()
    folder = (CGROUPS if v2 else CGROUPS / "memory") / f"test-{uuid.uuid4().hex[:8]}"
    try:
        folder.mkdir()
        limit = folder / ("memory.max" if v2 else "memory.limit_in_bytes")
        limit.write_text(str(64 << 20))
    except OSError:
        pytest.skip("no permission to make a cgroup here")
    yield folder
    folder.rmdir()


def in_group(group: Path, code: str) -> subprocess.CompletedProcess:
    enter = f"open({str(group / 'cgroup.procs')!r}, 'w').write('0')\n"
    return subprocess.run(
        [sys.executable, "-c", enter + code], capture_output=True, text=True, check=False
    )


@pytest.mark.fault(
    "the kernel kills a process for want of memory", "said as such, with what to lower"
)
def test_what_the_kernel_kills_for_want_of_memory_is_known_as_that(group):
    before = machine.oom_kills()
    cause = "it was killed, or it crashed"
    assert machine.why_it_died(cause, before) == cause
    done = in_group(group, "x = [bytearray(8 << 20) for _ in range(40)]\n")
    assert done.returncode == -9
    assert "the kernel killed it: out of memory" in machine.why_it_died(cause, before)
    assert "Lower batch_size" in machine.why_it_died(cause, before)
    raised = "ValueError: no such thing"
    assert machine.why_it_died(raised, before) == raised


def test_the_limit_of_a_container_is_what_counts(group):
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parents[3])!r})\n"
        "from orchestrator.cluster import machine\nprint(machine.memory())"
    )
    done = in_group(group, code)
    assert int(done.stdout) == 64 << 20, done.stderr


def test_what_ray_ended_for_want_of_memory_comes_with_what_to_lower():
    cause = "Ray ended it, because its machine was running low on memory."
    found = machine.why_it_died(cause, machine.oom_kills())
    assert found.startswith(cause)
    assert "Lower batch_size" in found


@pytest.mark.fault(
    "units need more memory than the machine has",
    "fewer are trained at once, or none, said before training",
)
def test_as_many_units_are_trained_at_once_as_have_room():
    sizes = {"small": GIB, "large": 4 * GIB}
    assert room_on(64 * GIB, 4, sizes).slots == 4
    narrow = room_on(11 * GIB, 4, sizes)
    assert narrow.slots == 2
    assert "so 2 instead of 4 are trained at once. Lower batch_size" in narrow.line()
    tight = room_on(5 * GIB, 4, sizes)  # an estimate may be a third too high
    assert (tight.slots, tight.refusal()) == (1, None)
    assert "it may not have room" in tight.line()
    assert "a unit of large takes about 4.0 GiB" in room_on(3 * GIB, 4, sizes).refusal()
