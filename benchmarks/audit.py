"""What `audit` finds of labels that were changed before training, and what correcting them is worth.

    PYTHONPATH=. python benchmarks/audit.py ensembles/demo.yaml --truth data/sample/eval/truth.csv
    PYTHONPATH=. python benchmarks/audit.py ensembles/elpv.yaml --truth data/elpv/truth.csv

Of `--share` of the training photographs the label is another one, drawn at random (of layout profiles the
mask or the gender of single photographs, not the age), by a file of `data.corrections`. The spec is
trained on these, `audit` is asked, and it is trained twice more, each time from nothing: with all that
audit proposes, as nobody would do, and with what a reviewer who knows the truth keeps of the most
suspicious tenth. The test part, whose truth is given, is never changed.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from members.data.codec import Codec
from orchestrator.photographs.prepare import prepare_photographs
from orchestrator.spec import load

PROFILE = ("gender", "mask")


def command(*arguments: str) -> None:
    called = [sys.executable, "-m", "orchestrator", *arguments]
    done = subprocess.run(called, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(arguments)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")


def flipped(
    labels: np.ndarray, codec: Codec, share: float, targets: list[str], seed: int
) -> dict[int, int]:
    """row -> its wrong label."""
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(labels), round(share * len(labels)), replace=False)
    values = codec.decode(labels)
    found = {}
    for row in rows:
        target = targets[rng.integers(len(targets))]
        own = {name: np.array([column[row]]) for name, column in values.items()}
        n = len(codec.targets[target])
        own[target] = (own[target] + rng.integers(1, n)) % n
        found[int(row)] = int(codec.encode(own)[0])
    return found


def write(
    file: Path,
    ids: list[str],
    labels: np.ndarray,
    new: dict[int, int],
    codec: Codec,
    profiles: bool,
) -> None:
    """A file of `data.corrections` with these labels of rows, of those that differ."""
    with file.open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["id", "photo", *PROFILE] if profiles else ["image_id", "label"])
        for row, label in new.items():
            if label == labels[row]:
                continue
            if not profiles:
                table.writerow([ids[row], codec.classes[label]])
                continue
            values = codec.decode(np.array([label]))
            before = codec.decode(labels[[row]])
            profile, _, photo = ids[row].rpartition("/")
            cells = [
                codec.targets[name][int(values[name][0])] if values[name] != before[name] else ""
                for name in PROFILE
            ]
            if any(cells):  # not the age alone
                table.writerow([profile, photo, *cells])


def trained(spec: str, run: Path, corrections: Path | None, truth: str) -> dict[str, float]:
    """Macro F1 and accuracy of the spec's own vote on the test part."""
    sets = [f"data.corrections={corrections}"] if corrections else []
    options = ["--set", *sets] if sets else []
    command("train-members", spec, *options, "--run", str(run))
    command("vote", spec, *options, "--run", str(run))
    (vote,) = (run / "votes").iterdir()
    command(
        "evaluate", str(vote / "submission.csv"), "--truth", truth, "--json", str(run / "e.json")
    )
    found = json.loads((run / "e.json").read_text())
    return {name: found[name] for name in ("macro_f1", "accuracy")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("spec")
    parser.add_argument("--truth", required=True)
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    spec = load(Path(given.spec))
    photographs = prepare_photographs(spec).photographs
    ids, codec = photographs.train["image_id"].tolist(), photographs.codec
    labels = photographs.train["label"].to_numpy(int)
    profiles = spec.data.layout == "profiles"
    targets = [*PROFILE] if profiles else list(codec.targets)
    wrong = flipped(labels, codec, given.share, targets, given.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder / "flips.csv", ids, labels, wrong, codec, profiles)
        before = trained(given.spec, folder / "flipped", folder / "flips.csv", given.truth)
        command("audit", "--run", str(folder / "flipped"), "--json", str(folder / "audit.json"))
        with (folder / "flipped/audit/suspects.csv").open(newline="") as stream:
            ranked = list(csv.DictReader(stream))
        number = {image_id: row for row, image_id in enumerate(ids)}
        order = [number[own["image_id"]] for own in ranked]
        tenth = set(order[: round(0.1 * len(order))])
        proposed = {
            number[own["image_id"]]: codec.classes.index(own["suggested"])
            for own in ranked
            if own["proposed"] == "yes"
        }
        right = [row for row, label in proposed.items() if row in wrong and label == labels[row]]
        print(f"{given.spec}: {len(labels)} labels, {len(wrong)} of them changed")
        print(
            f"in the most suspicious tenth: {sum(row in tenth for row in wrong) / len(wrong):.1%} of these"
        )
        print(
            f"proposed {len(proposed)}: {sum(row in wrong for row in proposed)} of changed labels, "
            f"{len(right)} with the right one"
        )
        write(folder / "all.csv", ids, labels, wrong | proposed, codec, profiles)
        left = {row: label for row, label in wrong.items() if row not in tenth}
        write(folder / "reviewed.csv", ids, labels, left, codec, profiles)
        print(f"{'test part':<34}{'macro F1':>10}{'accuracy':>10}")
        rows = {
            "labels changed": before,
            "all proposals taken": trained(
                given.spec, folder / "all", folder / "all.csv", given.truth
            ),
            "tenth reviewed": trained(
                given.spec, folder / "reviewed", folder / "reviewed.csv", given.truth
            ),
            "no label changed": trained(given.spec, folder / "clean", None, given.truth),
        }
        for title, found in rows.items():
            print(f"{title:<34}{found['macro_f1']:>10.4f}{found['accuracy']:>10.4f}", flush=True)


if __name__ == "__main__":
    main()
