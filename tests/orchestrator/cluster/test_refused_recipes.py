"""A recipe that cannot be trained is refused by `train-members`, and of Ray nothing is left or even begun."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from orchestrator.cluster.preflight import lacks_weights
from orchestrator.spec import load
from tests.faults.started_command import SPEC, all_gone, photographs, started


@pytest.fixture
def place() -> Iterator[Path]:
    """For Ray's files: pytest's own has too long a name for its sockets."""
    folder = Path(tempfile.mkdtemp(prefix="ens-"))
    yield folder
    shutil.rmtree(folder)


@pytest.mark.ray
@pytest.mark.parametrize(
    ("members", "named", "begins"),
    [
        ("{name: a, model: test_resnett}", ["a: model: 'test_resnett'"], True),
        (
            "{name: a, model: test_resnett}, {name: b, pretrained: nowhere.pth}",
            ["a: model: 'test_resnett'", "b: pretrained: there is no weights file 'nowhere.pth'"],
            False,
        ),
    ],
)  # fmt: skip
def test_a_recipe_that_cannot_be_trained_leaves_nothing_of_ray(
    tmp_path, place, members, named, begins
):
    photographs(tmp_path, spec=SPEC.replace("{name: net}", members))
    words = ["-m", "orchestrator", "train-members", "spec.yaml"]
    family: dict[int, psutil.Process] = {}
    with started(tmp_path, *words, env={"RAY_TMPDIR": str(place)}) as command:
        of_ray = False
        while command.driver.poll() is None:
            with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended
                family |= {process.pid: process for process in command.family()}
            of_ray = of_ray or any(place.iterdir())
            time.sleep(0.05)
        assert command.end() == 2
        assert all(text in command.printed for text in named), command.printed
        assert "Traceback" not in command.printed
        assert of_ray is begins
        assert all_gone([*family.values()])
        assert list(place.iterdir()) == []


def test_a_weights_file_is_looked_for_wherever_training_may_start_from_it(tmp_path):
    def asks(member: str, search: str = "") -> bool:
        file = tmp_path / "spec.yaml"
        file.write_text(
            f"name: s\ndata: {{train: x}}\nmembers: [{{name: m, model: test_resnet{member}}}]\n{search}"
        )
        return lacks_weights(load(file))

    there = tmp_path / "there.safetensors"
    there.write_bytes(b"")
    drawn = "search: {members: [m], space: {pretrained: {choice: [false, '%s']}}}\n"
    assert not asks("")
    assert not asks(f", pretrained: {there}")
    assert asks(f", pretrained: {tmp_path / 'away.safetensors'}")
    assert asks(f", pretrained: {tmp_path}")
    assert asks(", pretrained: package:of_nobody_at_all")
    assert not asks("", drawn % there)
    assert asks("", drawn % (tmp_path / "away.safetensors"))
