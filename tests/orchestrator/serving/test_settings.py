"""Where a service listens, what its processes get, and what the command refuses before it begins."""

from __future__ import annotations

import hashlib
import socket
from dataclasses import replace

import pytest

from orchestrator.serving.settings import is_loopback, share


@pytest.mark.parametrize(
    ("have", "processes", "each"),
    [(2, 3, 0.66), (16, 3, 5), (3, 3, 1), (1, 7, 0.14), (0.5, 100, 0.01), (8, 1, 8)],
)
def test_processes_get_equal_shares_and_whole_cpus_where_there_are_enough(have, processes, each):
    assert share(have, processes, 0.01) == each
    if have >= 1:
        assert each * processes <= have


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "::1"])
def test_loopback_is_known(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org"])
def test_what_others_reach_is_no_loopback(host):
    assert not is_loopback(host)


def test_others_are_let_in_with_a_token_only(command, monkeypatch):
    monkeypatch.delenv("ENSEMBLE_SERVE_TOKEN", raising=False)
    code, _, said = command("serve", "/nowhere", "--host", "0.0.0.0")
    assert code == 2
    assert "--token-file FILE or ENSEMBLE_SERVE_TOKEN" in said
    monkeypatch.setenv("ENSEMBLE_SERVE_TOKEN", "short")
    code, _, said = command("serve", "/nowhere", "--host", "0.0.0.0")
    assert code == 2
    assert "at least 24" in said


def test_a_host_that_is_no_address_a_run_that_is_none_and_a_port_that_is_taken_are_refused(
    command, monkeypatch
):
    monkeypatch.delenv("ENSEMBLE_SERVE_TOKEN", raising=False)
    code, _, said = command("serve", "/nowhere", "--host", "example.org")
    assert (code, "127.0.0.1 (this machine alone)" in said) == (2, True)
    code, _, said = command("serve", "/nowhere")
    assert (code, "/nowhere" in said) == (2, True)
    code, _, said = command("serve")
    assert (code, "nothing was trained here yet" in said) == (2, True)
    from orchestrator.commands.serve import _require_free
    from orchestrator.errors import WrongRequest

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(WrongRequest, match="cannot be listened on: Address already in use"):
            _require_free("127.0.0.1", taken.getsockname()[1])


def test_missing_packages_are_named_with_how_to_install_them(command, monkeypatch):
    from orchestrator.commands import serve

    monkeypatch.setattr(serve, "_NEEDED", ("json", "python_multipart_", "no_such_server"))
    code, _, said = command("serve", "/nowhere")
    assert code == 2
    assert "python-multipart-, no-such-server" in said
    assert "pip install 'ray[serve]' python-multipart" in said


def test_options_without_effect_are_refused(command):
    code, _, said = command("serve", "/nowhere", "--write-config", "s.yaml", "--address", "auto")
    assert (code, "--address has no effect with --write-config" in said) == (2, True)
    code, _, said = command("serve", "/nowhere", "--write-config", "s.yaml", "--host", "0.0.0.0")
    assert (code, "Give --token-file FILE" in said) == (2, True)


def test_damaged_weights_are_all_named_before_anything_is_started(tmp_path):
    pytest.importorskip("fastapi")  # of the ensemble made by hand
    from orchestrator.errors import WrongRequest
    from orchestrator.inference.parts import Network, Part, Seen
    from orchestrator.inference.weights import require_weights
    from tests.orchestrator.serving.asked import ensemble

    whole, other = tmp_path / "whole", tmp_path / "other"
    whole.write_bytes(b"weights")
    other.write_bytes(b"weightS")
    digest = hashlib.sha256(b"weights").hexdigest()
    recipe = ensemble().members[0].networks[0].recipe

    def of(*places) -> Part:
        networks = tuple(Network(str(own), digest, recipe) for own in places)
        return Part("m", Seen((8, 8)), networks)

    require_weights(replace(ensemble(), members=(of(whole, "s3://bucket/is-not-read"),)))
    with pytest.raises(WrongRequest) as refused:
        require_weights(replace(ensemble(), members=(of(other), of(whole, tmp_path / "none"))))
    first, second = refused.value.problems
    assert f"m: {other}: damaged" in first
    assert "No such file" in second
