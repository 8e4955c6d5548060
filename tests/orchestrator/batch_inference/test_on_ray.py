"""Many photographs on a real Ray, through the real command line: killed, called again, and one that ends
every process which reads it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.faults.started_command import Command, started
from tests.orchestrator.command_line import kill_everything, orchestrator
from tests.orchestrator.one_slot import commands

SPEC = """\
name: many
data: {train: photos/train, test: photos/eval}
folds: {k: 2}
defaults: {image_size: [32, 32], epochs: 1, batch_size: 32}
members:
  - {name: first, model: test_resnet}
  - {name: second, model: test_efficientnet, image_size: [40, 32]}
"""
# photographs are asked about in blocks of 256
N = 2000
ASK = ("-m", "orchestrator", "predict", "spec.yaml", "many", "--members")

# Python reads it when it starts, in Ray's workers too: whoever reads this file is killed, as by a decoder
# that writes where it must not
KILLER = """\
import os, pathlib, signal
read = pathlib.Path.read_bytes
def read_or_die(self):
    if self.name == "0300.jpg":
        os.kill(os.getpid(), signal.SIGKILL)
    return read(self)
pathlib.Path.read_bytes = read_or_die
"""


@pytest.fixture(scope="module")
def asked(tmp_path_factory, eighteen_people) -> Path:
    """A folder with a trained run of two members, and `many`: N photographs, one of them broken."""
    folder = tmp_path_factory.mktemp("many")
    (folder / "photos").symlink_to(eighteen_people / "photos")
    (folder / "spec.yaml").write_text(SPEC)
    with commands(folder) as run:
        run("train-members", "spec.yaml")
        run("vote", "spec.yaml", "--mode", "soft")
    drawn = sorted((eighteen_people / "photos/eval/images").iterdir())
    (folder / "many").mkdir()
    for number in range(N):
        os.link(drawn[number % len(drawn)], folder / f"many/{number:04}.jpg")
    (folder / "many/0777.jpg").unlink()
    (folder / "many/0777.jpg").write_bytes(b"no photograph")
    return folder


def call(folder: Path, *more: str):
    return started(folder, *ASK, *more, env={"RAY_worker_niceness": "0"})


def answers(folder: Path, name: str) -> dict[str, bytes]:
    """The files of the answers by their paths, without the name."""
    files = [folder / f"{name}.parquet", folder / f"{name}.csv"]
    files += sorted((folder / f"{name}-members").rglob("*.parquet"))
    return {str(f.relative_to(folder)).removeprefix(name): f.read_bytes() for f in files}


def kept(folder: Path) -> list[Path]:
    return list(folder.glob("there.blocks/*.parquet"))


@pytest.mark.ray
def test_on_a_ray_it_answers_as_one_process_does(asked):
    some = [f"many/{number:04}.jpg" for number in range(760, 800)]
    ask = ["predict", "spec.yaml", *some, "--members"]
    orchestrator(*ask, "--out", "alone.parquet", cwd=asked)
    printed = orchestrator(*ask, "--out", "ray.parquet", "--address", "local", cwd=asked).stdout
    assert "on 2 CPUs of a Ray" in printed
    assert "1 photo could not be read (many/0777.jpg)" in printed
    assert answers(asked, "ray") == answers(asked, "alone")


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.fault(
    "`predict` on a Ray killed by SIGKILL, with all its processes",
    "the same command goes on; its files are those of one process, byte for byte",
)
def test_killed_and_called_again_on_a_ray_it_answers_as_one_process_does(asked):
    orchestrator(*ASK[2:], "--out", "here.parquet", "--json", "here.json", cwd=asked)
    ask: tuple[str, ...] = ("--address", "local", "--out", "there.parquet", "--json", "there.json")
    with call(asked, *ask) as command:
        command.wait_for(lambda: kept(asked))
        kill_everything(command.driver)
    assert not (asked / "there.parquet").exists()
    n_kept = len(kept(asked))
    with call(asked, *ask) as command:
        assert command.end() == 0, command.printed
        assert "Traceback" not in command.printed
        assert "WARNING" not in command.printed
    done, alone = (json.loads((asked / f"{name}.json").read_text()) for name in ("there", "here"))
    assert done["answered_before"] >= 200 * n_kept > 0
    assert (done["photos"], done["problems"]) == (N, alone["problems"])
    assert list(done["problems"]) == ["0777.jpg"]
    assert not (asked / "there.blocks").exists()
    assert answers(asked, "there") == answers(asked, "here")


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.fault(
    "a photograph that ends every process which reads it", "after a few attempts exit 1, its name"
)
def test_a_photograph_that_ends_its_readers_ends_the_command_with_its_name(asked, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(KILLER)
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[3])])
    ask = ("--address", "local", "--out", "killed.parquet")
    env = {"RAY_worker_niceness": "0", "PYTHONPATH": path}
    with started(asked, *ASK, *ask, kind=Command, env=env) as command:
        assert command.end() == 1, command.printed
        assert "0300.jpg, in block 2" in command.printed
        assert "the same command goes on from here" in command.printed
    assert not (asked / "killed.parquet").exists()
