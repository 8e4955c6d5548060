"""A worker that dies again and again: counted per unit, and reset by every epoch."""

from __future__ import annotations

import pytest

from tests.faults.started_command import photographs
from tests.faults.training_processes import SPEC, WORKER, change_training, training

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.mark.fault("a worker is killed time and again", "its unit goes on each time")
def test_a_worker_that_is_killed_more_often_than_any_limit_ends_done(tmp_path, measured):
    spec = SPEC.replace("epochs: 200", "epochs: 600")
    photographs(tmp_path)
    with training(tmp_path, spec) as run:
        run.wait_for_epochs()
        for kills in range(6):
            before = run.last_epoch()
            run.wait_for(lambda before=before: run.last_epoch() > before)
            run.processes(WORKER)[0].kill()
            run.wait_for(lambda n=kills: run.printed.count("it goes on after epoch") > n)
        run.assert_ends_as_undisturbed(spec, measured)


DIES = """\
def change(module):
    import os
    import signal

    module.Training.epoch = lambda self, index: os.kill(os.getpid(), signal.SIGSEGV)
"""


@pytest.mark.fault("a worker crashes in its first epoch, always", "given up with its cause")
def test_a_unit_that_never_gets_anywhere_is_given_up_with_its_cause(tmp_path, measured):
    photographs(tmp_path)
    change_training(tmp_path, DIES)
    with training(tmp_path, SPEC, before=tmp_path) as run:
        with measured.clear_state():
            code = run.end()
        printed = run.printed
    assert code == 1, printed
    assert printed.count("it is started again") == 3
    assert "its training process died 4 times in a row before its first epoch" in printed
    assert "SIGSEGV" in printed
    assert "Ray logs" not in printed
    measured(units=1, units_kept=0)
