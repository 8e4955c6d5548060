"""The commands that make photographs: sample and prepare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.options import Json
from orchestrator.cli.output import folder_place
from orchestrator.errors import WrongRequest
from orchestrator.printing import screen
from orchestrator.program import called


def sample(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="where to draw them")],
    profiles: Annotated[int, typer.Option(help="people to train on, seven photos each")] = 100,
    eval: Annotated[int, typer.Option(help="photos of other people, to be predicted")] = 280,
    seed: Annotated[int, typer.Option(help="another seed, other people")] = 0,
) -> None:
    """Draw sample people in the competition's layout, with the truth in DIR/eval/truth.csv."""
    folder_place(folder, "DIR")
    from members.samples.people import draw_people

    draw_people(folder, profiles=profiles, eval=eval, seed=seed)
    print(f"{profiles} people to train on and {eval} photos to predict are in {folder}.")
    print("They are drawings: good for trying everything out, not for judging a network.")


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
            f"say what is to be prepared: {called()} prepare --remove-background {source} {target}"
        )
    folder_place(target, "DST")
    from orchestrator.commands.prepare import copy_without_background

    copy_without_background(source, target, screen(json), jobs, json)
