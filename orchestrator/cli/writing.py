"""The commands that help to write specs and command lines: schema and completion."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

import typer

from orchestrator.cli.completing.keys import SCHEMA


def schema() -> None:
    """Print the JSON Schema of a spec, for editors: they show each key's meaning and underline mistakes."""
    sys.stdout.write(SCHEMA.read_text(encoding="utf-8"))


def completion(
    shell: Annotated[Literal["bash", "zsh", "fish"], typer.Argument(help="which shell")],
) -> None:
    """Print what a shell reads to complete `ensemble`: commands, options, members, runs and votes."""
    from orchestrator.cli.completing.shells import SCRIPTS

    sys.stdout.write(SCRIPTS[shell])
