"""At its end a command's process does not look for circles among all its objects once more."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CODE = """
import atexit, gc, sys
from orchestrator import cli

def show():  # after what the command registers itself
    print("LEFT TO LOOK AT:", len(gc.get_objects()) if gc.get_freeze_count() else "all")

atexit.register(show)
sys.argv = ["orchestrator", *{words}]
cli.main()
"""


@pytest.mark.parametrize(
    ("words", "code"), [(["--help"], 0), (["vote", "--tables", "none"], 2), (["nothing"], 2)]
)
def test_however_it_ends(words, code, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(words=words)], cwd=tmp_path, capture_output=True, text=True,
        env={"PYTHONPATH": str(ROOT)}, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert int(done.stdout.rpartition("LEFT TO LOOK AT: ")[2]) < 1000
