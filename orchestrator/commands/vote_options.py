"""The options of the command `vote`: what was given, what has an effect, what the spec adds."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ensembles.files.submissions.columns import Columns
from ensembles.voting.pareto import NOT_OF_A_FRONT
from ensembles.voting.request import VoteRequest
from orchestrator.activation_maps.picture import picture_problem
from orchestrator.errors import WrongRequest

# of a `VoteRequest`, without OOF rows
_OF_SUBMISSIONS = ("mode", "pool", "weights", "top")


@dataclass(frozen=True)
class Command:
    """The command's options by their names. options: those of a `VoteRequest`, where given."""

    spec: Path | None = None
    small: bool = False
    overrides: Sequence[str] | None = None
    run: str | None = None
    tables: str | None = None
    submissions: Sequence[Path] | None = None
    id_column: Sequence[str] | None = None
    answer_column: Sequence[str] | None = None
    answers: str | None = None
    out: str | None = None
    why: Sequence[str] | None = None
    picture: str | None = None
    of_class: str | None = None
    pareto: bool = False
    address: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Command:
        """From the command line's values by name, None where one was not given."""
        names = {own.name for own in fields(cls)} - {"options"}
        options = {own.name: given[own.name] for own in fields(VoteRequest)}
        options["weights"] = _weights(given["weights"] or ())
        options = {name: value for name, value in options.items() if value is not None}
        return cls(**{name: given[name] for name in names}, options=options)

    def flags(self, *names: str) -> list[str]:
        """Those of these options that were given, as they are written."""
        given = [name for name in names if name in self.options or getattr(self, name, None)]
        return ["--set" if name == "overrides" else f"--{name.replace('_', '-')}" for name in given]

    @property
    def columns(self) -> Columns:
        return Columns(tuple(self.id_column or ()), tuple(self.answer_column or ()))


def requested(block: VoteRequest, options: Mapping[str, Any]) -> tuple[VoteRequest, list[str]]:
    """The vote of a spec's block and the command line's options, and notes on what was left out.

    Each option of the command line replaces the block's. The block's others hold for its own mode
    only: a vote of another mode takes none of them. Raises WrongRequest for what does not fit,
    naming the options that are the spec's.
    """
    notes = []
    if options.get("mode", block.mode) != block.mode:
        request = VoteRequest(**options)
        if block.options:
            notes.append(
                f"the spec's vote is {block.mode}: its {', '.join(block.options)} not taken for a "
                f"{request.mode} one."
            )
        return checked(request, ()), notes
    if block.useless_objective:  # in specs of runs from before that was refused
        notes.append(
            f"the spec's objective {block.objective} chooses nothing in a {block.mode} vote: left "
            "out."
        )
        block = replace(block, objective=None)
    return checked(replace(block, **options), set(block.options) - set(options)), notes


def over_some_rows(request: VoteRequest, front: bool = False) -> tuple[VoteRequest, list[str]]:
    """The vote over members of which some have the rows of some folds, as the spec says, and notes.

    What weights can be fitted to all rows is; any other vote is over the rows that all have. front: of
    sub-ensembles, which are compared on the same rows.
    """
    fitted = replace(request, missing_rows=True)
    if not front and request.mode == "weighted" and not fitted.mistakes(None, targets=None):
        return fitted, []
    notes = []
    if not front and request.needs_oof:
        notes.append(
            "only log-loss weights of the linear pool are fitted to rows that some members lack, so this "
            "vote is fitted to the rows that all have. --mode weighted alone takes all rows."
        )
    return replace(request, common_rows=True), notes


def checked(request: VoteRequest, of_spec: Collection[str]) -> VoteRequest:
    """of_spec: the options that stand in the spec only. Members and targets come with the tables."""
    mistakes = request.mistakes(None, targets=None)
    problems = []
    for path, text in mistakes:
        name = path[0]
        if name in of_spec:
            text += (
                f" It is the spec's: replace it with --{name}, or leave it out with a SPEC and "
                f"--set vote.{name}=null."
            )
        elif of_spec:
            text += f" (The spec's vote has {', '.join(sorted(of_spec))} as well.)"
        problems.append(f"{name}: {text}")
    if problems:
        raise WrongRequest(problems)
    return request


def require_useful(command: Command) -> None:
    """Refuse options that would do nothing beside the others. Raises WrongRequest."""
    sources = {
        "SPEC": command.spec,
        "--run": command.run,
        "--tables": command.tables,
        "--submissions": command.submissions,
    }
    named = (*sources.items(), ("--out", command.out), ("--address", command.address))
    named = (*named, *(("--why", own) for own in command.why or ()))
    named = (*named, ("--picture", command.picture), ("--of-class", command.of_class))
    if empty := [name for name, value in named if value is not None and str(value) == ""]:
        raise WrongRequest(f"{', '.join(empty)}: an empty text. Give a value, or leave it out.")
    given = [name for name, value in sources.items() if value]
    if len(given) > 1 and given != ["SPEC", "--run"]:
        raise WrongRequest(f"give one of SPEC, --run, --tables and --submissions, not {given}")
    problems = []

    def useless(flags: list[str], beside: str, why: str) -> None:
        if flags:
            problems.append(f"{', '.join(flags)} beside {beside}: {why}")

    if command.tables or command.submissions:
        useless(
            command.flags("small", "overrides"), given[0], "they change a spec, and none is read."
        )
    if not command.submissions:
        useless(
            command.flags("id_column", "answer_column"),
            given[0] if given else "the run trained last",
            "they are of submission files (--submissions).",
        )
    if command.submissions:
        useless(
            command.flags("answers"),
            "--submissions",
            "a submission shows the answers as the files have them. Leave it out.",
        )
        useless(
            command.flags("common_rows", "missing_rows"),
            "--submissions",
            "files of the same ids are voted on.",
        )
        fitted = [
            own.name
            for own in fields(VoteRequest)
            if own.name not in (*_OF_SUBMISSIONS, "common_rows", "missing_rows")
        ]
        useless(
            command.flags(*fitted, "pareto"),
            "--submissions",
            "submissions have no OOF rows to fit to or to choose by. Leave these out, or vote over "
            "the members' tables: --tables DIR.",
        )
        useless(command.flags("address"), "--submissions", "they are read here. Leave it out.")
        if command.options.get("mode") == "weighted":
            problems.append("submissions have no OOF rows to fit weights to: --mode hard or soft")
    if command.pareto:
        useless(
            command.flags(*NOT_OF_A_FRONT, "why"),
            "--pareto",
            "the front is of votes of some members each, scored on the same OOF rows. Leave these "
            "out.",
        )
    if command.why:
        useless(
            command.flags("sets", "unknown"),
            "--why",
            "they are of files, and it writes none. Leave these out.",
        )
    else:
        useless(
            command.flags("picture"), "no --why", "it shows photographs: name them with --why ID."
        )
    if not command.picture:
        useless(command.flags("of_class"), "no --picture", "it says which class the maps are of.")
    elif problem := picture_problem(command.picture):
        problems.append(problem)
    if command.tables or command.submissions:
        useless(
            command.flags("picture"),
            given[0],
            "maps are made by networks, and these are tables without them. Give a SPEC or --run.",
        )
    for shown in ("pareto", "why"):
        if getattr(command, shown):
            useless(
                command.flags("out", "address", "answers"),
                f"--{shown}",
                "it writes no vote and reads the tables here (--json FILE keeps what it shows). "
                "Leave these out.",
            )
    if problems:
        raise WrongRequest(problems)


def _weights(texts: Sequence[str]) -> dict[str, float] | None:
    """`a=2 b=1` -> numbers by member."""
    found, problems = {}, []
    for text in texts:
        # a member's own name may have a `=`, a number has none
        name, _, value = text.rpartition("=")
        try:
            number = float(value)
        except ValueError:
            name = ""
        if not name:
            problems.append(f"--weights {text!r}: write MEMBER=NUMBER, as in --weights swin=2")
        elif name in found:
            problems.append(f"--weights: {name} stands there twice. Give it one weight.")
        else:
            found[name] = number
    if problems:
        raise WrongRequest(problems)
    return found or None
