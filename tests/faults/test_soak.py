"""The soak of `benchmarks/soak.py`, scaled down."""

from __future__ import annotations

import pytest

from benchmarks.soak import soak


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.fault("a process is killed at random, every 20 s", "all units are done in the end")
def test_a_run_whose_processes_are_killed_all_the_time_ends_complete(tmp_path, measured):
    found = soak(tmp_path, units=12, every=20, epochs=30)
    assert found.code == 0, found.printed
    assert sum(found.killed.values()) >= 1
    assert found.done == found.units
    assert not found.different
    measured(
        units=found.units,
        units_kept=found.done,
        tables_equal=not found.different,
        seconds=round(found.seconds, 1),
    )
