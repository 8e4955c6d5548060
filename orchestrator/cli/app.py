"""The command line: its commands, and how each ends. What is slow to import, a command imports itself."""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import io
import os
import sys
import traceback
from typing import Annotated, Any, NoReturn

import typer

from ensembles import object_store
from ensembles.errors import wrong_place
from ensembles.store_errors import store_problem
from members.errors import first_line
from orchestrator import stopping
from orchestrator.cli.completing import VARIABLE
from orchestrator.cli.plain_values import PlainCommand, PlainGroup
from orchestrator.cli.several_values import SeveralValues
from orchestrator.errors import (
    BAD_INPUT,
    FAILED,
    WRONG_REQUEST,
    RunFailed,
    UnexpectedEnd,
    disk_problem,
)
from orchestrator.printable import printable, printable_lines, shortened
from orchestrator.program import called
from orchestrator.version import __version__, environment

# the commands as `--help` lists them, and the file here that has the function of that name
_FILES = {
    "sample": "photos",
    "prepare": "photos",
    "init": "writing",
    "check": "training",
    "train-members": "training",
    "status": "training",
    "vote": "votes",
    "leaderboard": "votes",
    "audit": "votes",
    "predict": "inference",
    "serve": "inference",
    "export": "inference",
    "evaluate": "votes",
    "compare": "votes",
    "report": "votes",
    "schema": "writing",
    "completion": "writing",
}
# New objects before Python looks for circles among them. By its own 700 it looks through modules and through
# rows of text, which are none, hundreds of times: a fifth of a hard vote's time.
_NEW_OBJECTS = 50_000
_WITH_SEVERAL_VALUES = frozenset(
    ["init", "check", "train-members", "vote", "leaderboard", "audit", "predict", "export"]
)


class Commands(PlainGroup):
    """Typer would print `Aborted!` for an EOFError, which a file that is cut short may raise."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            stopping.interrupted()
            raise
        except EOFError as error:
            raise UnexpectedEnd(f"EOFError: {first_line(error)}") from error


@functools.cache
def commands(only: str | None = None) -> typer.Typer:
    """All commands, or the one of that name: Typer takes milliseconds for each of them."""
    program = typer.Typer(
        help="An ensemble of image classifiers: from photographs to a vote.",
        cls=Commands,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    for name in _FILES if only is None else (only,):
        file = importlib.import_module(f"orchestrator.cli.{_FILES[name]}")
        several = name in _WITH_SEVERAL_VALUES
        added = program.command(name, cls=SeveralValues if several else PlainCommand)
        added(getattr(file, name.replace("-", "_")))
    program.callback()(of_all_commands)
    return program


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"ensemble {__version__}\n{', '.join(environment())}")
        raise typer.Exit


def of_all_commands(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            help="print it, and what it runs with",
        ),
    ] = False,
) -> None:
    pass


def main() -> NoReturn:
    """Run one command. A wrong request ends with its mistakes and code 2, without a traceback."""
    if shell := os.environ.get(VARIABLE):
        from orchestrator.cli.completing.shells import answer

        answer(shell, typer.main.get_command(commands()))
        sys.exit(0)
    for stream in (sys.stdout, sys.stderr):
        # a file name that is no text is shown, and ends nothing
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    gc.set_threshold(_NEW_OBJECTS, *gc.get_threshold()[1:])
    # the interpreter's end would look for circles among all of them: a tenth of a vote's time
    atexit.register(gc.freeze)
    object_store.ask_first()
    debug = "--debug" in sys.argv
    arguments = [word for word in sys.argv[1:] if word != "--debug"]
    # an option before it, --help say, may be of all commands
    only = arguments[0] if arguments and arguments[0] in _FILES else None
    with stopping.stops():
        try:
            commands(only)(arguments, prog_name=called(), standalone_mode=True)
        except (SystemExit, KeyboardInterrupt):
            if not stopping.exit_code():
                raise
        except Exception as error:
            if debug:
                traceback.print_exc()
            if not stopping.exit_code():
                ending, text = _end_of(error)
                print(printable_lines(text), file=sys.stderr)
                stopping.end(ending)
        if code := stopping.exit_code():
            stopping.print_stopped()
            stopping.end(code)
    sys.exit(0)


def _end_of(error: Exception) -> tuple[int, str]:
    """Exit code and text."""
    if problems := _problems(error):
        return WRONG_REQUEST, _listing(problems)
    if isinstance(error, RunFailed):
        return FAILED, str(error)
    if out_of_order := disk_problem(error):
        return FAILED, f"{out_of_order} {stopping.how_to_go_on()}"
    return FAILED, f"{type(error).__name__}: {error}\n(--debug shows where)"


def _problems(error: Exception) -> list[str]:
    """What was wrong with the request, where that ended it; empty for other failures."""
    if isinstance(error, BAD_INPUT):
        return error.problems
    if of_store := store_problem(error):
        return [of_store]
    # no reader or writer caught it: a path that was given, or one below it
    if isinstance(error, OSError) and error.filename is not None and wrong_place(error):
        return [f"{error.filename}: {wrong_place(error)}. Give another path, or change this one."]
    return []


def _listing(problems: list[str]) -> str:
    problems = [shortened(printable(text)) for text in problems]
    if len(problems) == 1:
        return f"error: {problems[0]}"
    return "\n".join([f"{len(problems)} mistakes:", *(f"- {text}" for text in problems)])
