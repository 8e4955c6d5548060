"""Seconds as a screen shows them."""

from __future__ import annotations


def clock(seconds: float | None) -> str:
    """`1:05`, `2:00:00`; `?` where it is not known."""
    if seconds is None:
        return "?"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
