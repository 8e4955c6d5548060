"""The commands, one function each. Whatever is slow to import is imported inside its function."""

from __future__ import annotations

import shlex
import sys
import traceback
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from orchestrator.cli.options import Json, Mode, OptionalSpec, Pool, RunDir, Sets, Small, SpecFile
from orchestrator.cli.several_values import SeveralValues
from orchestrator.errors import FAILED, INTERRUPTED, WRONG_REQUEST, RunFailed, WrongRequest

app = typer.Typer(
    help="An ensemble of image classifiers: from photographs to a vote.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main() -> NoReturn:
    """Run one command. A wrong request ends with its mistakes and code 2, without a traceback."""
    debug = "--debug" in sys.argv
    arguments = [word for word in sys.argv[1:] if word != "--debug"]
    try:
        app(arguments, prog_name="python -m orchestrator", standalone_mode=True)
    except SystemExit as end:
        if end.code == INTERRUPTED and "--new-run" not in sys.argv:
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


def _listing(problems: list[str]) -> str:
    if len(problems) == 1:
        return f"error: {problems[0]}"
    return "\n".join([f"{len(problems)} mistakes:", *(f"- {text}" for text in problems)])


def _console():
    from rich.console import Console

    # a file or a pipe has no width of its own: tables need room, lines stay whole
    width = None if sys.stdout.isatty() else 120
    return Console(width=width, soft_wrap=width is not None, highlight=False)


def _with_run(run: str) -> str:
    """This very command for the run folder `run` instead of a new one."""
    words = [word for word in sys.argv[1:] if word != "--new-run"]
    return shlex.join(["python", "-m", "orchestrator", *words, "--run", run])


@app.command()
def sample(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="where to draw them")],
    profiles: Annotated[int, typer.Option(help="people to train on, seven photos each")] = 100,
    eval: Annotated[int, typer.Option(help="photos of other people, to be predicted")] = 280,
    seed: Annotated[int, typer.Option(help="another seed, other people")] = 0,
) -> None:
    """Draw sample people in the competition's layout, with the truth in DIR/eval/truth.csv."""
    from members.samples.people import draw_people

    draw_people(folder, profiles=profiles, eval=eval, seed=seed)
    print(f"{profiles} people to train on and {eval} photos to predict are in {folder}.")
    print("They are drawings: good for trying everything out, not for judging a network.")


@app.command()
def prepare(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="a folder of photos")],
    target: Annotated[Path, typer.Argument(metavar="DST", help="the folder for their copy")],
    remove_background: Annotated[
        bool, typer.Option("--remove-background", help="keep the person, make the rest black")
    ] = False,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="photos at once (default: one a CPU)")
    ] = None,
    json: Json = None,
) -> None:
    """Copy a folder of photos, changed; run again, it makes what is new or missing."""
    if not remove_background:
        raise WrongRequest(
            "say what is to be prepared: "
            f"python -m orchestrator prepare --remove-background {source} {target}"
        )
    from orchestrator.commands.prepare import prepare

    prepare(source, target, _console(), jobs, json)


@app.command(cls=SeveralValues)
def check(
    spec: SpecFile, small: Small = False, sets: Sets = None, run: RunDir = None, json: Json = None
) -> None:
    """Validate spec and data and train nothing; exit code 0 only where training would start."""
    from orchestrator.commands import check as checking
    from orchestrator.runs import folders
    from orchestrator.spec import load

    loaded = load(spec, small=small, sets=sets or ())
    checking.check(loaded, folders.to_train(loaded.name, run), _console(), json)


@app.command("train-members", cls=SeveralValues)
def train_members(
    spec: SpecFile,
    small: Small = False,
    sets: Sets = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="MEMBER ...", help="these members alone")
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", envvar="RAY_ADDRESS", help="join this Ray; else a local one"
        ),
    ] = None,
    run: RunDir = None,
    new_run: Annotated[
        bool,
        typer.Option("--new-run", help="from nothing, into runs/<name>-2, runs/<name>-3, ..."),
    ] = False,
) -> None:
    """Search, train every fold of every member, write the tables; again: do what is missing."""
    from orchestrator.commands.train_members import train_members
    from orchestrator.runs import folders
    from orchestrator.spec import load
    from orchestrator.spec.search import STOPPED

    if run and new_run:
        raise WrongRequest("--run names the run folder and --new-run finds a new one: give one")
    loaded, console = load(spec, small=small, sets=sets or ()), _console()
    again = "run the same command again."
    if new_run:
        run = folders.new_run(loaded.name)
        again = f"go on with: {_with_run(run)}"
        console.print(f"A new run: {run}. If it stops before its end, {again}", markup=False)
    store = folders.to_train(loaded.name, run)
    try:
        outcome = train_members(loaded, store, console, only=only or (), address=address)
    except KeyboardInterrupt:
        if new_run:
            print(f"\nStopped. Nothing is lost: {again}", file=sys.stderr)
        raise
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
            f"The rest is done and kept. Change the settings and {again}"
        )
    where = (" --small" if small else "") + (f" --run {run}" if run else "")
    console.print(f"Next: python -m orchestrator vote {spec}{where}", markup=False)


@app.command(cls=SeveralValues)
def vote(
    spec: OptionalSpec = None,
    mode: Annotated[Mode | None, typer.Option(help="default: the spec's")] = None,
    objective: Annotated[
        str | None,
        typer.Option(
            help="what weights are fitted for: log_loss, macro_f1, accuracy, balanced_accuracy, mcc, "
            "quadratic_kappa or roc_auc, or of one target as macro_f1:age; default: the spec's, "
            "else the kind of vote is chosen"
        ),
    ] = None,
    small: Small = False,
    sets: Sets = None,
    run: RunDir = None,
    tables: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="tables made elsewhere, DIR/<member>/oof.parquet"),
    ] = None,
    submissions: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="CSV ...",
            help="submission files: labels (--mode hard) or a column a class (--mode soft)",
        ),
    ] = None,
    out: Annotated[str | None, typer.Option(metavar="DIR", help="where the vote goes")] = None,
    pool: Annotated[
        Pool | None,
        typer.Option(help="arithmetic or geometric mean; default: linear"),
    ] = None,
    offsets: Annotated[
        bool | None,
        typer.Option("--offsets/--no-offsets", help="fit a log-prior for each class, bagged"),
    ] = None,
    temperature: Annotated[
        bool | None,
        typer.Option(
            "--temperature/--no-temperature", help="fit one temperature after the average"
        ),
    ] = None,
    ridge: Annotated[
        float | None, typer.Option(help="pull to equal weights, in photographs")
    ] = None,
    negative: Annotated[
        bool | None,
        typer.Option("--negative/--no-negative", help="weights of any sign (log_linear only)"),
    ] = None,
    top: Annotated[int | None, typer.Option(help="the best so many members only")] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option("--weights", metavar="MEMBER=W ...", help="fixed weights, hard and soft"),
    ] = None,
    why: Annotated[
        str | None, typer.Option(metavar="IMAGE_ID", help="how this photograph was decided")
    ] = None,
    pareto: Annotated[
        bool, typer.Option("--pareto", help="score against cost, the cheapest as good as the best")
    ] = False,
    address: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="spread ranges of rows over this Ray"),
    ] = None,
    json: Json = None,
) -> None:
    """Combine the members' predictions: hard, soft, or with weights fitted to their OOF rows.

    The spec's `vote:` says how; each option here comes before the spec's. A --mode that is not the
    spec's takes none of its other options.
    """
    given = locals()
    from orchestrator.commands import vote as vote_command

    command = vote_command.Command.of(given)
    _write_json(json, vote_command.vote(command, _console()))


@app.command(cls=SeveralValues)
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
    from orchestrator.runs import run as voting

    found = voting.find_run(spec, small, sets or (), run)
    rows = voting.leaderboard(found, truth)
    voting.show_leaderboard(found, rows, _console())
    _write_json(json, rows)


@app.command()
def evaluate(
    predictions: Annotated[
        str | None,
        typer.Argument(
            metavar="[PREDICTIONS]",
            help="submission or table (default: $SM_OUTPUT_DATA_DIR/submission.csv)",
        ),
    ] = None,
    truth: Annotated[
        str | None,
        typer.Option(
            metavar="CSV",
            help="ImageID,ans with the right answers (default: in $SM_GROUND_TRUTH_DIR)",
        ),
    ] = None,
    json: Json = None,
) -> None:
    """Accuracy and macro F1, by class and by target, of predictions whose truth is known."""
    import ensembles
    from orchestrator.runs import folders
    from orchestrator.runs import run as voting

    report = ensembles.evaluate(*folders.to_evaluate(predictions, truth))
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
    from orchestrator.runs import run as voting

    report = ensembles.compare(submissions)
    voting.show_comparison(report, _console())
    _write_json(json, report)


def _write_json(file: Path | None, value: object) -> None:
    if file:
        from ensembles.files import places

        places.write_json(file, value)
