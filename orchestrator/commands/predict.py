"""The command `predict`: which ensemble, which photographs, and where the answers go. Without Ray."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from rich.console import Console

import ensembles
from ensembles.voting.request import Mode, VoteRequest
from members.data.listing import some
from orchestrator.commands.run import Run, find_run
from orchestrator.errors import RunFailed, WrongRequest, counted
from orchestrator.inference.ensemble import Answers, Ensemble
from orchestrator.inference.lazy import LazyAsker
from orchestrator.inference.of_run import trained_of
from orchestrator.inference.photos import find_photos
from orchestrator.inference.write import CSV, require_free, stem_of, write_answers
from orchestrator.runs.contents import groups_of
from orchestrator.runs.votes import vote_name
from orchestrator.screens.reading import reading

SPECS = (".yaml", ".yml")
MODES: tuple[Mode, ...] = get_args(Mode)


@dataclass(frozen=True)
class Command:
    """The command's options by their names."""

    photos: Sequence[str]
    spec: Path | None = None
    run: str | None = None
    vote: str | None = None
    out: str = "predictions.parquet"
    members: bool = False
    lazy: bool = False
    budget_ms: float | None = None
    overwrite: bool = False
    strict: bool = False
    device: str | None = None
    small: bool = False
    sets: Sequence[str] = ()


def predict(command: Command, console: Console) -> dict[str, Any]:
    """Carry the command out; returns what --json holds. Raises WrongRequest, and RunFailed where no
    photograph, or with `strict` one, could not be read.
    """
    started = time.monotonic()
    stem = stem_of(command.out)
    problems = []
    if command.lazy and command.members:
        problems.append(
            "--members beside --lazy: a lazy vote does not ask every member about every photo, so there "
            "are no such tables. Leave one of them out."
        )
    if command.budget_ms is not None and not 0 < command.budget_ms < math.inf:
        problems.append(
            f"--budget-ms {command.budget_ms:g}: must be a number of milliseconds a photo above 0."
        )
    if problems:
        raise WrongRequest(problems)
    run = find_run(command.spec, command.small, command.sets, command.run)
    photos, notes = find_photos(command.photos)
    request = _refitted(command, run) if command.budget_ms is not None else None
    every = command.members or request is not None
    trained = trained_of(run.spec, run.store, command.vote, every)
    if not command.overwrite:
        require_free(stem, sorted(trained.names) if command.members else ())
    for note in notes:
        console.print(f"note: {note}")
    ensemble = Ensemble(trained, command.device).open()
    if request is not None:
        ensemble = _within_budget(command, run, ensemble, request, console)
        trained = ensemble.trained
    lazily = LazyAsker(trained, run.store.uri("tables")) if command.lazy else None
    loaded = time.monotonic()
    with reading(console) as progress:
        answers = ensemble.answers(
            [photo.place for photo in photos],
            [photo.id for photo in photos],
            tables=command.members,
            lazily=lazily,
            progress=lambda done: progress("photographs", done, len(photos)),
        )
    files = write_answers(answers, trained, stem)
    ended = time.monotonic()
    _show(answers, ensemble, ended - loaded, console)
    if lazily:
        console.print(
            lazily.passes.line({part.name: part.milliseconds for part in trained.members})
        )
    console.print(f"answers: {' and '.join(files[:2])}")
    wrong = {i: p for i, p in zip(answers.ids, answers.problems, strict=True) if p}
    if wrong and (command.strict or len(wrong) == len(photos)):
        first = next(iter(wrong.items()))
        raise RunFailed(
            f"{len(wrong)} of {counted(len(photos), 'photo')} could not be read, {first[0]} for "
            f"example: {first[1]} All are in {stem}{CSV}, with the reason."
        )
    return {
        "ensemble": trained.place,
        "vote": trained.vote,
        "photos": len(photos),
        "answered": len(photos) - len(wrong),
        "problems": wrong,
        "files": files,
        **({"asked": lazily.passes.asked} if lazily else {}),
        "seconds": {"load": round(loaded - started, 3), "predict": round(ended - loaded, 3)},
    }


def _refitted(command: Command, run: Run) -> VoteRequest:
    """How the vote is cast again, over fewer members. Raises WrongRequest where that is not known."""
    own = run.spec.vote
    if command.vote in (None, vote_name(own)):
        return own
    if command.vote in MODES:
        return VoteRequest(mode=command.vote)
    raise WrongRequest(
        f"--vote {command.vote} beside --budget-ms: with fewer members a vote is fitted anew, and how "
        f"is known of the spec's own vote, {vote_name(own)}, and of {', '.join(MODES)}. Give one of these."
    )


def _within_budget(
    command: Command, run: Run, ensemble: Ensemble, request: VoteRequest, console: Console
) -> Ensemble:
    from orchestrator.inference.budget import within
    from orchestrator.screens.fits import fits_shown

    assert command.budget_ms is not None
    oof = ensembles.read_members(run.store.uri("tables"), "oof", ensemble.trained.voters)
    with fits_shown(console) as progress:
        groups = groups_of(run.store)
        found = within(command.budget_ms, ensemble, oof, request, groups, progress)
    console.print(found.line)
    return ensemble.of(found.trained)


def _show(answers: Answers, ensemble: Ensemble, seconds: float, console: Console) -> None:
    trained = ensemble.trained
    there = answers.answered
    counts = dict.fromkeys(trained.classes, 0)
    for k in answers.probabilities.argmax(axis=1) if there.any() else ():
        counts[trained.classes[k]] += 1
    found = ", ".join(f"{name} {n}" for name, n in counts.items() if n) or "none"
    networks = sum(len(part.networks) for part in trained.members)
    console.print(
        f"{counted(int(there.sum()), 'photo')} answered by the {trained.vote} vote of "
        f"{trained.name} ({counted(networks, 'network')} on {ensemble.device}, {seconds:.1f} s): {found}"
    )
    if wrong := [i for i, own in zip(answers.ids, there, strict=True) if not own]:
        console.print(
            f"{counted(len(wrong), 'photo')} could not be read ({some(wrong)}): the CSV says why."
        )
    if trained.record.prior:
        console.print(
            "note: corrected for the class shares of the run's own photographs to predict, as the vote "
            "was. Where these come from elsewhere, give a --vote without --prior."
        )
