"""The real command on a real Ray Serve: started once, asked, hurt and stopped."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from orchestrator import Ensemble
from orchestrator.cluster.connect import _free_port
from tests.faults.started_command import all_gone
from tests.orchestrator.command_line import environment, kill_everything
from tests.orchestrator.one_slot import commands
from tests.orchestrator.serving.asked import form

pytestmark = pytest.mark.ray

TOKEN = "a-token-that-nobody-guesses-0123456789"
RIGHT = {"Authorization": f"Bearer {TOKEN}"}
QUEUE = 3
# `cut` sees photographs whose background was made black, as JPEGs were: the file's name matters
SPEC = """\
name: served
data:
  train: photos/train
  test: photos/eval
  copies: {black: {train: black/train, test: black/eval}}
folds: {k: 2}
defaults: {model: test_resnet, image_size: [32, 32], epochs: 1, batch_size: 32, lr: 0.01}
members:
  - {name: plain, views: [plain, flip]}
  - {name: cut, photos: black, image_size: [40, 24]}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, eighteen_people) -> Path:
    """With a trained run, runs/served, and its soft vote."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "photos").symlink_to(eighteen_people / "photos")
    (folder / "spec.yaml").write_text(SPEC)
    with commands(folder) as run:
        for part in ("train", "eval"):
            run("prepare", "--remove-background", f"photos/{part}", f"black/{part}")
        run("train-members", "spec.yaml")
        run("vote", "--mode", "soft")
    return folder


@pytest.fixture(scope="module")
def right(folder) -> dict[str, np.ndarray]:
    """Name of a photograph -> its probabilities, as `predict` gives them."""
    files = sorted((folder / "photos/eval/images").glob("*.jpg"))
    found = Ensemble.load(folder / "runs/served", device="cpu").predict_proba(files)
    return dict(zip((str(file) for file in files), found, strict=True))


@pytest.fixture(scope="module")
def service(folder):
    """The service, open to other machines, with a token."""
    token = folder / "token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    port, place = _free_port(), tempfile.mkdtemp(prefix="serve-", dir="/tmp")
    printed = folder / "printed.txt"
    command = [sys.executable, "-m", "orchestrator", "serve", "runs/served", "--vote", "soft",
               "--host", "0.0.0.0", "--port", str(port), "--token-file", "token",
               "--queue", str(QUEUE)]  # fmt: skip
    with printed.open("w") as output:
        driver = subprocess.Popen(
            command, cwd=folder, stdout=output, stderr=output,
            env={**environment(folder), "RAY_TMPDIR": place},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
    try:
        until = time.monotonic() + 300
        while "ready: http" not in printed.read_text():
            assert driver.poll() is None, printed.read_text()
            assert time.monotonic() < until, printed.read_text()
            time.sleep(0.1)
        yield SimpleNamespace(driver=driver, port=port, printed=printed, place=Path(place))
    finally:
        kill_everything(driver)
        with contextlib.suppress(OSError):
            Path(place).rmdir()


def ask(service, method: str, path: str, body: bytes = b"", **headers: str):
    """Status, headers by their lower names, and content."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=100)
    with contextlib.closing(connection):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return response.status, found, response.read()


def predict(service, *files: str, **extra: bytes):
    """extra: name -> content."""
    contents = [(Path(own).name, Path(own).read_bytes()) for own in files]
    body, kind = form(*contents, *extra.items())
    status, headers, content = ask(service, "POST", "/predict", body, content_type=kind, **RIGHT)
    return status, headers, json.loads(content)


def assert_right(answers: list[dict], files: list[str], right: dict[str, np.ndarray]) -> None:
    assert [own["name"] for own in answers] == [Path(own).name for own in files]
    found = [list(own["probabilities"].values()) for own in answers]
    np.testing.assert_allclose(found, [right[own] for own in files], rtol=0, atol=1e-5)


def test_files_and_base64_are_answered_as_predict_answers_them(service, right):
    files = list(right)[:6]
    status, _, found = predict(service, *files)
    assert (status, found["vote"]) == (200, "soft")
    assert_right(found["answers"], files, right)
    photos = [
        {"name": Path(own).name, "data": base64.b64encode(Path(own).read_bytes()).decode()}
        for own in files
    ]
    body = json.dumps({"photos": photos}).encode()
    status, _, content = ask(
        service, "POST", "/predict", body, content_type="application/json", **RIGHT
    )
    assert status == 200
    assert_right(json.loads(content)["answers"], files, right)


def test_many_at_once_are_each_answered_as_alone(service, right):
    def client(files: list[str]) -> None:
        for own in files:
            while (reply := predict(service, own))[0] == 503:
                time.sleep(0.05)
            replies.append((own, reply))

    replies: list = []
    files = list(right)
    threads = [threading.Thread(target=client, args=(files[i::6],)) for i in range(6)]
    for own in threads:
        own.start()
    for own in threads:
        own.join()
    assert len(replies) == len(files)
    for own, (status, _, found) in replies:
        assert status == 200
        assert_right(found["answers"], [own], right)


def test_a_broken_photograph_is_a_400_that_names_it(service, right):
    status, _, found = predict(service, next(iter(right)), broken=b"no photograph")
    assert status == 400
    assert found["problems"] == [{"name": "broken", "problem": "is not an image."}]


def test_without_the_token_nobody_predicts(service, right):
    body, kind = form(("a.jpg", Path(next(iter(right))).read_bytes()))
    assert ask(service, "POST", "/predict", body, content_type=kind)[0] == 401
    wrong = {"Authorization": f"Bearer {TOKEN[::-1]}"}
    assert ask(service, "POST", "/predict", body, content_type=kind, **wrong)[0] == 401
    assert ask(service, "GET", "/metrics")[0] == 401


def test_beyond_the_queue_is_a_503_that_says_when_to_come_back(service, right):
    """Requests that are slow to arrive take up its places."""
    file = next(iter(right))
    body, kind = form((Path(file).name, Path(file).read_bytes()))
    head = (
        f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nConnection: close\r\n"
        f"Authorization: Bearer {TOKEN}\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    with contextlib.ExitStack() as stack:
        slow = []
        for _ in range(QUEUE):
            slow.append(
                stack.enter_context(
                    socket.create_connection(("127.0.0.1", service.port), timeout=60)
                )
            )
            slow[-1].sendall(head + body[:100])
        until = time.monotonic() + 60
        while f"ensemble_requests_inside {QUEUE}.0" not in metrics(service):
            assert time.monotonic() < until
            time.sleep(0.05)
        status, headers, found = predict(service, file)
        assert (status, headers["retry-after"]) == (503, "1")
        assert f"{QUEUE} requests are being answered" in found["detail"]
        assert ask(service, "GET", "/healthz")[0] == 200
        for own in slow:
            own.sendall(body[100:])
        for own in slow:
            reply = b"".join(iter(lambda own=own: own.recv(65536), b""))
            assert reply.startswith(b"HTTP/1.1 200")
    assert predict(service, file)[0] == 200


def metrics(service) -> str:
    return ask(service, "GET", "/metrics", **RIGHT)[2].decode()


def test_it_tells_how_it_is_and_what_it_is(service):
    status, _, content = ask(service, "GET", "/healthz")
    assert status == 200
    assert json.loads(content)["members"] == {"plain": "ready", "cut": "ready"}
    found = json.loads(ask(service, "GET", "/metadata", **RIGHT)[2])
    assert (found["ensemble"], found["vote"]["name"]) == ("served", "soft")
    assert [own["networks"] for own in found["members"]] == [2, 2]
    assert "macro_f1" in found["vote"]["estimate"]
    text = metrics(service)
    assert re.search(r'^ensemble_requests_total\{status="200"\} \d', text, re.M)
    assert re.search(r'^ensemble_member_forward_seconds_total\{member="cut"\} \d', text, re.M)
    assert b"/predict" in ask(service, "GET", "/docs")[2]


def family(service) -> list[psutil.Process]:
    return psutil.Process(service.driver.pid).children(recursive=True)


def test_the_token_is_in_no_command_line_log_or_file_of_ray(service):
    for own in family(service):
        with contextlib.suppress(psutil.NoSuchProcess):
            assert TOKEN not in " ".join(own.cmdline())
            assert TOKEN not in " ".join(own.environ().values())
    files = [own for own in service.place.rglob("*") if own.is_file()]
    assert len(files) > 10
    for own in files:
        assert TOKEN.encode() not in own.read_bytes(), own
    assert TOKEN not in service.printed.read_text()


def test_a_member_s_process_that_is_killed_costs_time_and_no_answer(service, right):
    def member() -> psutil.Process:
        (found,) = [own for own in family(service) if ":member-cut" in " ".join(own.cmdline())]
        return found

    before = member().pid
    os.kill(before, signal.SIGKILL)
    files = list(right)[:3]
    status, _, found = predict(service, *files)
    assert status == 200
    assert_right(found["answers"], files, right)
    assert ask(service, "GET", "/healthz")[0] == 200
    assert member().pid != before


def test_sigterm_ends_all_processes_within_seconds(service):
    started = [psutil.Process(service.driver.pid), *family(service)]
    began = time.monotonic()
    service.driver.send_signal(signal.SIGTERM)
    assert service.driver.wait(timeout=30) == 128 + signal.SIGTERM
    assert time.monotonic() - began < 12
    assert all_gone(started)
    assert list(service.place.iterdir()) == []
    said = service.printed.read_text()
    assert "Stopped by SIGTERM. Nothing is lost: the same command serves again." in said
    assert "Traceback" not in said
    with pytest.raises(ConnectionRefusedError):
        ask(service, "GET", "/healthz")
