"""Every fault that is promised to be survived, really injected, and every kind of wrong input.

    PYTHONPATH=. python benchmarks/faults.py [--json FILE] [PYTEST OPTIONS]       # also: make faults

Runs every test of docs/faults.md, and prints for each kind of fault whether it was survived, how long
it took until the command had ended or worked again, how many finished units were kept and whether
the tables equal those of an undisturbed run; and for each kind of input how many were tried.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from docs import fault_table

ROOT = Path(__file__).parent.parent


@dataclass
class Kind:
    """All tests of one fault. seconds: the longest until a clear state."""

    ran: int = 0
    failed: int = 0
    skipped: list[str] = field(default_factory=list)
    seconds: float | None = None
    kept: int = 0
    units: int = 0
    equal: set[bool] = field(default_factory=set)

    @property
    def survived(self) -> str:
        if self.failed:
            return "NO"
        return "yes" if self.ran else "not run"


def run(options: list[str]) -> ET.Element:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        groups = fault_table.grouped(fault_table.TESTS).values()
        where = dict.fromkeys(f"tests/{own.file}::{own.test}" for group in groups for own in group)
        how = [f"--junitxml={report}", "-o", "junit_family=xunit1", *options]  # with properties
        command = [sys.executable, "-m", "pytest", *where, *how]
        subprocess.run(command, cwd=ROOT, check=False, stdout=sys.stderr)
        return ET.parse(report).getroot()


def read(report: ET.Element) -> tuple[dict[str, Kind], dict[str, dict[str, int]]]:
    """Kind of fault -> what came of it; kind of input -> how many were tried and not handled."""
    kinds: dict[str, Kind] = defaultdict(Kind)
    inputs: dict[str, dict[str, int]] = {}
    for case in report.iter("testcase"):
        given = [(p.get("name"), p.get("value")) for p in case.iter("property")]
        figures = {name: value for name, value in given if name and value}
        if "inputs" in figures:
            name = figures.get("kind") or case.get("name", "")
            inputs[name] = {key: int(figures.get(key, 0)) for key in ("inputs", "unhandled")}
        failed = case.find("failure") is not None or case.find("error") is not None
        skipped = case.find("skipped")
        for name, value in given:
            if name == "fault" and value:
                add(kinds[value], figures, failed, skipped)
    return kinds, inputs


def add(kind: Kind, figures: dict[str, str], failed: bool, skipped: ET.Element | None) -> None:
    if skipped is not None:
        kind.skipped.append(skipped.get("message", ""))
        return
    kind.ran += 1
    kind.failed += failed
    if "seconds" in figures:
        kind.seconds = max(kind.seconds or 0.0, float(figures["seconds"]))
    kind.kept += int(figures.get("units_kept", 0))
    kind.units += int(figures.get("units", 0))
    if "tables_equal" in figures:
        kind.equal.add(figures["tables_equal"] == "True")


def show(kinds: dict[str, Kind], inputs: dict[str, dict[str, int]], console: Console) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("fault", "survived", "tests", "seconds", "units kept", "tables equal"):
        table.add_column(name, justify="left" if name in ("fault", "survived") else "right")
    for name, kind in kinds.items():
        equal = "" if not kind.equal else "yes" if kind.equal == {True} else "NO"
        seconds = "" if kind.seconds is None else f"{kind.seconds:.1f}"
        kept = f"{kind.kept} of {kind.units}" if kind.units else ""
        table.add_row(name, kind.survived, str(kind.ran), seconds, kept, equal)
    console.print(table)
    for name, kind in kinds.items():
        for why in sorted(set(kind.skipped)):
            console.print(f"not run: {name}: {why}")
    tried = [kind for kind in kinds.values() if kind.ran]
    survived = sum(not kind.failed for kind in tried)
    console.print(f"{len(tried)} kinds of fault injected, {survived} survived")
    for name, counts in inputs.items():
        console.print(f"{name}: {counts['inputs']} inputs, {counts['unhandled']} unhandled")
    total = sum(counts["inputs"] for counts in inputs.values())
    console.print(f"{total} inputs, {sum(c['unhandled'] for c in inputs.values())} unhandled")


def main(arguments: list[str]) -> int:
    file = None
    if "--json" in arguments:
        at = arguments.index("--json")
        file = Path(arguments[at + 1])
        arguments = arguments[:at] + arguments[at + 2 :]
    kinds, inputs = read(run(arguments))
    show(kinds, inputs, Console(width=140, markup=False, highlight=False))
    if file:
        record: dict[str, Any] = {
            "faults": {
                name: {"survived": kind.survived, "seconds": kind.seconds, "tests": kind.ran}
                for name, kind in kinds.items()
            },
            "inputs": inputs,
        }
        file.write_text(json.dumps(record, indent=2) + "\n")
    failed = any(kind.failed for kind in kinds.values())
    return int(failed or any(counts["unhandled"] for counts in inputs.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
