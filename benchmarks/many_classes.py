"""How long the vote that chooses its own kind takes where there are many classes, members or rows.

    python benchmarks/many_classes.py             # all sizes, about fifteen minutes on two cores
    python benchmarks/many_classes.py 3,3000,1000 # members, rows and classes of one
    python benchmarks/many_classes.py --limit 300 # seconds for one vote, 600 without it
    python benchmarks/many_classes.py 5,50000,1000 --command  # as Parquet: the command `vote --tables`

Each size is cast twice, each in a process of its own with one BLAS thread: as it is, and with class
offsets tried whatever the number of classes is ("all kinds"). A time is that of the whole `cast`, its
estimate and reasons included; `over` means that the limit came first. CPU seconds are of all threads,
and the peak is the process's, that of drawing the tables included.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
SIZES = [
    *("3,3000,1000", "5,50000,1000", "10,20000,200", "2,10000,5000", "200,2000,18", "5,1000000,3")
]
THREADS = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}


def drawn(n_members: int, n_rows: int, n_classes: int):
    """OOF tables of members that share part of their errors; about half of their rows are right."""
    import numpy as np

    from ensembles import OofTable

    rng = np.random.default_rng(0)
    labels = rng.integers(0, n_classes, n_rows)
    ids = np.array([f"i{i}" for i in range(n_rows)], object)
    folds = (np.arange(n_rows) % 5).astype(np.int16)
    shared = rng.standard_normal((n_rows, n_classes), np.float32)
    ahead = np.float32(1 + 0.9 * np.sqrt(2 * np.log(n_classes)))
    tables = {}
    for member in range(n_members):
        logits = 2 * (shared + rng.standard_normal((n_rows, n_classes), np.float32))
        logits[np.arange(n_rows), labels] += 2 * ahead
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        tables[f"m{member}"] = OofTable(ids, p, folds, labels.astype(np.int16))
    return tables


def one(size: str, all_kinds: bool) -> None:
    import resource

    from ensembles import cast
    from ensembles.voting import gate

    if all_kinds:
        gate.CLASSES = 1 << 30
    tables = drawn(*map(int, size.split(",")))
    begun = time.perf_counter(), time.process_time()
    vote = cast(tables, None, "weighted")
    seconds, cpu = time.perf_counter() - begun[0], time.process_time() - begun[1]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    scores = "  ".join(f"{n} {vote.estimate[n]:.4f}" for n in ("macro_f1", "log_loss"))
    print(f"{seconds:7.1f} s  CPU {cpu:6.1f} s  {peak:5.2f} GiB  {scores}  {vote.choice}")


def command(size: str, environment: dict[str, str]) -> None:
    """`vote --tables` over the same tables as Parquet."""
    from ensembles.files.parquet import write_table

    with tempfile.TemporaryDirectory(prefix="many-classes-") as folder:
        for name, table in drawn(*map(int, size.split(","))).items():
            write_table(Path(folder) / "tables" / name / "oof.parquet", table)
        own = {**environment, "XDG_CACHE_HOME": f"{folder}/cache"}
        call = [sys.executable, "-m", "orchestrator", "vote", "--tables", f"{folder}/tables"]
        begun = time.perf_counter()
        vote = subprocess.Popen([*call, "--out", f"{folder}/out"], env=own)
        _, status, used = os.wait4(vote.pid, 0)
        seconds, cpu = time.perf_counter() - begun, used.ru_utime + used.ru_stime
        peak = used.ru_maxrss / 2**20
        print(
            f"M,N,K {size} vote --tables: {seconds:.1f} s  CPU {cpu:.1f} s  {peak:.2f} GiB", status
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sizes", nargs="*", default=SIZES, metavar="M,N,K")
    parser.add_argument("--limit", type=float, default=600, help="seconds for one vote")
    parser.add_argument("--command", action="store_true", help="`vote --tables` of Parquet files")
    parser.add_argument("--one", choices=["vote", "all kinds"], help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        one(given.sizes[0], given.one == "all kinds")
        return
    environment = {**os.environ, **THREADS, "PYTHONPATH": str(ROOT)}
    print(f"{os.cpu_count()} cores")
    for size in given.sizes if given.command else ():
        command(size, environment)
    for size in () if given.command else given.sizes:
        for kind in ("vote", "all kinds"):
            call = [sys.executable, __file__, size, "--one", kind]
            try:
                done = subprocess.run(
                    call,
                    env=environment,
                    timeout=given.limit,
                    check=False,
                    capture_output=True,
                    text=True,
                )
                found = done.stdout.strip() or f"failed: {done.stderr.strip()[-200:]}"
            except subprocess.TimeoutExpired:
                found = f"   over {given.limit:.0f} s"
            print(f"M,N,K {size:<14} {kind:<10} {found}", flush=True)


if __name__ == "__main__":
    main()
