"""The three packages keep to themselves, and the quick commands stay quick. Read from the imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def modules(path: Path) -> set[str]:
    """Everything that a file imports, inside functions too, with what it takes from it: `a.b.name`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def imports(path: Path) -> set[str]:
    """Top-level names of `modules`."""
    return {name.split(".")[0] for name in modules(path)}


def files(package: str) -> list[Path]:
    found = sorted((ROOT / package).rglob("*.py"))
    assert found
    return found


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        ("members", {"ray", "ensembles", "orchestrator"}),
        ("ensembles", {"ray", "torch", "timm", "torchvision", "members", "orchestrator"}),
    ],
)
def test_a_package_does_not_look_over_its_wall(package, forbidden):
    crossings = {str(f): imports(f) & forbidden for f in files(package) if imports(f) & forbidden}
    assert crossings == {}


def test_ray_is_imported_in_five_files_at_most():
    using = [f.name for f in files("orchestrator") if "ray" in imports(f)]
    assert 1 <= len(using) <= 5, using


def test_the_planner_and_what_trains_a_unit_need_no_ray():
    names = ", ".join(f"orchestrator.{name}" for name in ("schedule", "search", "train_unit"))
    code = f"import sys, {names}; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def is_private(module: str) -> bool:
    """A module of Ray that promises nothing to those outside; `ray.train.v2` has public aliases."""
    first, *rest = module.split(".")
    return first == "ray" and (rest[:2] == ["train", "v2"] or any(n[0] == "_" for n in rest if n))


def test_private_modules_of_ray_are_imported_in_one_file():
    private = {f.name: {m for m in modules(f) if is_private(m)} for f in files("orchestrator")}
    assert {name for name, found in private.items() if found} == {"ray_internals.py"}


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["vote", "--help"], ["check", "--help"], ["train-members", "--help"], ["vote"],
     ["evaluate", "--help"], ["compare", "--help"], ["vote", "ensembles/demo.yaml", "--run", "/nowhere"],
     ["prepare", "--help"], ["prepare", "--remove-background", "/nowhere", "copy"]],
)  # fmt: skip
def test_quick_commands_import_neither_torch_nor_ray(arguments, tmp_path):
    code = (
        "import sys, atexit\n"
        "from orchestrator import cli\n"
        f"sys.argv = ['orchestrator', *{arguments!r}]\n"
        "try:\n    cli.main()\n"
        "finally:\n    print('HEAVY', sorted({'torch', 'timm', 'ray'} & set(sys.modules)))\n"
    )
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    cwd = ROOT if "ensembles/demo.yaml" in arguments else tmp_path
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=cwd, env=environment,
        check=False,
    )  # fmt: skip
    assert "HEAVY []" in done.stdout, done.stdout + done.stderr
