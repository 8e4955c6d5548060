"""Where a Ray lacks the private parts that save processes, the public way trains as well."""

from __future__ import annotations

import builtins
import subprocess
import sys

import pytest

from orchestrator.cluster import ray_internals
from orchestrator.cluster.ray_internals import process, trials
from orchestrator.cluster.ray_internals.replaced import replaced
from tests.orchestrator.command_line import environment, finished

PRIVATE = ("ray.train.v2", "ray._private")


def block(monkeypatch) -> None:
    """No private module can be imported by `ray_internals`; Ray itself can."""
    real = builtins.__import__

    def blocked(name, globals=None, *rest, **more):
        ours = (globals or {}).get("__name__", "").startswith(ray_internals.__name__)
        if ours and name.startswith(PRIVATE):
            raise ImportError(name)
        return real(name, globals, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", blocked)


def test_with_this_ray_the_controller_runs_in_the_trial_s_process():
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

    trainer = trials.train_parts().trainer
    for name in ("_create_default_callbacks", "_initialize_and_run_controller"):
        assert getattr(trainer, name) is not getattr(DataParallelTrainer, name)


def test_without_private_modules_the_public_trainer_is_taken(monkeypatch):
    from ray.train.torch import TorchTrainer
    from ray.tune.integration.ray_train import TuneReportCallback

    block(monkeypatch)
    assert trials.train_parts() == trials.TrainParts(TorchTrainer, TuneReportCallback)
    assert trials.asks_the_dashboard()
    assert process.resolved("10.0.0.1:6379") == "10.0.0.1:6379"


@pytest.mark.parametrize("name", ["_create_default_callbacks", "_initialize_and_run_controller"])
def test_methods_that_are_no_longer_there_are_not_overridden_in_vain(monkeypatch, name):
    from ray.train.torch import TorchTrainer
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

    monkeypatch.delattr(DataParallelTrainer, name)
    assert trials.train_parts().trainer is TorchTrainer


class Trial:
    """Stands in for what Tune makes of a function."""


def test_a_trial_of_a_ray_started_here_gets_no_environment_of_its_own(monkeypatch):
    from ray.tune.execution.class_cache import _ActorClassCache

    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted")

    def given() -> dict:
        options = _ActorClassCache().get(Trial)._default_options
        return (options.get("runtime_env") or {}).get("env_vars", {})

    before = given()
    assert before["AWS_SECRET_ACCESS_KEY"] == "planted"  # which Ray's agent would log
    with trials.trials_inherit():
        assert given() == {}
    assert given() == before


@pytest.mark.parametrize(
    ("where", "values"),
    [
        (("ray._private.nothing",), {"PRIVATE": ()}),
        ((__name__, "nothing"), {"PRIVATE": ()}),
        ((__name__,), {"PRIVATE": (), "nothing": ()}),
    ],
)
def test_what_this_ray_lacks_is_left_as_it_is(where, values):
    with replaced(*where, **values):
        assert PRIVATE == ("ray.train.v2", "ray._private")


def test_what_was_replaced_is_as_before_whatever_happens():
    seen = []

    def fail() -> None:
        seen.append(PRIVATE)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), replaced(__name__, PRIVATE=()):
        fail()
    assert seen == [()]
    assert PRIVATE == ("ray.train.v2", "ray._private")


def test_tune_counts_no_callbacks_meanwhile():
    """Of a process of its own: what is imported stays."""
    code = """
import sys
from ray.air._internal import usage
from ray.tune import Callback
from orchestrator.cluster.ray_internals.trials import callbacks_uncounted
def loggers(): return [name for name in sys.modules if name.startswith('ray.air.integrations.')]
with callbacks_uncounted():
    usage.tag_callbacks([Callback()])
    print(loggers())
usage.tag_callbacks([])
usage._count_callbacks([Callback()])
print(bool(loggers()), usage.tag_callbacks.__module__)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines() == ["[]", "True ray.air._internal.usage"]


def test_an_address_is_resolved_to_host_and_port():
    assert process.resolved("10.0.0.1:6379") == "10.0.0.1:6379"
    with pytest.raises(ValueError, match="nonsense"):
        process.resolved("nonsense")


SPEC = """\
name: e2e
data: {train: photos/train}
folds: {k: 2}
members: [{name: net, model: test_resnet, image_size: [32, 32], epochs: 2}]
search:
  members: [net]
  space: {lr: {choice: [1.0e-3, 1.0e-30]}}
  sampler: grid
  asha: {grace_epochs: 1, reduction_factor: 2}
"""

# functions of the main module travel to the trial's process by value
DRIVER = """\
import sys
from pathlib import Path
from orchestrator import cli
from orchestrator.running import tune

def run_trial(config):
    import pytest
    from orchestrator.cluster.ray_internals.trials import train_parts
    from orchestrator.running import tune
    from tests.orchestrator.cluster.test_ray_internals import block

    with pytest.MonkeyPatch.context() as patch:
        block(patch)
        with Path("MARK").open("a") as file:
            file.write(train_parts().trainer.__module__ + "\\n")
        tune.run_trial(config)

tune.run_trial = run_trial
sys.argv = ["orchestrator", "train-members", "spec.yaml"]
cli.main()
"""


@pytest.mark.ray
@pytest.mark.slow  # it stands in where Ray's internals have changed, which the other tests notice
def test_the_public_trainer_trains_and_reports_to_tune(tmp_path, eighteen_people):
    from ray.train.torch import TorchTrainer

    (tmp_path / "photos").symlink_to(eighteen_people / "photos")
    (tmp_path / "spec.yaml").write_text(SPEC)
    mark = tmp_path / "trainers.txt"
    driver = tmp_path / "driver.py"
    driver.write_text(DRIVER.replace("MARK", str(mark)))
    done = subprocess.run(
        [sys.executable, str(driver)],
        cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True, timeout=900,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(mark.read_text().split()) == {TorchTrainer.__module__}
    assert len(finished(tmp_path)) >= 2
    assert "wins with macro_f1" in done.stdout
    assert (tmp_path / "runs/e2e/tables/net/oof.parquet").exists()


@pytest.mark.ray
def test_a_ray_of_the_command_s_own_has_only_processes_that_run_tasks(tmp_path):
    code = (
        "import psutil, ray\n"
        "from orchestrator.cluster.connect import connect\n"
        "with connect():\n"
        "    assert ray.get(ray.remote(lambda: 3).remote()) == 3\n"
        "    print([' '.join(p.cmdline()) for p in psutil.Process().children(recursive=True)])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    shown = done.stdout
    for there in ("gcs_server", "raylet"):
        assert there in shown
    for of_no_use in ("dashboard.py", "monitor.py"):
        assert of_no_use not in shown


def test_what_a_block_leaves_out_is_there_again_after_it():
    from ray._private.node import Node

    before = {name: getattr(Node, name) for name in process._SERVICES}
    with process.without_services():
        assert Node.start_monitor is not before["start_monitor"]
    assert {name: getattr(Node, name) for name in before} == before


def test_where_one_of_the_services_has_another_name_ray_starts_as_it_does(monkeypatch):
    from ray._private.node import Node

    monkeypatch.delattr(Node, "start_monitor")
    before = Node.start_log_monitor
    with process.without_services():
        assert Node.start_log_monitor is before
