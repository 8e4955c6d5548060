"""A proxy before an S3-compatible server, which is overloaded, slow, refuses or goes away at will."""

from __future__ import annotations

import http.client
import itertools
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# as long as those of AWS
ERROR = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{}</Code><Message>{}</Message>'
    f"<RequestId>{'4' * 16}</RequestId><HostId>{'h' * 76}</HostId></Error>"
)
ANSWERS = {
    503: ERROR.format("SlowDown", "Please reduce your request rate."),
    400: ERROR.format("ExpiredToken", "The provided token has expired."),
    403: ERROR.format("AccessDenied", "Access Denied"),
}


class Proxy:
    """Stands in front of the server: `faults` answers come from it, the rest from the server.

    methods: the requests that get such answers.
    every: of so many requests one is answered with 503 besides; 0: none. cut: so many requests that
    write are read to the half, and then the connection ends without an answer. halved: so many
    answers to requests that read end in the middle. short: so many requests that want fewer bytes
    than a refusal has are refused.
    """

    def __init__(self, server: str, port: int = 0):
        self.status, self.faults, self.seconds = 503, 0, 0.0
        self.methods = {"GET", "PUT", "POST", "HEAD", "DELETE"}
        self.every = self.cut = self.halved = self.short = self.refused = 0
        counted = itertools.count(1)
        proxy, target = self, server.removeprefix("http://")

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                if proxy.cut > 0 and self.command == "PUT":
                    proxy.cut -= 1
                    self.rfile.read(int(self.headers.get("Content-Length") or 0) // 2)
                    return self.connection.close()
                body = self.content()
                time.sleep(proxy.seconds)
                if proxy.faults > 0 and self.command in proxy.methods:
                    proxy.faults -= 1
                    return self.refuse(proxy.status)
                if proxy.every and next(counted) % proxy.every == 0:
                    return self.refuse(503)
                if proxy.short > 0 and self.wanted() < len(ANSWERS[503]):
                    proxy.short -= 1
                    return self.refuse(503)
                there = http.client.HTTPConnection(target)
                there.request(self.command, self.path, body, dict(self.headers))
                found = there.getresponse()
                self.answer(found.status, found.read(), dict(found.getheaders()))

            def wanted(self) -> float:
                """How many bytes, where it reads a part of a file."""
                first, _, last = self.headers.get("Range", "").removeprefix("bytes=").partition("-")
                return int(last) - int(first) + 1 if last else float("inf")

            def refuse(self, status: int) -> None:
                proxy.refused += 1
                self.answer(status, ANSWERS[status].encode(), {})

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
                if self.command == "GET" and proxy.halved > 0 and len(body) > 1:
                    proxy.halved -= 1
                    self.wfile.write(body[: len(body) // 2])
                    self.close_connection = True
                elif self.command != "HEAD":
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
