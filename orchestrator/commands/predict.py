"""The command `predict`: which ensemble, which photographs, and where the answers go. Without Ray."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from rich.console import Console

import ensembles
from ensembles.voting.request import Mode, VoteRequest
from members.data.listing import some
from orchestrator.batch_inference.run import Engine, Outcome, answer_list, here
from orchestrator.commands.run import Run, find_run
from orchestrator.errors import RunFailed, WrongRequest, counted
from orchestrator.inference.bundles.record import trained_of_bundle
from orchestrator.inference.ensemble import Ensemble
from orchestrator.inference.lazy import LazyAsker
from orchestrator.inference.of_run import trained_of
from orchestrator.inference.parts import Trained
from orchestrator.inference.photos import find_photos
from orchestrator.inference.write import CSV, require_free, stem_of
from orchestrator.runs.contents import groups_of
from orchestrator.runs.partial import is_partial
from orchestrator.runs.votes import vote_name
from orchestrator.screens.asking import asking

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
    address: str | None = None
    small: bool = False
    sets: Sequence[str] = ()
    bundle: str | None = None


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
    if command.lazy and command.address:
        problems.append(
            "--address beside --lazy: a lazy vote asks one member after the other, in one process; on a "
            "Ray all are asked at once. Leave one of them out."
        )
    if command.budget_ms is not None and not 0 < command.budget_ms < math.inf:
        problems.append(
            f"--budget-ms {command.budget_ms:g}: must be a number of milliseconds a photo above 0."
        )
    if problems:
        raise WrongRequest(problems)
    if command.address not in (None, "local"):
        from orchestrator.cluster.joining import reach

        reach(command.address)
    run = request = None
    if command.bundle is not None:
        trained = _of_bundle(command)
        photos, notes = find_photos(command.photos)
    else:
        run = find_run(command.spec, command.small, command.sets, command.run)
        photos, notes = find_photos(command.photos)
        request = _refitted(command, run) if command.budget_ms is not None else None
        every = command.members or request is not None
        trained = trained_of(run.spec, run.store, command.vote, every)
    if not command.overwrite:
        require_free(stem, sorted(trained.names) if command.members else ())
    for note in notes:
        console.print(f"note: {note}")
    ensemble = Ensemble(trained, command.device)
    if command.address is None or request is not None:
        ensemble.open()
    if run is not None and request is not None:
        ensemble = _within_budget(command, run, ensemble, request, console)
        trained = ensemble.trained
    lazily = None
    if command.lazy:
        lazily = LazyAsker(trained, run.store.uri("tables") if run is not None else None)
    with _engine(ensemble, command, lazily) as (engine, where), asking(console) as progress:
        loaded = time.monotonic()
        outcome = answer_list(
            photos,
            trained,
            stem,
            engine,
            tables=command.members,
            lazy=lazily.order if lazily else None,
            progress=progress,
        )
    ended = time.monotonic()
    files, wrong = outcome.files, outcome.problems
    _show(outcome, trained, where, ended - loaded, console)
    if lazily and lazily.passes.photos:
        console.print(
            lazily.passes.line({part.name: part.milliseconds for part in trained.members})
        )
    console.print(f"answers: {' and '.join(files[:2])}")
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
        "answered_before": outcome.before,
        "problems": wrong,
        "files": files,
        **({"asked": lazily.passes.asked} if lazily else {}),
        "seconds": {"load": round(loaded - started, 3), "predict": round(ended - loaded, 3)},
    }


def _of_bundle(command: Command) -> Trained:
    own = {
        "a SPEC": command.spec,
        "--run": command.run,
        "--small": command.small,
        "--set": command.sets,
        "--budget-ms, which reads the run's tables,": command.budget_ms,
    }
    if others := [name for name, given in own.items() if given]:
        raise WrongRequest(
            f"--bundle {command.bundle}: a bundle is all of an ensemble, and {', '.join(others)} "
            "cannot be given beside it. Leave one of them out."
        )
    assert command.bundle is not None
    return trained_of_bundle(command.bundle, command.vote)


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
    voters = ensemble.trained.voters
    if lacking := [name for name in voters if is_partial(name, run.store)]:
        raise WrongRequest(
            f"--budget-ms: the tables of {', '.join(lacking)} are of some folds only, and votes of fewer "
            "members are compared on rows that all have. Train all their folds, or give a --vote "
            "without them."
        )
    oof = ensembles.read_members(run.store.uri("tables"), "oof", voters)
    with fits_shown(console) as progress:
        groups = groups_of(run.store)
        found = within(command.budget_ms, ensemble, oof, request, groups, progress)
    console.print(found.line)
    return ensemble.of(found.trained)


@contextmanager
def _engine(
    ensemble: Ensemble, command: Command, lazily: LazyAsker | None
) -> Iterator[tuple[Engine, str]]:
    """What asks the members, and what they run on in words."""
    if command.address is not None:
        from orchestrator.batch_inference.on_ray import on_ray

        with on_ray(ensemble.trained, command.address, command.device, command.members) as found:
            yield found
        return
    yield here(ensemble, command.members, lazily), ensemble.device


def _show(outcome: Outcome, trained: Trained, where: str, seconds: float, console: Console) -> None:
    found = ", ".join(f"{name} {n}" for name, n in outcome.counts.items()) or "none"
    networks = sum(len(part.networks) for part in trained.members)
    before = f", {outcome.before:,} of them by an earlier call" if outcome.before else ""
    wrong = list(outcome.problems)
    console.print(
        f"{counted(outcome.n - len(wrong), 'photo')} answered by the {trained.vote} vote of "
        f"{trained.name} ({counted(networks, 'network')} on {where}, {seconds:.1f} s{before}): {found}"
    )
    if wrong:
        console.print(
            f"{counted(len(wrong), 'photo')} could not be read ({some(wrong)}): the CSV says why."
        )
    if trained.record.prior:
        console.print(
            "note: corrected for the class shares of the run's own photographs to predict, as the vote "
            "was. Where these come from elsewhere, give a --vote without --prior."
        )
