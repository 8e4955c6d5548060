"""Small real files for the tests of data, pixels and samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from members.errors import BadInput

SEVEN = ("mask1", "mask2", "mask3", "mask4", "mask5", "incorrect_mask", "normal")
RED, BLUE = (200, 30, 20), (10, 40, 220)


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


def halves(height: int = 20, width: int = 40) -> Image.Image:
    """Left half red, right half blue."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2], pixels[:, width // 2 :] = RED, BLUE
    return Image.fromarray(pixels)


def close(pixel, colour, by: int = 12) -> bool:
    return bool(np.abs(np.asarray(pixel, int) - colour).max() <= by)


def broken_files(folder):
    """Name -> what its problem says."""
    whole = write_photo(folder / "whole.jpg", height=200, width=200).read_bytes()
    png = write_photo(folder / "whole.png", height=200, width=200).read_bytes()
    (folder / "zero.jpg").write_bytes(b"")
    (folder / "short.jpg").write_bytes(whole[: len(whole) * 2 // 3])
    (folder / "short.png").write_bytes(png[: len(png) // 2])
    (folder / "text.jpg").write_text("this is no photo")
    (folder / "head.jpg").write_bytes(whole[:30])
    damaged = bytearray(png)
    damaged[len(png) // 2] ^= 0xFF
    (folder / "damaged.png").write_bytes(bytes(damaged))
    Image.fromarray(np.zeros((4, 4), np.float32)).save(folder / "float.tiff")
    return {
        "zero.jpg": "zero bytes",
        "short.jpg": "cut short",
        "short.png": "cut short",
        "text.jpg": "is not an image",
        "head.jpg": "",
        "damaged.png": "",
        "float.tiff": "32 bits",
        "none.jpg": "no such file",
    }


def problems_of(call, *arguments, **named) -> str:
    with pytest.raises(BadInput) as caught:
        call(*arguments, **named)
    return "\n".join(caught.value.problems)
