"""`check` of many small photographs, the first time and again, of this code and of another checkout.

    PYTHONPATH=. python benchmarks/check_many.py [--photos 60000] [--times 3] [--before ../main]

JPEGs of 32 x 32 in ten class folders, drawn, five sixths to train on and the rest to predict, each a group
of its own, as CIFAR-10 is. Every call is a process with a cache of its own, the sides in turn: seconds on
the clock and CPU seconds (its own and its children's), the median and the range. Each side's calls must
print the same.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parent.parent
SPEC = """
name: many
data: {{layout: folders, train: {0}/train, test: {0}/test}}
folds: {{scheme: kfold, k: 5, seed: 42}}
defaults: {{image_size: [32, 32], epochs: 3, batch_size: 64}}
members: [{{name: effnet, model: test_efficientnet}}, {{name: resnet, model: test_resnet}}]
"""


def draw(folder: Path, photos: int, seed: int) -> None:
    """`folder`/<class>/<number>.jpg: five by five colours, enlarged, with noise."""
    rng = np.random.default_rng(seed)
    for i in range(photos):
        own = folder / f"class_{i % 10}"
        own.mkdir(parents=True, exist_ok=True)
        colours = Image.fromarray(rng.integers(0, 256, (5, 5, 3), np.uint8))
        large = np.asarray(colours.resize((32, 32), Image.Resampling.BICUBIC))
        pixels = np.clip(large + rng.normal(0, 10, large.shape), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(own / f"{i:06}.jpg", quality=95)


def call(checkout: Path, folder: Path, cache: Path) -> tuple[float, float, str]:
    """Seconds, CPU seconds, and what was printed."""
    settings = {**os.environ, "ENSEMBLE_CACHE": str(cache), "PYTHONPATH": str(checkout)}
    command = [sys.executable, "-m", "orchestrator", "check", str(folder / "many.yaml")]
    before, begun = os.times(), time.monotonic()
    done = subprocess.run(
        [*command, "--run", str(folder / "run")],
        cwd=checkout, env=settings, text=True, capture_output=True, check=True,
    )  # fmt: skip
    took, after = time.monotonic() - begun, os.times()
    cpu = after.children_user + after.children_system
    lines = [
        line for line in done.stdout.splitlines() if " of " not in line or "photographs" in line
    ]
    return took, cpu - before.children_user - before.children_system, "\n".join(lines[-12:])


def shown(values: list[float]) -> str:
    return f"{statistics.median(values):>8.1f} +-{max(values) - min(values):>5.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=60_000)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--before", type=Path, help="another checkout to compare with")
    given = parser.parse_args()
    sides = {"before": given.before.resolve()} if given.before else {}
    sides["now"] = ROOT
    found: dict[tuple[str, str], list[tuple[float, float, str]]] = {}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        draw(folder / "train", given.photos * 5 // 6, 0)
        draw(folder / "test", given.photos - given.photos * 5 // 6, 1)
        (folder / "many.yaml").write_text(SPEC.format(folder))
        for turn in range(given.times):
            for side, checkout in sides.items():
                for which in ("first", "again"):
                    cache = folder / f"cache-{side}-{turn}"
                    found.setdefault((which, side), []).append(call(checkout, folder, cache))
    printed = {one[2] for calls in found.values() for one in calls}
    print(f"{given.photos:,} photographs{'seconds':>22}{'CPU seconds':>18}")
    for (which, side), calls in sorted(found.items()):
        print(
            f"{which:<7}{side:<8}{'':<13}{shown([c[0] for c in calls])}{shown([c[1] for c in calls])}"
        )
    if given.before:
        for which in ("first", "again"):
            cpu = [
                statistics.median(c[1] for c in found[which, side]) for side in ("now", "before")
            ]
            print(f"{which}: now / before {cpu[0] / cpu[1]:.2f} of the CPU seconds")
    print(f"all calls printed the same: {'yes' if len(printed) == 1 else 'no'}")
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")


if __name__ == "__main__":
    main()
