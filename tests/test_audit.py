"""`make audit`: what dependencies are licensed under, and what it makes of pip-audit's answers."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

FILE = Path(__file__).parent.parent / "docs" / "audit.py"


@pytest.fixture(scope="module")
def audit():
    found = importlib.util.spec_from_file_location("audit_of_dependencies", FILE)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_every_dependency_states_a_licence_that_lets_us_be_used(audit):
    needed = audit.needed()
    assert {"torch", "ray", "numpy", "pyarrow", "timm", "pydantic-core"} <= set(needed)
    stated = {name: own and audit.licence(own) for name, own in needed.items()}
    assert {name: text for name, text in stated.items() if not audit.is_allowed(text or "")} == {}


@pytest.mark.parametrize(
    "text",
    ["MIT", "MIT License", "BSD-3-Clause", "Apache Software License", "Apache 2.0", "MPL-2.0",
     "Apache-2.0 AND MIT", "GPL-2.0-only OR MIT", "Mozilla Public License 2.0 (MPL 2.0)",
     "GNU Lesser General Public License v3 (LGPLv3)", "PSF-2.0", "ISC License (ISCL)"],
)  # fmt: skip
def test_licences_that_are_allowed(audit, text):
    assert audit.is_allowed(text)


@pytest.mark.parametrize(
    "text",
    ["", "GPL-3.0-only", "AGPL-3.0-or-later", "GNU General Public License v3 (GPLv3)", "MIT AND GPL-3.0",
     "GNU Affero General Public License v3", "Proprietary", "Other/Proprietary License", "CC-BY-NC-4.0"],
)  # fmt: skip
def test_licences_that_are_not(audit, text):
    assert not audit.is_allowed(text)


def report(*packages) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


KNOWN = {"name": "good", "version": "1", "vulns": []}
BAD = {"name": "bad", "version": "1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"]}]}
SKIPPED = {"name": "lost", "skip_reason": "Dependency not found on PyPI"}


@pytest.mark.parametrize(
    ("packages", "code", "said"),
    [
        ((KNOWN,), 0, "1 packages looked up, 0 vulnerabilities"),
        ((KNOWN, SKIPPED), 0, "NOT looked up, as the database was not reached for them: lost"),
        ((SKIPPED, SKIPPED), 3, "reached for them: all packages"),  # pip-audit calls this well
        ((KNOWN, BAD), 1, "WRONG: bad 1: PYSEC-1, mended in 1.1"),
        (None, 3, "reached for them: all packages"),
    ],
)
def test_a_database_that_was_not_reached_is_never_taken_for_no_vulnerability(
    audit, monkeypatch, capsys, packages, code, said
):
    answer = None if packages is None else audit.vulnerabilities(report(*packages))
    monkeypatch.setattr(audit, "_ask_pip_audit", lambda: answer)
    monkeypatch.setattr(audit, "other_versions", list)
    monkeypatch.setattr(audit.subprocess, "run", _fitting)
    assert audit.main() == code
    printed = capsys.readouterr().out
    assert said in printed
    assert "torch" in printed


def _fitting(*_, **__):
    """Of `pip check`, whose answer is of this machine."""
    return type("Done", (), {"returncode": 0, "stdout": "No broken requirements found."})


def test_what_is_installed_is_what_is_pinned(audit):
    assert {"torch", "ray", "numpy"} <= set(audit.pins())
    if sys.version_info[:2] == (3, 11):  # the tests' own environment
        assert audit.other_versions() == []
