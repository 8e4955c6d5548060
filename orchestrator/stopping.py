"""Signals that stop a command: in order at the first one, at once at the second.

    with stops():                     # around a whole command
        with kills_at_end(kill):      # while there are processes to take along
            ...                       # SIGINT, SIGTERM and SIGHUP raise Stopped here

Schedulers and systemd send SIGTERM first, a terminal that goes away sends SIGHUP; both end a command as
Ctrl-C does. They often go to all processes of the command at the same time.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from orchestrator.program import same_command

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LONGEST = 10.0  # seconds between the first signal and the end
_SHOW_CURSOR = "\x1b[?25h"


class Stopped(KeyboardInterrupt):
    """A signal ends the command; everything is cleaned up as after Ctrl-C."""


class _State:
    """Of this process: it has one set of signal handlers."""

    def __init__(self) -> None:
        self.pid: int | None = None  # of the process whose handlers these are
        self.handled: list[signal.Signals] = []
        self.received: signal.Signals | None = None
        self.go_on: str | None = None
        self.kills: list[Callable[[], None]] = []
        self.ending = threading.Lock()
        self.torn = False  # parts of what runs in this process are gone: see leave
        self.printed = False


_state = _State()


@contextmanager
def stops() -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP raise `Stopped` in the main thread; in other threads, nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {which: signal.getsignal(which) for which in SIGNALS}
    _state.__init__()  # type: ignore[misc]
    _state.pid = os.getpid()
    # what is ignored stays ignored: nohup, and commands that a shell runs in the background
    _state.handled = [which for which in SIGNALS if before[which] != signal.SIG_IGN]
    handle_again()
    try:
        yield
    finally:
        _state.pid, _state.received, _state.torn = None, None, False
        for which in _state.handled:
            signal.signal(which, before[which] or signal.SIG_DFL)


def handle_again() -> None:
    """Take the signals back from whatever else handles them now: Ray does, when it starts and ends."""
    if _state.pid == os.getpid() and threading.current_thread() is threading.main_thread():
        for which in _state.handled:
            signal.signal(which, _receive)


@contextmanager
def kills_at_end(kill: Callable[[], None]) -> Iterator[None]:
    """`kill` is called where the process ends at once, within the block."""
    _state.kills.append(kill)
    try:
        yield
    finally:
        _state.kills.remove(kill)


def goes_on_with(how: str) -> None:
    """What is printed after `Nothing is lost:` where the command is stopped."""
    _state.go_on = how


def how_to_go_on() -> str:
    """A sentence; where the same command goes on, that follows in a line of its own."""
    same = f"the same command goes on from here.\n{same_command()}"
    return f"Nothing is lost: {_state.go_on or same}"


def tear() -> None:
    """From now on this process can only `leave`."""
    _state.torn = True


def is_torn() -> bool:
    return _state.torn


def end(code: int) -> NoReturn:
    """Leave by `sys.exit`, or at once where what runs at the interpreter's end would wait or abort."""
    if _state.torn:
        leave(code)
    sys.exit(code)


def exit_code() -> int | None:
    """128 + the number of the signal that was received, as shells report it; None without one."""
    return None if _state.received is None else 128 + _state.received


def interrupted() -> None:
    """A KeyboardInterrupt came, perhaps past the handlers here: it counts as SIGINT."""
    _state.received = _state.received or signal.SIGINT


def print_stopped() -> None:
    """One sentence on standard error, once."""
    if not _state.printed:
        _state.printed = True
        which = _state.received
        by = f" by {which.name}" if which and which != signal.SIGINT else ""
        _print(f"Stopped{by}. {how_to_go_on()}")


def leave(code: int, text: str | None = None) -> NoReturn:
    """Print `text`, end the processes that were started, and this one, without any more ado.

    What Ray would do at the interpreter's end waits for processes that are gone, and then aborts.
    """
    if not _state.ending.acquire(blocking=False):  # another thread is at it
        threading.Event().wait()
    if text is not None:
        _print(text)
    for kill in _state.kills:
        with suppress(Exception):
            kill()
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            if stream.isatty():
                stream.write(_SHOW_CURSOR)
            stream.flush()
    os._exit(code)


def _receive(number: int, frame: types.FrameType | None) -> None:
    if _state.pid != os.getpid():  # a child that was forked: as if nothing had been installed
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        return
    if _state.received is not None:
        _end_now()
    _state.received = signal.Signals(number)
    limit = threading.Timer(_LONGEST, _end_now)
    limit.daemon = True
    limit.start()
    raise Stopped


def _end_now() -> None:
    print_stopped()
    leave(exit_code() or 1)


def _print(text: str) -> None:
    with suppress(Exception):  # a terminal that is gone takes no text
        print(text, file=sys.stderr, flush=True)
