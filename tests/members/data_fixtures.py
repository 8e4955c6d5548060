"""Small real files for the tests of table, folds, images and sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

SEVEN = ("mask1", "mask2", "mask3", "mask4", "mask5", "incorrect_mask", "normal")


def picture(height: int = 24, width: int = 18, seed: int = 0) -> np.ndarray:
    """A smooth RGB picture that JPEG keeps well, different for each seed."""
    rng = np.random.default_rng(seed)
    corners = Image.fromarray(rng.integers(30, 226, (2, 2, 3), dtype=np.uint8))
    return np.asarray(corners.resize((width, height), Image.Resampling.BILINEAR))


def write_photo(path: Path, seed: int = 0, **shape: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = "PNG" if path.suffix.lower() == ".png" else "JPEG"
    Image.fromarray(picture(seed=seed, **shape)).save(path, format=kind)
    return path


def write_profiles(folder: Path, people: list[tuple[str, str, int]], newline: str = "\n") -> Path:
    """A competition train folder with all seven photos for each (id, gender, age)."""
    rows = ["id,gender,race,age,path"]
    for person, (number, gender, age) in enumerate(people):
        profile = f"{number}_{gender}_Asian_{age}"
        rows.append(f"{number},{gender},Asian,{age},{profile}")
        for shot, stem in enumerate(SEVEN):
            write_photo(folder / "images" / profile / f"{stem}.jpg", seed=10 * person + shot)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "train.csv").write_bytes(newline.join([*rows, ""]).encode())
    return folder


def made_up_frame(labels, groups) -> pd.DataFrame:
    """A table of photographs that exist on paper only."""
    labels = np.asarray(labels, dtype=np.int16)
    ids = [f"photo-{row:05}" for row in range(len(labels))]
    return pd.DataFrame(
        {
            "image_id": ids,
            "path": [f"/nowhere/{image_id}.jpg" for image_id in ids],
            "group": [str(group) for group in groups],
            "label": labels,
        }
    )
