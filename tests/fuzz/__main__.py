"""`python -m tests.fuzz [KIND ...]`: for FUZZ_MINUTES (60), new inputs all the time, and their count.

Each kind is tried in a process of its own, in turns, so that one that is killed is found, too. What was
not handled is counted by where it happened; the first of each is kept in build/fuzz, as a file that
`tests/fuzz/once_failed` takes.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz.kept import keep
from tests.fuzz.kinds import KINDS
from tests.fuzz.workspace import Case, Workspace

FOUND = Path(__file__).parents[2] / "build/fuzz"
BATCH = 400  # examples of one seed: the search for new ones slows down with what it remembers
TURN = 300  # seconds of one process


def try_kind(kind: str, seconds: float) -> None:
    """Prints a line of JSON at the end: how many inputs, and what was found how often."""
    parts = KINDS[kind].parts
    begun, tried, found = time.monotonic(), 0, Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder), parts)
        place = FOUND / kind.replace(" ", "-")
        place.mkdir(parents=True, exist_ok=True)

        def attempt(case: Case) -> None:
            nonlocal tried
            if time.monotonic() - begun > seconds:
                return
            keep(
                case, workspace.folder, place / f"now-{os.getpid()}.json", parts
            )  # for when it is killed
            tried += 1
            for problem in workspace.problems(case):
                found[problem] += 1
                if found[problem] == 1:
                    number = abs(hash(problem)) % 10**8
                    keep(case, workspace.folder, place / f"{number}.json", parts, problem)

        many = settings(
            max_examples=BATCH, database=None, phases=[Phase.generate], deadline=None,
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        while time.monotonic() - begun < seconds:
            seed(random.getrandbits(60))(many(given(KINDS[kind].cases(workspace))(attempt)))()
        workspace.close()
        (place / f"now-{os.getpid()}.json").unlink(missing_ok=True)
    print(json.dumps({"tried": tried, "found": found}), flush=True)


def main(kinds: list[str]) -> int:
    minutes = float(os.environ.get("FUZZ_MINUTES") or 60)
    end = time.monotonic() + 60 * minutes
    tried, found = Counter[str](), Counter[tuple[str, str]]()
    turn = min(TURN, 60 * minutes / len(kinds))
    while time.monotonic() < end - turn / 2:
        for kind in kinds:
            done = subprocess.run(
                [sys.executable, "-X", "faulthandler", "-m", "tests.fuzz", "--turn", kind, str(turn)],
                stdout=subprocess.PIPE, text=True, check=False,
            )  # fmt: skip
            if done.returncode:
                found[kind, f"the process ended with {done.returncode}"] += 1
                continue
            result = json.loads(done.stdout.splitlines()[-1])
            tried[kind] += result["tried"]
            found.update({(kind, problem): n for problem, n in result["found"].items()})
        print({kind: tried[kind] for kind in kinds}, f"unhandled: {found.total()}", flush=True)
    for (kind, problem), n in found.most_common():
        print(f"{n:6} {kind}: {problem}")
    print(f"{tried.total()} inputs, {found.total()} unhandled. Each is kept in {FOUND}.")
    return 1 if found else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--turn"]:
        try_kind(sys.argv[2], float(sys.argv[3]))
    else:
        sys.exit(main(sys.argv[1:] or list(KINDS)))
