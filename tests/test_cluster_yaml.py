"""cluster.yaml and cluster.aws.yaml: Ray accepts them, and `ray up` makes a cluster that works.

`test_ray_up_...` needs root, openssh-server, rsync and iproute2. It runs the file as it is between a
"laptop", a head and a worker, each in Linux namespaces of its own: addresses, ports, processes and
home folders are theirs alone. So `ray stop`, which ends every Ray of a machine, ends only theirs.
"""

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

ROOT = Path(__file__).resolve().parent.parent
BOTH = pytest.mark.parametrize("name", ["cluster.yaml", "cluster.aws.yaml"])


def read(name: str) -> dict:
    return yaml.safe_load((ROOT / name).read_text())


def start_command(commands: list[str]) -> str:
    (command,) = [command for command in commands if "ray start" in command]
    return command


@BOTH
def test_ray_accepts_the_file(name):
    config = prepare_config(read(name))
    validate_config(config)  # Ray's own schema, and its checks beyond it


@BOTH
def test_every_machine_installs_the_requirements_that_were_mounted(name):
    config = prepare_config(read(name))
    (target,) = [at for at, here in config["file_mounts"].items() if here == "requirements.txt"]
    for kind in ("head", "worker"):
        installs = [c for c in config[f"{kind}_setup_commands"] if f"--requirement {target}" in c]
        assert len(installs) == 1, kind


@BOTH
def test_every_command_is_valid_shell(name):
    config = prepare_config(read(name))
    for key in ("setup_commands", "head_start_ray_commands", "worker_start_ray_commands"):
        for command in config[key]:
            subprocess.run(["bash", "-n", "-c", f"({command})"], check=True)


@BOTH
def test_the_token_goes_to_every_machine(name):
    assert read(name)["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"


@BOTH
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


@BOTH
def test_workers_reach_the_dashboard(name):
    # On its default, 127.0.0.1, they do not: then the slot of a stopped trial never comes free.
    assert "--dashboard-host=0.0.0.0" in start_command(read(name)["head_start_ray_commands"])


@BOTH
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
    # Training counts its slots once, at the start: the workers must be there by then.
    assert sum(worker["min_workers"] for worker in types.values()) == config["max_workers"] > 0


# --- the real thing -------------------------------------------------------------------------------

HEAD, WORKER = read("cluster.yaml")["provider"]["head_ip"], "192.168.1.11"
DASHBOARD, GCS = f"http://{HEAD}:8265", f"{HEAD}:6379"
PATH = f"{sys.prefix}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ISOLATED = ["unshare", "--fork", "--pid", "--mount-proc", "--mount", "--kill-child"]

# The laptop and the head share a network, the worker has one of its own, a cable lies between. Ray
# learns a machine's address by asking for the way to 8.8.8.8; nothing is ever sent there.
LAB = f"""
set -e
mount -t tmpfs tmpfs /run && mkdir /run/sshd
mount -t tmpfs tmpfs /var/log && touch /var/log/lastlog
mount --bind passwd /etc/passwd
mount --bind shadow /etc/shadow
mount --bind laptop/home home
mount --bind laptop/tmp tmp
ip link set lo up
ip netns add worker
ip link add cable type veth peer name cable netns worker
ip address add {HEAD}/24 dev cable && ip link set cable up
ip -n worker link set lo up
ip -n worker address add {WORKER}/24 dev cable && ip -n worker link set cable up
ip route add 8.8.8.8 dev cable
ip -n worker route add 8.8.8.8 dev cable
{" ".join(ISOLATED)} sh node.sh head &
ip netns exec worker {" ".join(ISOLATED)} sh node.sh worker &
echo ready
cat  # until the test closes our input, or is killed: then every process in here ends
"""
NODE = """
set -e
mount --bind $1/home home
mount --bind $1/tmp tmp
exec $(command -v sshd) -D -e -f $1/sshd_config 2>$1/sshd.log
"""
# On the worker, 5 s instead of the 60 s after which it misses the head.
SSHD = """
ListenAddress {address}
HostKey {lab}/host_key
PidFile none
AuthorizedKeysFile {lab}/key.pub
StrictModes no
SetEnv RAY_TMPDIR={lab}/tmp TMPDIR={lab}/tmp RAY_gcs_rpc_server_reconnect_timeout_s={patience}
"""
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


def why_not() -> str | None:
    """What this machine lacks for the real test."""
    programs = ["ip", "nsenter", "pgrep", "rsync", "ssh", "ssh-keygen", "sshd", "unshare"]
    missing = [program for program in programs if not shutil.which(program, path=PATH)]
    if missing:
        return f"needs {', '.join(missing)} (openssh-server, rsync, iproute2, procps)"
    if not (Path(sys.prefix) / "bin" / "pip").exists():
        return "needs pip beside this Python: the set-up commands call it"
    if os.geteuid() != 0:
        return "needs root, to make network and process namespaces"
    tried = subprocess.run([*ISOLATED, "--net", "true"], capture_output=True, text=True)
    return f"needs namespaces: {tried.stderr.strip()}" if tried.returncode else None


class Lab:
    """A laptop, a head and a worker in namespaces; `run` runs a command on the laptop."""

    user = pwd.getpwuid(0).pw_name

    def __init__(self, folder: Path):
        self.folder, self.home, self.tmp = folder, folder / "home", folder / "tmp"
        # Under the same path on all three, as on real machines, and not the same folder.
        for machine in (".", "laptop", "head", "worker"):
            for name in ("home", "tmp"):
                (folder / machine / name).mkdir(parents=True)
        # ssh and sshd, unlike a shell, look for the home folder here.
        me = f"{self.user}:x:0:0::{self.home}:/bin/bash"
        others = Path("/etc/passwd").read_text().splitlines()
        others = [line for line in others if not line.startswith(f"{self.user}:")]
        (folder / "passwd").write_text("\n".join([me, *others, ""]))
        (folder / "shadow").write_text(f"{self.user}:*:20000::::::\n")  # not a locked account
        for machine, address, patience in (("head", HEAD, 60), ("worker", WORKER, 5)):
            # Their environment is this one, installed already. There is no network to fetch from,
            # so the set-up commands pass only if they notice.
            (folder / machine / "home" / "ensemble").mkdir()
            (folder / machine / "home" / "ensemble" / ".venv").symlink_to(sys.prefix)
            (folder / machine / "sshd_config").write_text(
                SSHD.format(address=address, lab=folder, patience=patience)
            )
        (folder / "storage").mkdir()
        (folder / "node.sh").write_text(NODE)
        (folder / "job.py").write_text(JOB)
        for key in ("key", "host_key"):
            make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key]
            subprocess.run(make, check=True)
        self.outer = subprocess.Popen(
            [*ISOLATED, "--net", "bash", "-c", LAB],
            cwd=folder,
            env={"PATH": PATH},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.outer.stdout.readline() == "ready\n"
        self.inner = subprocess.check_output(
            ["pgrep", "-P", f"{self.outer.pid}"], text=True
        ).strip()

    def popen(self, *command: str, **environment: str) -> subprocess.Popen:
        environment = {
            "PATH": PATH,
            "HOME": str(self.home),
            "TMPDIR": str(self.tmp),
            "RAY_TMPDIR": str(self.tmp),
            "RAY_USAGE_STATS_ENABLED": "0",
            **environment,
        }
        enter = ["nsenter", "--target", self.inner, "--mount", "--net", "--pid", f"--wd={ROOT}"]
        return subprocess.Popen(
            [*enter, "--", *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *command: str, **environment: str) -> tuple[int, str]:
        process = self.popen(*command, **environment)
        output, _ = process.communicate(timeout=300)
        return process.returncode, output

    def processes(self) -> dict[int, str]:
        """Running processes of all three machines: id -> command line."""
        _, listing = self.run("ps", "-eo", "pid=,stat=,args=")
        rows = (line.split(None, 2) for line in listing.splitlines())
        return {
            int(pid): args for pid, stat, args in rows if stat[0] != "Z" and "ps -eo" not in args
        }

    def close(self):
        self.outer.stdin.close()
        self.outer.wait(timeout=30)


@pytest.fixture
def lab():
    reason = why_not()
    if reason:
        pytest.skip(reason)
    # /tmp, not tmp_path: the path of a socket that Ray makes under it must stay under 108 letters.
    folder = Path(tempfile.mkdtemp(prefix="lab-", dir="/tmp"))
    lab = Lab(folder)
    try:
        yield lab
    finally:
        lab.close()
        shutil.rmtree(folder)
        sockets = Path(f"/tmp/ray_ssh_{sha256(lab.user.encode()).hexdigest()[:10]}")
        shutil.rmtree(sockets / sha256(b"ensemble").hexdigest()[:10], ignore_errors=True)
        if sockets.is_dir() and not list(sockets.iterdir()):
            sockets.rmdir()


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
