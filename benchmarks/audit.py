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

Rankings: what `audit` gives, the spec's vote with what groups say, and the same of the mean of the members,
each with and without the groups; differences from the first are on the same changed labels. Of data with one
target also what is to be expected where labels are as uncertain as the vote says: where that is not much,
photographs of several classes look alike to these members, and no ranking by what they say finds much more.

Scored are the vote on the training photographs, by rules and networks that did not see them, against the
labels before they were changed, and the vote on the test part; differences are from the first stage on the
same rows, positive where it is better.

`--stages` says which; the first one is always. `--folder` keeps the runs, and what stands there is not
trained again: a run that was interrupted goes on. The test part, whose truth is given, is never changed.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

import ensembles
from ensembles.files.table import HELD_OUT, PROBABILITIES
from ensembles.judging.evaluate import true_labels
from ensembles.judging.label_errors import Suspicion
from ensembles.judging.paired import paired_difference
from ensembles.scores.metrics import named
from members.data.codec import Codec
from orchestrator.audit.labels import audit_labels
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


def changed(old: int, new: int, codec: Codec) -> str:
    """Which target's label, of several; which class to which, of one."""
    if len(codec.targets) == 1:
        return f"{codec.classes[old]} -> {codec.classes[new]}"
    values = codec.decode(np.array([old, new]))
    return ", ".join(name for name, own in values.items() if own[0] != own[1])


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


def scored(spec: str, folder: Path, stage: str, corrections: Path | None) -> Path:
    """Trained and voted on where it was not yet; the folder of the spec's own vote."""
    run = folder / stage
    if not list(run.glob("votes/*/vote.json")):  # written last
        options = ["--set", f"data.corrections={corrections}"] if corrections else []
        command("train-members", spec, *options, "--run", str(run))
        command("vote", spec, *options, "--run", str(run))
    (record,) = run.glob("votes/*/vote.json")
    return record.parent


def the_same(file: Path) -> Path:
    """`file`.new takes its place. Exits where there was another one: a run was trained on that."""
    new = file.with_name(f"{file.name}.new")
    if file.exists() and file.read_bytes() != new.read_bytes():
        sys.exit(
            f"{file}: a run was trained with other labels than it would be now ({new}). Name another "
            f"--folder, or delete the folder {file.stem} there and this file."
        )
    return new.replace(file)


def audits(run: Path, vote: Path) -> dict[str, tuple[Suspicion, list[str]]]:
    """Ranking -> what it says, and the ids of its rows. The first is what `audit` gives."""
    tables = ensembles.read_members(str(run / "tables"), "oof")
    codec = Codec.from_json((run / "targets.json").read_text())
    photographs = pd.read_parquet(run / "images.parquet")
    voted = ensembles.read_table(vote / HELD_OUT)
    by = {
        name: audit_labels(tables, photographs, codec, table)
        for name, table in (("the vote", voted), ("the mean", None))
    }
    found = {f"{name} and groups": own.found for name, own in by.items()}
    found |= {
        f"{name} alone": replace(own.found, own=own.found.by_tables) for name, own in by.items()
    }
    ids = by["the vote"].frame["image_id"].tolist()
    return {name: (own, ids) for name, own in found.items()}


def most(
    probabilities: np.ndarray, codec: Codec, share: float, targets: list[str], draws: int = 50
) -> float:
    """The share in the most suspicious tenth that is expected where the probabilities are true: the
    labels drawn from them, changed, and ranked by them.

    probabilities: (N, K). They are of members that learnt changed labels, so that it is a little low.
    """
    n = len(probabilities)
    found = []
    for draw in range(draws):
        at = np.random.default_rng(draw).random(n)[:, None]
        labels = np.minimum(
            (probabilities.cumsum(axis=1) <= at).sum(axis=1), len(codec.classes) - 1
        )
        wrong = flipped(labels, codec, share, targets, draw)
        rows = list(wrong)
        labels[rows] = list(wrong.values())
        order = np.argsort(probabilities[np.arange(n), labels], kind="stable")
        found.append(np.isin(rows, order[: round(0.1 * n)]).mean())
    return float(np.mean(found))


def show_rankings(
    rankings: dict[str, tuple[Suspicion, list[str]]],
    wrong: dict[str, str],
    expected: float | None,
) -> None:
    """wrong: image id of a changed label -> how it was changed, in words."""
    print(
        f"{'in the most suspicious tenth, by':<34}{'found':>8}{'s.e.':>7}{'difference':>13}{'s.e.':>7}"
    )
    first = None
    for name, (own, ids) in rankings.items():
        tenth = {ids[row] for row in own.order[: round(0.1 * len(ids))]}
        hits = np.array([image_id in tenth for image_id in wrong], float)
        first = hits if first is None else first
        apart = hits - first
        error, paired = (x.std(ddof=1) / len(x) ** 0.5 for x in (hits, apart))
        differs = f"{apart.mean():>+13.1%}{paired:>7.1%}" if name != next(iter(rankings)) else ""
        print(f"{name:<34}{hits.mean():>8.1%}{error:>7.1%}{differs}")
    if expected is not None:
        print(f"{'(were the probabilities true)':<34}{expected:>8.1%}")
    for how, n in Counter(wrong.values()).most_common():
        rows = [i for i, own in enumerate(wrong.values()) if own == how]
        print(f"  {how + f' ({n})':<40}{first[rows].mean():>8.1%}")


@dataclass
class Answers:
    """What a stage says of the rows of a part whose right labels are known."""

    labels: np.ndarray
    probabilities: np.ndarray
    groups: np.ndarray | None


def answers(vote: Path, truth: str, right: pd.DataFrame) -> dict[str, Answers]:
    """Of the training photographs by rules and networks that did not see them, and of the test part.

    right: the training photographs with the labels that were changed as they should be."""
    found = {}
    for part, name in (("held out", HELD_OUT), ("test part", PROBABILITIES)):
        table = ensembles.read_table(vote / name)
        ids, own = table.ids.tolist(), right
        if name == HELD_OUT:
            labels = right["label"].loc[ids].to_numpy(int)
        else:
            labels = true_labels(truth, table)
            own = pd.read_parquet(vote.parent.parent / "test.parquet").set_index("image_id")
        order = np.argsort(np.array(ids, str))  # the same in all stages
        groups = own["group"].loc[ids].to_numpy()[order] if "group" in own else None
        found[part] = Answers(labels[order], table.probabilities[order], groups)
    return found


def show_scores(stage: str, own: dict[str, Answers], before: dict[str, Answers] | None) -> None:
    """How far ahead of the first stage they are, with paired standard errors."""
    for part, now in own.items():
        line = f"{STAGES[stage]:<21}{part:<10}"
        for name in ("macro_f1", "accuracy", "log_loss"):
            line += f"{named(name).score(now.labels, now.probabilities):>9.4f}"
            if before is None:
                line += " " * 16
                continue
            was = before[part].probabilities
            apart = paired_difference(name, now.labels, now.probabilities, was, now.groups)
            line += f"{apart[0]:>+8.4f} ±{apart[1]:.4f}"
        print(line.rstrip(), flush=True)


def compared(given: argparse.Namespace, folder: Path) -> None:
    spec = load(Path(given.spec))
    photographs = prepare_photographs(spec).photographs
    ids, codec = photographs.train["image_id"].tolist(), photographs.codec
    labels = photographs.train["label"].to_numpy(int)
    profiles = spec.data.layout == "profiles"
    targets = [*PROFILE] if profiles else list(codec.targets)
    wrong = flipped(labels, codec, given.share, targets, given.seed)

    def vote_of(stage: str, new: dict[int, int] | None) -> Path:
        file = folder / f"{stage}.csv" if new is not None else None
        if file is not None:
            write(file.with_name(f"{file.name}.new"), ids, labels, new, codec, profiles)
            the_same(file)
        return scored(given.spec, folder, stage, file)

    print(f"{given.spec}: {len(labels)} labels, {len(wrong)} of them changed", flush=True)
    first = vote_of("flipped", wrong)
    rankings = audits(folder / "flipped", first)
    found, order = next(iter(rankings.values()))
    how = {ids[row]: changed(labels[row], label, codec) for row, label in wrong.items()}
    voted = ensembles.read_table(first / HELD_OUT).probabilities
    alike = len(codec.targets) == 1
    show_rankings(rankings, how, most(voted, codec, given.share, targets) if alike else None)
    number = {image_id: row for row, image_id in enumerate(ids)}
    proposed = {number[order[row]]: int(found.other[row]) for row in np.flatnonzero(found.proposed)}
    right = [row for row, label in proposed.items() if row in wrong and label == labels[row]]
    print(
        f"proposed {len(proposed)}: {sum(row in wrong for row in proposed)} of changed labels, "
        f"{len(right)} with the right one"
    )
    print(f"{'by the right labels':<31}{'macro F1':>9}{'ahead':>16}{'accuracy':>9}{'log-loss':>25}")
    right_labels = photographs.train.set_index("image_id")
    before = answers(first, given.truth, right_labels)
    show_scores("flipped", before, None)
    tenth = {number[order[row]] for row in found.order[: round(0.1 * len(order))]}
    left = {row: label for row, label in wrong.items() if row not in tenth}
    for stage, new in (("reviewed", left), ("all", wrong | proposed), ("clean", None)):
        if stage in given.stages:
            now = answers(vote_of(stage, new), given.truth, right_labels)
            show_scores(stage, now, before)


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
