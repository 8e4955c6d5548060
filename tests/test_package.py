"""The wheel, installed into an environment of its own, works in any folder."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from orchestrator.version import __version__

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def requirements(lines: list[str]) -> dict[str, Requirement]:
    """By name; what is asked for twice, with other extras, has all of them."""
    found: dict[str, Requirement] = {}
    for one in [Requirement(line.partition("#")[0].strip()) for line in lines if line.strip()]:
        one.extras |= found[one.name.lower()].extras if one.name.lower() in found else set()
        found[one.name.lower()] = one
    return found


def pins() -> dict[str, Requirement]:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    listed = [line for line in lines if line.strip() and not line.startswith("#")]
    tried = re.search(r"^TEST_PACKAGES := (.*)$", (ROOT / "Makefile").read_text(), re.M)
    return requirements([*listed, *tried[1].split()])


def ranges() -> dict[str, Requirement]:
    extras = PROJECT["optional-dependencies"]
    return requirements([*PROJECT["dependencies"], *extras["test"]])


def test_every_pin_lies_in_its_range():
    allowed = ranges()
    assert pins().keys() == allowed.keys()
    for name, pin in pins().items():
        (one,) = pin.specifier
        assert one.operator == "=="
        assert allowed[name].specifier.contains(one.version), f"{pin} against {allowed[name]}"
        assert pin.extras == allowed[name].extras


def test_what_an_extra_asks_for_is_what_the_tests_run_with():
    extras = PROJECT["optional-dependencies"]
    tested = requirements(extras["test"])
    for name in ("aws", "s3", "wandb", "mlflow", "stacking", "serve", "onnx", "why"):
        for dependency, wanted in requirements(extras[name]).items():
            assert str(tested[dependency].specifier) == str(wanted.specifier)


def test_the_changelog_knows_this_version():
    assert re.search(rf"^## {re.escape(__version__)}\b", (ROOT / "CHANGELOG.md").read_text(), re.M)


def test_pre_commit_runs_what_make_lint_runs():
    (hooks,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [hook["entry"] for hook in hooks["hooks"]] == ["make lint"]


# -- the wheel -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check",
               "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, text=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory) -> Path:
    """A virtual environment with the wheel installed; what it depends on is this one's."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    packages = next(folder.glob("lib/python3*/site-packages"))
    own = [path for path in sys.path if path.endswith("site-packages")]
    command = [sys.executable, "-m", "pip", "--python", str(folder / "bin/python"), "install",
               "--quiet", "--disable-pip-version-check", "--no-deps", str(wheel)]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, text=True)
    # after the wheel's own files: an editable installation here must not be found first
    (packages / "dependencies.pth").write_text("\n".join(own) + "\n")
    return folder


@pytest.fixture
def run(environment, tmp_path):
    """`run("ensemble", "--version")`: a program of that environment, in an empty folder."""

    def run(program: str, *arguments: str, check: int = 0) -> str:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "SM_", "PYTHON"))}
        done = subprocess.run(
            [str(environment / "bin" / program), *arguments], cwd=tmp_path, capture_output=True,
            text=True, env={**kept, "ENSEMBLE_CACHE": str(tmp_path / "cache")}, check=False,
        )  # fmt: skip
        assert done.returncode == check, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


def test_it_holds_recipes_specs_and_the_mark_of_types(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for package in ("members", "ensembles", "orchestrator"):
        files = [
            f
            for f in (ROOT / package).rglob("*.*")
            if f.suffix in (".py", ".yaml", ".csv", ".json", ".html", ".css", ".js")
        ]
        assert {str(f.relative_to(ROOT)) for f in files} <= names
        assert f"{package}/py.typed" in names
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/"))]


def test_the_installed_package_is_not_the_checkout(run, environment):
    said = run("python", "-c", "import orchestrator, members; print(orchestrator.__file__)")
    assert said.startswith(str(environment))


def test_both_ways_to_call_it_print_the_version(run):
    said = run("ensemble", "--version")
    assert said.splitlines()[0] == f"ensemble {__version__}"
    assert f"torch {metadata.version('torch')}" in said
    assert run("python", "-m", "orchestrator", "--version") == said


def test_the_schema_of_a_spec_comes_with_it(run):
    assert json.loads(run("ensemble", "schema"))["required"] == ["name", "data", "members"]
    assert "complete" in run("ensemble", "completion", "bash")


def test_photographs_to_a_plan_in_any_folder(run, tmp_path):
    run("ensemble", "sample", "data/sample", "--profiles", "18", "--eval", "14")
    assert "9 units to train" in run("ensemble", "check", "ensembles/demo.yaml", "--json", "p.json")
    assert json.loads((tmp_path / "p.json").read_text())["photographs"] == 18 * 7
    said = run("ensemble", "check", "ensembles/nothing.yaml", check=2)
    assert "ensembles/demo.yaml" in said
    assert "Traceback" not in said


@pytest.mark.ray
def test_ray_workers_find_the_installed_package(run):
    run("ensemble", "sample", "data/sample", "--profiles", "12", "--eval", "7")
    small = ["--set", "members.byobnet.epochs=1", "--set", "folds.k=2"]
    trained = run("python", "-m", "orchestrator", "train-members", "ensembles/demo.yaml",
                  "--only", "byobnet", *small)  # fmt: skip
    assert "2 units trained" in trained
    run("ensemble", "vote", "--mode", "soft")
