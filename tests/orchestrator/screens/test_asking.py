"""How far a list of photographs is, where the output is no terminal: a line now and then."""

from __future__ import annotations

import io

from rich.console import Console

from orchestrator.screens.asking import asking


def printed(calls: list[tuple[float, int, int]], total: int) -> list[str]:
    """The lines after calls at (seconds, how many are done, of them before this call)."""
    clock = 0.0
    text = io.StringIO()
    with asking(Console(file=text, width=200), now=lambda: clock) as progress:
        for clock, done, before in calls:  # noqa: B007  # the clock is read by `now`
            progress(done, before, total)
    return text.getvalue().splitlines()


def test_the_time_left_is_that_of_the_rest_at_the_speed_since_the_first_answers():
    """The networks load for 100 s; then 500 photographs take 25 s: 20 a second, and 1000 are left."""
    calls = [(0, 0, 0), (100, 500, 0), (112.5, 750, 0), (125, 1000, 0)]
    assert printed(calls, 2000) == [
        "500 of 2,000 photos  5 a second  5:00 left",
        "750 of 2,000 photos  20 a second  1:02 left",
        "1,000 of 2,000 photos  20 a second  0:50 left",
    ]


def test_what_an_earlier_call_answered_took_no_time_of_this_one():
    calls = [(0, 9000, 9000), (1, 9100, 9000), (11, 9200, 9000)]
    assert printed(calls, 10_000) == ["9,200 of 10,000 photos  10 a second  1:20 left"]


def test_a_short_list_prints_nothing():
    assert printed([(0, 0, 0), (4, 256, 0), (5, 300, 0)], 300) == []
    assert printed([(0, 300, 300)], 300) == []
