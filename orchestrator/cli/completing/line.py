"""A command line that is not whole yet: which options it has, and whose value comes next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Line:
    """function: of the command. options: flag -> parameter. given: id of a parameter -> its values.

    arguments: those given. open: the option whose value may come next; lacks_value: it must.
    argument: the one that may.
    """

    function: Callable[..., Any]
    options: dict[str, Any]
    given: dict[int, list[str]] = field(default_factory=dict)
    arguments: list[str] = field(default_factory=list)
    open: Any = None
    lacks_value: bool = False
    argument: Any = None

    def value(self, flag: str) -> str | None:
        """What was given for the option last."""
        option = self.options.get(flag)
        values = self.given.get(id(option), []) if option is not None else []
        return values[-1] if values else None


def read_line(command: Any, words: list[str]) -> Line:
    """words: behind the command's name, without the one being written."""
    options = {
        flag: param
        for param in command.params
        if param.param_type_name == "option"
        for flag in (*param.opts, *param.secondary_opts)
    }
    line = Line(command.callback, options)
    several = getattr(command, "several_values", False)
    for word in words:
        flag, equals, value = word.partition("=")
        option = line.options.get(flag)
        if line.lacks_value:
            line.given[id(line.open)].append(word)
            line.lacks_value = False
            if not (several and line.open.multiple):
                line.open = None
        elif option is not None:
            values = line.given.setdefault(id(option), [])
            line.open, line.lacks_value = None, False
            if equals:
                values.append(value)
            elif not (option.is_flag or option.count):
                line.open, line.lacks_value = option, True
        elif line.open is not None and ("=" in word or "=" not in (line.open.metavar or "")):
            line.given[id(line.open)].append(word)
        elif not word.startswith("-") or word == "-":
            line.open = None
            line.arguments.append(word)
    every = [param for param in command.params if param.param_type_name == "argument"]
    at = len(line.arguments)
    if at < len(every):
        line.argument = every[at]
    elif every and every[-1].nargs == -1:
        line.argument = every[-1]
    return line
