"""Servers that are no Ray, each at a port of 127.0.0.1."""

from __future__ import annotations

import contextlib
import http.server
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc


@contextlib.contextmanager
def _serving(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            with contextlib.suppress(OSError):  # closed at the end
                while True:
                    connection, _ = server.accept()
                    threading.Thread(target=_quietly, args=(talk, connection), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def _quietly(talk: Callable[[socket.socket], None], connection: socket.socket) -> None:
    with contextlib.suppress(OSError), connection:
        talk(connection)


@contextlib.contextmanager
def closed(folder: Path) -> Iterator[int]:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    yield port


@contextlib.contextmanager
def mute(folder: Path) -> Iterator[int]:
    over = threading.Event()
    with _serving(lambda connection: over.wait() and None) as port:
        yield port
        over.set()


@contextlib.contextmanager
def closing(folder: Path) -> Iterator[int]:
    with _serving(lambda connection: None) as port:
        yield port


@contextlib.contextmanager
def redis(folder: Path) -> Iterator[int]:
    def talk(connection: socket.socket) -> None:
        while connection.recv(1024):
            connection.sendall(b"-ERR unknown command 'PRI'\r\n")

    with _serving(talk) as port:
        yield port


@contextlib.contextmanager
def web(folder: Path) -> Iterator[int]:
    class Quiet(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@contextlib.contextmanager
def tls(folder: Path) -> Iterator[int]:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", folder / "key.pem",
         "-out", folder / "cert.pem", "-days", "2", "-subj", "/CN=localhost"],
        capture_output=True, check=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")

    def talk(connection: socket.socket) -> None:
        context.wrap_socket(connection, server_side=True).recv(1)

    with _serving(talk) as port:
        yield port


@contextlib.contextmanager
def other_grpc(folder: Path) -> Iterator[int]:
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield port
    server.stop(None).wait()
