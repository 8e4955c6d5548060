"""Networks are timed by the project's own training, in processes that live as long as it takes."""

from __future__ import annotations

import pytest

from orchestrator.first_spec.machine import Machine
from orchestrator.first_spec.measuring import Stopwatch, mean_of
from orchestrator.first_spec.steps import Job, Steps, time_steps
from tests.orchestrator.command_line import orchestrator
from tests.orchestrator.first_spec.made import photos


def test_steps_are_timed_after_all_are_ready():
    waited = []
    job = Job(
        {"model": "test_byobnet", "image_size": [32, 32], "batch_size": 4, "lr": 1e-3}, 3, 0.05
    )
    found = time_steps(job, "cpu", 0, lambda: waited.append(True))
    assert waited == [True]
    assert 0 < found.predict < found.step < 5
    assert found.build > 0
    assert found.save > 0


def test_of_processes_side_by_side_one_takes_their_mean():
    found = mean_of([Steps(1.0, 0.1, 2.0, 0.2, 5), Steps(3.0, 0.3, 4.0, 0.4, 7)])
    assert found.step == pytest.approx(2.0)
    assert (found.predict, found.build, found.save) == (
        pytest.approx(0.2), pytest.approx(3.0), pytest.approx(0.3)
    )  # fmt: skip
    assert found.memory == 7


@pytest.mark.slow
def test_two_processes_answer_alike_and_say_what_fails():
    said: list[str] = []
    recipe = {"model": "test_byobnet", "image_size": [32, 32], "batch_size": 4, "lr": 1e-3}
    with Stopwatch(Machine(2, 24 << 30), 3, 1.0, said.append) as watch:
        assert watch.start > 0
        assert watch.time(recipe).steps is not None
        assert watch.time(recipe) is watch.time(dict(recipe))
        assert watch.timed == 1
        wrong = watch.time(
            {**recipe, "image_size": [8, 8], "model": "swin_tiny_patch4_window7_224"}
        )
        assert wrong.steps is None
        assert wrong.problem
        assert watch.time({**recipe, "batch_size": 8}).steps is not None  # they still answer
    assert not any(process.is_alive() for process in watch._processes)


@pytest.mark.slow
@pytest.mark.ray
def test_a_first_try_is_checked_trained_and_voted_on(tmp_path):
    photos(tmp_path / "p", [f"{own}/{own}{i}.png" for own in ("cat", "dog") for i in range(20)])
    orchestrator("init", "p", "--try", cwd=tmp_path)
    orchestrator("check", "ensemble.yaml", cwd=tmp_path)
    orchestrator("train-members", "ensemble.yaml", cwd=tmp_path)
    orchestrator("vote", "ensemble.yaml", cwd=tmp_path)
    assert (tmp_path / "runs/ensemble/votes/weighted/vote.json").is_file()
