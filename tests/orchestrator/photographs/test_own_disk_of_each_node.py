"""`cache.folder` on a cluster: under one path each node has a disk of its own, and copies there once.

Two Ray nodes on this machine; where the path leads to is another folder in each one's mount namespace.
"""

from __future__ import annotations

import collections
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.faults.small_photographs import SPEC, assert_same_tables, tables, write_photographs
from tests.orchestrator.command_line import another_ray, orchestrator
from tests.orchestrator.one_slot import commands

pytestmark = [pytest.mark.ray, pytest.mark.slow]

NODES = ("head", "worker")
# In the nodes' processes: who asks for copies and who makes them is written down beside them, and they are
# not made before the node's other process has asked for them, too.
WATCHED = """
import importlib.abc, importlib.util, os, sys, time
from pathlib import Path

def watch(cache):
    make, ask = cache._decode_all, cache._open_or_make
    watched = Path({disk!r}, "watched.txt")

    def note(what, file):
        with watched.open("a") as lines:
            lines.write(f"{{what}} {{file.name}} {{os.getpid()}}\\n")

    def slow(file, *rest):
        note("made", file)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            lines = watched.read_text().splitlines()
            if len({{line for line in lines if line.startswith(f"asked {{file.name}}")}}) > 1:
                break
            time.sleep(0.1)
        make(file, *rest)

    def asked(wanted, folder, *rest, **named):
        note("asked", wanted.file_in(folder))
        return ask(wanted, folder, *rest, **named)

    cache._decode_all, cache._open_or_make = slow, asked

class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != "members.pixels.cache":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module
        spec.loader.exec_module = lambda module: (load(module), watch(module))
        return spec

sys.meta_path.insert(0, Finder())
"""


@pytest.fixture
def mounted(tmp_path) -> tuple[Path, dict[str, Path], list[list[str]]]:
    """A path, what lies behind it on each node, and what starts a node where that is so."""
    path, disks = tmp_path / "local", {node: tmp_path / f"disk of {node}" for node in NODES}
    path.mkdir()
    starts = []
    for disk in disks.values():
        disk.mkdir()
        shell = 'mount --bind "$0" "$1" && shift && exec "$@"'
        starts.append(["unshare", "--mount", "sh", "-c", shell, str(disk), str(path)])
    if not shutil.which("unshare"):
        pytest.skip("needs unshare (util-linux), for mounts of a node's own")
    tried = subprocess.run([*starts[0], "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"needs mount namespaces, so mostly root: {tried.stderr.strip()}")
    return path, disks, starts


def test_each_node_makes_its_own_copies_once_and_tables_are_those_of_one_machine(
    mounted, tmp_path, monkeypatch
):
    path, disks, starts = mounted
    write_photographs(tmp_path)
    # two units at once on each node
    seeds = SPEC.replace("name: net,", "name: net, seeds: [1, 2],")
    (tmp_path / "spec.yaml").write_text(seeds)
    (tmp_path / "watching").mkdir()
    (tmp_path / "watching/sitecustomize.py").write_text(WATCHED.format(disk=str(path)))
    copies = ("--set", f"cache.folder={path}/copies")
    with monkeypatch.context() as patch:
        patch.setenv("PYTHONPATH", str(tmp_path / "watching"))
        with another_ray(nodes=2, cpus=2, within=starts) as address:
            done = orchestrator(
                "train-members", "spec.yaml", "--run", "nodes", "--address", address, *copies,
                cwd=tmp_path,
            )  # fmt: skip
    assert "4 at a time" in done.stdout
    assert "batch by batch" not in done.stdout
    for disk in disks.values():
        files = [file.name for file in (disk / "copies").glob("*.npy")]
        assert len(files) == 2, "of the photographs to train on, and of those to predict"
        seen = collections.defaultdict(list)
        for line in (disk / "watched.txt").read_text().splitlines():
            what, name, process = line.split()
            seen[what, name].append(process)
        assert {name for what, name in seen if what == "made"} == {*files}
        for name in files:
            assert len(seen["made", name]) == 1
            assert len({*seen["asked", name]}) == 2, "both processes of the node read it"
        assert not list((disk / "copies").glob(".*"))
    assert not list(path.iterdir()), "the command's own machine trained nothing"
    monkeypatch.chdir(tmp_path)
    with commands(tmp_path) as command:
        command("train-members", "spec.yaml", "--run", "plain")
    assert_same_tables(tables(tmp_path / "plain"), tables(tmp_path / "nodes"))
