"""No command ends in a bare exception, writes or stays silent on which file is wrong, whatever it reads.

A minute of inputs that are the same each time; `make fuzz` tries others, for as long as it is let.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.fuzz import kept
from tests.fuzz.kinds import KINDS
from tests.fuzz.workspace import Case, Workspace

ONCE_FAILED = sorted((Path(__file__).parent / "once_failed").glob("*.json"))


@pytest.fixture(scope="module")
def workspace(request, tmp_path_factory) -> Iterator[Workspace]:
    workspace = Workspace(tmp_path_factory.mktemp("fuzz"), request.param)
    yield workspace
    workspace.close()


def _by_parts(kind: str) -> tuple[str, ...]:
    return KINDS[kind].parts


@pytest.mark.fault(
    "a spec, `--set`, list, table, submission, weights file, run folder or photograph with anything changed",
    "read, mended or refused: the file's name, no traceback, under 40 lines, nothing written",
)
@pytest.mark.parametrize(
    ("workspace", "kind"),
    [(_by_parts(kind), kind) for kind in sorted(KINDS, key=_by_parts)],
    indirect=["workspace"],
    ids=sorted(KINDS, key=_by_parts),
)
def test_every_input_is_read_or_refused(workspace, kind, record_property):
    tried, unhandled = 0, 0

    @settings(
        max_examples=KINDS[kind].quick, derandomize=True, database=None, deadline=None,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(KINDS[kind].cases(workspace))
    def attempt(case: Case) -> None:
        nonlocal tried, unhandled
        tried += 1
        found = workspace.problems(case)
        unhandled += bool(found)
        assert found == [], case

    try:
        attempt()
    finally:
        for name, figure in (("kind", kind), ("inputs", tried), ("unhandled", unhandled)):
            record_property(name, figure)


@pytest.mark.fault("an input that once was not handled", "read or refused likewise")
@pytest.mark.parametrize(
    ("workspace", "file"),
    [(kept.parts(file), file) for file in sorted(ONCE_FAILED, key=kept.parts)],
    indirect=["workspace"],
    ids=lambda value: value.stem if isinstance(value, Path) else "",
)
def test_what_once_failed_is_read_or_refused(workspace, file):
    assert workspace.problems(kept.read(file, workspace.folder)) == []


def test_the_right_files_are_read(tmp_path):
    """The inputs are changes of files that are right, so that what is refused is what was changed."""
    parts = ("handed in", "people", "pictures", "weights")
    workspace = Workspace(tmp_path, parts)
    commands = [
        ("train-members", "spec.yaml"), ("train-members", "with_interrupted.yaml"),
        ("train-members", "people.yaml"), ("train-members", "pictures.yaml"),
        ("check", "from-own.safetensors.yaml"), ("check", "from-old.pth.pt.yaml"),
        ("vote", "--tables", "tables", "--mode", "soft", "--out", "../out"),
        ("leaderboard", "spec.yaml", "--truth", "handed_in/truth.csv"),
        ("evaluate", "handed_in/soft.csv", "--truth", "handed_in/truth.csv"),
        ("compare", "handed_in/records.json", "handed_in/columns.json"),
    ]  # fmt: skip
    ended = {command: workspace.run(*command) for command in commands}
    workspace.close()
    assert {command: end.printed for command, end in ended.items() if end.code != 0} == {}
