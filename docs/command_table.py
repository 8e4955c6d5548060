"""The commands with their arguments and options, from the command line's own functions."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from typing import Any, Literal

import typer

from docs.markdown import code, table
from orchestrator.cli import app


def callbacks() -> dict[str, Callable[..., None]]:
    """Command -> its function."""
    return {
        (command.name or command.callback.__name__).replace("_", "-"): command.callback
        for command in app.commands().registered_commands
    }


def parameters(function: Callable[..., None]) -> list[tuple[str, str, str]]:
    """(argument or option, default, help) of one command."""
    hints = typing.get_type_hints(function, include_extras=True)
    rows = []
    for name, parameter in inspect.signature(function).parameters.items():
        type_, info = typing.get_args(hints[name])
        values = [t for t in typing.get_args(type_) if t is not type(None)]
        several = any(typing.get_origin(t) is list for t in [type_, *values])
        shown = info.metavar or (values_of(type_) if type_ is not bool else "")
        text = info.help or ""
        if isinstance(info, typer.models.OptionInfo):
            # typer takes the first name for a default, as it stands in the default's place
            given = [info.default, *(info.param_decls or ())]
            given = [text for text in given if isinstance(text, str) and text.startswith("-")]
            flag = next(iter(given), f"--{name.replace('_', '-')}")
            shown = f"{flag} {shown.removesuffix(' ...')}".strip()
            text += " (repeatable)" if several and "repeatable" not in text else ""
        if info.envvar:
            text += f" (environment: `{info.envvar}`)"
        given = parameter.default
        if given is inspect.Parameter.empty:
            value = "**required**"
        else:
            value = code(str(given)) if not isinstance(given, bool) and given is not None else ""
        rows.append((shown, value, text))
    return rows


def values_of(type_: Any) -> str:
    """What an option without a metavar takes: `hard|soft|weighted`, N, X or TEXT."""
    inner = typing.get_args(type_)
    if typing.get_origin(type_) is Literal:
        return "|".join(map(str, inner))
    if inner:
        return values_of(inner[0])
    return {int: "N", float: "X"}.get(type_, "TEXT")


def commands() -> str:
    parts = []
    for name, function in callbacks().items():
        rows = [(code(shown), value, text) for shown, value, text in parameters(function)]
        arguments = [shown for shown, _, _ in parameters(function) if not shown.startswith("-")]
        usage = " ".join(["python -m orchestrator", name, *arguments, "[OPTIONS]"])
        parts += [
            f"## {code(name)}",
            " ".join(inspect.getdoc(function).split()),
            f"```text\n{usage}\n```",
            *([table(("argument or option", "default", "meaning"), rows)] if rows else []),
        ]
    return "\n\n".join(parts)
