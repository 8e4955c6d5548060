"""Draws sample people in the competition's layout, to try everything out without photographs.

    DIR/README.txt   says that these are drawings
    DIR/train/       train.csv, images/<profile>/{mask1..mask5,incorrect_mask,normal}.jpg
    DIR/eval/        info.csv, images/<hash>.jpg, and the truth in truth.csv (ImageID,ans)
    DIR/sample.json  the arguments it was drawn with

The people of eval are other people than those of train. Ages and genders are as uneven as the
competition's: few are 60 or over. Same request, same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np

from members import files
from members.data.codec import PROFILES
from members.data.columns import age_class
from members.errors import BadInput

VERSION = 1  # raise it whenever the same seed would draw something else
KINDS = ("mask1", "mask2", "mask3", "mask4", "mask5", "incorrect_mask", "normal")
GENDERS = PROFILES.targets["gender"]
WOMEN = 0.614  # of the competition's 2,700 people
AGES = ((0.474, 18, 29), (0.455, 30, 59), (0.071, 60, 60))  # share, youngest, oldest
TRAIN, EVAL = 0, 1
MOST = 1_000_000  # people, photos to predict, and seeds

README = """\
These people are drawings made by a program. Nobody is shown, and no score reached on
them says anything about photographs. They are here to try the system out.

train/  train.csv and images/<id>_<gender>_<race>_<age>/ with seven photos each
eval/   info.csv and images/ to be predicted; truth.csv holds the right answers
"""


def draw_people(
    folder: str | os.PathLike,
    profiles: int = 100,
    eval: int = 280,
    seed: int = 0,
    size: tuple[int, int] = (256, 192),
) -> bool:
    """Draw `profiles` people of seven photos to train on and `eval` photos of others.

    `size`: (height, width) of a photo in pixels. Returns False where `folder` holds this very
    sample already. The folder appears only when it is complete.
    Raises BadInput for numbers out of range and for a folder that holds anything else.
    """
    folder = Path(folder)
    request = {
        "version": VERSION,
        "profiles": profiles,
        "eval": eval,
        "seed": seed,
        "size": list(size),
    }
    _require_in_range(request)
    if _is_there(folder, request):
        return False
    with files.new_folder(folder) as work:
        _draw_train(work / "train", profiles, seed, size)
        _draw_eval(work / "eval", eval, seed, size)
        (work / "README.txt").write_text(README)
        (work / "sample.json").write_text(json.dumps(request, indent=2) + "\n")
    return True


def _require_in_range(request: dict) -> None:
    problems = [
        f"{name}: {request[name]!r}, but must be a whole number from {low} to {MOST:,}."
        for name, low in (("profiles", 1), ("eval", 1), ("seed", 0))
        if not isinstance(request[name], int) or not low <= request[name] <= MOST
    ]
    size = request["size"]
    if len(size) != 2 or not all(isinstance(n, int) and 16 <= n <= 4096 for n in size):
        problems.append(f"size: {size!r}, but must be [height, width], each 16..4096 pixels.")
    if problems:
        raise BadInput(problems)


def _is_there(folder: Path, request: dict) -> bool:
    if not folder.exists():
        return False
    if not folder.is_dir():
        raise BadInput(f"{folder}: is a file. Name a folder that does not exist yet.")
    if not any(folder.iterdir()):
        return False
    try:
        found = json.loads((folder / "sample.json").read_text())
    except (OSError, ValueError):
        raise BadInput(
            f"{folder}: holds files that are not a sample, which are left alone. "
            "Name an empty folder or one that does not exist yet."
        ) from None
    if found == request:
        return True
    kept = ", ".join(f"{key} {found.get(key)}" for key in request if found.get(key) != request[key])
    raise BadInput(
        f"{folder}: holds another sample ({kept}). Remove that folder or name another one."
    )


def _people(count: int, seed: int, part: int) -> list[tuple[bool, int]]:
    """Female and age of `count` people, shuffled: the competition's shares, the rare made sure of.

    Each gender and age class has at least 3 people where there are 18, so that 3 folds by
    person can hold every class.
    """
    rng = np.random.default_rng([seed, part])
    shares = np.array([gender * age for gender in (1 - WOMEN, WOMEN) for age, _, _ in AGES])
    exact = shares * count
    numbers = np.floor(exact).astype(int)
    for cell in np.argsort(numbers - exact, kind="stable")[: count - numbers.sum()]:
        numbers[cell] += 1
    for _ in range(count):
        poorest = int(numbers.argmin())
        if numbers[poorest] >= min(3, count // 6):
            break
        numbers[numbers.argmax()] -= 1
        numbers[poorest] += 1
    people = []
    for cell, number in enumerate(numbers):
        _, low, high = AGES[cell % 3]
        for _ in range(number):
            two = rng.integers(low, high + 1, 2)  # as there: many in their twenties and fifties
            age = int(two.min() if low < 30 else two.max())
            people.append((cell >= 3, age))
    return [people[i] for i in rng.permutation(count)]


def _draw_person(seed: int, part: int, number: int, female: bool, age: int, kinds, size):
    """JPEG bytes of some of one person's seven photos."""
    import cv2

    from members.samples.drawing.person import person
    from members.samples.drawing.portrait import photo

    who = person(np.random.default_rng([seed, part, number]), female, age)
    photos = []
    for kind in kinds:
        rng = np.random.default_rng([seed, part, number, KINDS.index(kind)])
        picture = photo(who, kind, rng, size)
        done, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])
        if not done:
            raise RuntimeError(f"OpenCV could not encode person {number} of seed {seed}")
        photos.append(data.tobytes())
    return photos


def _draw_train(folder: Path, count: int, seed: int, size) -> None:
    (folder / "images").mkdir(parents=True)

    def one(number: int, female: bool, age: int) -> str:
        gender = GENDERS[female]
        profile = f"{number + 1:06}_{gender}_Asian_{age}"
        place = folder / "images" / profile
        place.mkdir()
        photos = _draw_person(seed, TRAIN, number, female, age, KINDS, size)
        for kind, photo in zip(KINDS, photos, strict=True):
            (place / f"{kind}.jpg").write_bytes(photo)
        return f"{number + 1:06},{gender},Asian,{age},{profile}"

    people = enumerate(_people(count, seed, TRAIN))
    rows = list(files.in_threads(lambda numbered: one(numbered[0], *numbered[1]), people))
    (folder / "train.csv").write_text("\n".join(["id,gender,race,age,path", *rows, ""]))


def _draw_eval(folder: Path, count: int, seed: int, size) -> None:
    (folder / "images").mkdir(parents=True)
    people = enumerate(_people(-(-count // len(KINDS)), seed, EVAL))

    def one(number: int, female: bool, age: int) -> list[tuple[str, int]]:
        kinds = KINDS[: count - number * len(KINDS)]
        rows = []
        photos = _draw_person(seed, EVAL, number, female, age, kinds, size)
        for kind, photo in zip(kinds, photos, strict=True):
            key = f"{seed} {number} {kind}".encode()
            name = hashlib.blake2b(key, digest_size=20).hexdigest() + ".jpg"
            (folder / "images" / name).write_bytes(photo)
            mask = max(0, KINDS.index(kind) - 4)
            rows.append((name, mask * 6 + female * 3 + age_class(age)))
        return rows

    rows = [
        row
        for found in files.in_threads(lambda numbered: one(numbered[0], *numbered[1]), people)
        for row in found
    ]
    rows.sort()  # by hash: one person's photos do not stand together
    for file, labels in (("info.csv", [0] * count), ("truth.csv", [label for _, label in rows])):
        lines = [f"{name},{label}" for (name, _), label in zip(rows, labels, strict=True)]
        (folder / file).write_text("\n".join(["ImageID,ans", *lines, ""]))
