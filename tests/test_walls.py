"""The house keeps its walls, and the quick commands stay quick. Read from the imports of every file."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("members", "ensembles", "orchestrator")
MOST_FILES = 14  # of one folder
RAY_INTERNALS = "orchestrator.cluster.ray_internals"


def files(package: str) -> list[Path]:
    found = sorted((ROOT / package).rglob("*.py"))
    assert found
    return found


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(path): path for package in PACKAGES for path in files(package)}


def imports(path: Path) -> Iterator[str]:
    """Full names of everything that a file imports, inside functions and for types only too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import; the house has one style, absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_imports(module: str) -> set[str]:
    """The modules of the three packages that a module imports."""
    found = set()
    for name in imports(MODULES[module]):
        owner = name if name in MODULES else name.rpartition(".")[0]
        if owner in MODULES and owner != module:
            found.add(owner)
    return found


def roots(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)}


def room(module: str) -> str:
    """The folder that a file stands in; a file at the top of its package is a room of its own."""
    return ".".join(module.split(".")[:2])


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        ("members", {"ray", "ensembles", "orchestrator"}),
        ("ensembles", {"ray", "torch", "timm", "torchvision", "members", "orchestrator"}),
    ],
)
def test_a_package_does_not_look_over_its_wall(package, forbidden):
    crossings = {str(f): roots(f) & forbidden for f in files(package) if roots(f) & forbidden}
    assert crossings == {}


def test_there_is_no_circle_between_files():
    list(graphlib.TopologicalSorter({m: own_imports(m) for m in MODULES}).static_order())


def test_no_folder_imports_upwards():
    """Folders have an order in which each imports only from those before it: there is no circle."""
    graph: dict[str, set[str]] = {}
    for module in MODULES:
        if module not in PACKAGES:  # their public names are imported when asked for
            others = {room(other) for other in own_imports(module) if other not in PACKAGES}
            graph.setdefault(room(module), set()).update(others - {room(module)})
    list(graphlib.TopologicalSorter(graph).static_order())


def test_folders_are_small_and_say_what_happens_in_them():
    for folder in {path.parent for path in MODULES.values()}:
        own = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(own) <= MOST_FILES, f"{folder}: {len(own)} files"
        docstring = ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))
        assert docstring, f"{folder}/__init__.py says nothing"
        assert len(docstring.splitlines()) == 1 or folder.name in PACKAGES, folder


def test_ray_is_imported_in_few_files():
    using = {module_of(f) for f in files("orchestrator") if "ray" in roots(f)}
    using = {RAY_INTERNALS if name.startswith(RAY_INTERNALS) else name for name in using}
    # six for training; what asks by Ray Data; what runs within Ray Serve, and what starts and watches it
    assert 1 <= len(using) <= 9, using


def test_the_planner_and_what_trains_a_unit_need_no_ray():
    names = "orchestrator.running.schedule, orchestrator.search.candidates, orchestrator.worker.train_unit"
    code = f"import sys, {names}; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_the_processes_that_lead_training_do_not_import_torch():
    code = "import sys, orchestrator.running.tune; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def is_private(name: str) -> bool:
    """Of a module of Ray that promises nothing to those outside; `ray.train` has what is public of v2."""
    first, *rest = name.split(".")
    return first == "ray" and (rest[:2] == ["train", "v2"] or any(n[0] == "_" for n in rest if n))


def test_what_is_private_to_ray_is_imported_in_one_folder():
    using = {module_of(f) for f in files("orchestrator") if any(map(is_private, imports(f)))}
    assert {name.rpartition(".")[0] for name in using} == {RAY_INTERNALS}


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["vote", "--help"], ["check", "--help"], ["train-members", "--help"],
     ["vote"], ["evaluate", "--help"], ["compare", "--help"],
     ["vote", "ensembles/demo.yaml", "--run", "/nowhere"],
     ["serve", "--help"], ["serve", "/nowhere"], ["serve", "--host", "0.0.0.0"],
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
