"""CPU seconds of whole `vote` commands, process start and files included, beside pandas reading the same.

    python benchmarks/voting_commands.py                       # 25 tables of 18,900 x 18, 30 submissions
    python benchmarks/voting_commands.py --before ../main      # and of another checkout, taking turns
    python benchmarks/voting_commands.py --tables 5 2000 8 --submissions 10 1000 --votes soft hard

Soft and weighted votes are over OOF tables with folds and groups, so that the estimate, the reasons and
what a default vote chooses among are all in them; pandas reads the same tables as CSV. A hard vote is over
submission files, which pandas reads, too.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from pathlib import Path

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.processes import ROOT, compare, python
from benchmarks.voting_tables import noisy_members
from ensembles import OofTable, write_submission, write_table

PER_PERSON, FOLDS = 7, 5
READ = "import sys, pandas\nfor file in sys.argv[1:]: pandas.read_csv(file)"


def draw_tables(folder: Path, n_members: int, n_rows: int, n_classes: int) -> list[Path]:
    """`folder/tables/<member>/oof.parquet`, and the same as CSV, whose paths are returned."""
    members, labels = noisy_members(n_members, n_rows, n_classes, 0)
    people = np.arange(n_rows) // PER_PERSON
    fold, label = (people % FOLDS).astype(np.int16), labels.astype(np.int16)
    ids = np.array([f"{row:06}.jpg" for row in range(n_rows)], object)
    group = np.array([f"{person:05}" for person in people], object)
    meta = {"classes": [f"c{k}" for k in range(n_classes)]}
    (folder / "csv").mkdir()
    found = []
    for number, own in enumerate(members):
        table = OofTable(ids, own, fold, label, meta, group)
        write_table(folder / "tables" / f"m{number:02}" / "oof.parquet", table)
        found.append(folder / "csv" / f"m{number:02}.csv")
        with found[-1].open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(
                ["image_id", "fold", "label", "group", *(f"p{k}" for k in range(n_classes))]
            )
            shown = own.astype(str).tolist()
            rows.writerows(
                [*of, *row] for *of, row in zip(ids, fold, label, group, shown, strict=True)
            )
    return found


def draw_submissions(folder: Path, n_files: int, n_rows: int) -> list[Path]:
    """Ten classes; each file right in about 70 % of the rows."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 10, n_rows)
    ids = [f"{row:05}.jpg" for row in range(n_rows)]
    found = []
    for number in range(n_files):
        answers = np.where(rng.random(n_rows) < 0.7, truth, rng.integers(0, 10, n_rows))
        found.append(folder / f"submission{number:02}.csv")
        write_submission(found[-1], ids, answers.astype(str).tolist())
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, help="another checkout to compare with")
    sizes = {"type": int, "metavar": ("FILES", "ROWS")}
    parser.add_argument(
        "--tables",
        type=int,
        nargs=3,
        metavar=("MEMBERS", "ROWS", "CLASSES"),
        default=[25, 18_900, 18],
    )
    parser.add_argument("--submissions", nargs=2, default=[30, 10_000], **sizes)
    parser.add_argument("--votes", nargs="+", default=["soft", "hard", "weighted"])
    parser.add_argument("--times", type=int, default=5)
    given = parser.parse_args()
    checkouts = {"now": ROOT}
    if given.before:
        checkouts = {"before": given.before.resolve(), **checkouts}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        as_csv = draw_tables(folder, *given.tables)
        files = draw_submissions(folder, *given.submissions)
        of = {"hard": ["--submissions", *files]}
        for vote in given.votes:
            words = of.get(vote, ["--tables", folder / "tables"])
            shown = as_csv if vote != "hard" else files
            print(f"\n{vote} vote of {len(shown)} files, CPU seconds of the whole command")
            sides = {"pandas reading them": python("-c", READ, *shown)}
            for name, checkout in checkouts.items():
                command = ["-m", "orchestrator", "vote", *words, "--mode", vote]
                command += ["--out", folder / f"{vote}-{name}"]
                sides[f"vote --mode {vote}, {name}"] = python(*command, checkout=checkout)
            compare(sides, folder, given.times)


if __name__ == "__main__":
    main()
