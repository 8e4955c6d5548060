"""The photographs of a spec: read, proven readable, put into folds."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from members.batches import sampling
from members.data import corrections, folds, layouts, own_folds
from members.data.codec import Codec
from members.data.columns import columns_of
from members.errors import BadInput
from members.pixels import augment
from members.pixels.crop import crop_problems
from members.pixels.scan import scan, unreadable
from members.recipe.recipe import Recipe
from orchestrator.photographs import copies
from orchestrator.spec.shipped import shipped
from orchestrator.spec.spec import Spec
from orchestrator.units.unit import Photographs, codec_of, column, in_fold


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
    train = layouts.read_train(data.layout, data.train, data.root)
    frame, codec, notes = train.frame, train.codec, list(train.notes)
    if data.corrections:
        frame, corrected = corrections.apply(frame, shipped(data.corrections))
        notes += corrected
    test = None
    if data.test is not None:
        try:
            test = layouts.read_test(data.layout, data.test, codec, data.root)
        except BadInput as error:
            problems += error.problems
    for part, given in ((frame, "train"), (test, "test")):
        if part is not None:
            problems += copies.match(part, spec, given)
            problems += _scan(part, spec, progress)
    try:
        frame["fold"] = _folds(spec, frame)
        problems += _without_effect(spec, frame)
    except BadInput as error:
        problems += error.problems
    problems += _unserved(spec, frame, codec)
    if problems:
        raise BadInput(problems)
    assigned = frame["fold"].to_numpy()
    folds.require_whole_groups(frame, assigned)
    notes += folds.absent(frame, assigned, codec)
    leaks = folds.leaks(frame, frame["digest"].to_numpy())
    known = [name for name in (*codec.targets, "age_years") if name != "label" and name in frame]
    seen = [name for name in frame if "@" in name]  # the copies'
    frame = frame[["image_id", "path", "group", "fold", "label", *known, "digest", *seen]]
    return Prepared(Photographs(frame, test, codec), notes, leaks)


def _scan(part: pd.DataFrame, spec: Spec, progress) -> list[str]:
    """Decode every picture that a member sees, originals and copies, and add their digests."""
    problems = []
    for copy in (None, *copies.seen(spec)):
        if column("path", copy) not in part:  # the copy is not complete: that is said already
            continue
        paths = part[column("path", copy)].tolist()
        scanned = scan(paths, Path(cache_folder()) / "scan.parquet", progress)
        problems += unreadable(scanned)
        seeing = [member for member in spec.members if member.photos == copy]
        recipes = [recipe for member in seeing for recipe in spec.recipes_of(member)]
        for crop in dict.fromkeys(map(augment.crop_of, recipes)):
            problems += crop_problems(scanned, crop)
        part[column("digest", copy)] = scanned["digest"].to_numpy()
    return problems


def _folds(spec: Spec, frame: pd.DataFrame) -> np.ndarray:
    settings = spec.folds
    if settings.scheme == "own":
        train = Path(spec.data.train)
        listed = train / "train.csv" if spec.data.layout == "profiles" else train
        return own_folds.read(frame, settings.file or listed, settings.column)
    how = settings.model_dump(include={"k", "ratio", "seed", "n"})
    return folds.assign(frame, settings.scheme, **how)


def _unserved(spec: Spec, frame: pd.DataFrame, codec: Codec) -> list[str]:
    """What members ask for that the photos, or the training part of a fold, do not have."""
    columns = columns_of(frame, codec)
    found: dict[str, None] = {}
    for member in spec.members:
        for recipe in spec.recipes_of(member):
            problems = sampling.problems(recipe, columns)
            problems += _class_weight_problems(recipe, len(codec_of(member, codec).classes))
            if "fold" in frame and not problems:  # else the folds are a mistake of their own
                problems += _fold_problems(recipe, columns, frame)
            found |= dict.fromkeys(f"{member.name}: {text}" for text in problems)
    return list(found)


def _fold_problems(
    recipe: Recipe, columns: dict[str, np.ndarray], frame: pd.DataFrame
) -> list[str]:
    problems = []
    for fold in range(folds.n_folds(frame["fold"].to_numpy())):
        rows, _ = in_fold(frame, fold)
        try:
            sampling.pool(recipe, {name: values[rows] for name, values in columns.items()})
        except BadInput as error:
            problems += [f"{text} in the training part of fold {fold}" for text in error.problems]
    if recipe.schedule == "plateau" and (frame["fold"] < 0).all():
        problems.append(
            "schedule: plateau needs a validation part to watch, and no photo is held out; use "
            "step or cosine"
        )
    return problems


def _class_weight_problems(recipe: Recipe, n_classes: int) -> list[str]:
    if not isinstance(recipe.class_weights, tuple):
        return []
    from members.training.losses import class_weights  # imports torch

    try:
        class_weights(recipe, (), n_classes)
    except BadInput as error:
        return error.problems
    return []


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
