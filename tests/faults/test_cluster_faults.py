"""Machines of a cluster that are lost, come back, come late or never, and a disk that goes away.

A head and a worker in Linux namespaces of their own (tests/clusters.py), with real Rays on them.
"""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests import clusters
from tests.clusters import GCS, HEAD, WORKER, Lab
from tests.faults.started_command import photographs
from tests.faults.training_processes import tables, undisturbed

pytestmark = [pytest.mark.ray, pytest.mark.slow]

SPEC = """\
name: small
data: {layout: table, train: photos.csv}
folds: {k: 2}
defaults: {model: test_resnet, image_size: [32, 32], batch_size: 8, epochs: 20}
members: [{name: net}]
tracking: []
"""
# what of it is not read is asked for by Ray's schema
AUTOSCALER = {
    "cluster_name": "growing",
    "max_workers": 2,
    "upscaling_speed": 2.0,
    "idle_timeout_minutes": 0.1,
    "provider": {
        "type": "fake_multinode",
        "use_node_id_as_ip": True,
        "disable_node_updaters": True,
        "disable_launch_config_check": True,
    },
    "head_node_type": "ray.head.default",
    "available_node_types": {
        "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
        "small": {"resources": {"CPU": 1}, "node_config": {}, "min_workers": 0, "max_workers": 2},
    },
    **{key: {} for key in ("auth", "docker", "file_mounts")},
    **{key: [] for key in (
        "initialization_commands", "setup_commands", "head_setup_commands",
        "worker_setup_commands", "head_start_ray_commands", "worker_start_ray_commands",
        "cluster_synced_files", "rsync_exclude", "rsync_filter",
    )},
    "file_mounts_sync_continuously": False,
}  # fmt: skip
SLOWLY = {"RAY_raylet_start_wait_time_s": "120"}  # on a busy machine
START = ["ray", "start", "--disable-usage-stats", "--object-store-memory=100000000"]


class Cluster:
    """Shared storage with the photographs and the run, and `train-members` on the head."""

    def __init__(self, lab: Lab):
        self.lab = lab
        self.disk, self.storage = lab.folder / "disk", lab.folder / "storage"
        self.disk.mkdir()
        for machine in ("head", "worker"):
            self.mount(machine)
        photographs(self.disk)
        (self.disk / "spec.yaml").write_text(SPEC)
        self.root = self.disk / "run"

    def mount(self, machine: str) -> None:
        self.lab.ok("mount", "--bind", str(self.disk), str(self.storage), at=machine)

    def unmount(self, machine: str) -> None:
        self.lab.ok("umount", "--lazy", str(self.storage), at=machine)

    def start_growing_head(self) -> None:
        """A head whose autoscaler, Ray's own, starts up to two nodes of one CPU beside it."""
        config = self.lab.folder / "autoscaler.yaml"
        config.write_text(yaml.safe_dump(AUTOSCALER))
        variables = {"RAY_FAKE_CLUSTER": "1", "AUTOSCALER_UPDATE_INTERVAL_S": "1"}
        self.start_head("--num-cpus=0", f"--autoscaling-config={config}", **variables)

    def nodes(self) -> int:
        """How many there are now, as Ray on the head sees it."""
        code = "import ray; ray.init('auto'); print(sum(n['Alive'] for n in ray.nodes()))"
        return int(self.lab.ok("python", "-c", code, at="head").splitlines()[-1])

    def wait_for_nodes(self, number: int) -> None:
        deadline = time.monotonic() + 300
        while (found := self.nodes()) != number:
            assert time.monotonic() < deadline, found
            time.sleep(2)

    def start_head(self, *options: str, **variables: str) -> None:
        where = [f"--node-ip-address={HEAD}", "--head", "--port=6379", "--dashboard-host=0.0.0.0"]
        variables |= SLOWLY | {
            "RAY_health_check_failure_threshold": "3",
            "RAY_health_check_period_ms": "1000",
            "RAY_health_check_timeout_ms": "2000",
        }
        self.lab.ok(*START, *where, *options, at="head", **variables)

    def start_worker(self, *options: str) -> None:
        where = [f"--node-ip-address={WORKER}", f"--address={GCS}"]
        patience = {"RAY_gcs_rpc_server_reconnect_timeout_s": "5", **SLOWLY}
        self.lab.ok(*START, *where, *options, at="worker", **patience)

    @contextlib.contextmanager
    def training(self, *arguments: str) -> Iterator[Training]:
        printed = self.lab.folder / "printed.txt"
        command = ["python", "-m", "orchestrator", "train-members", "spec.yaml", "--address", GCS,
                   "--run", "run", *arguments]  # fmt: skip
        shell = f"cd {self.storage} && exec {' '.join(command)} >{printed} 2>&1"
        driver = self.lab.popen("sh", "-c", shell, at="head", PYTHONPATH=str(clusters.ROOT),
                                ENSEMBLE_CACHE=str(self.lab.tmp / "cache"))  # fmt: skip
        try:
            yield Training(self, driver, printed)
        finally:
            driver.kill()

    def states(self) -> list[Path]:
        return list(self.root.glob("units/*/*/*/state.pt"))


class Training:
    def __init__(self, cluster: Cluster, driver: subprocess.Popen, output: Path):
        self.cluster, self.driver, self._output = cluster, driver, output

    @property
    def printed(self) -> str:
        return self._output.read_text() if self._output.exists() else ""

    def wait_for(self, condition, seconds: float = 300) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.driver.poll() is None, self.printed
            assert time.monotonic() < deadline, self.printed
            time.sleep(0.1)

    def end(self) -> int:
        return self.driver.wait(480)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with clusters.running() as lab:
        yield Cluster(lab)


@pytest.fixture
def as_undisturbed(cluster, tmp_path, measured) -> Callable[[], bool]:
    """Whether the run's tables are those of the same spec trained in one process; put on record."""

    def same() -> bool:
        equal = tables(cluster.root) == undisturbed(tmp_path, SPEC)
        units = len(list(cluster.root.glob("units/*/*/*/unit.json")))
        measured(units=2, units_kept=units, tables_equal=equal)
        return equal

    return same


@pytest.mark.fault("a machine of a cluster is lost", "its units go on on another one")
def test_the_units_of_a_lost_worker_move_to_another_node(cluster, as_undisturbed):
    cluster.start_head("--num-cpus=1")
    cluster.start_worker("--num-cpus=1")
    with cluster.training() as training:
        training.wait_for(lambda: len(cluster.states()) == 2)
        cluster.lab.cable("down")
        cluster.lab.kill_all("worker")
        assert training.end() == 0, training.printed
    assert "its machine was lost" in training.printed
    assert "Traceback" not in training.printed
    assert as_undisturbed()


@pytest.mark.fault(
    "the cluster's head is lost", "the same job, submitted again, goes on from the last epoch"
)
def test_after_the_head_is_lost_the_same_command_goes_on(cluster, as_undisturbed):
    cluster.start_head("--num-cpus=0")
    cluster.start_worker("--num-cpus=1")
    with cluster.training() as training:
        training.wait_for(cluster.states)
        cluster.lab.kill_all("head")
        assert training.end() != 0
    before = {path.parent.name: path.stat().st_mtime for path in cluster.states()}
    assert before
    cluster.lab.kill_all("worker")  # `ray up` begins with `ray stop` there
    cluster.start_head("--num-cpus=0")
    cluster.start_worker("--num-cpus=1")
    with cluster.training() as training:
        assert training.end() == 0, training.printed
    assert as_undisturbed()


@pytest.mark.fault("a machine joins late, or all of them", "used; the first is waited for")
def test_a_worker_that_joins_late_is_used_and_training_begins_without_any(cluster, as_undisturbed):
    cluster.start_head("--num-cpus=0")
    with cluster.training() as training:
        training.wait_for(lambda: "waiting for nodes" in training.printed)
        cluster.start_worker("--num-cpus=1")
        training.wait_for(cluster.states)
        assert training.end() == 0, training.printed
    assert as_undisturbed()


@pytest.mark.fault(
    "a GPU is asked for where none will ever come", "said in a minute, and nothing is trained"
)
@pytest.mark.parametrize("growing", [False, True])
def test_a_gpu_that_will_never_come_is_said_in_a_minute(cluster, growing, measured):
    if growing:
        cluster.start_growing_head()
    else:
        cluster.start_head("--num-cpus=1")
    with cluster.training("--set", "resources.gpus=1") as training:
        training.wait_for(lambda: "waiting for nodes" in training.printed)
        with measured.clear_state():
            assert training.end() == 2
    have = f"the cluster has {0 if growing else '1 CPU'}"
    assert f"one training process wants 1 CPU and 1 GPU, and {have}" in training.printed
    assert "Waited 6" in training.printed
    assert not cluster.states()


@pytest.mark.fault(
    "a command that asked the autoscaler for machines is killed", "they go within minutes"
)
def test_nodes_are_asked_for_and_go_again_even_where_the_command_was_killed(
    cluster, as_undisturbed
):
    cluster.start_growing_head()
    with cluster.training() as training:
        training.wait_for(cluster.states)
        assert "waiting for nodes" in training.printed
        assert "of type small being started" in training.printed
        cluster.lab.run("pkill", "-KILL", "-f", "orchestrator train-members", at="head")
        training.driver.wait(60)
    cluster.wait_for_nodes(1)
    with cluster.training() as training:
        assert training.end() == 0, training.printed
    assert as_undisturbed()
    cluster.wait_for_nodes(1)


@pytest.mark.fault(
    "shared storage goes away for a minute", "waited for; nothing is written in its place"
)
def test_shared_storage_that_goes_away_for_a_minute_is_waited_for(cluster, as_undisturbed):
    cluster.start_head("--num-cpus=0")
    cluster.start_worker("--num-cpus=1")
    with cluster.training() as training:
        training.wait_for(cluster.states)
        for machine in ("head", "worker"):
            cluster.unmount(machine)
        time.sleep(60)
        assert not list(cluster.storage.iterdir())  # nothing was written to the empty mount point
        for machine in ("head", "worker"):
            cluster.mount(machine)
        assert training.end() == 0, training.printed
    assert as_undisturbed()
    assert not list(cluster.storage.iterdir())
