"""The commands that help to write specs and command lines: init, schema and completion."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from orchestrator.cli.completing.keys import SCHEMA
from orchestrator.cli.options import Json
from orchestrator.cli.output import file_place
from orchestrator.errors import WrongRequest
from orchestrator.printing import screen, write_json

_MOST_HOURS = 10_000


def init(
    photos: Annotated[
        Path, typer.Argument(metavar="PHOTOS", help="a folder of photographs, or a list of them")
    ],
    test: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="photographs to predict: a folder, or a list"),
    ] = None,
    hours: Annotated[
        float | None,
        typer.Option(metavar="H", help="how long train-members may take (default: 1)"),
    ] = None,
    trial: Annotated[
        bool,
        typer.Option("--try", help="the smallest networks, for a first try of a minute or so"),
    ] = False,
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="the spec to write; its name is the run's")
    ] = Path("ensemble.yaml"),
    force: Annotated[bool, typer.Option("--force", help="write over a file that is there")] = False,
    device: Annotated[
        Literal["auto", "cpu", "cuda"],
        typer.Option(help="what trains; auto: the GPUs where there are any"),
    ] = "auto",
    weights: Annotated[
        Literal["auto", "yes", "no"],
        typer.Option(help="start from published weights; auto: where they can be had"),
    ] = "auto",
    layout: Annotated[
        Literal["profiles", "table", "folders"] | None,
        typer.Option(help="how labels are found (default: as it looks)"),
    ] = None,
    image: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="of a list: the photographs' paths")
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN ...", help="of a list: the classes; several of 0 and 1, one a class"
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="of a list: what must stay in one fold, e.g. a patient"
        ),
    ] = None,
    json: Json = None,
) -> None:
    """Look at photographs, machine and time, and write a commented spec that fits them.

    A few training steps of each network are timed on this machine. No photograph is changed.
    """
    problems = []
    if trial and hours is not None:
        problems.append(
            "--try takes as long as its networks do, and --hours allows a time: give one"
        )
    if hours is not None and not 0 < hours <= _MOST_HOURS:
        problems.append(
            f"--hours {hours:g}: must be above 0 and at most {_MOST_HOURS}, e.g. 0.5 for half an hour"
        )
    if out.suffix.lower() not in (".yaml", ".yml"):
        problems.append(f"--out {out}: a spec is a YAML file. Give a name that ends in .yaml")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", out.stem):
        problems.append(
            f"--out {out}: the spec is called as its file, which names the run folder: letters, digits, "
            "'.', '_' and '-', beginning with a letter or digit"
        )
    if problems:
        raise WrongRequest(problems)
    file_place(out, "--out")
    if out.exists() and not force:
        raise WrongRequest(
            f"--out {out}: is there already. Give another name, or --force to write over it."
        )
    from orchestrator.commands.setup.init import HOURS, Request, write_first_spec
    from orchestrator.first_spec.layout import Asked

    given = {
        "image": [image] if image else [],
        "label": label or [],
        "group": [group] if group else [],
    }
    asked = Asked(test, layout, {role: names for role, names in given.items() if names})
    allowed = None if trial else HOURS if hours is None else hours
    request = Request(photos, asked, out, allowed, device, weights, name=out.stem)
    write_json(json, write_first_spec(request, screen(json)))


def schema() -> None:
    """Print the JSON Schema of a spec, for editors: they show each key's meaning and underline mistakes."""
    sys.stdout.write(SCHEMA.read_text(encoding="utf-8"))


def completion(
    shell: Annotated[Literal["bash", "zsh", "fish"], typer.Argument(help="which shell")],
) -> None:
    """Print what a shell reads to complete `ensemble`: commands, options, members, runs and votes."""
    from orchestrator.cli.completing.shells import SCRIPTS

    sys.stdout.write(SCRIPTS[shell])
