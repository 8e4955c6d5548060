"""One right file of every kind that commands read, in a folder with a trained run."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

FIXTURE = Path(__file__).parents[1] / "fixtures" / "earlier_run"
SIZE = (16, 16)

PEOPLE = """\
name: people
data: {layout: profiles, train: people/train, test: people/eval, corrections: corrections.csv}
folds: {scheme: own, file: folds.csv, column: part, seed: 1}
defaults: {model: base_cnn, image_size: [16, 16], epochs: 2, batch_size: 16, lr: 1.0e-2}
members:
  - {name: all, loss: {f1: 1, cross_entropy: 1}, sampling: {balance: age_group}, seeds: [1, 2]}
  - name: ages
    targets: [age]
    age_bounds: [29, 58]
    mixing: {kind: cutmix, probability: 0.5, partners: {age: [">=60"]}}
    normalize: {mean: [0.5, 0.5, 0.5], std: [0.2, 0.2, 0.2]}
    augmentation: [HorizontalFlip, {GaussNoise: {p: 0.3}}]
  - {name: rest, targets: [mask, gender], schedule: milestones, milestones: [1], views: [plain, flip]}
join: {name: joined, of: [ages, rest]}
search:
  members: [all]
  space:
    lr: {log_uniform: [1.0e-3, 1.0e-1]}
    loss: {choice: [f1, focal]}
    epochs: {_type: randint, _value: [1, 3]}
  candidates: 2
  metric: macro_f1
  asha: {grace_epochs: 1, reduction_factor: 2}
vote: {mode: weighted, objective: macro_f1, pool: linear}
resources: {cpus: 1, gpus: auto, workers: 1}
tracking: []
small:
  defaults: {epochs: 1}
  members: {ages: {lr: 2.0e-3}, rest: {lr: 3.0e-3}}
"""

PICTURES = """\
name: pictures
data: {layout: table, train: pictures.csv}
folds: {scheme: all}
defaults: {model: base_cnn, image_size: [16, 16], epochs: 1, batch_size: 2, normalize: computed}
members: [{name: one}]
tracking: []
"""

PRETRAINED = """\
name: started
data: {layout: table, train: photos.csv}
folds: {k: 2}
defaults: {model: base_cnn, image_size: [16, 16], epochs: 1, batch_size: 12}
members: [{name: one, pretrained: weights/SOURCE}]
tracking: []
"""


def fill(folder: Path, parts: Iterable[str]) -> None:
    """Lay out the run and these parts below `folder`, which is made."""
    folder.mkdir(parents=True)
    for entry in FIXTURE.iterdir():
        if entry.name != "runs":
            (shutil.copytree if entry.is_dir() else shutil.copy)(entry, folder / entry.name)
    copy_run(folder)
    (folder / "people.yaml").write_text(PEOPLE)
    (folder / "pictures.yaml").write_text(PICTURES)
    for part in parts:
        PARTS[part](folder)


def copy_run(folder: Path) -> None:
    shutil.copytree(FIXTURE / "runs", folder / "runs")


def _people(folder: Path) -> None:
    from members.samples.people import draw_people

    draw_people(folder / "people", profiles=18, eval=4, seed=3, size=(20, 16))
    rows = (folder / "people/train/train.csv").read_text().splitlines()[1:]
    profiles = [row.split(",")[-1] for row in rows]
    lines = [f"{profile},{i % 2}" for i, profile in enumerate(sorted(profiles))]
    (folder / "folds.csv").write_text("\n".join(["path,part", *lines, ""]))
    ids = [profile.split("_")[0] for profile in profiles]
    (folder / "corrections.csv").write_text(
        f"id,photo,gender,age,mask\n{ids[0]},,female,,\n{ids[1]},normal,,,incorrect\n{ids[2]},,,41,\n"
    )


def picture(seed: int, dtype: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, (24, 18, 3)).astype(dtype)


def _pictures(folder: Path) -> None:
    import cv2
    from PIL import Image

    place = folder / "pictures"
    place.mkdir()
    kinds = ("png", "jpg", "tiff", "webp", "gif", "bmp")
    for seed, ending in enumerate(kinds):
        Image.fromarray(picture(seed)).save(place / f"eight.{ending}")
    for seed, ending in enumerate(("png", "tiff"), start=20):
        cv2.imwrite(str(place / f"sixteen.{ending}"), picture(seed, np.uint16))
    Image.fromarray(picture(30)[..., 0]).save(place / "grey.png")
    Image.fromarray(picture(31)).convert("P").save(place / "palette.png")
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(picture(32)).save(place / "turned.jpg", exif=turned)
    Image.fromarray(picture(33)).convert("CMYK").save(place / "cmyk.jpg")
    names = sorted(path.name for path in place.iterdir())
    lines = [f"pictures/{name},{'ab'[i % 2]}" for i, name in enumerate(names)]
    (folder / "pictures.csv").write_text("\n".join(["path,label", *lines, ""]))


def _weights(workspace: Path) -> None:
    import safetensors.torch
    import torch

    from members.networks.models import build_model
    from members.recipe.recipe import Recipe

    folder = workspace / "weights"
    folder.mkdir()
    recipe = Recipe(model="base_cnn", image_size=SIZE, pretrained=False)
    state = build_model(recipe, 3).state_dict()
    safetensors.torch.save_file(state, folder / "own.safetensors")
    torch.save(state, folder / "own.pth")
    torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}}, folder / "wrapped.pt")
    torch.save(state, folder / "old.pth.pt", _use_new_zipfile_serialization=False)
    for source in folder.iterdir():
        text = PRETRAINED.replace("SOURCE", source.name)
        (workspace / f"from-{source.name}.yaml").write_text(text)


def _tables(folder: Path) -> None:
    for member in ("plain", "searched"):
        for kind in ("oof", "test"):
            source = folder / f"runs/earlier/tables/{member}/{kind}.parquet"
            place = folder / f"tables/{member}/{kind}.parquet"
            place.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(pq.read_table(source), place)


def _handed_in(folder: Path) -> None:
    _tables(folder)
    place = folder / "handed_in"
    place.mkdir()
    earlier = folder / "runs/earlier/votes/hard/submission.csv"
    rows = [tuple(line.split(",")) for line in earlier.read_text().split()[1:]]
    text = "ImageID,ans\n" + "".join(f"{name},{answer}\n" for name, answer in rows)
    (place / "truth.csv").write_text(text)
    (place / "hard.csv").write_text(text.replace(",green\n", ",red\n", 1))
    (place / "semicolons.csv").write_text(text.replace(",", ";"))
    soft = np.random.default_rng(0).dirichlet(np.ones(3), len(rows)).round(6)
    lines = [f"{name},{','.join(map(str, p))}" for (name, _), p in zip(rows, soft, strict=True)]
    (place / "soft.csv").write_text("\n".join(["ImageID,blue,green,red", *lines, ""]))
    records = [{"ImageID": name, "ans": answer} for name, answer in rows]
    (place / "records.json").write_text(json.dumps(records))
    (place / "columns.json").write_text(
        json.dumps({"columns": ["ImageID", "ans"], "data": [list(row) for row in rows]})
    )
    arrays = [
        f'{name},"[{" ".join(map(str, p))}]"' for (name, _), p in zip(rows, soft, strict=True)
    ]
    (place / "arrays.csv").write_text("\n".join(["ImageID,prob", *arrays, ""]))
    shutil.copy(folder / "tables/plain/test.parquet", place / "table.parquet")
    content = io.BytesIO()
    np.save(content, soft)
    (place / "soft.npy").write_bytes(content.getvalue())


PARTS: dict[str, Callable[[Path], None]] = {
    "people": _people,
    "pictures": _pictures,
    "weights": _weights,
    "handed in": _handed_in,
}
