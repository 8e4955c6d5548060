"""`--version` says what results depend on, and imports none of it."""

from __future__ import annotations

import platform
import subprocess
import sys
from importlib import metadata

from orchestrator import version


def test_the_versions_of_python_and_of_the_libraries_that_train_are_said():
    assert version.environment() == [
        f"python {platform.python_version()}",
        *(f"{name} {metadata.version(name)}" for name in ("torch", "timm", "ray")),
    ]


def test_one_that_is_not_installed_is_said_to_be_none(monkeypatch):
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", missing)
    assert "torch is not installed" in version.environment()


def test_it_is_printed_without_importing_them():
    program = (
        "import sys; sys.argv = ['ensemble', '--version']\n"
        "from orchestrator.cli import main\n"
        "try:\n    main()\n"
        "finally:\n    print({'torch', 'timm', 'ray'} & {*sys.modules})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    first, second, imported = done.stdout.splitlines()
    assert first == f"ensemble {version.__version__}"
    assert second == ", ".join(version.environment())
    assert imported == "set()"
