"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from orchestrator.cli.output import json_place

SpecFile = Annotated[
    Path, typer.Argument(metavar="SPEC", help="an ensemble file, ensembles/*.yaml")
]
Small = Annotated[bool, typer.Option("--small", help="merge the spec's `small:` block over it")]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE ...", help="override keys, e.g. members.effnet.lr=1e-3"
    ),
]
RunDir = Annotated[
    str | None,
    typer.Option("--run", metavar="DIR", help="run folder (default runs/<name>), or s3://"),
]
VoteName = Annotated[
    str | None,
    typer.Option(
        metavar="VOTE", help="a vote of the run by its folder's name, default: the spec's own"
    ),
]
Json = Annotated[
    Path | None,
    typer.Option(
        "--json",
        metavar="FILE",
        callback=json_place,
        help="the figures, for programs; - is standard output",
    ),
]

# as in `ensembles.voting.request`, which is slow to import; a test holds that they agree
Mode = Literal["hard", "soft", "weighted"]
Pool = Literal["linear", "log_linear"]
Prior = Literal["test"]
OptionalSpec = Annotated[
    Path | None, typer.Argument(metavar="[SPEC]", help="default: the run trained last")
]
IdColumn = Annotated[
    list[str] | None,
    typer.Option(
        "--id-column", metavar="NAME", help="the column of the ids, in files that have it"
    ),
]
AnswerColumn = Annotated[
    list[str] | None,
    typer.Option(
        "--answer-column", metavar="NAME", help="the column of the answers, in files that have it"
    ),
]
