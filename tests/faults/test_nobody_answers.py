"""`--address` and RAY_ADDRESS where there is no Ray: refused with what is there, before any work."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ensembles import Table, write_table
from orchestrator.cli import app
from tests.faults import servers
from tests.orchestrator.command_line import ROOT

# Ray's own client would try for 887 s
pytestmark = pytest.mark.timeout(60)

SPEC = """\
name: nobody
data: {layout: table, train: photos.csv}
members: [{name: net, model: test_resnet}]
"""


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys):
    """Run a command that must be refused, in this process and a folder of its own: standard error."""
    for name in [name for name in os.environ if name.startswith("RAY_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    Path("spec.yaml").write_text(SPEC)

    def refused(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["orchestrator", *arguments])
        with pytest.raises(SystemExit) as end:
            app.main()
        printed = capsys.readouterr()
        assert end.value.code == 2, printed
        assert "Traceback" not in printed.err
        assert not Path("runs").exists()
        return printed.err

    return refused


@pytest.mark.fault("nobody, or something else, answers at --address", "exit 2 within seconds")
@pytest.mark.parametrize(
    ("server", "found"),
    [
        (servers.closed, "nothing listens"),
        (servers.mute, "does not answer within 5 s"),
        (servers.closing, "it closes the connection"),
        (servers.redis, "as Redis does"),
        (servers.web, "a web server"),
        pytest.param(
            servers.tls, "it speaks TLS",
            marks=pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl"),
        ),
        (servers.other_grpc, "a gRPC server, but no Ray head"),
    ],
)  # fmt: skip
def test_what_is_no_ray_is_named_and_refused(server, found, refused, tmp_path, measured):
    with server(tmp_path) as port, measured.clear_state():
        printed = refused("train-members", "spec.yaml", "--address", f"127.0.0.1:{port}")
    first, *rest = printed.splitlines()
    assert first == f"joining the Ray at 127.0.0.1:{port}"
    assert found in " ".join(rest)
    assert "Without --address and RAY_ADDRESS a local Ray is started" in printed


@pytest.mark.fault("--address is no address of a Ray head", "exit 2 with what is wanted")
@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("no-such-machine.invalid:6379", "no machine of the name no-such-machine.invalid"),
        ("240.0.0.1:6379", "240.0.0.1"),  # reserved: no route leads there
        ("ray://127.0.0.1:10001", "a Ray Client cannot train: give HOST:PORT"),
        ("http://127.0.0.1:8265", "ray job submit --address"),
        ("anyscale://somewhere", "anyscale:// is no address"),
        ("somewhere", "HOST:PORT is wanted"),
        ("somewhere:99999", "HOST:PORT is wanted"),
        ("[::1]:1", "nothing listens at port 1 of ::1"),
    ],
)
def test_an_address_that_leads_nowhere_is_refused(address, found, refused):
    assert found in refused("train-members", "spec.yaml", "--address", address)


@pytest.mark.fault("RAY_ADDRESS leads nowhere", "as --address does")
def test_the_environment_counts_as_the_option_does(tmp_path):
    (tmp_path / "spec.yaml").write_text(SPEC)
    with servers.closed(tmp_path) as port:
        done = subprocess.run(
            [sys.executable, "-m", "orchestrator", "train-members", "spec.yaml"],
            cwd=tmp_path, capture_output=True, text=True, check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT), "RAY_ADDRESS": f"127.0.0.1:{port}"},
        )  # fmt: skip
    assert done.returncode == 2, done
    assert f"nothing listens at port {port}" in done.stderr


def tables(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("one", "two"):
        probabilities = rng.dirichlet(np.ones(2), 8).astype(np.float32)
        ids = np.array([f"{i}.jpg" for i in range(8)], object)
        labels = (np.arange(8) % 2).astype(np.int16)
        write_table(folder / name / "oof.parquet", Table(ids, probabilities, labels.copy(), labels))


@pytest.mark.fault("nobody answers where a vote is to be spread", "exit 2 within seconds")
def test_a_vote_is_refused_likewise(refused, tmp_path):
    tables(tmp_path / "tables")
    with servers.closed(tmp_path) as port:
        where = ("--tables", "tables", "--address", f"127.0.0.1:{port}")
        printed = refused("vote", "--mode", "soft", *where)
    assert f"nothing listens at port {port}" in printed


def test_a_vote_says_that_it_does_not_read_the_environment(tmp_path):
    """Only --address spreads a vote: in a job of `ray job submit` the variable is always there."""
    tables(tmp_path / "tables")
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator", "vote", "--mode", "soft", "--tables", "tables"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "RAY_ADDRESS": "127.0.0.1:1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "RAY_ADDRESS is not read by vote" in done.stderr
