"""The command `status`: how far the training of a run is, or was. Without Ray, and from anywhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from orchestrator.errors import WrongRequest
from orchestrator.progress.record import PROGRESS, damaged, driver_of, read_progress
from orchestrator.runs import folders
from orchestrator.runs.store import Store
from orchestrator.screens.board import board_table, lines, summary
from orchestrator.screens.clock import clock

State = Literal["reading", "starting", "training", "tables", "ended", "died", "silent"]
_EVERY, _EVERY_REMOTE, _LINE_EVERY = 1.0, 20.0, 10.0  # seconds


def written_last() -> Store:
    """The run whose training wrote last, of all runs. Raises `WrongRequest` where there is none."""
    every = Store(folders.runs())
    if not every.local:
        return folders.latest()
    files = {own: Path(every.root, own, PROGRESS) for own in every.list()}
    times = {own: file.stat().st_mtime for own, file in files.items() if file.is_file()}
    return Store(f"{every.root}/{max(times, key=times.__getitem__)}") if times else folders.latest()


def status(store: Store, console: Console, now: Callable[[], float] = time.time) -> dict[str, Any]:
    """Show what a run's `progress.json` says; returns it with `state`, for --json.

    Raises `WrongRequest` where there is none.
    """
    with _reading(store):
        found = _read(store, now())
        shown = _shown(found, store, now(), None)
    for own in shown:
        console.print(own)
    return found


@contextmanager
def _reading(store: Store) -> Iterator[None]:
    """What does not have what it must is damaged."""
    try:
        yield
    except WrongRequest:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise damaged(store) from error


def watch(store: Store, console: Console) -> dict[str, Any]:
    """As `status`, again and again until the training has ended; without a terminal a line now and then."""
    every = _EVERY if store.local else _EVERY_REMOTE
    live = console.is_terminal or console.is_jupyter
    if not live:
        printed = 0.0
        while True:
            with _reading(store):
                found = _read(store, time.time())
                line = f"{_head(found, store, time.time())}: {summary(found)}"
            if found["state"] in ("ended", "died"):
                return status(store, console)
            if time.monotonic() - printed > _LINE_EVERY:
                printed = time.monotonic()
                console.print(line)
            time.sleep(every)
    with Live(console=console, auto_refresh=False) as screen:
        while True:
            with _reading(store):
                found = _read(store, time.time())
                shown = _shown(found, store, time.time(), console.height - 8)
            screen.update(Group(*shown), refresh=True)
            if found["state"] in ("ended", "died"):
                return found
            time.sleep(every)


def _read(store: Store, now: float) -> dict[str, Any]:
    found = read_progress(store)
    state: State = found["phase"]
    if state != "ended":
        driver = driver_of(found, now)
        state = {"alive": state, "gone": "died", "silent": "silent"}[driver]
    if state in ("died", "ended"):
        for own in found["members"]:
            for unit in own["units"]:
                if unit["state"] in ("starting", "training", "predicting"):
                    unit["state"] = "waiting"  # whoever trained it is gone
    return {**found, "state": state}


def _shown(found: dict[str, Any], store: Store, now: float, height: int | None) -> list[Any]:
    parts: list[Any] = [Text(_head(found, store, now))]
    if any(own["units"] for own in found["members"]):
        parts.append(board_table(found, height))
    ended = {"phase": "ended"} if found["state"] in ("died", "ended") else {}
    parts += [Text(line) for line in lines({**found, **ended})]
    parts += [Text(f"{title} failed: {why}") for title, why in found.get("failures", {}).items()]
    if found["state"] == "died" or found.get("outcome") in ("failed", "interrupted"):
        parts.append(Text(f"Finished units and epochs are kept. Go on with: {found['command']}"))
    return parts


def _head(found: dict[str, Any], store: Store, now: float) -> str:
    process, state = found["process"], found["state"]
    who = f"process {process['pid']} on {process['host']}"
    ago = clock(max(0.0, now - found["updated"]))
    lasted = clock(found["updated"] - found["began"])
    what = f"{found['name']} ({store.root})"
    if state == "ended":
        return f"{what}: {_ENDS[found['outcome']]} {ago} ago, after {lasted}"
    if state == "died":
        return f"{what}: its train-members ({who}) died, after {lasted}; last heard of {ago} ago"
    if state == "silent":
        return f"{what}: nothing heard of its train-members ({who}) for {ago}; it may have died"
    return f"{what}: {state}, {clock(now - found['began'])} so far ({who})"


_ENDS = {
    "done": "trained",
    "failed": "ended with failures",
    "refused": "refused to begin",
    "interrupted": "interrupted",
}
