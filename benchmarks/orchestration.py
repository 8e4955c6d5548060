"""What orchestration costs: slot-seconds spent for each second of training.

    python benchmarks/orchestration.py ensembles/demo.yaml [ensembles/elpv.yaml ...]

Runs `train-members` into an empty folder and prints

    wall time x slots / (pure training seconds of all units and candidates)

with its parts. 1 would be a machine that does nothing but train. Training seconds are those of the
epochs (validation included) in every unit's history.csv, candidates that ASHA stopped included.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parent.parent


def measure(spec: str, *options: str) -> dict[str, float]:
    """Seconds by part of one `train-members`; `share` of the slot-seconds that are training."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "orchestrator", "train-members", spec, *options]
        subprocess.run(
            [*command, "--run", f"{folder}/run"], cwd=ROOT, check=True, stdout=sys.stderr
        )
        return read(Path(folder) / "run")


def read(run: Path) -> dict[str, float]:
    timing = json.loads((run / "timing.json").read_text())
    histories = [pd.read_csv(file) for file in run.glob("units/*/*/*/history.csv")]
    records = [json.loads(file.read_text()) for file in run.glob("units/*/*/*/unit.json")]
    slots = timing["slots"]
    training = sum(history["seconds"].sum() for history in histories)
    predicting = sum(r["seconds"]["predict"] + r["seconds"]["prepare"] for r in records)
    spent = timing["wall"] * slots
    busy = timing["starting"] + timing["working"] + timing["ending"]
    return {
        "wall": timing["wall"],
        "slots": slots,
        "training": training,
        "ratio": spent / training,
        # slot-seconds, all slots together
        "reading and checking": slots * (timing["data"] + timing["check"]),
        "Ray's start and stop": slots * (timing["ray_start"] + timing["ray_stop"]),
        "starting processes": timing["starting"],
        "photographs and predictions": predicting,
        "imports, checkpoints, reports": timing["working"] - training - predicting,
        "ending processes": timing["ending"],
        "idle slots": slots * timing["runs"] - busy,
    }


def main(specs: list[str]) -> None:
    for spec in specs:
        parts = measure(spec)
        print(f"{spec}: {parts['ratio']:.2f} slot-seconds a second of training")
        print(f"  {'wall':<30}{parts['wall']:8.1f} s on {parts['slots']:.0f} slots")
        for name, seconds in parts.items():
            if name not in ("wall", "slots", "ratio"):
                print(f"  {name:<30}{seconds:8.1f} slot-seconds")


if __name__ == "__main__":
    main(sys.argv[1:] or ["ensembles/demo.yaml"])
