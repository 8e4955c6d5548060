"""What the tests of faults say that they inject and hold, read from their marks."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from docs.markdown import code, table

TESTS = Path(__file__).parent.parent / "tests"
# Heading of the page -> the files whose tests stand below it, relative to tests/.
GROUPS: dict[str, tuple[str, ...]] = {
    "Power cuts, failing disks and damaged files": (
        "faults/test_power_cut.py",
        "orchestrator/runs/test_store.py",
        "faults/test_leftovers.py",
        "faults/test_damaged_runs.py",
        "faults/test_bit_rot.py",
        "faults/test_disk_full.py",
        "faults/test_end_of_file.py",
    ),
    "Photographs and their cache": (
        "faults/test_changed_photographs.py",
        "faults/test_damaged_cache.py",
        "orchestrator/photographs/test_streaming.py",
        "members/test_room.py",
        "members/test_checked_array.py",
    ),
    "Finished units that do not fit any more": ("orchestrator/planning/test_trained_again.py",),
    "Signals, and processes that die or hang": (
        "faults/test_signals.py",
        "orchestrator/test_over_time.py",
        "orchestrator/test_end_to_end.py",
        "faults/test_restarts.py",
        "faults/test_workers_that_stop.py",
        "faults/test_trial_actor_dies.py",
        "orchestrator/running/test_deaths.py",
        "faults/test_soak.py",
        "orchestrator/cluster/test_machine.py",
        "faults/test_gcs_dies.py",
        "faults/test_nobody_answers.py",
        "orchestrator/batch_inference/test_on_ray.py",
    ),
    "Clusters and shared storage": (
        "faults/test_cluster_faults.py",
        "orchestrator/running/test_capacity.py",
        "orchestrator/runs/test_presence.py",
        "faults/test_object_store.py",
        "faults/test_runs_on_s3.py",
    ),
    "Hostile files, paths, and secrets": (
        "faults/test_hostile_files.py",
        "test_limits.py",
        "members/networks/test_hostile_weights.py",
        "test_safe_loading.py",
        "members/data/lists/test_paths_outside.py",
        "orchestrator/test_names_become_paths.py",
        "orchestrator/cluster/test_local_ray_is_private.py",
        "orchestrator/tracking/test_secrets_stay_here.py",
        "fuzz/test_fuzz.py",
    ),
}


class Fault(NamedTuple):
    """One `@pytest.mark.fault(kind, promise)`. file: of the test, relative to tests/."""

    kind: str
    promise: str
    file: str
    test: str


def faults() -> str:
    """A table a group: what is injected, what is promised then, and the tests that hold it."""
    parts = []
    for heading, found in grouped(TESTS).items():
        held_by: dict[tuple[str, str], list[str]] = {}
        for fault in found:
            place = code(f"{fault.file}::{fault.test}")
            held_by.setdefault((fault.kind, fault.promise), []).append(place)
        rows = [(kind, promise, ", ".join(tests)) for (kind, promise), tests in held_by.items()]
        parts += [f"### {heading}", table(("fault", "promised", "held by"), rows)]
    return "\n\n".join(parts)


def grouped(tests: Path) -> dict[str, list[Fault]]:
    """Heading -> its faults. Raises ValueError where a marked test is in a file of no group."""
    by_file = {
        str(file.relative_to(tests)): faults_in(file, tests)
        for file in sorted(tests.rglob("test_*.py"))
    }
    found = {
        heading: [fault for file in files for fault in by_file.pop(file, [])]
        for heading, files in GROUPS.items()
    }
    if left := [file for file, faults in by_file.items() if faults]:
        raise ValueError(f"docs/fault_table.py: no group for {', '.join(left)}")
    return found


def faults_in(file: Path, tests: Path) -> list[Fault]:
    """Of every mark in a file, also those of single parameters, in the order of the tests."""
    return [
        Fault(*(ast.literal_eval(given) for given in mark.args), str(file.relative_to(tests)), test)
        for test, mark in _marks(ast.parse(file.read_text()))
    ]


def _marks(module: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    for function in module.body:
        if isinstance(function, ast.FunctionDef):
            for decorator in function.decorator_list:
                for node in ast.walk(decorator):
                    if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.fault":
                        yield function.name, node
