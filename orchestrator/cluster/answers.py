"""Whether a Ray answers at an address, within seconds: its own clients wait for minutes, in silence."""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from orchestrator.cluster.private import token_file

ANSWER_SECONDS = 5.0
# The beginning of every HTTP/2 connection, which gRPC is: the preface and empty settings, to which
# the other side answers with its own settings (RFC 9113, 3.4)
_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0"
_SETTINGS = 4  # the kind of that frame, its fourth byte
_CHECK_ALIVE = "/ray.rpc.NodeInfoGcsService/CheckAlive"


class Silence(ConnectionError):
    """Nothing that could be a Ray answers; the text says what was found."""


class Refused(Silence):
    """No process listens at the port."""


def split(address: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT` or `[IPv6]:PORT`. Raises ValueError with what is wrong."""
    if "://" in address:
        raise ValueError(_of_scheme(address.split("://")[0].lower()))
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(
            "HOST:PORT is wanted, the address that `ray start --head` prints (port 6379)"
        )
    return host, int(port)


def _of_scheme(scheme: str) -> str:
    if scheme == "ray":
        return (
            "a Ray Client cannot train: give HOST:PORT of the head (port 6379) on a machine of the "
            "cluster"
        )
    if scheme in ("http", "https"):
        return (
            "that is the address of a dashboard: submit a job there (ray job submit --address URL "
            "--working-dir . -- python -m orchestrator ... --address auto), or give HOST:PORT of the "
            "head (port 6379)"
        )
    return f"{scheme}:// is no address of a Ray head: HOST:PORT is wanted"


def require_answer(address: str, seconds: float = ANSWER_SECONDS) -> None:
    """Return when the head of a Ray cluster has answered at HOST:PORT. Raises `Silence`."""
    host, port = split(address)
    begun = time.monotonic()
    # the resolver of names has no time limit of its own
    found = _within(seconds, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    if isinstance(found, socket.gaierror):
        raise Silence(f"there is no machine of the name {host} ({found.strerror})")
    if found is None:
        raise Silence(f"the name {host} could not be looked up within {seconds:g} s")
    if isinstance(found, Exception):
        raise Silence(f"the name {host} could not be looked up ({found})")
    _require_grpc(host, port, seconds - (time.monotonic() - begun))
    _require_head(address, max(1.0, seconds - (time.monotonic() - begun)))


def answers(host: str, port: int, seconds: float) -> None:
    """A sign of life of the gRPC server at a numeric address. Raises `Silence`."""
    _require_grpc(host, port, seconds)


def _require_grpc(host: str, port: int, seconds: float) -> None:
    where = f"port {port} of {host}"
    until = time.monotonic() + max(0.5, seconds)
    try:
        with socket.create_connection((host, port), timeout=max(0.5, seconds)) as connection:
            connection.sendall(_HELLO)
            reply = b""
            while len(reply) < 9:
                connection.settimeout(max(0.01, until - time.monotonic()))
                piece = connection.recv(64)
                if not piece:
                    break
                reply += piece
    except ConnectionRefusedError:
        raise Refused(f"nothing listens at {where}") from None
    except TimeoutError:
        tls = (
            "" if not _speaks_tls(host, port) else ": it speaks TLS, which Ray's head does not here"
        )
        raise Silence(f"{where} does not answer within {ANSWER_SECONDS:g} s{tls}") from None
    except ConnectionResetError:
        reply = b""
    except OSError as error:
        raise Silence(f"{where} cannot be reached ({error.strerror or error})") from None
    if len(reply) < 9 or reply[3] != _SETTINGS:
        raise Silence(f"what listens at {where} is no Ray: {_kind(reply, host, port)}")


def _kind(reply: bytes, host: str, port: int) -> str:
    if reply.startswith((b"HTTP/", b"<")):
        return "a web server"
    if reply[:1] in (b"-", b"+") or b"ERR" in reply:
        return "it answers as Redis does"
    if reply[:2] in (b"\x15\x03",) or _speaks_tls(host, port):
        return "it speaks TLS"
    if not reply:
        return "it closes the connection"
    return "it speaks another protocol"


def _speaks_tls(host: str, port: int) -> bool:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with suppress(OSError), socket.create_connection((host, port), timeout=0.5) as plain:
        context.wrap_socket(plain).close()
        return True
    return False


def _require_head(address: str, seconds: float) -> None:
    """Ask the GCS, as `ray health-check` does. Raises `Silence` for other servers of gRPC."""
    try:
        import grpc
    except ImportError:  # Ray brings it
        return
    host, port = split(address)
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    with grpc.insecure_channel(target, options=[("grpc.enable_http_proxy", 0)]) as channel:
        ask = channel.unary_unary(_CHECK_ALIVE)
        try:
            ask(b"", timeout=seconds, metadata=_shown())
        except grpc.RpcError as error:
            code = error.code()
            if code is grpc.StatusCode.UNAUTHENTICATED:
                raise Silence(
                    "it wants a token, and "
                    + ("refuses the one here" if _shown() else "none is here")
                ) from None
            if code is grpc.StatusCode.UNIMPLEMENTED:
                raise Silence(
                    f"what listens at port {port} of {host} is a gRPC server, but no Ray head (whose "
                    "port is 6379 where nothing else was chosen)"
                ) from None
            if code in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE):
                raise Silence(
                    f"the Ray at {address} does not answer within {seconds:.0f} s"
                ) from None
            # any other answer is one of a head


def _shown() -> tuple[tuple[str, str], ...]:
    token = os.environ.get("RAY_AUTH_TOKEN")
    if token is None:
        with suppress(OSError, UnicodeError):
            token = token_file().read_text().strip()
    if not token or os.environ.get("RAY_AUTH_MODE", "token").lower() != "token":
        return ()
    return (("authorization", f"Bearer {token}"),)


def _within(seconds: float, work: Callable):
    """What `work` returned or raised, or None where it takes longer."""
    results: list = []

    def run() -> None:
        try:
            results.append(work())
        except Exception as error:
            results.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    return results[0] if results else None
