"""The three packages keep to themselves, and the quick commands stay quick. Read from the imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def imports(path: Path) -> set[str]:
    """Top-level names of everything that a file imports, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module.split(".")[0])
    return found


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


def imported_files(path: Path, among: dict[str, Path]) -> set[str]:
    """Which of the modules `among` a file imports, inside functions and for types too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in among else node.module for name in names}
    return found & among.keys()


@pytest.mark.parametrize("package", ["members", "ensembles"])
def test_no_file_imports_itself_by_way_of_others(package):
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in files(package)
    }
    imported = {name: imported_files(path, modules) - {name} for name, path in modules.items()}
    assert any(imported.values())
    TopologicalSorter(imported).prepare()  # raises CycleError, which names the circle


def test_ray_is_imported_in_four_files_at_most():
    using = [f.name for f in files("orchestrator") if "ray" in imports(f)]
    assert 1 <= len(using) <= 4, using


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
