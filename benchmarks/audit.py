"""What `audit` finds of labels that were changed before training, and what correcting them is worth.

    PYTHONPATH=. python benchmarks/audit.py ensembles/demo.yaml --truth data/sample/eval/truth.csv
    PYTHONPATH=. python benchmarks/audit.py ensembles/elpv.yaml --truth data/elpv/truth.csv \\
        --folder runs/elpv-labels --stages flipped reviewed

Of `--share` of the training photographs the label is another one, drawn at random (of layout profiles the
mask or the gender of single photographs, not the age), by a file of `data.corrections`. The spec is
trained on these, `audit` is asked, and it is trained again, each time from nothing:

    flipped     with the labels changed
    reviewed    with what a reviewer who knows the truth corrects in the most suspicious tenth
    all         with all that audit proposes, as nobody would do
    clean       with no label changed

`--stages` says which; the first one is always. `--folder` keeps the runs, and what stands there is not
trained again: a run that was interrupted goes on. The test part, whose truth is given, is never changed.
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
STAGES = {
    "flipped": "labels changed",
    "reviewed": "tenth reviewed",
    "all": "all proposals taken",
    "clean": "no label changed",
}


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


def scored(spec: str, folder: Path, stage: str, corrections: Path | None, truth: str) -> dict:
    """Macro F1 and accuracy of the spec's own vote on the test part; trained where it was not yet."""
    run, kept = folder / stage, folder / f"{stage}.json"
    if not kept.exists():
        options = ["--set", f"data.corrections={corrections}"] if corrections else []
        command("train-members", spec, *options, "--run", str(run))
        command("vote", spec, *options, "--run", str(run))
        (vote,) = (run / "votes").iterdir()
        made = str(folder / f"{stage}.scores.json")
        command("evaluate", str(vote / "submission.csv"), "--truth", truth, "--json", made)
        Path(made).replace(kept)
    found = json.loads(kept.read_text())
    return {name: found[name] for name in ("macro_f1", "accuracy")}


def the_same(file: Path) -> Path:
    """`file`.new takes its place. Exits where there was another one: a run was trained on that."""
    new = file.with_name(f"{file.name}.new")
    if file.exists() and file.read_bytes() != new.read_bytes():
        sys.exit(
            f"{file}: a run was trained with other labels than it would be now ({new}). Name another "
            f"--folder, or delete {file.stem}, {file.stem}.json and this file of it."
        )
    return new.replace(file)


def ranked(folder: Path, ids: list[str], codec: Codec) -> tuple[list[int], dict[int, int]]:
    """Rows, the most suspicious first, and row -> label of those that are proposed."""
    run = folder / "flipped"
    command("audit", "--run", str(run), "--json", str(folder / "audit.json"))
    with (run / "audit/suspects.csv").open(newline="") as stream:
        suspects = list(csv.DictReader(stream))
    number = {image_id: row for row, image_id in enumerate(ids)}
    proposed = {
        number[own["image_id"]]: codec.classes.index(own["suggested"])
        for own in suspects
        if own["proposed"] == "yes"
    }
    return [number[own["image_id"]] for own in suspects], proposed


def compared(given: argparse.Namespace, folder: Path) -> None:
    spec = load(Path(given.spec))
    photographs = prepare_photographs(spec).photographs
    ids, codec = photographs.train["image_id"].tolist(), photographs.codec
    labels = photographs.train["label"].to_numpy(int)
    profiles = spec.data.layout == "profiles"
    targets = [*PROFILE] if profiles else list(codec.targets)
    wrong = flipped(labels, codec, given.share, targets, given.seed)

    def run(stage: str, new: dict[int, int] | None) -> dict:
        file = folder / f"{stage}.csv" if new is not None else None
        if file is not None:
            write(file.with_name(f"{file.name}.new"), ids, labels, new, codec, profiles)
            the_same(file)
        found = scored(given.spec, folder, stage, file, given.truth)
        print(
            f"{STAGES[stage]:<34}{found['macro_f1']:>10.4f}{found['accuracy']:>10.4f}", flush=True
        )
        return found

    print(f"{given.spec}: {len(labels)} labels, {len(wrong)} of them changed")
    print(f"{'test part':<34}{'macro F1':>10}{'accuracy':>10}", flush=True)
    run("flipped", wrong)
    order, proposed = ranked(folder, ids, codec)
    tenth = set(order[: round(0.1 * len(order))])
    right = [row for row, label in proposed.items() if row in wrong and label == labels[row]]
    print(
        f"in the most suspicious tenth: {sum(row in tenth for row in wrong) / len(wrong):.1%} of these"
    )
    print(
        f"proposed {len(proposed)}: {sum(row in wrong for row in proposed)} of changed labels, "
        f"{len(right)} with the right one",
        flush=True,
    )
    left = {row: label for row, label in wrong.items() if row not in tenth}
    for stage, new in (("reviewed", left), ("all", wrong | proposed), ("clean", None)):
        if stage in given.stages:
            run(stage, new)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("spec")
    parser.add_argument("--truth", required=True)
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    given = parser.parse_args()
    if given.folder is not None:
        given.folder.mkdir(parents=True, exist_ok=True)
        compared(given, given.folder.resolve())
        return
    with tempfile.TemporaryDirectory() as name:
        compared(given, Path(name))


if __name__ == "__main__":
    main()
