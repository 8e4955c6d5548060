"""What joins a Ray by its address, in a process of its own: a token is told of before Ray is imported.

python -m tests.orchestrator.cluster.joined scan ADDRESS FOLDER     # of the photos in FOLDER/paths.json
python -m tests.orchestrator.cluster.joined deaths ADDRESS
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import psutil

from members.reading import readers
from members.reading.scan import scan
from orchestrator.cluster import reading
from orchestrator.cluster.connect import mapped


def slowly(part: list[Path]) -> str:
    """The node that answers; the first call of all takes its process with it."""
    import ray

    if part[0].exists():
        part[0].unlink()
        os._exit(1)
    time.sleep(0.2)
    return ray.get_runtime_context().get_node_id()


def die(_) -> None:
    os._exit(1)


def answer_slowly(part: int) -> int:
    time.sleep(0.3)
    return part


def is_raylet(words: list[str] | None, address: str) -> bool:
    return bool(words) and Path(words[0]).name == "raylet" and f"--gcs-address={address}" in words


def scan_there(address: str, folder: Path) -> None:
    """Leaves found.parquet, what was counted, and the nodes that answered."""
    reading.FEWEST, readers._AT_ONCE = 1, 4
    paths, counted = json.loads((folder / "paths.json").read_text()), []
    read_by = reading.reading_at(address)
    memo = folder / "memo.parquet"
    found = scan(paths, memo, lambda *done: counted.append(done), read_by=read_by)
    found.to_parquet(folder / "found.parquet")
    (folder / "deadly").touch()
    with mapped(address, spread=True) as calls:
        where = list(calls(slowly, [[folder / "deadly"], *[[folder / "fine"]] * 11]))
    (folder / "said.json").write_text(json.dumps({"counted": counted, "where": where}))


def deaths(address: str) -> None:
    with mapped(address, spread=True) as calls:
        assert list(calls(die, [1])) == [None]
        answers = calls(answer_slowly, range(20))
        found = [next(answers)]
        own = [p for p in psutil.process_iter(["cmdline"]) if is_raylet(p.info["cmdline"], address)]
        (other,) = [p for p in own if "--head" not in p.info["cmdline"]]
        other.kill()
        assert [*found, *answers] == list(range(20))


if __name__ == "__main__":
    what, address, *rest = sys.argv[1:]
    if what == "scan":
        scan_there(address, Path(rest[0]))
    else:
        deaths(address)
