"""Where a screen has a cursor that moves."""

from __future__ import annotations

import io
import sys

import pytest

from orchestrator.printing import screen


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("parent", "moves"), [(None, True), ("123", False)])
def test_a_cell_of_a_notebook_is_no_terminal_whatever_it_says(monkeypatch, parent, moves):
    monkeypatch.delenv("JPY_PARENT_PID", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    if parent is not None:
        monkeypatch.setenv("JPY_PARENT_PID", parent)
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert screen().is_terminal == moves
    assert (screen().width == 120) != moves
