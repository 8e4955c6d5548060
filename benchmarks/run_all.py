"""Every benchmark of speed that fits this machine, one after the other, into benchmarks/RESULTS.md.

    make bench                                             # what is not measured yet of this commit
    PYTHONPATH=. python benchmarks/run_all.py --list       # what there is, and what does not fit, and why
    PYTHONPATH=. python benchmarks/run_all.py --only folds schedule
    PYTHONPATH=. python benchmarks/run_all.py --again      # measured or not

Each script measures both sides of its claim in one run and prints them. What it printed is kept in
build/bench as soon as it has ended, so that Ctrl-C costs one script: the same command goes on with the next.
RESULTS.md has for each the commit, the day, the load that the machine had before, and how long it took:
other work on the machine only makes figures worse, and the load tells.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from members.files import replacing
from orchestrator.cluster import machine

ROOT = Path(__file__).parent.parent
KEPT = ROOT / "build" / "bench"
RESULTS = ROOT / "benchmarks" / "RESULTS.md"
PACKAGES = ("torch", "timm", "ray", "numpy", "pyarrow", "pandas", "scikit-learn", "pillow")


@dataclass(frozen=True)
class Script:
    """memory in GiB, disk in GB: what it takes. data: a folder that it reads, and how to get it."""

    name: str
    minutes: float  # on two cores
    options: tuple[str, ...] = ()
    memory: float = 2
    disk: float = 1
    gpu: bool = False
    data: tuple[str, str] | None = None

    def command(self) -> str:
        return " ".join((f"benchmarks/{self.name}.py", *self.options))

    def why_not(self) -> str:
        """What this machine lacks for it; empty where it fits."""
        if self.gpu and not shutil.which("nvidia-smi"):
            return "needs a GPU"
        if self.memory * 2**30 > (have := machine.memory()):
            return f"needs {self.memory:g} GiB of memory, this machine has {have / 2**30:.0f}"
        if self.disk * 1e9 > (free := shutil.disk_usage(ROOT).free):
            return f"needs {self.disk:g} GB of disk, {free / 1e9:.0f} are free"
        if self.data and not (ROOT / self.data[0]).exists():
            return f"needs {self.data[0]}: {self.data[1]}"
        return ""


SOLAR = ("data/elpv/photos.csv", "make elpv")
SETS = ("data/table-sets", "python benchmarks/table_sets.py data/table-sets")
SAMPLE = ("data/sample/train", "make demo")
SCRIPTS = (
    Script("small_commands", 3, ("--run", "runs/demo"), data=("runs/demo/tables", "make demo")),
    Script("voting_commands", 5, memory=4),
    Script("many_classes", 5, ("5,50000,1000", "--one", "vote"), memory=6, disk=4),
    Script("folds", 2, memory=4),
    Script("first_batch", 8),
    Script("check_many", 10),
    Script("streaming", 4),
    Script("cluster_reading", 8, memory=8, disk=2),
    Script("training_step", 3),
    Script("gpu_step", 5, gpu=True),
    Script("margin", 8, ("data/elpv",), data=SOLAR),
    Script("schedule", 1),
    Script("sleeping_units", 12, memory=8),
    Script("many_members", 10, memory=4),
    Script("orchestration", 2, ("ensembles/demo.yaml",), data=SAMPLE),
    Script("plain_loop", 15, data=SAMPLE),
    Script("time_left", 2, ("ensembles/demo.yaml",), data=SAMPLE),
    Script("large_tables", 15, memory=6, disk=8),
    Script("digests", 2),
    Script("cache_check", 4),
    Script("scan_memory", 3, memory=4),
    Script("lazy", 3, ("data/table-sets",), data=SETS),
)


def commit() -> str:
    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=ROOT, capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    changed = git(
        "status", "--porcelain", "--untracked-files=no", "--", ".", ":!benchmarks/RESULTS.md"
    )
    return (git("rev-parse", "--short=10", "HEAD") or "unknown") + (
        " and changes" if changed else ""
    )


def run(script: Script, of: str) -> None:
    """Run it and keep what it printed. Raises KeyboardInterrupt where it is stopped."""
    words = [sys.executable, f"benchmarks/{script.name}.py", *script.options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    load, began = os.getloadavg()[0], time.monotonic()
    with subprocess.Popen(
        words, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            printed, wrong = process.communicate()
        except BaseException:
            process.terminate()
            raise
    found = {
        "command": script.command(),
        "commit": of,
        "day": date.today().isoformat(),
        "load": round(load, 1),
        "minutes": round((time.monotonic() - began) / 60, 1),
        "printed": printed.rstrip(),
        "code": process.returncode,
        "wrong": wrong[-2000:] if process.returncode else "",
    }
    KEPT.mkdir(parents=True, exist_ok=True)
    with replacing(KEPT / f"{script.name}.json") as aside:
        Path(aside).write_text(json.dumps(found, indent=1))


def kept(script: Script) -> dict[str, Any] | None:
    file = KEPT / f"{script.name}.json"
    found = json.loads(file.read_text()) if file.exists() else None
    return found if found and found["command"] == script.command() else None


def description() -> list[str]:
    """The machine, as far as figures depend on it."""
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
    gpus = "none"
    if shutil.which("nvidia-smi"):
        asked = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        gpus = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    return [
        f"- CPU: {machine.cpus()} cores of {model}",
        f"- memory: {machine.memory() / 2**30:.0f} GiB; GPU: {gpus.replace(chr(10), ', ')}",
        f"- {platform.system()} {platform.release().split('-')[0]}, Python {platform.python_version()}",
        f"- {versions}",
    ]


def page() -> str:
    """RESULTS.md, of what is kept now."""
    lines = [
        "# Results",
        "",
        "Made by `make bench`; do not edit. What each script compares stands in its first lines, and in",
        "[the list of benchmarks](../docs/benchmarks.md).",
        "",
        *description(),
    ]
    for script in SCRIPTS:
        found, why = kept(script), script.why_not()
        if found is None:
            missing = f"not run: {why}" if why else "not run yet"
            lines += ["", f"## {script.name}", "", f"`{script.command()}`: {missing}."]
            continue
        lines += [
            "",
            f"## {script.name}",
            "",
            f"`{found['command']}`, commit {found['commit']}, {found['day']}, load before {found['load']}, "
            f"{found['minutes']} min" + (f", ended with {found['code']}" if found["code"] else ""),
            "",
            "```text",
            *(found["printed"] or "(nothing printed)").splitlines(),
            *found["wrong"].splitlines(),
            "```",
        ]
    return "\n".join(lines) + "\n"


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [script.name for script in SCRIPTS]
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", default=names)
    parser.add_argument(
        "--again", action="store_true", help="what was measured of this commit, too"
    )
    parser.add_argument("--list", action="store_true", help="what there is; nothing is run")
    given = parser.parse_args(words)
    of, failed = commit(), []
    for script in [script for script in SCRIPTS if script.name in given.only]:
        before, why = kept(script), script.why_not()
        done = before is not None and before["commit"] == of and not before["code"]
        state = f"does not fit: {why}" if why else "measured" if done else f"{script.minutes:g} min"
        print(f"{script.name:<18}{state}", flush=True)
        if given.list or why or (done and not given.again):
            continue
        run(script, of)
        with replacing(RESULTS) as aside:
            Path(aside).write_text(page())
        if (kept(script) or {}).get("code"):
            failed.append(script.name)
    if failed:
        print(f"failed: {', '.join(failed)}; what they printed stands in {RESULTS}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
