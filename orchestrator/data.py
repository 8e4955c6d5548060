"""The photographs of a spec: read, proven readable, put into folds."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from members import augment, folds, images, table
from members.errors import BadInput

from .spec import Spec
from .units import Photographs


@dataclass
class Prepared:
    """Photographs in their folds, and what people should know about them."""

    photographs: Photographs
    notes: list[str] = field(default_factory=list)
    leaks: list[tuple[str, ...]] = field(
        default_factory=list
    )  # ids of the same bytes in two groups


def cache_folder() -> str:
    """Where decoded photographs are kept: `ENSEMBLE_CACHE`, or a folder in the user's cache."""
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return os.environ.get("ENSEMBLE_CACHE") or str(Path(home).expanduser() / "photo-ensembles")


def prepare(spec: Spec, progress=None) -> Prepared:
    """Read the spec's photographs, decode each once to prove it, and put them into folds.

    Raises `BadInput` with every mistake of the data.
    """
    data = spec.data
    problems: list[str] = []
    train = table.read_train(data.layout, data.train, data.root)
    frame, codec, notes = train.frame, train.codec, list(train.notes)
    test = None
    if data.test is not None:
        try:
            test = table.read_test(data.layout, data.test, codec, data.root)
        except BadInput as error:
            problems += error.problems
    for part in (frame, test):
        if part is None:
            continue
        scanned = images.scan(
            part["path"].tolist(), Path(cache_folder()) / "scan.parquet", progress
        )
        problems += images.unreadable(scanned)
        for crop in dict.fromkeys(augment.crop_of(member.recipe) for member in spec.members):
            problems += images.crop_problems(scanned, crop)
        part["digest"] = scanned["digest"].to_numpy()
    settings = spec.folds.model_dump(include={"k", "ratio", "seed"})
    try:
        frame["fold"] = folds.assign(frame, spec.folds.scheme, **settings)
    except BadInput as error:
        problems += error.problems
    if problems:
        raise BadInput(problems)
    assigned = frame["fold"].to_numpy()
    folds.verify(frame, assigned)
    notes += folds.absent(frame, assigned, codec)
    leaks = folds.leaks(frame, frame["digest"].to_numpy())
    targets = [target for target in codec.targets if target != "label"]
    frame = frame[["image_id", "path", "group", "fold", "label", *targets, "digest"]]
    return Prepared(Photographs(frame, test, codec), notes, leaks)


def report_lines(prepared: Prepared) -> list[str]:
    """What people should know before they train, one line each."""
    lines = [f"note: {note}" for note in prepared.notes]
    for ids in prepared.leaks[:3]:
        lines.append(f"leak: the same photograph stands in several groups: {', '.join(ids[:4])}")
    if len(prepared.leaks) > 3:
        lines.append(f"leak: {len(prepared.leaks) - 3} more such photographs; see `check`")
    return lines
