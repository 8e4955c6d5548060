"""What the tests of faults say that they inject and hold, read from their marks."""

from __future__ import annotations

import ast
from pathlib import Path


def promises(tests: Path) -> dict[tuple[str, str], list[str]]:
    """(fault, what is promised) -> `file::test` of those that hold it, in the files' order."""
    found: dict[tuple[str, str], list[str]] = {}
    for file in sorted(tests.rglob("test_*.py")):
        for name, kind, promise in _marked(file):
            found.setdefault((kind, promise), []).append(f"{file.relative_to(tests)}::{name}")
    return found


def _marked(file: Path) -> list[tuple[str, str, str]]:
    """(test, fault, promise) of every `@pytest.mark.fault(fault, promise)` in a file."""
    return [
        (function.name, *(ast.literal_eval(argument) for argument in mark.args))
        for function in ast.walk(ast.parse(file.read_text()))
        if isinstance(function, ast.FunctionDef)
        for mark in function.decorator_list
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.fault"
    ]
