"""Whether `train-members` takes the time that `init` promised, on three layouts.

    PYTHONPATH=. python benchmarks/first_spec.py [sample folders table] [--hours 0.05] [--photos 5000]

For each layout, in a folder and with a cache of its own: `init --hours H`, `check` on the spec as it
stands, `train-members`. The layouts are the sample people (profiles); ten class folders of 32 x 32
colour photographs, drawn so that they can be learned; and a CSV of the sample's photographs with
columns called as other people do. Prints seconds promised by `init`, seconds that `train-members` took
from its start to its end, their ratio, and where the rest of the time went. What else the machine does
counts: the load average stands below each row.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

LAYOUTS = ("sample", "folders", "table")
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def draw_folders(folder: Path, photos: int, seed: int = 0) -> None:
    """`folder`/<class>/<number>.png: ten classes, each another polygon on a coloured ground."""
    rng = np.random.default_rng(seed)
    for i in range(photos):
        label = i % len(CLASSES)
        own = folder / CLASSES[label]
        own.mkdir(parents=True, exist_ok=True)
        ground = tuple(int(value) for value in rng.integers(0, 160, 3))
        picture = Image.new("RGB", (32, 32), ground)
        ink = tuple(int(value) for value in rng.integers(120, 256, 3))
        x, y = (float(value) for value in rng.uniform(12, 20, 2))
        circle = (x, y, float(rng.uniform(7, 11)))
        turned = float(rng.uniform(0, 360))
        ImageDraw.Draw(picture).regular_polygon(circle, 3 + label % 5, turned, ink, ink)
        if label >= 5:  # with a hole
            ImageDraw.Draw(picture).ellipse((x - 4, y - 4, x + 4, y + 4), fill=ground)
        noise = rng.normal(0, 12, (32, 32, 3))
        pixels = np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(own / f"{i:05}.png")


def make(layout: str, folder: Path, photos: int) -> list[str]:
    """What `init` is given."""
    if layout == "folders":
        draw_folders(folder / "photos", photos)
        return ["photos"]
    run(folder, "sample", "people", "--profiles", "100", "--eval", "280")
    if layout == "sample":
        return ["people"]
    images = folder / "people/train/images"
    rows = ["filename;category;person"]
    for photo in sorted(images.glob("*/*.jpg")):
        kind = "with" if photo.stem.startswith("mask") else "without"
        gender = photo.parent.name.split("_")[1]
        rows.append(f"{photo.relative_to(images)};{gender} {kind} mask;{photo.parent.name}")
    (folder / "list.csv").write_text("\n".join(rows) + "\n", encoding="utf-8-sig")
    return ["list.csv"]


def run(folder: Path, *words: str) -> str:
    """One command of the project in `folder`; what it printed."""
    settings = {**os.environ, "ENSEMBLE_CACHE": str(folder / "cache")}
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator", *words],
        cwd=folder, env=settings, text=True, stdout=subprocess.PIPE, check=False,
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"{' '.join(words)}: ended with {done.returncode}\n{done.stdout}")
    return done.stdout


def row(layout: str, hours: float, photos: int, options: list[str]) -> str:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as given:
        folder = Path(given)
        what = make(layout, folder, photos)
        started = time.monotonic()
        run(folder, "init", *what, "--hours", f"{hours:g}", "--json", "init.json", *options)
        looked = time.monotonic() - started
        found = json.loads((folder / "init.json").read_text())
        run(folder, "check", "ensemble.yaml")
        started = time.monotonic()
        printed = run(folder, "train-members", "ensemble.yaml")
        took = time.monotonic() - started
        timing = json.loads((folder / "runs/ensemble/timing.json").read_text())
        units = [
            json.loads(own.read_text()) for own in folder.glob("runs/ensemble/units/**/unit.json")
        ]
        scores = re.findall(r"score (\d\.\d+)  done", printed)
    training = sum(own["seconds"]["train"] + own["seconds"]["predict"] for own in units)
    expected = sum(own["seconds"] for own in found["members"].values())
    promised = found["seconds_expected"]
    return (
        f"{layout:<9}{3600 * hours:>8.0f}{looked:>7.0f}{promised:>10.0f}{took:>7.0f}"
        f"{took / promised:>7.2f}{training / expected:>8.2f}"
        f"{took - timing['runs']:>8.0f}{timing['starting'] / timing['slots']:>9.0f}"
        f"{found['seconds_to_start']:>7.1f}"
        f"   {len(found['members'])} x {found['folds'].get('k', 1)} x {found['epochs']}"
        f" {'/'.join(found['members'])}, score to {max(scores, default='-')}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("layouts", nargs="*", help=f"of {', '.join(LAYOUTS)}; default: all")
    parser.add_argument("--hours", type=float, default=0.05)
    parser.add_argument("--photos", type=int, default=5000, help="in the ten class folders")
    parser.add_argument("--weights", default="no", help="as of init: auto, yes or no")
    given = parser.parse_args()
    if wrong := {*given.layouts} - {*LAYOUTS}:
        parser.error(f"no such layout: {', '.join(sorted(wrong))}; allowed: {', '.join(LAYOUTS)}")
    print(
        f"{'':<9}{'allowed':>8}{'init':>7}{'promised':>10}{'took':>7}{'ratio':>7}{'units':>8}"
        f"{'around':>8}{'starting':>9}{'start':>7}   members x folds x epochs"
    )
    for layout in given.layouts or LAYOUTS:
        print(row(layout, given.hours, given.photos, ["--weights", given.weights]), flush=True)
        print(f"  load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs", flush=True)
    print(
        "All in seconds. ratio: took / promised. units: their training and predicting / what was expected\n"
        "of them. around: outside of the runs of units. starting: of runs, until their first unit, a slot.\n"
        "start: of a process that imports what training does, as init timed it."
    )


if __name__ == "__main__":
    main()
