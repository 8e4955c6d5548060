"""What may come next: commands, options and their values, members, runs, votes, keys of a spec."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from orchestrator.cli.completing import found, keys
from orchestrator.cli.completing.line import Line, read_line


@dataclass(frozen=True)
class Candidate:
    """A word that may stand there, and what it means."""

    value: str
    text: str = ""

    def line(self) -> str:
        """Both, with a tab between."""
        return f"{self.value}\t{' '.join(self.text.split())}" if self.text else self.value


def candidates(group: Any, words: list[str]) -> list[Candidate]:
    """Those that begin with the last word, which is being written; none: files may follow.

    group: the commands, as Typer has them. words: behind the program's name, at least one.
    """
    *before, written = words
    name = next((word for word in before if not word.startswith("-")), None)
    if name is None:
        every = [Candidate(n, _first_line(own)) for n, own in group.commands.items()]
        if written.startswith("-"):
            every = [*_flags(group), Candidate("--debug", "show where an error comes from")]
        return _beginning(every, written)
    command = group.commands.get(name)
    if command is None:
        return []
    line = read_line(command, before[before.index(name) + 1 :])
    flag, equals, value = written.partition("=")
    option = line.options.get(flag)
    if equals and option is not None:
        of_value = _beginning(_values(option, line, value), value)
        return [Candidate(f"{flag}={own.value}", own.text) for own in of_value]
    if written.startswith("-") and not line.lacks_value:
        return _beginning(_flags(command, line), written)
    every = _values(line.open, line, written) if line.open is not None else []
    if not line.lacks_value and line.argument is not None:
        every += _arguments(line.argument, line, written)
    return _beginning(every, written)


def _beginning(every: Iterable[Candidate], written: str) -> list[Candidate]:
    return [own for own in every if own.value.startswith(written)]


def _first_line(command: Any) -> str:
    return (command.help or "").split("\n\n")[0]


def _flags(command: Any, line: Line | None = None) -> list[Candidate]:
    """Options that may still be given; the long name of each."""
    given = line.given if line else {}
    every = []
    for param in command.params:
        if param.param_type_name != "option" or (id(param) in given and not param.multiple):
            continue
        flags = [*param.opts, *param.secondary_opts]
        every += [Candidate(f, param.help or "") for f in flags if f.startswith("--")]
    return [*every, Candidate("--help", "show what the command takes")]


def _values(option: Any, line: Line, written: str) -> list[Candidate]:
    """What the option takes; none where that may be any text or file."""
    if choices := _choices(option, line):
        return [Candidate(own) for own in choices]
    for flag in option.opts:
        if flag in _OF_OPTIONS:
            taken = line.given.get(id(option), ())
            return [own for own in _OF_OPTIONS[flag](line, written) if own.value not in taken]
    return []


def _choices(param: Any, line: Line) -> list[str]:
    """The values of a parameter that takes a few only, by its type in the command's function."""
    hint = typing.get_type_hints(line.function).get(param.name)
    every = [hint, *typing.get_args(hint)]
    of_all = [one for own in every if typing.get_origin(own) is typing.Literal
              for one in typing.get_args(own)]  # fmt: skip
    return list(map(str, of_all))


def _arguments(argument: Any, line: Line, written: str) -> list[Candidate]:
    if choices := _choices(argument, line):
        return [Candidate(own) for own in choices]
    shown = argument.metavar or ""
    every = _runs(line, written) if "RUN" in shown else []
    if "SPEC" in shown or "[RUN]" in shown:
        known = {own.value.rstrip("/") for own in every}
        every += [own for own in _specs(line, written) if own.value.rstrip("/") not in known]
    return every


def _specs(line: Line, written: str) -> list[Candidate]:
    own = found.files(written, (".yaml", ".yml"))
    return [Candidate(path) for path in dict.fromkeys([*own, *found.shipped_specs()])]


def _runs(line: Line, written: str) -> list[Candidate]:
    runs = found.runs()
    others = [own for own in found.folders(written) if own.rstrip("/") not in runs]
    return [Candidate(path) for path in [*runs, *others]]


def _members(line: Line, written: str) -> list[Candidate]:
    return [Candidate(name) for name in found.networks(line)]


def _weights(line: Line, written: str) -> list[Candidate]:
    return [Candidate(f"{name}=") for name in found.voters(line)]


def _votes(line: Line, written: str) -> list[Candidate]:
    return [Candidate(name) for name in found.votes(line)]


def _objectives(line: Line, written: str) -> list[Candidate]:
    return [Candidate(name) for name in keys.names("VoteRequest", "objective")]


def _kinds(line: Line, written: str) -> list[Candidate]:
    return [Candidate(name) for name in keys.names("VoteRequest", "choice")]


def _keys(line: Line, written: str) -> list[Candidate]:
    """Of a spec, one level further than what is written: `folds.`, then `folds.k=`."""
    if "=" in written:
        return []
    above = written.split(".")[:-1]
    if above == ["members"]:
        return [Candidate(f"members.{name}.") for name in found.named(line)]
    start = "".join(f"{part}." for part in above)
    return [
        Candidate(f"{start}{key}{'.' if below else '='}", text)
        for key, (text, below) in keys.keys(above).items()
    ]


_OF_OPTIONS: dict[str, Callable[[Line, str], list[Candidate]]] = {
    "--first": _members,
    "--only": _members,
    "--weights": _weights,
    "--run": _runs,
    "--bundle": lambda line, written: [Candidate(own) for own in found.folders(written)],
    "--vote": _votes,
    "--set": _keys,
    "--objective": _objectives,
    "--choice": _kinds,
}
