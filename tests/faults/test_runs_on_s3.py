"""A run folder in a bucket, trained and voted over by the real commands while the store fails."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from pyarrow.fs import copy_files

from ensembles.object_store import connected
from orchestrator.runs.store import Store
from tests.faults.s3_proxy import Proxy
from tests.faults.started_command import photographs
from tests.faults.training_processes import SPEC, tables, training, undisturbed
from tests.orchestrator.command_line import orchestrator

SHORT = SPEC.replace("{scheme: holdout}", "{k: 2}").replace("epochs: 200", "epochs: 20")


def downloaded(address: str, to: Path) -> Path:
    system, path = connected(address)
    copy_files(path, str(to), source_filesystem=system)
    return to


def in_training(store: Store) -> bool:
    """Whether some unit has written its state."""
    return any(
        store.exists(f"units/net/{settings}/{fold}/state.pt")
        for settings in store.list("units/net")
        for fold in store.list(f"units/net/{settings}")
    )


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.fault(
    "the store of a run answers one request of seven with 503, cuts writes off and is away for 8 s",
    "the run and its vote go on; tables equal",
)
def test_a_run_and_its_vote_go_through_a_store_that_fails(
    tmp_path, proxy, bucket, s3_server, measured
):
    photographs(tmp_path)
    run, port = f"{bucket}/run", proxy.port
    proxy.every = 7
    with training(tmp_path, SHORT, "--run", run) as command:
        command.wait_for(lambda: in_training(Store(run)))
        proxy.cut = 3
        command.wait_for(lambda: not proxy.cut)
        proxy.stop()
        time.sleep(8)
        back = Proxy(s3_server, port)
        back.every = 7
        assert command.end() == 0, command.printed
    assert "Traceback" not in command.printed
    orchestrator("vote", "--run", run, "--mode", "weighted", cwd=tmp_path)
    assert proxy.refused
    assert back.refused
    back.every = 0
    found = downloaded(run, tmp_path / "downloaded")
    back.stop()
    assert list(found.glob("votes/weighted/*"))
    assert not list(found.rglob("*.part*"))
    same = tables(found) == undisturbed(tmp_path, SHORT)
    measured(units=2, units_kept=2, tables_equal=same)
    assert same


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.fault(
    "the credentials of a run's store expire while it trains",
    "named; the same command goes on when they are renewed, tables equal",
)
def test_credentials_that_expire_while_it_trains_are_named(tmp_path, proxy, bucket, measured):
    photographs(tmp_path)
    run = f"{bucket}/run"
    with training(tmp_path, SHORT, "--run", run) as command:
        command.wait_for(lambda: in_training(Store(run)))
        proxy.status, proxy.faults = 400, 1_000_000
        with measured.clear_state():
            assert command.end() == 1, command.printed
    printed = command.printed
    # a request without an answer's body, such as whether a file is there, does not tell the two apart
    said = ("the credentials have expired; renew them", "no permission, or expired credentials")
    assert any(own in " ".join(printed.split()) for own in said), printed
    assert "Traceback" not in printed
    proxy.faults = 0
    orchestrator("train-members", "spec.yaml", "--run", run, cwd=tmp_path)
    found = downloaded(run, tmp_path / "downloaded")
    same = tables(found) == undisturbed(tmp_path, SHORT)
    measured(units=2, units_kept=2, tables_equal=same)
    assert same


@pytest.mark.fault(
    "the credentials of a run's store have expired", "exit 2 before anything is trained"
)
def test_expired_credentials_are_named_before_anything_is_trained(
    tmp_path, proxy, bucket, measured
):
    photographs(tmp_path)
    (tmp_path / "spec.yaml").write_text(SHORT)
    proxy.status, proxy.faults = 400, 1_000_000
    for command in (("train-members", "spec.yaml"), ("vote", "spec.yaml")):
        with measured.clear_state():
            done = orchestrator(*command, "--run", f"{bucket}/run", cwd=tmp_path, check=2)
        printed = " ".join((done.stdout + done.stderr).split())
        assert "the credentials have expired; renew them" in printed
        assert "Traceback" not in printed
