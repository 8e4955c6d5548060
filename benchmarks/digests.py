"""What it costs to check the digests of what is read: of a vote's time, and of an epoch's.

    python benchmarks/digests.py                  # 25 members, 18,900 photographs, 18 classes
    python benchmarks/digests.py 5,2000,18        # members, photographs and classes of a smaller vote

Both sides of each share are measured in one process, one after the other, in CPU seconds, so that
other work on the machine does not count. The vote is a weighted one for macro F1 with everything in its
record; the epoch is one of 18,900 photographs, from the measured time of a few batches. Aims: at most
2 % of a vote's time, 1 % of an epoch's.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]
PHOTOS = 18_900
TIMES = 5


def main() -> None:
    sizes = sys.argv[1] if len(sys.argv) > 1 else f"25,{PHOTOS},18"
    show("a vote's", *of_a_vote(*map(int, sizes.split(","))))
    show("an epoch's (efficientnet_b0, 96 x 72, its state)", *of_an_epoch())


def show(what: str, checking: float, all_of_it: float) -> None:
    share = checking / all_of_it
    print(f"{checking:9.4f} s of {all_of_it:9.2f} s: {share:.2%} of {what} time")


def cpu_seconds(work: Callable[[], object], times: int = 1) -> float:
    """The least of several."""
    found = []
    for _ in range(times):
        begun = time.process_time()
        work()
        found.append(time.process_time() - begun)
    return min(found)


def of_a_vote(n_members: int, n_photos: int, n_classes: int) -> tuple[float, float]:
    """Checking the tables that a vote reads; the vote, from its files to its files."""
    from voting_tables import noisy_members

    import ensembles
    from ensembles import OofTable, Table
    from ensembles.files import places
    from ensembles.files.digests import require_right, write_sums
    from ensembles.files.parquet import file_digests, write_table

    with tempfile.TemporaryDirectory() as folder:
        tables = Path(folder) / "tables"
        for kind in ("oof", "test"):
            members, labels = noisy_members(n_members, n_photos, n_classes, 0, kind == "test")
            ids = np.array([f"{kind}/{i:06}.jpg" for i in range(n_photos)], object)
            for number, own in enumerate(members):
                fold, label = (np.arange(n_photos) % 5).astype(np.int16), labels.astype(np.int16)
                meta = {"classes": [f"c{k}" for k in range(n_classes)]}
                table = OofTable(ids, own, fold, label) if kind == "oof" else Table(ids, own)
                table.meta = meta
                write_table(tables / f"m{number:02}" / f"{kind}.parquet", table)
        files = sorted(tables.glob("*/*.parquet"))
        for member in sorted(tables.iterdir()):
            write_sums(member, {f.name: places.file_digest(f) for f in files if f.parent == member})

        def vote() -> None:
            oof = ensembles.read_members(tables, "oof")
            test = ensembles.read_members(tables, "test")
            digests = file_digests(tables, {"oof": oof, "test": test})
            cast = ensembles.cast(oof, test, "weighted", "macro_f1", digests=digests)
            cast.write(Path(folder) / "vote")

        checking = cpu_seconds(lambda: [require_right(file) for file in files], TIMES)
        return checking, cpu_seconds(vote)


def of_an_epoch() -> tuple[float, float]:
    """The digest at the end of a state; the epoch before it."""
    import hashlib
    import io

    import torch

    from members.batches.photos import Photos
    from members.recipe.recipe import Recipe
    from members.training import fit

    torch.set_num_threads(1)
    n, size = 128, (96, 72)
    recipe = Recipe(
        model="efficientnet_b0", pretrained=False, image_size=size, epochs=1, batch_size=32
    )
    pixels = np.random.default_rng(0).integers(0, 256, (n, *size, 3), dtype=np.uint8)
    photos = Photos(pixels, np.arange(n) % 18, columns={})
    states = []

    def train() -> None:
        states.extend(epoch.state() for epoch in fit.fit(recipe, photos, None, 18, seed=0))

    seconds = cpu_seconds(train) * PHOTOS / n
    content = io.BytesIO()
    torch.save(states[0], content)
    return cpu_seconds(lambda: hashlib.sha256(content.getbuffer()).hexdigest(), TIMES), seconds


if __name__ == "__main__":
    main()
