"""From photographs on the disk to the first batch, beside one pass of Pillow over the same files.

    PYTHONPATH=. python benchmarks/first_batch.py [--photos 1500 6000] [--times 3] [--before PATH]

Drawn JPEGs in class folders, and members of two sizes. The sides in turn, each a process of its own with a
cache of its own, CPU seconds of it and its children, imports and starts included, medians and ranges:

    Pillow      each file opened, decoded and turned to RGB, nothing else
    resizes     as Pillow, and both sizes by OpenCV, which makes the pixels of all copies: the least there is
    at once     as `train-members` does it: read, checked, digests, leak search, copies in both sizes
    apart       as after `check`: its photographs are read before; then one pass for the copies of both sizes
    before      as `at once`, of another checkout

Of two numbers of photographs: what one more costs (the slope), and what a call costs whatever their number.
The copies of all sides must be the same to the bit.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parent.parent
SPEC = """
name: first
data: {{layout: folders, train: {0}/photos}}
folds: {{scheme: kfold, k: 5, seed: 42}}
defaults: {{epochs: 1}}
members:
  - {{name: small, model: test_efficientnet, image_size: [160, 160]}}
  - {{name: large, model: test_resnet, image_size: [224, 224]}}
"""
PILLOW = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from PIL import Image
def decode(path):
    with Image.open(path) as photo:
        photo.convert("RGB").load()
with ThreadPoolExecutor() as pool:
    list(pool.map(decode, sorted(Path(sys.argv[1], "photos").rglob("*.jpg"))))
"""
RESIZES = PILLOW.replace(
    "import sys\n", "import sys, cv2, numpy as np\ncv2.setNumThreads(1)\n"
).replace(
    'photo.convert("RGB").load()',
    """pixels = np.asarray(photo.convert("RGB"))
    for side in (160, 224):
        cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA)""",
)
OURS = """
import sys
from pathlib import Path
from orchestrator.photographs.cache import cache_folder
from orchestrator.photographs.decoded import Decoding
from orchestrator.photographs.prepare import prepare_photographs
from orchestrator.spec.load import load
from members.pixels.cache import pixels
folder, how = sys.argv[1:]
spec = load(f"{folder}/first.yaml")
names = [member.name for member in spec.members]
if how == "apart":
    prepare_photographs(spec)
with Decoding(spec, names) as decoding:
    train = prepare_photographs(spec, decoding=decoding).photographs
    decoding.finish(train, names)
for member in spec.members:
    paths, digests = train.train["path"].tolist(), train.train["digest"].tolist()
    size = member.recipe.image_size
    batch = pixels(paths, digests, size=size, crop=None, folder=cache_folder())[:64]
"""


def draw(folder: Path, photos: int, side: int) -> None:
    rng = np.random.default_rng(0)
    for i in range(photos):
        own = folder / f"class_{i % 10}"
        own.mkdir(parents=True, exist_ok=True)
        width, height = (side, side * 3 // 4)[:: 1 if i % 3 else -1]
        colours = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8))
        large = np.asarray(colours.resize((width, height), Image.Resampling.BICUBIC))
        pixels = np.clip(large + rng.normal(0, 6, large.shape), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(own / f"{i:06}.jpg", quality=90)


def call(code: str, checkout: Path, cache: Path, *given: str) -> tuple[float, str]:
    """CPU seconds, and a digest of the copies that were made."""
    settings = {**os.environ, "ENSEMBLE_CACHE": str(cache), "PYTHONPATH": str(checkout)}
    before = os.times()
    subprocess.run([sys.executable, "-c", code, *given], cwd=checkout, env=settings, check=True)
    after = os.times()
    cpu = after.children_user + after.children_system
    copies = hashlib.sha256()
    for file in sorted(cache.glob("*.npy")):
        copies.update(file.name.encode() + file.read_bytes())
    return cpu - before.children_user - before.children_system, copies.hexdigest()


def measured(
    folder: Path, sides: dict[str, tuple[str, Path]], times: int
) -> dict[str, list[tuple[float, str]]]:
    found: dict[str, list[tuple[float, str]]] = {side: [] for side in sides}
    (folder / "first.yaml").write_text(SPEC.format(folder))
    for _ in range(times):
        for side, (code, checkout) in sides.items():
            with tempfile.TemporaryDirectory() as cache:
                found[side].append(call(code, checkout, Path(cache), str(folder), side))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, nargs="+", default=[1500, 6000])
    parser.add_argument("--side", type=int, default=500, help="pixels of the longer side")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--before", type=Path, help="another checkout to compare with")
    given = parser.parse_args()
    sides = {"Pillow": (PILLOW, ROOT), "resizes": (RESIZES, ROOT)}
    sides |= {"at once": (OURS, ROOT), "apart": (OURS, ROOT)}
    if given.before:
        sides["before"] = (OURS, given.before.resolve())
    medians: dict[str, list[float]] = {side: [] for side in sides}
    same = True
    for photos in given.photos:
        with tempfile.TemporaryDirectory() as made:
            draw(Path(made) / "photos", photos, given.side)
            found = measured(Path(made), sides, given.times)
        same &= (
            len({copies for side in found for _, copies in found[side] if sides[side][0] == OURS})
            == 1
        )
        print(f"{photos:,} photographs, {given.side} pixels     CPU seconds    of Pillow's")
        for side, calls in found.items():
            cpu = [one for one, _ in calls]
            medians[side].append(statistics.median(cpu))
            of_pillow = medians[side][-1] / medians["Pillow"][-1]
            print(
                f"{side:<24}{medians[side][-1]:>12.2f} +-{max(cpu) - min(cpu):>5.2f}{of_pillow:>12.2f}"
            )
    if len(given.photos) > 1:
        print("one photograph more          ms    of Pillow's    a call whatever their number, s")
        steps = given.photos[-1] - given.photos[0]
        each = {side: (own[-1] - own[0]) / steps for side, own in medians.items()}
        for side, slope in each.items():
            fixed = medians[side][0] - slope * given.photos[0]
            print(f"{side:<24}{1000 * slope:>7.2f}{slope / each['Pillow']:>15.2f}{fixed:>15.2f}")
    print(f"all made the same copies: {'yes' if same else 'no'}")
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")


if __name__ == "__main__":
    main()
