"""The command line: its commands, and how each ends. What is slow to import, a command imports itself."""

from __future__ import annotations

import io
import sys
import traceback
from typing import Annotated, NoReturn

import typer

from ensembles.errors import wrong_place
from ensembles.files import object_store
from ensembles.store_errors import store_problem
from orchestrator.cli import photos, training, votes
from orchestrator.cli.several_values import SeveralValues
from orchestrator.errors import BAD_INPUT, FAILED, INTERRUPTED, WRONG_REQUEST, RunFailed
from orchestrator.printable import printable
from orchestrator.program import called
from orchestrator.version import __version__

app = typer.Typer(
    help="An ensemble of image classifiers: from photographs to a vote.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(photos.sample)
app.command()(photos.prepare)
app.command(cls=SeveralValues)(training.check)
app.command("train-members", cls=SeveralValues)(training.train_members)
app.command(cls=SeveralValues)(votes.vote)
app.command(cls=SeveralValues)(votes.leaderboard)
app.command()(votes.evaluate)
app.command()(votes.compare)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"ensemble {__version__}")
        raise typer.Exit


@app.callback()
def of_all_commands(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="print it")
    ] = False,
) -> None:
    pass


def main() -> NoReturn:
    """Run one command. A wrong request ends with its mistakes and code 2, without a traceback."""
    for stream in (sys.stdout, sys.stderr):
        # a file name that is no text is shown, and ends nothing
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    object_store.ask_first()
    debug = "--debug" in sys.argv
    arguments = [word for word in sys.argv[1:] if word != "--debug"]
    try:
        app(arguments, prog_name=called(), standalone_mode=True)
    except SystemExit as end:
        if end.code == INTERRUPTED and "--new-run" not in sys.argv:
            print("Stopped. Nothing is lost: the same command goes on from here.", file=sys.stderr)
        raise
    except Exception as error:
        if debug:
            traceback.print_exc()
        if problems := _problems(error):
            print(_listing(problems), file=sys.stderr)
            sys.exit(WRONG_REQUEST)
        if isinstance(error, RunFailed):
            print(error, file=sys.stderr)
        else:
            print(f"{type(error).__name__}: {error}\n(--debug shows where)", file=sys.stderr)
        sys.exit(FAILED)
    sys.exit(0)


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
    problems = [printable(text) for text in problems]
    if len(problems) == 1:
        return f"error: {problems[0]}"
    return "\n".join([f"{len(problems)} mistakes:", *(f"- {text}" for text in problems)])
