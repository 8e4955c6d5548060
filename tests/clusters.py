"""A "laptop", a head and a worker, each in Linux namespaces of its own on this machine.

Addresses, ports, processes and home folders are theirs alone. So `ray stop`, which ends every Ray of a
machine, ends only theirs. Needs root, openssh-server, rsync and iproute2.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import psutil
import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
HEAD = yaml.safe_load((ROOT / "cluster.yaml").read_text())["provider"]["head_ip"]
WORKER = "192.168.1.11"
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
    """A laptop, a head and a worker in namespaces; `run` runs a command on one, the laptop unless
    `at` says so."""

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

    def _process(self, at: str) -> str:
        """Of the lab's own processes one that is in the namespaces of this machine."""
        if at == "laptop":
            return self.inner
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            for child in psutil.Process(int(self.inner)).children():
                if child.cmdline()[-2:] == ["node.sh", at] and child.children():
                    return str(child.children()[0].pid)
            time.sleep(0.1)
        raise AssertionError(f"{at} has not started")

    def popen(self, *command: str, at: str = "laptop", **environment: str) -> subprocess.Popen:
        environment = {
            "PATH": PATH,
            "HOME": str(self.home),
            "TMPDIR": str(self.tmp),
            "RAY_TMPDIR": str(self.tmp),
            "RAY_USAGE_STATS_ENABLED": "0",
            **environment,
        }
        enter = [
            "nsenter",
            "--target",
            self._process(at),
            "--mount",
            "--net",
            "--pid",
            f"--wd={ROOT}",
        ]
        return subprocess.Popen(
            [*enter, "--", *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *command: str, at: str = "laptop", **environment: str) -> tuple[int, str]:
        process = self.popen(*command, at=at, **environment)
        output, _ = process.communicate(timeout=300)
        return process.returncode, output

    def processes(self) -> dict[int, str]:
        """Running processes of all three machines: id -> command line."""
        _, listing = self.run("ps", "-eo", "pid=,stat=,args=")
        rows = (line.split(None, 2) for line in listing.splitlines())
        return {
            int(pid): args for pid, stat, args in rows if stat[0] != "Z" and "ps -eo" not in args
        }

    def ok(self, *command: str, at: str = "laptop", **environment: str) -> str:
        """What a command printed that must succeed."""
        code, output = self.run(*command, at=at, **environment)
        assert code == 0, output
        return output

    def cable(self, state: str) -> None:
        """`down` or `up`: the cable between the head and the worker."""
        self.ok("ip", "link", "set", "cable", state, at="worker")

    def kill_all(self, at: str) -> None:
        """As if the machine lost its power: every process on it, but for sshd."""
        self.run("sh", "-c", "kill -KILL -1", at=at)

    def close(self):
        self.outer.stdin.close()
        self.outer.wait(timeout=30)


@contextmanager
def running() -> Iterator[Lab]:
    """The three; skipped where this machine lacks what they need."""
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
