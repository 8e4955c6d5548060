"""Ray's own processes are killed under a training command: it says so within seconds and ends."""

from __future__ import annotations

import pytest

from tests.faults.started_command import all_gone, photographs, started

pytestmark = [pytest.mark.ray, pytest.mark.slow]
GOES_ON = "Nothing is lost: the same command goes on from here."


@pytest.mark.parametrize(
    ("server", "called"),
    [
        pytest.param("gcs_server", "head", marks=pytest.mark.fault(
            "Ray's head (GCS) is killed", "one sentence, exit 1, no process is left")),
        pytest.param("raylet/raylet", "raylet of this machine", marks=[pytest.mark.fault(
            "Ray's raylet is killed", "one sentence, exit 1, no process is left")]),
    ],
)  # fmt: skip
def test_a_dead_ray_ends_the_command_with_a_sentence(server, called, tmp_path, measured):
    photographs(tmp_path)
    with started(tmp_path, "-m", "orchestrator", "train-members", "spec.yaml") as command:
        command.wait_for_an_epoch()
        family = command.family()
        before = command.printed
        with measured.clear_state():
            command.named(server).kill()
            assert command.end(seconds=55) == 1  # Ray would abort after 61 s
        lines = command.printed.removeprefix(before).splitlines()
        assert [line for line in lines if " epoch " not in line] == [
            f"The {called} of the local Ray is gone, and its work with it. {GOES_ON}",
            "python -m orchestrator train-members spec.yaml",
        ]
        assert all_gone(family)
    assert list(tmp_path.glob("runs/small/units/*/*/*/state.pt"))
