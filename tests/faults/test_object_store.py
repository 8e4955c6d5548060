"""An object store that is away, overloaded, slow or refuses: gone through, or named at once."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ensembles import object_store
from ensembles.errors import BadInput
from orchestrator.runs.store import Store

ERROR = '<?xml version="1.0"?><Error><Code>{}</Code><Message>{}</Message></Error>'
ANSWERS = {
    503: ERROR.format("SlowDown", "Please reduce your request rate."),
    400: ERROR.format("ExpiredToken", "The provided token has expired."),
    403: ERROR.format("AccessDenied", "Access Denied"),
}


class Proxy:
    """Stands in front of the server: `faults` answers come from it, the rest from the server."""

    def __init__(self, server: str, port: int = 0):
        self.status, self.faults, self.seconds = 503, 0, 0.0
        proxy, target = self, server.removeprefix("http://")

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                body = self.content()
                time.sleep(proxy.seconds)
                if proxy.faults > 0:
                    proxy.faults -= 1
                    return self.answer(proxy.status, ANSWERS[proxy.status].encode(), {})
                there = http.client.HTTPConnection(target)
                there.request(self.command, self.path, body, dict(self.headers))
                found = there.getresponse()
                self.answer(found.status, found.read(), dict(found.getheaders()))

            def content(self) -> bytes:
                if self.headers.get("Transfer-Encoding") != "chunked":
                    return self.rfile.read(int(self.headers.get("Content-Length") or 0))
                parts = []
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                while self.rfile.readline().strip():
                    pass
                del self.headers["Transfer-Encoding"]
                return b"".join(parts)

            def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    if name.lower() not in ("transfer-encoding", "connection", "date", "server"):
                        self.send_header(name, value)
                if "content-length" not in {name.lower() for name in headers}:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return self.http.server_address[1]

    def stop(self) -> None:
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def proxy(s3_server, bucket, monkeypatch) -> Iterator[Proxy]:
    proxy = Proxy(s3_server)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
    yield proxy
    proxy.stop()


@pytest.mark.fault(
    "an object store answers slowly, or with 503", "asked again, later each time; the run goes on"
)
@pytest.mark.parametrize(("faults", "seconds"), [(3, 0.0), (0, 1.5)])
def test_overload_and_slow_answers_are_gone_through(proxy, bucket, faults, seconds):
    store = Store(f"{bucket}/run")
    proxy.faults, proxy.seconds = faults, seconds
    store.write("unit.json", "{}")
    proxy.seconds = 0.0
    assert store.read("unit.json") == b"{}"


@pytest.mark.fault(
    "an object store goes away in the middle of a write and comes back", "the file is there, whole"
)
def test_a_store_that_comes_back_gets_what_was_being_written(proxy, bucket, s3_server):
    store, port = Store(f"{bucket}/run"), proxy.port
    proxy.stop()
    back: list[Proxy] = []
    timer = threading.Timer(2.0, lambda: back.append(Proxy(s3_server, port)))
    timer.start()
    store.write("model", bytes(1_000_000))
    assert store.read("model") == bytes(1_000_000)
    back[0].stop()


@pytest.mark.fault("credentials have expired or lack a permission", "named before training, exit 2")
@pytest.mark.parametrize(
    ("status", "why"), [(400, "credentials have expired"), (403, "no permission")]
)
def test_what_is_refused_is_named_before_training(proxy, bucket, status, why):
    store = Store(f"{bucket}/run")
    proxy.status, proxy.faults = status, 1000
    with pytest.raises(BadInput, match=why):
        store.require_writable()


@pytest.mark.fault("there is no such bucket", "named before training, exit 2")
def test_a_missing_bucket_is_named(bucket):
    with pytest.raises(BadInput, match=r"s3://no-such-bucket/run/.*there is no such bucket"):
        Store("s3://no-such-bucket/run").require_writable()


@pytest.mark.fault("an object store is away when a command begins", "exit 2 within seconds")
def test_a_command_does_not_wait_for_what_is_away(bucket, monkeypatch):
    monkeypatch.setattr(object_store, "_first_asks", True)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(BadInput, match=f"{bucket}: nothing answers there"):
        Store(f"{bucket}/run")
