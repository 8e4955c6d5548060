"""The files for `ray up`: Ray accepts them, and the one for own machines makes a cluster that works.

`test_ray_up_...` runs the file as it is between machines that are namespaces of this one (clusters.py).
"""

import json
import subprocess
import time

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

from tests import clusters
from tests.clusters import DASHBOARD, GCS, HEAD, ROOT, WORKER

ALL = pytest.mark.parametrize("name", ["cluster.yaml", "cluster.aws.yaml", "cluster.gcp.yaml"])


def read(name: str) -> dict:
    return yaml.safe_load((ROOT / name).read_text())


def start_command(commands: list[str]) -> str:
    (command,) = [command for command in commands if "ray start" in command]
    return command


@ALL
def test_ray_accepts_the_file(name):
    config = prepare_config(read(name))
    validate_config(config)  # Ray's own schema, and its checks beyond it


@ALL
def test_every_machine_installs_the_requirements_that_were_mounted(name):
    config = prepare_config(read(name))
    (target,) = [at for at, here in config["file_mounts"].items() if here == "requirements.txt"]
    for kind in ("head", "worker"):
        installs = [c for c in config[f"{kind}_setup_commands"] if f"--requirement {target}" in c]
        assert len(installs) == 1, kind


@ALL
def test_every_command_is_valid_shell(name):
    config = prepare_config(read(name))
    for key in ("setup_commands", "head_start_ray_commands", "worker_start_ray_commands"):
        for command in config[key]:
            subprocess.run(["bash", "-n", "-c", f"({command})"], check=True)


@ALL
def test_the_token_goes_to_every_machine(name):
    assert read(name)["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"


@ALL
@pytest.mark.parametrize("kind", ["head", "worker"])
def test_ray_starts_with_the_token_on_and_without_ray_ups_thread_limit(name, kind, tmp_path):
    # `ray` is a stand-in that prints its environment; it fails, so nothing after it runs.
    ray = tmp_path / "ray"
    ray.write_text('#!/bin/sh\necho "$RAY_AUTH_MODE ${OMP_NUM_THREADS-unset} $*"\nexit 1\n')
    ray.chmod(0o755)
    command = start_command(read(name)[f"{kind}_start_ray_commands"])
    output = subprocess.run(
        ["/bin/bash", "-c", f"export OMP_NUM_THREADS=1 && ({command})"],
        env={"PATH": str(tmp_path), "HOME": str(tmp_path), "RAY_HEAD_IP": "192.168.1.10"},
        capture_output=True,
        text=True,
    ).stdout
    assert output.startswith("token unset start ")
    where = "--head --port=6379" if kind == "head" else "--address=192.168.1.10:6379"
    assert where in output


@ALL
def test_workers_reach_the_dashboard(name):
    # On its default, 127.0.0.1, they do not: then the slot of a stopped trial never comes free.
    assert "--dashboard-host=0.0.0.0" in start_command(read(name)["head_start_ray_commands"])


@ALL
def test_only_code_is_mounted(name):
    # Ray hashes every byte under a mount, excluded or not: `.` would mean .venv, data and runs.
    mounted = set(read(name)["file_mounts"].values()) - {"~/.ray/auth_token"}
    assert mounted == {"members", "ensembles", "orchestrator", "requirements.txt"}
    assert all((ROOT / path).exists() for path in mounted)


def test_on_premises_every_listed_worker_joins_and_stays():
    config = read("cluster.yaml")
    assert "available_node_types" not in config  # Ray refuses it there
    workers = config["provider"]["worker_ips"]
    (only,) = prepare_config(config)["available_node_types"].values()
    assert (only["min_workers"], only["max_workers"]) == (len(workers), len(workers))


def test_aws_workers_have_gpus_on_spot_and_reach_the_bucket_and_the_head_is_safe():
    config = read("cluster.aws.yaml")
    types = dict(config["available_node_types"])
    head = types.pop(config["head_node_type"])
    assert "InstanceMarketOptions" not in head["node_config"]
    for worker in types.values():
        assert worker["resources"]["GPU"] == 1
        node = worker["node_config"]
        assert node["InstanceType"].split(".")[0] in ("g5", "g6")
        assert node["InstanceMarketOptions"] == {"MarketType": "spot"}
        assert node["IamInstanceProfile"] == head["node_config"]["IamInstanceProfile"]


def test_gcp_workers_have_gpus_on_spot_and_the_head_is_safe():
    config = read("cluster.gcp.yaml")
    types = dict(config["available_node_types"])
    head = types.pop(config["head_node_type"])
    assert "scheduling" not in head["node_config"]
    for worker in types.values():
        assert worker["resources"]["GPU"] == 1
        assert worker["node_config"]["machineType"].startswith("g2-")
        assert worker["node_config"]["scheduling"]["provisioningModel"] == "SPOT"


@pytest.mark.parametrize("name", ["cluster.aws.yaml", "cluster.gcp.yaml"])
def test_in_a_cloud_workers_come_when_they_are_asked_for_and_go(name):
    config = read(name)
    types = dict(config["available_node_types"])
    # the head's own CPUs would be a slot, and `gpus: auto` would find that there are no GPUs
    assert types.pop(config["head_node_type"])["resources"] == {"CPU": 0}
    assert all(worker["min_workers"] == 0 for worker in types.values())
    assert sum(worker["max_workers"] for worker in types.values()) == config["max_workers"] > 0
    assert config["upscaling_speed"] >= config["max_workers"]
    assert config["idle_timeout_minutes"] > 0


# Runs on the head, waits for the worker, then looks at both machines from a task on each.
JOB = """
import json, os, time, ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as On
ray.init("auto", log_to_driver=False)
while sum(node["Alive"] for node in ray.nodes()) < 2:
    time.sleep(0.5)

@ray.remote
def look():
    import orchestrator
    from ray.util.state import list_nodes
    return {
        "nodes": len(list_nodes()),
        "project": os.path.dirname(os.path.dirname(orchestrator.__file__)),
        "token mode": os.environ["RAY_AUTH_MODE"],
        "threads": int(os.environ["OMP_NUM_THREADS"]),
    }

for node in ray.nodes():
    cpus = node["Resources"]["CPU"]
    seen = look.options(num_cpus=cpus, scheduling_strategy=On(node["NodeID"], soft=False)).remote()
    seen = {**ray.get(seen), "cpus": cpus, "train": os.environ["SM_CHANNEL_TRAIN"]}
    print("SEEN", json.dumps({node["NodeManagerAddress"]: seen}), flush=True)
"""


@pytest.fixture
def lab():
    with clusters.running() as lab:
        yield lab


@pytest.mark.ray
def test_ray_up_makes_a_cluster_that_works_for_who_has_the_token_and_ray_down_ends_it(lab):
    storage = lab.folder / "storage"
    config = yaml.safe_load(
        (ROOT / "cluster.yaml").read_text().replace("/srv/ensemble", str(storage))
    )
    config["provider"]["worker_ips"] = [WORKER]
    config["auth"] = {"ssh_user": lab.user, "ssh_private_key": str(lab.folder / "key")}
    cluster = lab.folder / "cluster.yaml"
    cluster.write_text(yaml.safe_dump(config))
    (lab.folder / "job.py").write_text(JOB)
    before = lab.processes()

    code, output = lab.run("ray", "get-auth-token", "--generate")
    assert code == 0, output
    code, output = lab.run("ray", "up", "--yes", str(cluster))
    assert code == 0, output

    # A job, by address and with the token. Meanwhile the head is still setting up the worker.
    job = ["ray", "job", "submit", "--address", DASHBOARD, "--", "bash", "-c"]
    with_token = lab.popen(
        *job, f"cd ~/ensemble && python {lab.folder}/job.py", RAY_AUTH_MODE="token"
    )

    intruder = storage / "intruder"
    code, output = lab.run(*job, f"touch {intruder}", HOME=str(storage))
    assert code != 0
    assert "Missing authentication token" in output
    wrong = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64}
    code, output = lab.run("ray", "status", "--address", GCS, **wrong)
    assert code != 0
    assert "InvalidAuthToken" in output
    code, output = lab.run("ray", "status", "--address", GCS, RAY_AUTH_MODE="token")
    assert code == 0, output

    output, _ = with_token.communicate(timeout=300)
    assert with_token.returncode == 0, output
    seen = {}
    for line in output.splitlines():
        if line.startswith("SEEN "):
            seen.update(json.loads(line.removeprefix("SEEN ")))
    assert set(seen) == {HEAD, WORKER}, output
    for address, machine in ((HEAD, "head"), (WORKER, "worker")):
        assert seen[address] == {
            "nodes": 2,  # as the State API says when it is asked from this machine
            "project": str(lab.home / "ensemble"),
            "token mode": "token",
            "threads": seen[address]["cpus"],
            "cpus": seen[address]["cpus"],
            "train": str(storage / "train"),
        }
        token = lab.folder / machine / "home" / ".ray" / "auth_token"
        assert token.stat().st_mode & 0o077 == 0  # nobody else on the machine reads it
    assert not intruder.exists()

    code, output = lab.run("ray", "down", "--yes", str(cluster))
    assert code == 0, output
    deadline = time.monotonic() + 60
    while (left := lab.processes().keys() - before.keys()) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert not left, lab.processes()
