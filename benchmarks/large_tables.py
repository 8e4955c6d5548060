"""Peak memory and seconds of votes over tables that are larger than memory should be.

    python benchmarks/large_tables.py                          # 25 members x 2,000,000 rows, and half
    python benchmarks/large_tables.py --rows 100000 --members 5

Every vote runs in a process of its own, whose peak the kernel counts. The tables (3 GB at full size)
are drawn into a temporary folder (TMPDIR) and deleted at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).parent.parent
N_CLASSES, ROWS_A_GROUP, PER_PERSON, FOLDS = 18, 65_536, 7, 5
# mode, objective, and whether the tables are voted over for the first time
VOTES = (("weighted", "log_loss", True), ("weighted", "log_loss", False), ("weighted", None, False))
CHILD = """
import json, re, sys, time
from pathlib import Path
from ensembles import cast_large
folder, out, cache, mode, objective = sys.argv[1:]
started = time.perf_counter()
record = cast_large(folder, out, mode, objective or None, cache=cache)
peak = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 2**20
figures = {"seconds": time.perf_counter() - started, "peak": peak}
print(json.dumps({**figures, "gap": record.gap, "notes": record.notes,
                  "macro_f1": record.estimate["macro_f1"]}))
"""


def draw(folder: Path, n_members: int, n_rows: int) -> None:
    """OOF tables in `folder/all` and, of the first half of the rows, in `folder/half`."""
    names = [f"p{k}" for k in range(N_CLASSES)]
    fields = [("image_id", pa.string()), ("fold", pa.int16()), ("label", pa.int16())]
    fields += [("group", pa.string()), *((name, pa.float32()) for name in names)]
    schema = pa.schema(fields)
    how = {"compression": "zstd", "use_dictionary": ["group"], "use_byte_stream_split": names}
    writers = []
    for member in range(n_members):
        paths = [folder / size / f"member{member:02}" / "oof.parquet" for size in ("all", "half")]
        for path in paths:
            path.parent.mkdir(parents=True)
        writers.append([pq.ParquetWriter(path, schema, **how) for path in paths])
    for begin in range(0, n_rows, ROWS_A_GROUP):
        rows = np.arange(begin, min(begin + ROWS_A_GROUP, n_rows))
        rng, people = np.random.default_rng(begin), rows // PER_PERSON
        labels = rng.choice(N_CLASSES, len(rows), p=_shares())
        known = rng.standard_normal((len(rows), N_CLASSES), np.float32)
        known[np.arange(len(rows)), labels] += 3.5
        columns = [
            pa.array([f"{row:08}.jpg" for row in rows]),
            pa.array((people % FOLDS).astype(np.int16)),
            pa.array(labels.astype(np.int16)),
            pa.array([f"{person:07}" for person in people]),
        ]
        for member, (whole, half) in enumerate(writers):
            noise = rng.standard_normal(known.shape, np.float32) * np.float32(1.3 + 0.03 * member)
            powers = np.exp(known + noise)
            said = powers / powers.sum(axis=1, keepdims=True)
            own = [pa.array(np.ascontiguousarray(column)) for column in said.T]
            table = pa.table([*columns, *own], schema=schema)
            whole.write_table(table)
            if (left := n_rows // 2 - begin) > 0:
                half.write_table(table.slice(0, left))
    for writer in (writer for pair in writers for writer in pair):
        writer.close()


def _shares() -> np.ndarray:
    """Uneven classes: the rarest is a thirtieth of the most frequent."""
    shares = np.geomspace(1, 30, N_CLASSES)
    return shares / shares.sum()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, default=25)
    parser.add_argument("--rows", type=int, default=2_000_000)
    given = parser.parse_args()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "ARROW_DEFAULT_MEMORY_POOL": "system"}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        started = time.perf_counter()
        draw(folder, given.members, given.rows)
        print(f"drawn in {time.perf_counter() - started:.0f} s")
        print(f"{'rows':>10}  {'vote':<20}{'peak GiB':>9}{'seconds':>9}  note")
        for mode, objective, first in VOTES:
            for size, n_rows in (("half", given.rows // 2), ("all", given.rows)):
                command = [sys.executable, "-c", CHILD, str(folder / size), str(folder / "out")]
                command += [str(folder / "cache"), mode, objective or ""]
                done = subprocess.run(command, env=environment, capture_output=True, text=True)
                if done.returncode:
                    sys.exit(done.stderr)
                found = json.loads(done.stdout)
                gap = "" if found["gap"] is None else f"gap {found['gap']:.0e}, "
                vote = f"{mode} {objective or '(chosen)'}"
                print(
                    f"{n_rows:>10,}  {vote:<20}{found['peak']:>9.2f}{found['seconds']:>9.1f}  "
                    f"{'' if first else 'from the cache, '}{gap}"
                    f"F1 {found['macro_f1']:.4f}; {found['notes'][0]}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
