"""The command line: its commands, and how each ends. What is slow to import, a command imports itself."""

from __future__ import annotations

import io
import os
import sys
import traceback
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from ensembles import object_store
from ensembles.errors import wrong_place
from ensembles.store_errors import store_problem
from members.errors import first_line
from orchestrator import stopping
from orchestrator.cli import inference, photos, training, votes, writing
from orchestrator.cli.completing.shells import VARIABLE, answer
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


class Commands(TyperGroup):
    """Typer would print `Aborted!` for an EOFError, which a file that is cut short may raise."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            stopping.interrupted()
            raise
        except EOFError as error:
            raise UnexpectedEnd(f"EOFError: {first_line(error)}") from error


app = typer.Typer(
    help="An ensemble of image classifiers: from photographs to a vote.",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(photos.sample)
app.command()(photos.prepare)
app.command(cls=SeveralValues)(writing.init)
app.command(cls=SeveralValues)(training.check)
app.command("train-members", cls=SeveralValues)(training.train_members)
app.command()(training.status)
app.command(cls=SeveralValues)(votes.vote)
app.command(cls=SeveralValues)(votes.leaderboard)
app.command(cls=SeveralValues)(votes.audit)
app.command(cls=SeveralValues)(inference.predict)
app.command()(inference.serve)
app.command(cls=SeveralValues)(inference.export)
app.command()(votes.evaluate)
app.command()(votes.compare)
app.command()(votes.report)
app.command()(writing.schema)
app.command()(writing.completion)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"ensemble {__version__}\n{', '.join(environment())}")
        raise typer.Exit


@app.callback()
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
        answer(shell, typer.main.get_command(app))
        sys.exit(0)
    for stream in (sys.stdout, sys.stderr):
        # a file name that is no text is shown, and ends nothing
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    object_store.ask_first()
    debug = "--debug" in sys.argv
    arguments = [word for word in sys.argv[1:] if word != "--debug"]
    with stopping.stops():
        try:
            app(arguments, prog_name=called(), standalone_mode=True)
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
