"""The text of a first spec: keys as they are written by hand, with reasons and minutes beside them."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from orchestrator.errors import counted
from orchestrator.first_spec.choice import Chosen
from orchestrator.first_spec.machine import Machine
from orchestrator.first_spec.photos import SEED, Seen
from orchestrator.first_spec.weights import Weights
from orchestrator.program import command
from orchestrator.spec import spec as of_spec

SCHEMA = Path(of_spec.__file__).with_name("spec.schema.json")
_WIDTH = 96


def spec_text(
    seen: Seen,
    machine: Machine,
    weights: Weights,
    chosen: Chosen,
    *,
    name: str,
    file: Path,
    allowed: float,
    trial: bool,
) -> str:
    """A spec with comments. file: where it will stand. allowed: seconds. trial: as `init --try`."""
    parts = [
        f"# yaml-language-server: $schema={schema_from(file)}",
        *_head(seen, machine, weights, chosen, file, allowed, trial),
        "",
        f"name: {name}",
        *_data(seen, chosen),
        *_folds(seen, chosen),
        "",
        *_defaults(seen, machine, chosen),
        "",
        *_members(chosen),
        "",
        "vote: {mode: weighted}",
        f"resources: {_flow(machine.resources())}  # of each training process",
        "",
    ]
    return "\n".join(parts)


def schema_from(file: Path, schema: Path = SCHEMA) -> str:
    """How a spec at `file` names its schema: relatively within one project, else by the whole path."""
    folder = Path(os.path.abspath(file)).parent  # noqa: PTH100 - links stay as they are
    here = Path.cwd()
    if schema.is_relative_to(here) and folder.is_relative_to(here):
        found = Path(os.path.relpath(schema, folder)).as_posix()
        return found.replace(" ", "%20")
    return str(schema) if " " not in str(schema) else schema.as_uri()


def minutes(seconds: float) -> str:
    """`40 s`, `3.4 min`, `2.1 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _head(
    seen: Seen,
    machine: Machine,
    weights: Weights,
    chosen: Chosen,
    file: Path,
    allowed: float,
    trial: bool,
) -> list[str]:
    cost = chosen.cost
    limit = "a first try, of a minute or so" if trial else f"{minutes(allowed)} were allowed"
    lines = [
        "A first spec, for these photographs and this machine. Change what you like; `check` says what "
        "is wrong.",
        "",
        *(f"  {command(word, str(file))}" for word in ("check", "train-members", "vote")),
        "",
        "Photographs: " + "; ".join(seen.lines()) + ".",
        f"Machine: {machine.line()}"
        + (f", by memory {chosen.slots}" if chosen.slots < machine.slots else "")
        + ".",
        f"Time: train-members takes about {minutes(cost.total)}; {limit}. Of this "
        f"{minutes(cost.reading)} read the photographs, which check does, too. Steps were timed here; "
        "what else the machine does meanwhile takes its time, too.",
    ]
    if not trial and cost.total < 0.75 * allowed:
        lines.append(
            "Less is needed than was allowed: more epochs would be of no use, and larger networks "
            "would not get enough of them."
        )
    if cost.streamed:
        lines.append(
            "Disk: decoded copies of the photographs have too little room, so that some are decoded batch by "
            "batch; that is in the time."
        )
    lines.append(f"Weights: {weights.line(chosen.networks, chosen.from_weights)}.")
    if trial:
        lines.append(
            "The smallest networks that there are: good for a look at everything, not for scores."
        )
    if chosen.left_out:
        left = "; ".join(f"{own} ({why})" for own, why in chosen.left_out.items())
        lines.append(f"Left out: {left}.")
    return _commented(lines)


def _data(seen: Seen, chosen: Chosen) -> list[str]:
    block = seen.layout.block()
    lines = ["data:  # paths are relative to the folder that commands are called in"]
    for key, value in block.items():
        text = _flow(value) if isinstance(value, dict | list) else _scalar(value)
        lines.append(f"  {key}: {text}")
    guess = seen.by_name
    if guess and seen.used:
        lines.append(
            f"  groups: {guess.rule}  # photos of a group are never on both sides of a fold"
        )
    elif guess:
        lines += _commented([f"perhaps: {guess.line()}. If so:"], "  ")
        lines.append(f"  # groups: {guess.rule}")
    return lines


def _folds(seen: Seen, chosen: Chosen) -> list[str]:
    keys = {**chosen.folds.keys(), "seed": SEED}
    what = "groups" if seen.n_groups < seen.n_train else "photos"
    return [f"folds: {_flow(keys)}  # {seen.n_groups:,} {what}; more folds cost in proportion"]


def _defaults(seen: Seen, machine: Machine, chosen: Chosen) -> list[str]:
    recipe = chosen.members[0].recipe
    sizes = {tuple(own.recipe["image_size"]) for own in chosen.members}
    batches = {own.batch for own in chosen.members}
    lines = ["defaults:"]
    if chosen.from_weights:
        lines += ["  pretrained: true", "  normalize: model  # as the weights were trained"]
    if len(sizes) == 1:
        photo = "{} x {}".format(*seen.sizes.median)
        lines.append(f"  image_size: {recipe['image_size']}  # photographs are mostly {photo}")
    if len(batches) == 1:
        lines.append(f"  batch_size: {recipe['batch_size']}")
    lines.append(
        f"  epochs: {chosen.epochs}  # costs in proportion, but for the starts of processes"
    )
    if chosen.epochs > 3:
        lines.append("  warmup_epochs: 1")
    lines += [
        "  augmentation: flip  # left and right swapped; `light` does more, or none where sides matter",
        "  select: last  # no epoch is chosen on the rows that it is scored on",
    ]
    return lines


def _members(chosen: Chosen) -> list[str]:
    """One a line, with the minutes of all its folds, were they trained one after the other."""
    sizes = {tuple(own.recipe["image_size"]) for own in chosen.members}
    batches = {own.batch for own in chosen.members}
    n = chosen.folds.k
    lines = [
        f"members:  # of different families; {counted(n, 'fold')} each, {chosen.slots} at a time"
    ]
    for own in chosen.members:
        keys: dict[str, Any] = {"name": own.name, **own.recipe}
        if len(sizes) == 1:
            del keys["image_size"]
        if len(batches) == 1:
            del keys["batch_size"]
        took = minutes(chosen.cost.members[own.name])
        lines.append(f"  - {_flow(keys)}  # {own.family}: {took} of one slot")
    return lines


# -- YAML ------------------------------------------------------------------------------------------


def _commented(lines: Sequence[str], indent: str = "") -> list[str]:
    found = []
    for line in lines:
        if line.startswith("  ") or not line:
            found.append(f"{indent}# {line}".rstrip())
            continue
        wrapped = textwrap.wrap(line, _WIDTH, break_long_words=False, break_on_hyphens=False)
        found += [f"{indent}# {own}" for own in wrapped]
    return found


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(own)}" for key, own in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    """A value as YAML, quoted where it must be, also between brackets."""
    if isinstance(value, float):
        digits = f"{value:.1e}" if value < 0.1 else f"{value:g}"
        return digits.replace("e-0", "e-")
    return yaml.safe_dump([value], default_flow_style=True, allow_unicode=True, width=10**6)[1:-2]
