"""`init`: look at photographs, machine and time, and write a spec that fits them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from ensembles.files import places
from orchestrator.cluster.preflight import batch_problems, training_problems
from orchestrator.errors import WrongRequest, counted
from orchestrator.first_spec import machine as machines
from orchestrator.first_spec import weights as of_weights
from orchestrator.first_spec.choice import Chooser, Chosen
from orchestrator.first_spec.layout import Asked, find_layout
from orchestrator.first_spec.measuring import Stopwatch
from orchestrator.first_spec.networks import TIERS
from orchestrator.first_spec.photos import SEED, Seen, look
from orchestrator.first_spec.text import minutes, spec_text
from orchestrator.photographs.table import Photographs
from orchestrator.program import command
from orchestrator.spec.reader import read
from orchestrator.spec.spec import Spec
from orchestrator.spec.yaml_lines import parse

HOURS = 1.0
_TRY_SECONDS = 90.0


@dataclass(frozen=True)
class Request:
    """What `init` was asked for. out: the file to write. hours: None for a first try."""

    photos: Path
    asked: Asked
    out: Path
    hours: float | None
    device: machines.Device = "auto"
    weights: of_weights.Wanted = "auto"
    name: str = "first"


def write_first_spec(request: Request, console: Console) -> dict[str, Any]:
    """Look, time, choose and write; what was found, for `--json`. No photograph is changed.

    Raises `BadInput` with what was seen and what is allowed, `WrongRequest` where the time is too
    little for anything.
    """
    trial = request.hours is None
    seconds = _TRY_SECONDS if request.hours is None else 3600 * request.hours
    layout = find_layout(request.photos, request.asked)
    seen = look(layout, console.print)
    for line in seen.lines():
        console.print(f"- {line}")
    for note in seen.train.notes + (seen.test.notes if seen.test else []):
        console.print(f"note: {note}")
    machine = machines.look(request.device)
    console.print(f"- {machine.line()}")
    tiers = TIERS[:1] if trial else TIERS
    weights = _weights(request, tiers)
    with Stopwatch(machine, seen.n_classes, seconds, console.print) as watch:
        chooser = Chooser(seen, machine, weights, watch, seconds)
        chosen = chooser.choose(tiers, trial=trial)
        took = watch.seconds
    console.print(f"timed {counted(watch.timed, 'network')} in {took:.0f} s")
    text = spec_text(
        seen,
        machine,
        weights,
        chosen,
        name=request.name,
        file=request.out,
        allowed=seconds,
        trial=trial,
    )
    spec = _require_right(text, request, seen, chosen)
    places.write_bytes(str(request.out), text.encode())
    _print(chosen, request, console)
    return {
        "spec": str(request.out),
        "data": layout.block(),
        "why": list(layout.why),
        "photographs": seen.n_train,
        "to_predict": seen.n_test,
        "classes": seen.counts(),
        "groups": seen.n_groups,
        "groups_by_name": seen.by_name.rule if seen.by_name else None,
        "groups_used": seen.used,
        "sizes": {"looked_at": seen.sizes.looked_at, "median": list(seen.sizes.median)},
        "machine": {
            "cpus": machine.cpus,
            "memory": machine.memory,
            "gpus": machine.gpus,
            "slots": chosen.slots,
        },
        "pretrained": chosen.from_weights,
        "folds": chosen.folds.keys(),
        "epochs": chosen.epochs,
        "members": {
            own.name: {**own.recipe, "seconds": chosen.cost.members[own.name]}
            for own in chosen.members
        },
        "left_out": chosen.left_out,
        "seconds_allowed": None if trial else seconds,
        "seconds_expected": chosen.cost.total,
        "seconds_timing": took,
        "seconds_to_start": watch.start,
        "name": spec.name,
    }


def _weights(request: Request, tiers: Any) -> of_weights.Weights:
    if request.hours is None and request.weights == "auto":
        return of_weights.Weights(frozenset(), False, "no")  # a first try downloads nothing
    return of_weights.look([own for tier in tiers for own in tier.networks], request.weights)


def _require_right(text: str, request: Request, seen: Seen, chosen: Chosen) -> Spec:
    """The spec, read back as commands read it, its networks built and its folds made without memory."""
    name = str(request.out)
    spec = read(parse(text, name), name, small=False, sets=())
    problems = training_problems(spec)
    frame = seen.train.frame.copy()
    if not problems:
        from members.data.folds.assign import assign_folds

        frame["fold"] = assign_folds(frame, seed=SEED, **chosen.folds.keys())
        problems = batch_problems(spec, Photographs(frame, None, seen.train.codec))
    if problems:
        raise WrongRequest(problems)
    return spec


def _print(chosen: Chosen, request: Request, console: Console) -> None:
    console.print(
        f"{counted(len(chosen.members), 'member')}, {chosen.epochs} epochs, "
        f"{_folds(chosen)}, {chosen.slots} at a time:"
    )
    for own in chosen.members:
        height, width = own.recipe["image_size"]
        console.print(
            f"  {own.name}: {own.recipe['model']} at {height} x {width}, "
            f"{minutes(chosen.cost.members[own.name])}"
        )
    console.print(f"train-members takes about {minutes(chosen.cost.total)}. Written: {request.out}")
    console.print(f"Next: {command('check', str(request.out))}")


def _folds(chosen: Chosen) -> str:
    if chosen.folds.scheme == "kfold":
        return f"{chosen.folds.k} folds"
    return f"{chosen.folds.ratio:.0%} held out"
