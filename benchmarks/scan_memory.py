"""Peak memory of a scan of large photos, of this code and of another checkout.

    python benchmarks/scan_memory.py                       # 24 MP, 1, 4 and 16 photos at once
    python benchmarks/scan_memory.py --before ../main      # both sides, the other checkout first
    python benchmarks/scan_memory.py --megapixels 108 --photos 1

Every scan runs in a process of its own, whose peak the kernel counts; what Python and its packages
take before the first photo is subtracted. The photos are drawn into a temporary folder.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
CHILD = """
import re, sys
from pathlib import Path
from concurrent.futures import ThreadPoolExecutor
import pandas, PIL.Image
import members.files
try:
    from members.reading.scan import scan
except ImportError:  # a checkout of before
    from members.pixels.scan import scan
jobs, small, *paths = sys.argv[1:]
threads = members.files.in_threads
members.files.in_threads = lambda work, items: threads(work, items, int(jobs))
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 2**10
scan([small])
before = peak()
problems = [text for text in scan(paths)["problem"] if text]
print(round(peak() - before), *problems[:1])
"""


def draw(folder: Path, megapixels: float, count: int) -> list[Path]:
    from PIL import Image

    height = round((megapixels * 1e6 / 1.5) ** 0.5)
    rows = np.random.default_rng(0).integers(0, 256, (height // 16, height * 3 // 32, 3), np.uint8)
    photo = Image.fromarray(rows).resize((height * 3 // 2, height))
    Image.MAX_IMAGE_PIXELS = None
    paths = []
    for i in range(count):
        paths.append(folder / f"{i}.jpg")
        photo.save(paths[-1], quality=90) if not i else os.link(paths[0], paths[-1])
    return paths


def peak(checkout: Path, jobs: int, small: Path, paths: list[Path]) -> str:
    command = [sys.executable, "-c", CHILD, str(jobs), str(small), *map(str, paths)]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megapixels", type=float, default=24)
    parser.add_argument("--photos", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--before", type=Path, help="another checkout to compare with")
    given = parser.parse_args()
    sides = {"before": given.before, "now": ROOT} if given.before else {"now": ROOT}
    with tempfile.TemporaryDirectory() as folder:
        paths = draw(Path(folder), given.megapixels, max(given.photos))
        (Path(folder) / "small").mkdir()
        [small] = draw(Path(folder) / "small", 0.01, 1)
        for count in given.photos:
            for side, checkout in sides.items():
                found = peak(checkout, count, small, paths[:count])
                print(f"{count:3} of {given.megapixels:g} MP at once, {side:6}: {found} MiB")


if __name__ == "__main__":
    main()
