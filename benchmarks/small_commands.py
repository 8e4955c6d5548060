"""CPU seconds of the commands that should be done at once, beside Python importing numpy and pyarrow.parquet.

    python benchmarks/small_commands.py                    # trains the demo first, minutes
    python benchmarks/small_commands.py --run runs/demo    # a run of ensembles/demo.yaml that is there
    python benchmarks/small_commands.py --run runs/demo --before ../main

Whole commands, process start included: `--help`, `vote` of the demo, and a second `train-members` of it,
which finds everything done.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.processes import ROOT, compare, python

DEMO = ROOT / "ensembles" / "demo.yaml"
FLOOR = "import numpy, pyarrow.parquet"
# of a demo that is trained for this alone: few epochs, so that it takes less time
SHORT = ("--set", "defaults.epochs=2", "--set", "search.candidates=2")


def train(folder: Path) -> None:
    """The demo in `folder/runs/demo`."""
    for words in (["sample", "data/sample", "--eval", "1400"], ["train-members", DEMO, *SHORT]):
        command, environment = python("-m", "orchestrator", *words)
        subprocess.run(command, env=environment, cwd=folder, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, help="the demo's run folder, in runs/ beside its data/")
    parser.add_argument("--before", type=Path, help="another checkout to compare with")
    parser.add_argument("--times", type=int, default=5)
    given = parser.parse_args()
    checkouts = {"now": ROOT}
    if given.before:
        checkouts = {"before": given.before.resolve(), **checkouts}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if given.run is None:
            train(folder)
        else:
            folder = given.run.resolve().parent.parent
        run = folder / "runs" / "demo"
        # as it was trained: by a run's own spec.yaml a search of an earlier version is not known
        spec = [DEMO, *SHORT] if given.run is None else [DEMO]
        commands: dict[str, list[object]] = {
            "--help": ["--help"],
            "vote --help": ["vote", "--help"],
            "vote of the demo": ["vote", "--run", run],
            "vote --mode soft of the demo": ["vote", "--run", run, "--mode", "soft"],
            "train-members, all done": ["train-members", *spec, "--run", run],
        }
        sides = {FLOOR: python("-c", FLOOR)}
        for words, arguments in commands.items():
            for name, checkout in checkouts.items():
                label = words if len(checkouts) == 1 else f"{words}, {name}"
                sides[label] = python("-m", "orchestrator", *arguments, checkout=checkout)
        compare(sides, folder, given.times)


if __name__ == "__main__":
    main()
