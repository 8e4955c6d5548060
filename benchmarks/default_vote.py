"""CPU seconds of the whole default vote, part by part, beside `simplest` and beside another checkout.

    python benchmarks/default_vote.py                      # 25 x 18,900 x 18 and 17 x 500 x 8
    python benchmarks/default_vote.py --before ../main     # both sides, taking turns
    python benchmarks/default_vote.py --size 12 3000 10 --repeats 5

The whole is `ensembles.cast` over tables in memory, as many test rows as OOF rows: digests, checks, the
choice, removals, reasons, test rows. Every run is a process of its own with one BLAS thread, which votes
once over small tables first. The least of the repeats counts: other work on the machine only adds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
SIZES = ((25, 18_900, 18), (17, 500, 8))
CHOICES = ("mean", "simplest")
THREADS = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
# where each part is called from
PARTS = {
    "gate": ("ensembles.voting.gate", "choose"),
    "removal": ("ensembles.voting.cast", "removal"),
    "reasons": ("ensembles.voting.cast", "member_reasons"),
    "estimates": ("ensembles.voting.cast", "estimate"),
    "digests": ("ensembles.voting.cast", "table_digest"),
}
CHILD = """
import importlib, json, sys, time
import numpy as np
from ensembles import OofTable, Table, cast
given = json.loads(sys.argv[1])
sys.path.insert(1, given["root"])
from benchmarks.voting_tables import of_noisy_members
def tables(n_members, n_rows, n_classes):
    oof, labels, folds, _, test, _ = of_noisy_members(n_members, n_rows, n_classes, 0)
    ids = np.array([str(i) for i in range(2 * n_rows)], object)
    names = [f"m{j}" for j in range(n_members)]
    fold, label = folds.astype(np.int16), labels.astype(np.int16)
    return (
        {n: OofTable(ids[:n_rows], own, fold, label) for n, own in zip(names, oof)},
        {n: Table(ids[n_rows:], np.ascontiguousarray(own)) for n, own in zip(names, test)},
    )
seconds = dict.fromkeys(given["parts"], 0.0)
def timed(name, module, function):
    do = getattr(module, function)
    def timing(*args, **options):
        started = time.process_time()
        found = do(*args, **options)
        seconds[name] += time.process_time() - started
        return found
    setattr(module, function, timing)
for name, (module, function) in given["parts"].items():
    timed(name, importlib.import_module(module), function)
cast(*tables(3, 120, 3), "weighted")
oof, test = tables(*given["size"])
best = None
for _ in range(2):
    seconds.update(dict.fromkeys(seconds, 0.0))
    started = time.process_time()
    vote = cast(oof, test, "weighted", choice=given["choice"])
    whole = time.process_time() - started
    if best is None or whole < best["whole"]:
        best = {"whole": whole, **seconds, "oof": vote.oof, "choice": vote.choice}
print(json.dumps(best))
"""


def once(checkout: Path, size: list[int], choice: str) -> dict[str, float]:
    """Seconds by part of one process."""
    given = json.dumps({"root": str(ROOT), "parts": PARTS, "size": size, "choice": choice})
    environment = {**os.environ, **THREADS, "PYTHONPATH": str(checkout)}
    command = [sys.executable, "-c", CHILD, given]
    done = subprocess.run(
        command, cwd=checkout, env=environment, capture_output=True, text=True, check=True
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, help="another checkout to compare with")
    parser.add_argument("--size", type=int, nargs=3, metavar=("MEMBERS", "ROWS", "CLASSES"))
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    sides = {"before": given.before.resolve(), "now": ROOT} if given.before else {"now": ROOT}
    for size in [given.size] if given.size else list(map(list, SIZES)):
        print(f"\n{size[0]} members x {size[1]:,} rows x {size[2]} classes, CPU seconds")
        head = ["whole", *PARTS]
        print(f"{'':<18}" + "".join(f"{own:>11}" for own in head) + "   log-loss  chosen")
        found: dict[tuple[str, str], list[dict[str, float]]] = {}
        for _ in range(given.repeats):
            for side, checkout in sides.items():
                for choice in CHOICES:
                    own = once(checkout, size, choice)
                    found.setdefault((side, choice), []).append(own)
        for (side, choice), runs in found.items():
            best = min(runs, key=lambda run: run["whole"])
            shown = "".join(f"{best[part]:>11.3f}" for part in head)
            about = f"{best['oof']['log_loss']:>11.6f}  {best['choice']}"  # type: ignore[index]
            print(f"{side:<7}{choice:<11}{shown}{about}", flush=True)


if __name__ == "__main__":
    main()
