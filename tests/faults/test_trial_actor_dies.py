"""The process that leads a run of units is killed or stopped: its units go on in another."""

from __future__ import annotations

import pytest

from tests.faults.started_command import all_gone, photographs
from tests.faults.training_processes import LEADER, SPEC, WORKER, training

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.mark.fault("the process that leads a run dies", "its units go on from their last epoch")
def test_the_units_of_a_killed_leader_go_on_from_their_last_epoch(tmp_path, measured):
    spec = SPEC.replace("epochs: 200", "epochs: 60")
    photographs(tmp_path)
    with training(tmp_path, spec) as run:
        run.wait_for_epochs()
        workers, leaders = run.processes(WORKER), run.processes(LEADER)
        for leader in leaders:
            leader.kill()
        with measured.clear_state():
            run.wait_for(lambda: "it goes on after epoch" in run.printed)
            run.wait_for(lambda: not any(worker.is_running() for worker in workers))
        run.assert_ends_as_undisturbed(spec, measured)


@pytest.mark.fault(
    "the process that leads a run dies while its workers start", "its slot is free again at once"
)
def test_a_leader_that_is_killed_while_its_workers_start_keeps_no_slot(tmp_path, measured):
    """As often as there are slots: after that nothing could begin, for 300 s and longer."""
    spec = SPEC.replace("epochs: 200", "epochs: 2")
    photographs(tmp_path)
    with training(tmp_path, spec) as run:
        for deaths in (1, 2, 3):
            run.wait_for(lambda: run.processes(LEADER) and run.processes(WORKER))
            leaders, workers = run.processes(LEADER), run.processes(WORKER)
            for leader in leaders:
                leader.kill()
            assert all_gone([*leaders, *workers])
            run.wait_for(lambda n=deaths: run.printed.count("it is started again") == n)
        with measured.clear_state():
            run.end(200)
        run.assert_ends_as_undisturbed(spec, measured)


@pytest.mark.fault(
    "the process that leads a run is stopped", "ended after hang_minutes, units go on"
)
def test_the_units_of_a_stopped_leader_go_on_from_their_last_epoch(tmp_path, measured):
    spec = SPEC.replace("gpus: 0", "gpus: 0, hang_minutes: 0.5")
    photographs(tmp_path)
    with training(tmp_path, spec) as run:
        run.wait_for_epochs()
        stopped = run.processes(LEADER)[0]
        stopped.suspend()
        with measured.clear_state():
            run.wait_for(lambda: "stopped or hangs" in run.printed)
            run.wait_for(lambda: not stopped.is_running())
        run.assert_ends_as_undisturbed(spec, measured)


@pytest.mark.fault(
    "the actor that gives processes their units is killed",
    "each ends after the unit that it is at, and others take what is left",
)
def test_without_the_actor_that_gives_out_units_each_has_a_process_of_its_own(tmp_path, measured):
    spec = SPEC.replace("epochs: 200", "epochs: 60").replace("{scheme: holdout}", "{k: 5}")
    photographs(tmp_path)
    with training(tmp_path, spec) as run:
        run.wait_for_epochs()
        for answers in run.processes("ray::Answers"):
            answers.kill()
        with measured.clear_state():
            run.end(300)
        run.assert_ends_as_undisturbed(spec, measured)
