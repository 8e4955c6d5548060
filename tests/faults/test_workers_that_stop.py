"""A training process that is stopped, or that hangs: named after a while, and started again."""

from __future__ import annotations

import pytest

from tests.faults.started_command import photographs
from tests.faults.training_processes import SPEC, WORKER, change_training, training

pytestmark = [pytest.mark.ray, pytest.mark.slow]

# half a minute of silence, thrice that before the first epoch
IMPATIENT = SPEC.replace("gpus: 0", "gpus: 0, hang_minutes: 0.5")


@pytest.mark.fault("a worker is stopped (SIGSTOP)", "named and started again after hang_minutes")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_stopped_worker_is_started_again_from_its_last_epoch(tmp_path, measured, workers):
    spec = IMPATIENT.replace("gpus: 0", f"gpus: 0, workers: {workers}")
    photographs(tmp_path)
    with training(tmp_path, spec) as run:
        run.wait_for_epochs()
        stopped = run.processes(WORKER)[-1]  # of two ranks, one that writes no file
        stopped.suspend()
        with measured.clear_state():
            run.wait_for(lambda: "stopped or hangs" in run.printed)
            run.wait_for(lambda: not stopped.is_running())
        run.assert_ends_as_undisturbed(spec, measured)
        assert "it goes on after epoch" in run.printed


# a call that never comes back and holds the interpreter, as a driver's may; once
HANGS = """\
def change(module):
    import ctypes
    from pathlib import Path

    epoch = module.Training.epoch

    def hangs(self, index):
        if index == 3 and not Path("MARK").exists():
            Path("MARK").write_text("")
            ctypes.PyDLL(None).pause()
        return epoch(self, index)

    module.Training.epoch = hangs
"""


@pytest.mark.fault("a worker hangs in a call", "named and started again after hang_minutes")
def test_a_call_that_never_returns_costs_an_epoch(tmp_path, measured):
    photographs(tmp_path)
    mark = tmp_path / "hung.txt"
    change_training(tmp_path, HANGS.replace("MARK", str(mark)))
    with training(tmp_path, IMPATIENT, before=tmp_path) as run:
        run.wait_for(mark.exists)
        with measured.clear_state():
            run.wait_for(lambda: "stopped or hangs" in run.printed)
        run.assert_ends_as_undisturbed(IMPATIENT, measured)
