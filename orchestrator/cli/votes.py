"""The commands that combine and score predictions: vote, leaderboard,
evaluate, compare and report."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from orchestrator.cli.options import (
    AnswerColumn,
    IdColumn,
    Json,
    Mode,
    OptionalSpec,
    Pool,
    Prior,
    RunDir,
    Sets,
    Small,
    VoteName,
)
from orchestrator.cli.output import file_place, folder_place, spec_file, spec_or_run
from orchestrator.cli.threads import one_blas_thread
from orchestrator.printing import screen, write_json


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
    overrides: Sets = None,
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
    id_column: IdColumn = None,
    answer_column: AnswerColumn = None,
    answers: Annotated[
        Literal["numbers", "names"] | None,
        typer.Option(help="what submission.csv shows for the classes; default: numbers"),
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
    common_rows: Annotated[
        bool | None,
        typer.Option(
            "--common-rows/--no-common-rows", help="vote over the rows that all members have"
        ),
    ] = None,
    missing_rows: Annotated[
        bool | None,
        typer.Option(
            "--missing-rows/--no-missing-rows",
            help="log-loss weights from all OOF rows, each by the members that have it",
        ),
    ] = None,
    choice: Annotated[
        str | None,
        typer.Option(
            metavar="mean|simplest|KIND",
            help="how a weighted vote without further options is made of many fitted kinds: the mean of "
            "those near the best in --objective (the default, by macro F1), the simplest of those as "
            "good, or one kind by its name, 'ridge pool' say",
        ),
    ] = None,
    prior: Annotated[
        Prior | None,
        typer.Option(help="correct the answers for the class shares of the test rows"),
    ] = None,
    sets: Annotated[
        float | None,
        typer.Option(
            "--sets",
            metavar="SHARE",
            help="write sets.csv: the smallest sets of classes that hold the true one in this share "
            "of cases",
        ),
    ] = None,
    unknown: Annotated[
        float | None,
        typer.Option(
            "--unknown",
            metavar="P",
            help="write unknown.csv: the answers, unknown in place of those less probable than this",
        ),
    ] = None,
    why: Annotated[
        list[str] | None,
        typer.Option(
            metavar="IMAGE_ID ...",
            help="how these photographs were decided; worst, or worst:N: the 6, or N, held-out ones that "
            "the members find hardest",
        ),
    ] = None,
    picture: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="with --why: a PNG or JPEG of where the members look in them, side by side, and the mean "
            "by the vote's weights",
        ),
    ] = None,
    of_class: Annotated[
        str | None,
        typer.Option(
            metavar="CLASS|member",
            help="with --picture: the class that the maps are of, or each member's own; default: the vote's",
        ),
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
    given = {**locals(), "spec": spec and spec_file(spec, json)}
    one_blas_thread()
    folder_place(out, "--out")
    file_place(picture, "--picture")
    if address is None and os.environ.get("RAY_ADDRESS"):
        print(
            "note: RAY_ADDRESS is not read by vote; --address spreads it over a Ray",
            file=sys.stderr,
        )
    from orchestrator.commands.vote import cast
    from orchestrator.commands.vote_options import Command

    write_json(json, cast(Command.of(given), screen(json)))


def leaderboard(
    spec: OptionalSpec = None,
    truth: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV", help="ImageID,ans of the test part; default: the run's own labels of it"
        ),
    ] = None,
    small: Small = False,
    sets: Sets = None,
    run: RunDir = None,
    json: Json = None,
) -> None:
    """Members and votes of a run side by side."""
    one_blas_thread()
    from orchestrator.commands.leaderboard import standings
    from orchestrator.commands.run import find_run
    from orchestrator.screens.leaderboard import show_leaderboard

    run_of = find_run(spec and spec_file(spec, json), small, sets or (), run)
    rows = standings(run_of, truth)
    show_leaderboard(run_of.spec.name, run_of.store, rows, screen(json))
    write_json(json, rows)


def audit(
    of: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN|SPEC]",
            help="a run folder, s3://, or a spec; default: the run trained last",
        ),
    ] = None,
    small: Small = False,
    sets: Sets = None,
    run: RunDir = None,
    out: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="where the files go; default: audit/ in the run folder"),
    ] = None,
    top: Annotated[int, typer.Option(min=1, max=1000, help="photographs on the sheets")] = 60,
    json: Json = None,
) -> None:
    """Labels of the training photographs that are probably wrong, by members that did not learn them.

    Writes all rows ranked, corrections as specs take them, and sheets of photographs to look at.
    """
    from orchestrator.commands.pages.audit import audit as audit_run
    from orchestrator.commands.run import find_run

    folder_place(out, "--out")
    spec, run = spec_or_run(of, run, json)
    run_of = find_run(spec, small, sets or (), run)
    write_json(json, audit_run(run_of, out, top, screen(json)))


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
            help="ImageID,ans with the right answers (default: in $SM_GROUND_TRUTH_DIR, else the labels "
            "that the run or the table knows)",
        ),
    ] = None,
    id_column: IdColumn = None,
    answer_column: AnswerColumn = None,
    truth_column: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="the column of the right answers, of the truth only"),
    ] = None,
    json: Json = None,
) -> None:
    """Accuracy and macro F1, by class and by target, of predictions whose truth is known."""
    one_blas_thread()
    import ensembles
    from ensembles.files.submissions.columns import Columns
    from orchestrator.runs import folders
    from orchestrator.runs.labels import known_labels, run_around
    from orchestrator.runs.standing import with_standing
    from orchestrator.screens.evaluation import show_evaluation

    file, right = folders.to_evaluate(predictions, truth)
    columns = Columns(tuple(id_column or ()), tuple(answer_column or ()))
    run = run_around(file)
    known = known_labels(run) if run else None
    report = with_standing(
        [file],
        lambda: ensembles.evaluate(file, right, columns, truth_column, known),
    )
    show_evaluation(report, screen(json))
    write_json(json, report)


def compare(
    submissions: Annotated[
        list[str], typer.Argument(metavar="CSV CSV ...", help="submission files")
    ],
    id_column: IdColumn = None,
    answer_column: AnswerColumn = None,
    json: Json = None,
) -> None:
    """How far submissions agree; says when two are the same."""
    one_blas_thread()
    import ensembles
    from ensembles.files.submissions.columns import Columns
    from orchestrator.runs.standing import with_standing
    from orchestrator.screens.evaluation import show_comparison

    columns = Columns(tuple(id_column or ()), tuple(answer_column or ()))
    report = with_standing(submissions, lambda: ensembles.compare(submissions, columns))
    show_comparison(report, screen(json))
    write_json(json, report)


def report(
    folder: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help="a run folder, or s3://; default: trained last"),
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(metavar="CSV", help="ImageID,ans of the test part, where known")
    ] = None,
    vote: VoteName = None,
    out: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="where the page goes; default: report.html of the run"),
    ] = None,
    maps: Annotated[
        bool,
        typer.Option(
            "--maps", help="show where the vote and its members look in the hardest photographs"
        ),
    ] = False,
    json: Json = None,
) -> None:
    """One HTML page of a run: scores, curves, errors, hardest photographs, suspicious labels.

    It needs no other file and no network. `train-members` and `vote` write it at their end.
    """
    file_place(out, "--out")
    from orchestrator.commands.pages.report import write_report
    from orchestrator.commands.run import find_run

    console = screen(json)
    run = find_run(None, False, (), folder)
    found = write_report(run, truth, vote, out, maps=console if maps else None)
    console.print(f"report: {found['report']} ({found['bytes'] / 1e6:.1f} MB)")
    write_json(json, found)
