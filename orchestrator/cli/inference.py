"""The commands that use a trained ensemble: predict, export and serve."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from orchestrator.cli.options import Json, RunDir, Sets, Small, VoteName
from orchestrator.cli.output import file_place, folder_place, spec_file
from orchestrator.printing import screen, write_json


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
    bundle: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", help="instead of a run: a folder that `export` wrote, or s3://"
        ),
    ] = None,
    vote: VoteName = None,
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
        bundle=bundle,
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


def export(
    out: Annotated[
        str,
        typer.Option(metavar="DIR", help="the bundle, a new folder; a bundle there: --overwrite"),
    ],
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN]",
            help="a run folder, or s3://, or a SPEC (*.yaml); default: trained last",
        ),
    ] = None,
    format: Annotated[
        Literal["onnx", "torch", "safetensors"],
        typer.Option(
            help="onnx: its predict.py needs numpy, pillow and onnxruntime; torch: programs of "
            "torch.export, it needs torch; safetensors: weights alone, it needs this package"
        ),
    ] = "onnx",
    vote: VoteName = None,
    half: Annotated[
        bool,
        typer.Option("--half", help="weights in 16 bits: half the size; computed is in 32"),
    ] = False,
    zip: Annotated[bool, typer.Option("--zip", help="also DIR.zip, the same in one file")] = False,
    push_to_hub: Annotated[
        str | None,
        typer.Option(
            "--push-to-hub",
            metavar="OWNER/NAME",
            help="also to a repository of the Hugging Face Hub; a new one is private",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="replace a bundle that is there")
    ] = False,
    folds: Annotated[
        Literal["all", "soup", "refit"],
        typer.Option(
            help="all: every fold's and seed's network; soup: one for several, the mean of their "
            "weights, where a score on photos that they have not seen allows it; refit: one a seed, "
            "trained on all rows by train-members --refit"
        ),
    ] = "all",
    judge: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|FOLDER",
            help="with --folds soup, photos with labels that were not trained on: a list with path and "
            "label, answers for the run's photos to predict, or folders named by class",
        ),
    ] = None,
    small: Small = False,
    sets: Sets = None,
    json: Json = None,
) -> None:
    """Write a trained ensemble as one folder: networks, vote, preprocessing, a program and a model card.

    Every network and the vote are compared with what they were made of before the folder appears. It
    answers as `predict` does: `predict --bundle DIR`, or by its own predict.py without this package.
    """
    folder_place(out, "--out")
    from orchestrator.commands.export import Command
    from orchestrator.commands.export import export as export_run

    if run is not None and run.lower().endswith((".yaml", ".yml")):
        run = str(spec_file(Path(run), json))
    command = Command(
        out, run, format, vote, half, zip, push_to_hub, overwrite, small, sets or (), folds, judge
    )
    write_json(json, export_run(command, screen(json)))


def serve(
    place: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN|BUNDLE]",
            help="a run folder or an exported bundle, or s3://; default: the run trained last",
        ),
    ] = None,
    vote: VoteName = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="where to listen")] = 8000,
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="of this machine; beyond the default, which it alone reaches, callers need a token",
        ),
    ] = "127.0.0.1",
    token_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="the token that callers must have; default: ENSEMBLE_SERVE_TOKEN, else none",
        ),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            envvar="RAY_ADDRESS",
            help="serve on this Ray, or auto; else a local one",
        ),
    ] = None,
    replicas: Annotated[int, typer.Option(min=1, help="processes a member")] = 1,
    queue: Annotated[
        int, typer.Option(min=1, help="requests at once; the next are sent away with 503")
    ] = 64,
    write_config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="serve nothing; write a serve.yaml for `serve deploy`, and one for KubeRay beside it",
        ),
    ] = None,
) -> None:
    """Answer over HTTP: POST photographs to /predict, get each one's class by the vote of all members.

    Every member runs in processes of its own, started again where they die. Needs ray[serve] and
    python-multipart. Ctrl-C ends it.
    """
    file_place(write_config, "--write-config")
    from orchestrator.commands.serve import Command
    from orchestrator.commands.serve import serve as serve_ensemble

    command = Command(place, vote, host, port, token_file, address, replicas, queue, write_config)
    serve_ensemble(command, screen())
