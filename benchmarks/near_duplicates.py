"""Copies of photographs: how many are found, how many pairs are false, and how long it takes.

    python benchmarks/near_duplicates.py                    # about five minutes on two cores
    python benchmarks/near_duplicates.py --photos 200 --timed 2000

Every photograph is copied in each of several ways, the copy put into a group of its own, and the
search that `check` does run over all. Recall is the share of the copies that are found beside their
own photograph; a false pair is one of two different photographs, counted against the photographs.
The photographs: solar cells (`pip install elpv-dataset`; left out where it is not installed), the
same at 64 pixels, and drawn people. A pair of solar cells is not always false: the data set has
cells that were photographed twice. Promised are the first three kinds, for photographs of the size
they come in.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageOps

ROOT = Path(__file__).parent.parent
SEED = 0


def _jpeg(photo: Image.Image, quality: int) -> Image.Image:
    content = io.BytesIO()
    photo.save(content, "JPEG", quality=quality)
    return Image.open(content).convert("RGB")


def _half(photo: Image.Image, how: Image.Resampling = Image.Resampling.BICUBIC) -> Image.Image:
    return photo.resize((max(1, photo.width // 2), max(1, photo.height // 2)), how)


def _cropped(photo: Image.Image) -> Image.Image:
    x, y = (max(1, round(side * 0.005)) for side in photo.size)
    return photo.crop((x, y, photo.width - x, photo.height - y))


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "JPEG, quality 80": lambda photo: _jpeg(photo, 80),
    "half the size": _half,
    "mirrored": ImageOps.mirror,
    "all three": lambda photo: _jpeg(ImageOps.mirror(_half(photo)), 80),
    "JPEG, quality 50": lambda photo: _jpeg(photo, 50),
    "a quarter of the size": lambda photo: _half(_half(photo)),
    "half, pixels left out": lambda photo: _half(photo, Image.Resampling.NEAREST),
    "a tenth brighter": lambda photo: photo.point(lambda level: min(255, level * 1.1)),
    "1 % cropped": _cropped,
}
PROMISED = 3


def data_sets(folder: Path, most: int) -> Iterator[tuple[str, list[Image.Image]]]:
    from members.samples.elpv import PACKAGE, write_elpv
    from members.samples.people import draw_people

    if importlib.util.find_spec(PACKAGE):
        write_elpv(folder / "elpv")
        cells = _opened(sorted((folder / "elpv/images").iterdir()), most)
        yield "solar cells, 300 x 300", cells
        yield "solar cells, 64 x 64", [cell.resize((64, 64)) for cell in cells]
    else:
        print("solar cells are left out: pip install elpv-dataset")
    draw_people(folder / "people", profiles=min(300, most), eval=1)
    shots = sorted((folder / "people/train/images").glob("*/normal.*"))
    yield "drawn people, one photograph each", _opened(shots, most)


def _opened(paths: list[Path], most: int) -> list[Image.Image]:
    chosen = np.random.default_rng(SEED).permutation(len(paths))[:most]
    return [Image.open(paths[i]).convert("RGB") for i in np.sort(chosen)]


def fingerprints_of(photos: list[Image.Image]):
    """As a scan computes them, in threads."""
    from members import files
    from members.duplicates.fingerprint import Fingerprints, fingerprint

    rows = files.in_threads(lambda photo: fingerprint(np.asarray(photo)), photos)
    sizes = [{"height": photo.height, "width": photo.width} for photo in photos]
    return Fingerprints.of(pd.DataFrame(list(rows)).join(pd.DataFrame(sizes)))


def pairs_of(photos: list[Image.Image]) -> np.ndarray:
    from members.duplicates.search import equal_pixels, look_alike

    fingerprints = fingerprints_of(photos)
    alike = look_alike(fingerprints, np.arange(len(photos)))
    equal = [(a, b) for a, *others in equal_pixels(fingerprints.pixels) for b in others]
    return np.concatenate([alike, np.array(equal, np.int64).reshape(-1, 2)])


def measure(title: str, photos: list[Image.Image]) -> None:
    n = len(photos)
    between = pairs_of(photos)
    print(
        f"\n{title}: {n} photographs, {len(between)} pairs without copies ({len(between) / n:.2%})"
    )
    print(f"  {'copy':<26}{'found':>9}{'false pairs':>14}")
    for number, (name, copy) in enumerate(COPIES.items()):
        if number == PROMISED:
            print("  without promise")
        pairs = pairs_of([*photos, *map(copy, photos)])
        own = (pairs[:, 1] - pairs[:, 0]) == n
        # two copies of different photographs are as alike as the photographs: one pair, not four
        false = np.unique(np.sort(pairs[~own] % n, axis=1), axis=0)
        print(f"  {name:<26}{own.sum() / n:>9.2%}{len(false) / n:>14.2%}")


def measure_time(photos: list[Image.Image], n: int) -> None:
    from members.duplicates.search import look_alike

    rng = np.random.default_rng(SEED)
    views = []
    for i in range(n):
        photo = photos[i % len(photos)]
        width, height = (int(side * rng.uniform(0.5, 0.9)) for side in photo.size)
        x, y = (rng.integers(0, r + 1) for r in (photo.width - width, photo.height - height))
        views.append(photo.crop((x, y, x + width, y + height)))
    clocks = [_clocks()]
    fingerprints = fingerprints_of(views)
    clocks.append(_clocks())
    found = look_alike(fingerprints, np.arange(n))
    clocks.append(_clocks())
    print(f"\n{n} photographs (parts of those above), {len(found)} of all pairs look the same")
    print(f"  {'beyond decoding':<26}{'seconds':>9}{'of CPUs':>14}")
    for name, (wall, cpu) in zip(("fingerprints", "search"), np.diff(clocks, axis=0), strict=True):
        print(f"  {name:<26}{wall:>9.1f}{cpu:>14.1f}")


def _clocks() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--photos", type=int, default=10_000, help="of a data set, at most")
    parser.add_argument("--timed", type=int, default=20_000, help="photographs that are timed")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        timed = None
        for title, photos in data_sets(Path(folder), arguments.photos):
            measure(title, photos)
            timed = timed or photos
        measure_time(timed or [], arguments.timed)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
