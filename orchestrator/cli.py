"""The commands, one function each. Whatever is slow to import is imported inside its function."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer

from .errors import FAILED, INTERRUPTED, WRONG_REQUEST, RunFailed, WrongRequest

app = typer.Typer(
    help="An ensemble of image classifiers: from photographs to a vote.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

SpecFile = Annotated[
    Path, typer.Argument(metavar="SPEC", help="an ensemble file, ensembles/*.yaml")
]
Small = Annotated[bool, typer.Option("--small", help="merge the spec's `small:` block over it")]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="override one key, e.g. members.effnet.lr=1e-3"
    ),
]
RunDir = Annotated[
    str | None,
    typer.Option("--run", metavar="DIR", help="run folder (default runs/<name>), or s3://"),
]
Json = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="the figures, for programs")
]

Mode = Literal["hard", "soft", "weighted"]
Objective = Literal["log_loss", "macro_f1", "accuracy"]
OptionalSpec = Annotated[
    Path | None, typer.Argument(metavar="[SPEC]", help="default: the run trained last")
]


def main() -> NoReturn:
    """Run one command. A wrong request ends with its mistakes and code 2, without a traceback."""
    debug = "--debug" in sys.argv
    sys.argv = _one_flag_each([a for a in sys.argv if a != "--debug"])
    try:
        app(prog_name="python -m orchestrator", standalone_mode=True)
    except SystemExit as end:
        if end.code == INTERRUPTED:
            print("Stopped. Nothing is lost: the same command goes on from here.", file=sys.stderr)
        raise
    except Exception as error:
        if debug:
            traceback.print_exc()
        problems = getattr(error, "problems", None)
        if problems:
            print(_listing(problems), file=sys.stderr)
            sys.exit(WRONG_REQUEST)
        if isinstance(error, RunFailed):
            print(error, file=sys.stderr)
        else:
            print(f"{type(error).__name__}: {error}\n(--debug shows where)", file=sys.stderr)
        sys.exit(FAILED)
    sys.exit(0)


def _one_flag_each(arguments: list[str]) -> list[str]:
    """`--only a b` as `--only a --only b`; so with --submissions and --set."""
    spread, flag = [], None
    for argument in arguments:
        if argument.startswith("-"):
            flag = argument if argument in ("--submissions", "--only", "--set") else None
            spread += [] if flag else [argument]
        elif flag and not argument.endswith((".yaml", ".yml")):
            spread += [flag, argument]
        else:
            spread.append(argument)
    return spread


def _listing(problems: list[str]) -> str:
    if len(problems) == 1:
        return f"error: {problems[0]}"
    return "\n".join([f"{len(problems)} mistakes:", *(f"- {text}" for text in problems)])


def _console():
    from rich.console import Console

    # a file or a pipe has no width of its own: tables need room, lines stay whole
    width = None if sys.stdout.isatty() else 120
    return Console(width=width, soft_wrap=width is not None, highlight=False)


def _store(spec, run: str | None):
    from .store import Store

    return Store(run or f"runs/{spec.name}")


@app.command()
def sample(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="where to draw them")],
    profiles: Annotated[int, typer.Option(help="people to train on, seven photos each")] = 100,
    eval: Annotated[int, typer.Option(help="photos of other people, to be predicted")] = 280,
    seed: Annotated[int, typer.Option(help="another seed, other people")] = 0,
) -> None:
    """Draw sample people in the competition's layout, with the truth in DIR/eval/truth.csv."""
    from members.sample import draw

    draw(folder, profiles=profiles, eval=eval, seed=seed)
    print(f"{profiles} people to train on and {eval} photos to predict are in {folder}.")
    print("They are drawings: good for trying everything out, not for judging a network.")


@app.command()
def check(
    spec: SpecFile, small: Small = False, sets: Sets = None, run: RunDir = None, json: Json = None
) -> None:
    """Validate spec and data and train nothing; exit code 0 only where training would start."""
    from . import checking
    from .spec import load

    loaded = load(spec, small=small, sets=sets or ())
    checking.check(loaded, _store(loaded, run), _console(), json)


@app.command("train-members")
def train_members(
    spec: SpecFile,
    small: Small = False,
    sets: Sets = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="MEMBER", help="this member alone (repeatable)")
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", envvar="RAY_ADDRESS", help="join this Ray; else a local one"
        ),
    ] = None,
    run: RunDir = None,
) -> None:
    """Search, train every fold of every member, write the tables; again: do what is missing."""
    from .search_space import STOPPED
    from .spec import load
    from .training import train_members

    loaded = load(spec, small=small, sets=sets or ())
    store, console = _store(loaded, run), _console()
    outcome = train_members(loaded, store, console, only=only or (), address=address)
    if not outcome.trained and not outcome.failures:
        console.print(
            f"Nothing to do: all {outcome.already} units are trained. Tables: {store.uri('tables')}"
        )
    else:
        console.print(
            f"{outcome.trained} units trained, {outcome.already} were done before, "
            f"{outcome.seconds:.0f} s. "
            f"Tables of {len(outcome.tables)} members: {store.uri('tables')}"
        )
    for name in outcome.left_out:
        console.print(f"{name} is left out of the vote: {STOPPED}")
    if outcome.failures:
        listing = "\n".join(f"- {what}: {why}" for what, why in outcome.failures.items())
        raise RunFailed(
            f"{len(outcome.failures)} failed:\n{listing}\n"
            "The rest is done and kept. Change the settings and run the same command again."
        )
    console.print(f"Next: python -m orchestrator vote {spec}{' --small' if small else ''}")


@app.command()
def vote(
    spec: OptionalSpec = None,
    mode: Annotated[Mode | None, typer.Option(help="default: the spec's")] = None,
    objective: Annotated[
        Objective | None, typer.Option(help="what weights are fitted for; default: the spec's")
    ] = None,
    small: Small = False,
    sets: Sets = None,
    run: RunDir = None,
    tables: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="tables made elsewhere, DIR/<member>/oof.parquet"),
    ] = None,
    submissions: Annotated[
        list[Path] | None, typer.Option(metavar="CSV ...", help="submission files made elsewhere")
    ] = None,
    out: Annotated[str | None, typer.Option(metavar="DIR", help="where the vote goes")] = None,
    json: Json = None,
) -> None:
    """Combine the members' predictions: hard, soft, or with weights fitted to their OOF rows."""
    import ensembles

    from . import voting

    given = [
        name
        for name, value in (
            ("SPEC", spec),
            ("--run", run),
            ("--tables", tables),
            ("--submissions", submissions),
        )
        if value
    ]
    if len(given) > 1 and given != ["SPEC", "--run"]:
        raise WrongRequest(f"give one of SPEC, --run, --tables and --submissions, not {given}")
    if submissions:
        if mode not in (None, "hard"):
            raise WrongRequest(f"submissions hold labels only: --mode hard, not {mode}")
        result = ensembles.cast_submissions(list(map(str, submissions)))
        where = ""
    elif tables:
        oof, test = (ensembles.read_members(tables, kind) for kind in ("oof", "test"))
        result = ensembles.cast(oof, test, mode or "weighted", objective or "macro_f1")
        where = ""
    else:
        found = voting.find_run(spec, small, sets or (), run)
        result = voting.vote_on_run(found, mode, objective)
        where = found.store.root + "/"
    paths = result.write(out or where + voting.vote_folder(result))
    voting.show_vote(result, _console(), paths)
    _write_json(json, result.record())


@app.command()
def leaderboard(
    spec: OptionalSpec = None,
    truth: Annotated[
        Path | None, typer.Option(metavar="CSV", help="ImageID,ans of the test part, where known")
    ] = None,
    small: Small = False,
    sets: Sets = None,
    run: RunDir = None,
    json: Json = None,
) -> None:
    """Members and votes of a run side by side."""
    from . import voting

    found = voting.find_run(spec, small, sets or (), run)
    rows = voting.leaderboard(found, truth)
    voting.show_leaderboard(found, rows, _console())
    _write_json(json, rows)


@app.command()
def evaluate(
    predictions: Annotated[str, typer.Argument(metavar="PREDICTIONS", help="submission or table")],
    truth: Annotated[str, typer.Option(metavar="CSV", help="ImageID,ans with the right answers")],
    json: Json = None,
) -> None:
    """Accuracy and macro F1, by class and by target, of predictions whose truth is known."""
    import ensembles

    from . import voting

    report = ensembles.evaluate(predictions, truth)
    voting.show_evaluation(report, _console())
    _write_json(json, report)


@app.command()
def compare(
    submissions: Annotated[
        list[str], typer.Argument(metavar="CSV CSV ...", help="submission files")
    ],
    json: Json = None,
) -> None:
    """How far submissions agree; says when two are the same."""
    import ensembles

    from . import voting

    report = ensembles.compare(submissions)
    voting.show_comparison(report, _console())
    _write_json(json, report)


def _write_json(file: Path | None, value: object) -> None:
    if file:
        from json import dumps

        file.write_text(dumps(value, indent=2, ensure_ascii=False) + "\n")
