"""How much a leak flatters: the same members scored on folds by person and on folds by photo.

    python benchmarks/leak.py          # or `make study`: about five minutes on two cores

Draws the sample people, writes their photographs as a table twice, once with the person as the
group and once with every photo a group of its own, trains ensembles/study.yaml on both and prints,
for each member, its out-of-fold macro F1 and its score on people whom no model has seen. By person
the two agree within their errors; by photo the first one lies. The people are drawings.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
SAMPLE, STUDY = ROOT / "data/sample", ROOT / "data/study"
SPEC = "ensembles/study.yaml"
SPLITS = {"folds by photo": "by_photo", "folds by person": "by_person"}


def orchestrator(*arguments: str) -> None:
    command = [sys.executable, "-m", "orchestrator", *arguments]
    subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr)


def write_tables() -> None:
    """The sample people as tables of path, label, group and image_id."""
    from members.data.codec import PROFILES
    from members.data.layouts import read_test, read_train

    STUDY.mkdir(parents=True, exist_ok=True)
    people = read_train("profiles", SAMPLE / "train").frame[["path", "label", "group", "image_id"]]
    people.to_csv(STUDY / "by_person.csv", index=False)
    people.assign(group=people["image_id"]).to_csv(STUDY / "by_photo.csv", index=False)
    unseen = read_test("profiles", SAMPLE / "eval", PROFILES).frame[["path", "image_id"]]
    unseen.to_csv(STUDY / "unseen_people.csv", index=False)


def measured(table: str) -> dict[str, dict]:
    """The leaderboard's row of each member, by its name."""
    options = ("--set", f"data.train=data/study/{table}.csv", "--run", f"runs/study_{table}")
    orchestrator("train-members", SPEC, *options)
    orchestrator("vote", SPEC, *options)
    figures = STUDY / f"{table}.json"
    truth = str(SAMPLE / "eval/truth.csv")
    orchestrator("leaderboard", SPEC, *options, "--truth", truth, "--json", str(figures))
    return {r["name"]: r for r in json.loads(figures.read_text()) if r["kind"] == "member"}


def main() -> None:
    orchestrator("sample", str(SAMPLE))
    write_tables()
    print(f"{'macro F1':<28}{'out of fold':>16}{'people nobody saw':>20}")
    for title, table in SPLITS.items():
        print(title)
        for name, row in measured(table).items():
            error = row["oof"]["standard_error"]["macro_f1"]
            own = f"{row['oof']['macro_f1']:.4f} ±{error:.3f}"
            print(f"  {name:<26}{own:>16}{row['truth']['macro_f1']:>20.4f}")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
