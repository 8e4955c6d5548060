"""The photographs of a spec: read, proven readable, put into folds."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from members import augment, corrections, folds, images, own_folds, sampling, table
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
    if data.corrections:
        frame, corrected = corrections.apply(frame, data.corrections)
        notes += corrected
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
    columns = sampling.columns_of(frame, codec)
    for member in spec.members:
        problems += [f"{member.name}: {p}" for p in sampling.problems(member.recipe, columns)]
    try:
        frame["fold"] = _folds(spec, frame)
        problems += _without_effect(spec, frame)
    except BadInput as error:
        problems += error.problems
    if problems:
        raise BadInput(problems)
    assigned = frame["fold"].to_numpy()
    folds.verify(frame, assigned)
    notes += folds.absent(frame, assigned, codec)
    leaks = folds.leaks(frame, frame["digest"].to_numpy())
    known = [name for name in (*codec.targets, "age_years") if name != "label" and name in frame]
    frame = frame[["image_id", "path", "group", "fold", "label", *known, "digest"]]
    return Prepared(Photographs(frame, test, codec), notes, leaks)


def _folds(spec: Spec, frame: pd.DataFrame) -> np.ndarray:
    settings = spec.folds
    if settings.scheme == "own":
        train = Path(spec.data.train)
        listed = train / "train.csv" if spec.data.layout == "profiles" else train
        return own_folds.read(frame, settings.file or listed, settings.column)
    how = settings.model_dump(include={"k", "ratio", "seed", "n"})
    return folds.assign(frame, settings.scheme, **how)


def _without_effect(spec: Spec, frame: pd.DataFrame) -> list[str]:
    """Choices among epochs that nothing can be chosen by, or written of."""
    problems, nothing_held_out = [], (frame["fold"] < 0).all()
    for member in spec.members:
        recipe, watches = member.recipe, "needs a validation part, and no photo is held out"
        if recipe.select == "common_epoch" and nothing_held_out:
            problems.append(f"{member.name}: select: common_epoch {watches}; use last")
        if recipe.submissions_above is not None and nothing_held_out:
            problems.append(f"{member.name}: submissions_above {watches}; leave it out")
        if recipe.submissions_above is not None and spec.data.test is None:
            problems.append(
                f"{member.name}: submissions_above needs photos to predict: give data.test"
            )
    return problems


def report_lines(prepared: Prepared) -> list[str]:
    """What people should know before they train, one line each."""
    lines = [f"note: {note}" for note in prepared.notes]
    for ids in prepared.leaks[:3]:
        lines.append(f"leak: the same photograph stands in several groups: {', '.join(ids[:4])}")
    if len(prepared.leaks) > 3:
        lines.append(f"leak: {len(prepared.leaks) - 3} more such photographs; see `check`")
    return lines
