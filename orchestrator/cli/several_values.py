"""Options that take several values: `--only a b`, `--set x=1 y=2`, beside `--only a --only b`.

Click wants the flag before each value. A command of this class writes it there, by its own options,
before Click reads the line.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import typer

from orchestrator.cli.plain_values import PlainCommand


@dataclass
class _Words:
    """A flag and what follows it; flag: None for what belongs to no such option."""

    flag: str | None
    pairs: bool = False
    words: list[str] = field(default_factory=list)


class SeveralValues(PlainCommand):
    """Gives each repeatable option (`list[...]`) all values that follow it.

    One whose metavar has a `=` (KEY=VALUE) takes what has one too. Others take all up to the next
    option, but the last ones that an argument still lacks: `train-members --only a b SPEC`.
    `--only=a` takes that one; what comes after `--` belongs to no option.
    """

    several_values = True  # for completion, which reads lines that are not whole

    # Any: Typer gives the types of its contexts and options no public names
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, self._one_flag_each(ctx, args))

    def _one_flag_each(self, ctx: Any, args: list[str]) -> list[str]:
        split = args.index("--") if "--" in args else len(args)
        args, rest = args[:split], args[split:]
        runs, n_arguments = self._runs(ctx, args)
        needed = sum(p.required for p in self.params if p.param_type_name == "argument")
        lacking = needed - n_arguments - len(rest[1:])
        for run in reversed(runs):
            if run.flag and not run.pairs and lacking > 0:
                kept = max(1, len(run.words) - lacking)
                lacking -= len(run.words) - kept
                runs.insert(runs.index(run) + 1, _Words(None, words=run.words[kept:]))
                del run.words[kept:]
        return [word for run in runs for word in _spelled(run)] + rest

    def _runs(self, ctx: Any, args: list[str]) -> tuple[list[_Words], int]:
        """The line cut where such an option begins or ends, and how many arguments it has."""
        options: dict[str, Any] = {
            flag: param
            for param in self.params
            if param.param_type_name == "option"
            for flag in (*param.opts, *param.secondary_opts)
        }
        runs, n_arguments, at = [_Words(None)], 0, 0
        while at < len(args):
            word, at = args[at], at + 1
            option = options.get(word)
            if option is not None and option.multiple:
                pairs = "=" in (option.metavar or "")
                run = _Words(word, pairs)
                while at < len(args) and not _is_flag(args[at]) and (not pairs or "=" in args[at]):
                    run.words.append(args[at])
                    at += 1
                if not run.words:
                    got = f", got {args[at]!r}" if at < len(args) else ", got nothing"
                    raise typer.BadParameter(f"give {option.metavar}{got}.", ctx=ctx, param=option)
                runs += [run, _Words(None)]
                continue
            runs[-1].words.append(word)
            if option is not None and not _takes_none(option):
                runs[-1].words += args[at : at + 1]
                at += 1
            elif not _is_flag(word):
                n_arguments += 1
        return runs, n_arguments


def _is_flag(word: str) -> bool:
    return word.startswith("-") and word != "-"


def _takes_none(option: Any) -> bool:
    return option.is_flag or option.count


def _spelled(run: _Words) -> Iterator[str]:
    for word in run.words:
        if run.flag:
            yield run.flag
        yield word
