"""The seconds that are left, against cases worked by hand and a plain simulation."""

from __future__ import annotations

import numpy as np
import pytest

from orchestrator.progress.pace import Group, Pace, makespan


def test_a_member_is_known_by_itself_else_by_its_cost():
    pace = Pace()
    assert pace.usual("epoch", "net") is None
    pace.saw("epoch", "net", 10.0, cost=2.0)
    pace.saw("epoch", "net", 14.0, cost=2.0)
    pace.saw("epoch", "large", 60.0, cost=12.0)
    assert pace.usual("epoch", "net", cost=2.0) == 12.0
    # 84 seconds for a cost of 16
    assert pace.usual("epoch", "other", cost=4.0) == pytest.approx(4 * 84 / 16)
    assert pace.usual("predict", "net") is None


@pytest.mark.parametrize(
    ("running", "groups", "slots", "start", "seconds"),
    [
        ([], [], 2, 5.0, 0.0),
        ([7.0], [], 2, 5.0, 7.0),
        ([], [Group(1, 10.0)], 2, 5.0, 15.0),
        # one slot, in which one process trains them all
        ([], [Group(3, 10.0)], 1, 5.0, 35.0),
        # a slot each
        ([], [Group(3, 10.0)], 3, 5.0, 15.0),
        # the one that is free takes it
        ([30.0], [Group(1, 10.0)], 2, 5.0, 30.0),
        # of a slot whose unit ends before another process would be there, none starts
        ([4.0], [Group(1, 10.0)], 2, 5.0, 14.0),
        # the costliest first: 20 beside 10 and 10
        ([], [Group(2, 10.0), Group(1, 20.0)], 2, 0.0, 20.0),
    ],
)
def test_when_all_is_done(running, groups, slots, start, seconds):
    assert makespan(running, groups, slots, start) == pytest.approx(seconds)


def test_it_lies_between_the_bounds_of_any_list_schedule():
    rng = np.random.default_rng(0)
    for _ in range(200):
        slots = int(rng.integers(1, 9))
        groups = [
            Group(int(rng.integers(1, 6)), float(rng.uniform(1, 60)))
            for _ in range(int(rng.integers(1, 9)))
        ]
        work = sum(own.units * own.seconds for own in groups)
        longest = max(own.seconds for own in groups)
        found = makespan([], groups, slots, 0.0)
        assert max(work / slots, longest) - 1e-6 <= found <= work / slots + longest + 1e-6
