"""The commands that use a trained ensemble: predict."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.options import Json, RunDir, Sets, Small
from orchestrator.cli.output import file_place, spec_file
from orchestrator.screens.console import screen, write_json


def predict(
    photos: Annotated[
        list[str],
        typer.Argument(
            metavar="[SPEC] PHOTOS...",
            help="photos, folders, patterns, a CSV or Parquet with a column path, s3:// prefixes, or - "
            "for a list on standard input; a SPEC (*.yaml) may stand before them",
        ),
    ],
    run: RunDir = None,
    vote: Annotated[
        str | None,
        typer.Option(
            metavar="VOTE", help="a vote of the run by its folder's name, default: the spec's own"
        ),
    ] = None,
    out: Annotated[
        str,
        typer.Option(metavar="FILE", help="the answers, *.parquet or *.csv: both are written"),
    ] = "predictions.parquet",
    members: Annotated[
        bool, typer.Option("--members", help="also each member's table, below FILE-members/")
    ] = False,
    lazy: Annotated[
        bool,
        typer.Option(
            "--lazy",
            help="ask the cheapest and weightiest members first, and no more of them about a photo whose "
            "class the others cannot change",
        ),
    ] = False,
    budget_ms: Annotated[
        float | None,
        typer.Option(
            "--budget-ms",
            metavar="MS",
            help="the best sub-ensemble by its nested score that takes at most so many milliseconds a "
            "photo here; its vote is fitted anew",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="replace answers that are there")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="end with 1 where a photo could not be read")
    ] = False,
    device: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="cpu, cuda, cuda:1, ...; default: a GPU where there is one"
        ),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="ask on this Ray; local: on one that is started here"
        ),
    ] = None,
    small: Small = False,
    sets: Sets = None,
    json: Json = None,
) -> None:
    """Ask a trained ensemble about photographs: each one's class, by the vote of its members.

    It needs the run's folder and nothing else: neither the photographs that it was trained on nor Ray,
    and it changes nothing there. A photo that cannot be read is a row with what is wrong with it.
    """
    file_place(out, "--out")
    if address is None and os.environ.get("RAY_ADDRESS"):
        print("note: RAY_ADDRESS is not read by predict; --address asks on a Ray", file=sys.stderr)
    from orchestrator.commands.predict import SPECS, Command
    from orchestrator.commands.predict import predict as predict_photos

    spec = None
    if photos and photos[0].lower().endswith(SPECS):
        spec, photos = spec_file(Path(photos[0]), json), photos[1:]
    command = Command(
        photos=photos,
        spec=spec,
        run=run,
        vote=vote,
        out=out,
        members=members,
        lazy=lazy,
        budget_ms=budget_ms,
        overwrite=overwrite,
        strict=strict,
        device=device,
        address=address,
        small=small,
        sets=sets or (),
    )
    write_json(json, predict_photos(command, screen(json)))
