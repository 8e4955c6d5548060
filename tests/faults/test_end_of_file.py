"""An EOFError is a failure with its name; the command line's library would print `Aborted!`."""

from __future__ import annotations

import pickle
import sys

import pytest

from orchestrator.cli import app
from orchestrator.commands import vote


@pytest.mark.fault("a file ends before its time", "its kind and exit 1, never `Aborted!`")
@pytest.mark.parametrize(
    ("fails", "text"),
    [(lambda: pickle.loads(b""), "EOFError: Ran out of input"), (input, "EOFError:")],
)
def test_an_end_of_file_is_no_abort(fails, text, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["orchestrator", "vote", "--tables", "tables"])
    monkeypatch.setattr(sys, "stdin", open("/dev/null"))  # noqa: PTH123, SIM115
    monkeypatch.setattr(vote, "cast", lambda command, console: fails())
    with pytest.raises(SystemExit) as end:
        app.main()
    printed = capsys.readouterr()
    assert end.value.code == 1
    assert text in printed.err
    assert "Abort" not in printed.err
