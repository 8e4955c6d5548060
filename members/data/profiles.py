"""The competition's folders, as they really are -> the table of members/data/layouts.py.

    train/train.csv                       id,gender,race,age,path (path: the profile's folder)
    train/images/<id>_<gender>_<race>_<age>/{mask1..mask5,incorrect_mask,normal}.jpg
    eval/info.csv                         ImageID,ans
    eval/images/<ImageID>

The labels are in the names of folder and file; train.csv lists the profiles. A group is
a profile folder. Where one id names two folders they may show one person, so they share a group:
that costs nothing if they are two people, and hides a leak if they are not.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from members.data.codec import PROFILES, Codec
from members.data.columns import age_class
from members.data.folder_contents import FORMATS, Contents, contents_of, is_junk
from members.data.listing import (
    TestData,
    TrainData,
    photo_table,
    repeated_problems,
    require_folder,
    some,
)
from members.data.lists.lookup import Lookup, leaves
from members.data.lists.read import read_file
from members.errors import BadInput, nearest

if TYPE_CHECKING:
    import pandas as pd

MASKS = {f"mask{i}": 0 for i in range(1, 6)} | {"incorrect_mask": 1, "normal": 2}
_DEEPER = "lies in a folder inside that of a profile"
GENDERS = PROFILES.targets["gender"]
NAME = re.compile(r"(?P<id>[^_]+)_(?P<gender>[^_]+)_(?P<race>.+)_(?P<age>[^_]+)")


def read_train(folder: str | os.PathLike) -> TrainData:
    """Every listed profile's photos; image_id is `<profile>/<file stem>`, and age_years a column.

    Raises BadInput with every problem found: no such folder or column, a profile without a
    folder or photos, a name without gender or age, two photos of one name.
    """
    folder = Path(folder)
    images = folder / "images"
    require_folder(folder, "a folder with train.csv and images/")
    try:
        listed = read_file(folder / "train.csv", required=("id", "path"))
    except BadInput as error:
        missing = [] if images.is_dir() else [f"{images}: no such folder. Expected <profile>/."]
        raise type(error)(error.problems + missing) from None
    require_folder(images, "images/<profile>/<photo>")

    problems: list[str] = []
    groups, notes = _groups(listed)
    absent, empty, rows = [], [], []
    outside = [profile for profile in groups if leaves(profile)]
    if outside:
        problems.append(
            f"{folder / 'train.csv'}: {len(outside)} profiles lead out of {images}: {some(outside)}. "
            "Write the names of folders there."
        )
        groups = {profile: group for profile, group in groups.items() if profile not in outside}
    all_found = Contents(images)
    for profile, group in groups.items():
        place = images / profile
        if not profile or not place.is_dir():
            absent.append(profile or "(empty path)")
            continue
        if place.is_symlink() and not (real := place.resolve()).is_relative_to(images.resolve()):
            all_found.outside[profile] = str(real)
        truth = _truth(profile, problems)
        photos = _photos(place, all_found, problems, notes)
        if not photos:
            empty.append(profile)
        for kind, name in photos.items():
            image_id = f"{profile}/{Path(name).stem}"
            rows.append((image_id, place / name, group, MASKS[kind], *(truth or (-1, -1))))

    where = folder / "train.csv"
    if absent:
        problems.append(
            f"{where}: {len(absent)} profiles have no folder in {images}: {some(absent)}. "
            "Copy the folders or take the rows out."
        )
    if empty:
        problems.append(
            f"{images}: {len(empty)} profiles have no photos: {some(empty)}. "
            f"Expected {', '.join(MASKS)} there. {FORMATS}"
        )
    if not groups and not outside:
        problems.append(f"{where}: no rows below the header. Expected one row a profile.")
    problems += all_found.problems()
    if problems:
        raise BadInput([*problems, *(all_found.notes() if empty else ())])
    notes += all_found.notes()
    notes += _disagreements(listed) + _unlisted(images, groups)
    ids, paths, owners, masks, genders, years = zip(*rows, strict=True)
    targets = {"mask": masks, "gender": genders, "age": [age_class(year) for year in years]}
    frame = photo_table(PROFILES, ids, paths, owners, targets)
    frame["age_years"] = np.array(years, np.int16)
    return TrainData(frame, PROFILES, notes)


def read_test(folder: str | os.PathLike, codec: Codec) -> TestData:
    """The photos of info.csv in its order; the column `ans` is never read.

    Raises BadInput: no such folder, file or column, photos that are missing or listed twice.
    """
    folder = Path(folder)
    require_folder(folder, "a folder with info.csv and images/")
    where = folder / "info.csv"
    listed = read_file(where, required=("ImageID",))
    ids = [name.strip() for name in listed["ImageID"]]
    lookup = Lookup()
    paths, problems = lookup.find(where, ids, folder / "images")
    problems += repeated_problems(where, "ImageID", ids)
    if not ids:
        problems.append(f"{where}: no rows below the header. Expected one row a photo.")
    if problems:
        raise BadInput(problems)
    images = folder / "images"
    listed_names = {name.split("/")[0] for name in ids}
    names = sorted(entry.name for entry in images.iterdir())
    others = [name for name in names if name not in listed_names and not is_junk(name)]
    note = f"{images}: {len(others)} entries are not in info.csv, left out: {some(others)}."
    notes = [*lookup.notes, *([note] if others else [])]
    return TestData(photo_table(codec, ids, paths, ids), notes)


def _groups(listed: pd.DataFrame) -> tuple[dict[str, str], list[str]]:
    """Profile folder -> group, in the order of train.csv; notes on ids that occur twice."""
    folders: dict[str, dict[str, None]] = defaultdict(dict)
    rows: dict[tuple[str, str], int] = defaultdict(int)
    for number, profile in zip(listed["id"], listed["path"], strict=True):
        number, profile = number.strip(), profile.strip().rstrip("/")
        folders[number][profile] = None
        rows[number, profile] += 1
    notes = [
        f"train.csv: id {number} occurs {count} times with the folder {profile}; "
        "its rows are merged into one."
        for (number, profile), count in rows.items()
        if count > 1
    ]
    groups: dict[str, str] = {}
    for number, owned in folders.items():
        first = next(iter(owned))
        if len(owned) > 1 and number:
            notes.append(
                f"train.csv: id {number} names {len(owned)} folders ({some(list(owned))}); "
                "all are kept, as one group that never straddles folds."
            )
        for profile in owned:
            groups[profile] = first if number else profile
    order = dict.fromkeys(profile.strip().rstrip("/") for profile in listed["path"])
    return {profile: groups[profile] for profile in order}, notes


def _truth(profile: str, problems: list[str]) -> tuple[int, int] | None:
    """Gender and years of age from a folder's name; adds to `problems` where it lacks one."""
    name = NAME.fullmatch(profile)
    if not name:
        problems.append(
            f"profile {profile!r}: the folder's name must read <id>_<gender>_<race>_<age>, "
            "e.g. 000001_female_Asian_45."
        )
        return None
    gender, age = name["gender"].lower(), name["age"]
    if gender not in GENDERS:
        problems.append(
            f"profile {profile!r}: unknown gender {name['gender']!r}. "
            f"Allowed: {', '.join(GENDERS)}.{nearest(gender, GENDERS)}"
        )
    if not age.isdecimal():
        problems.append(f"profile {profile!r}: the age {age!r} must be a whole number of years.")
    if gender not in GENDERS or not age.isdecimal():
        return None
    return GENDERS.index(gender), int(age)


def _photos(
    place: Path, all_found: Contents, problems: list[str], notes: list[str]
) -> dict[str, str]:
    """mask1..mask5, incorrect_mask, normal -> file name, for those that one profile has.

    What is left out is added to `all_found`.
    """
    here = contents_of(place)
    names = here.loose()
    if deeper := [path for path in here.photos if "/" in path]:
        here.left_out[_DEEPER] += deeper
    all_found.add(here, place.name)
    found: dict[str, str] = {}
    unknown = []
    for name in names:
        stem = Path(name).stem.lower()
        if stem not in MASKS:
            unknown.append(name)
        elif stem in found:
            problems.append(
                f"{place}: {found[stem]} and {name} are both {stem!r}. Keep one of them."
            )
        else:
            found[stem] = name
    if unknown:
        notes.append(
            f"profile {place.name}: {some(unknown)} left out; "
            f"the names that count are {', '.join(MASKS)}."
        )
    if found and len(found) != len(MASKS):
        notes.append(f"profile {place.name} has {len(found)} of {len(MASKS)} photos.")
    return found


def _disagreements(listed: pd.DataFrame) -> list[str]:
    """A note where the columns gender or age of train.csv contradict the folder's name."""
    different = []
    for row in listed.to_dict("records"):
        name = NAME.fullmatch(row["path"].strip().rstrip("/"))
        for column in ("gender", "age"):
            written = row.get(column, "").strip()
            if name and written and written.lower() != name[column].lower():
                different.append(f"{name[0]} says {column} {written}")
    if not different:
        return []
    return [
        f"train.csv contradicts {len(different)} folder names ({some(different)}); "
        "the folder's name counts."
    ]


def _unlisted(images: Path, groups: dict[str, str]) -> list[str]:
    """A note on folders, and one on files, that no row of train.csv names."""
    others = sorted(
        entry for entry in images.iterdir() if entry.name not in groups and not is_junk(entry.name)
    )
    folders = [entry.name for entry in others if entry.is_dir()]
    files = [entry.name for entry in others if not entry.is_dir()]
    notes = []
    if folders:
        notes.append(
            f"{images}: {len(folders)} folders are not in train.csv, left out: {some(folders)}."
        )
    if files:
        notes.append(
            f"{images}: {len(files)} files are in no profile's folder, left out: {some(files)}."
        )
    return notes
