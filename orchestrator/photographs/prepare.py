"""The photographs of a spec: read, proven readable, put into folds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from members.data.corrected_labels import correct_labels
from members.data.corrections import apply_corrections
from members.data.folds.assign import (
    absent_classes,
    assign_folds,
    require_whole_groups,
)
from members.data.folds.own import read_own_folds
from members.data.layouts import read_test, read_train
from members.data.lists.lookup import Lookup
from members.data.name_groups import groups_by_name
from members.data.table_layout import ListOptions
from members.errors import BadInput, NoPlace
from members.pixels.augment import crop_of
from members.pixels.crop import crop_problems
from members.reading.copies import Copies
from members.reading.readers import ReadBy, readers
from members.reading.scan import damage_notes, scan, unreadable_problems
from orchestrator.photographs import copies
from orchestrator.photographs.cache import (
    Reading,
    cache_folder,
    damaged_caches,
    forget_changed_photos,
    scan_memo,
)
from orchestrator.photographs.decoded import Decoding
from orchestrator.photographs.leaks import (
    Leaks,
    contradicting,
    contradiction_problems,
    find_leaks,
)
from orchestrator.photographs.problems import epoch_choice_problems, member_problems
from orchestrator.photographs.reading import ReadAs
from orchestrator.photographs.sample_range import SampleRange
from orchestrator.photographs.streaming import Part
from orchestrator.photographs.table import Photographs, column
from orchestrator.spec.checks import one_folder_elsewhere
from orchestrator.spec.shipped import shipped
from orchestrator.spec.spec import Spec


@dataclass
class Prepared:
    """Photographs in their folds, and what is worth knowing about them."""

    photographs: Photographs
    leaks: Leaks
    notes: list[str] = field(default_factory=list)
    largest: int = 0  # pixels of the largest photograph that a member sees


def prepare_photographs(
    spec: Spec,
    progress: Reading = lambda *_: None,
    deep: bool = False,
    decoding: Decoding | None = None,
    read_by: ReadBy = readers,
) -> Prepared:
    """Read the spec's photographs, decode each once to prove it, and put them into folds.

    `progress` is called while photos are read and compared. deep: believe no size and time, and
    read what the cache has of them to the end. decoding: copies for members, which photos that are read
    fill on the way. read_by: who reads the photos. Raises `BadInput` with every mistake of the data.
    """
    decoding = decoding or Decoding(spec)
    data = spec.data
    problems: list[str] = []
    options = _list_options(spec)
    with _key_named("data.train"):
        train = read_train(data.layout, data.train, data.root, options)
    frame, codec, notes = train.frame, train.codec, list(train.notes)
    if data.groups:
        frame["group"], of_names = groups_by_name(frame, data.groups)
        notes += of_names
    if data.corrections:
        with _key_named("data.corrections"):
            file = shipped(data.corrections)
            if data.layout == "profiles":
                frame, corrected = apply_corrections(frame, file)
            else:
                frame, corrected = correct_labels(frame, codec, file)
        notes += corrected
    test = None
    if data.test is not None:
        try:
            with _key_named("data.test"):
                to_predict = read_test(data.layout, data.test, codec, data.root, options)
            test = to_predict.frame
            notes += to_predict.notes
        except BadInput as error:
            problems += error.problems
    if data.test is None or test is not None:  # else it is not known what its photos need
        problems += options.lookup.without_effect()
    notes += options.lookup.notes + one_folder_elsewhere(spec)
    samples = SampleRange(data.bits)
    decoding.plan({"train": len(frame), "test": 0 if test is None else len(test)})
    largest = 0
    scanned = []  # of the originals
    parts: list[tuple[pd.DataFrame | None, Part]] = [(frame, "train"), (test, "test")]
    for part, given in parts:
        if part is not None:
            problems += copies.add_paths(part, spec, given)
            if deep:
                notes += forget_changed_photos(part, spec, progress)
            making = partial(decoding.of, part, given)
            found, unfit, most = _add_digests(part, spec, samples, notes, progress, making, read_by)
            scanned.append(found)
            largest = max(largest, most)
            problems += unfit
    problems += samples.unused_problems()
    notes += samples.notes()
    if data.contradictions == "refuse":
        problems += contradiction_problems(frame, contradicting(frame, scanned[0]), codec)
    try:
        frame["fold"] = _folds(spec, frame)
        problems += epoch_choice_problems(spec, frame)
    except BadInput as error:
        problems += error.problems
    problems += member_problems(spec, frame, codec)
    if problems:
        raise BadInput(problems)
    assigned = frame["fold"].to_numpy()
    require_whole_groups(frame, assigned)
    notes += absent_classes(frame, assigned, codec)
    leaks = find_leaks(frame, test, scanned, lambda *done: progress("comparing photographs", *done))
    known = [name for name in (*codec.targets, "age_years") if name != "label" and name in frame]
    seen = [name for name in map(str, frame.columns) if "@" in name]  # the copies'
    frame = frame[["image_id", "path", "group", "fold", "label", *known, "digest", *seen]]
    if deep:
        notes += damaged_caches(spec, (frame, test), progress)
    reading = ReadAs(samples.bits, copies.cut_out(spec))
    return Prepared(Photographs(frame, test, codec, reading=reading), leaks, notes, largest)


@contextmanager
def _key_named(key: str) -> Iterator[None]:
    """A path that leads nowhere may be any text: the key that gave it goes before it."""
    try:
        yield
    except NoPlace as error:
        raise BadInput(f"{key}: {text}" for text in error.problems) from None


def _add_digests(
    part: pd.DataFrame,
    spec: Spec,
    samples: SampleRange,
    notes: list[str],
    progress: Reading,
    making: Callable[[str | None], Copies | None],
    read_by: ReadBy,
) -> tuple[pd.DataFrame, list[str], int]:
    """Decode every picture that a member sees, originals and copies, and add their digests.

    Returns the scan of the originals, problems, and the pixels of the largest picture.
    """
    problems = []
    scans = {}
    for copy in (None, *copies.seen(spec)):
        if column("path", copy) not in part:  # the copy is not complete: that is reported already
            continue
        paths = part[column("path", copy)].tolist()
        scanned = scan(
            paths,
            scan_memo(),
            lambda *done: progress("reading photographs", *done),
            making(copy),
            read_by,
        )
        problems += unreadable_problems(scanned)
        seeing = [member for member in spec.members if member.photos == copy]
        recipes = [recipe for member in seeing for recipe in spec.recipes_of(member)]
        for crop in dict.fromkeys(map(crop_of, recipes)):
            problems += crop_problems(scanned, crop)
        notes += damage_notes(scanned)
        scans[copy] = scanned
    problems += samples.settle(list(scans.values()))
    for copy, scanned in scans.items():
        part[column("digest", copy)] = samples.digests(scanned)
    largest = [int((own["height"] * own["width"]).max()) for own in scans.values() if len(own)]
    return scans[None], problems, max(largest, default=0)


def _list_options(spec: Spec) -> ListOptions:
    """How a table of the spec is read."""
    columns = spec.data.columns
    own = spec.folds.scheme == "own" and spec.folds.file is None
    return ListOptions(
        columns=columns.model_dump(exclude_none=True) if columns else {},
        lookup=Lookup(spec.data.repair),
        pictures=Path(cache_folder()) / "pictures",
        used=(spec.folds.column,) if own else (),
    )


def _folds(spec: Spec, frame: pd.DataFrame) -> np.ndarray:
    settings = spec.folds
    if settings.scheme == "own":
        train = Path(spec.data.train)
        listed = train / "train.csv" if spec.data.layout == "profiles" else train
        named = {} if settings.file else _list_options(spec).columns
        return read_own_folds(frame, settings.file or listed, settings.column, named)
    how = settings.model_dump(include={"k", "ratio", "seed", "n"})
    return assign_folds(frame, settings.scheme, **how)


def report_lines(prepared: Prepared) -> list[str]:
    """The notes and the leaks, one line each."""
    return [*(f"note: {note}" for note in prepared.notes), *prepared.leaks.lines()]
