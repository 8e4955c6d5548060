"""The object store behind an address `s3://bucket/key`: how long it is waited for, and what is wrong.

    s3://bucket/key?region=eu-west-1&endpoint_override=host:9000&scheme=http

What is not in the address comes from where the AWS tools have it: AWS_REGION, AWS_ENDPOINT_URL,
AWS_ACCESS_KEY_ID, ~/.aws, the role of the machine. A store that answers is then waited for: a
request that finds it away, overloaded (503) or mute is sent again, later each time, for a minute or
two. A command refuses one that does not answer its first request within seconds (`ask_first`).
"""

from __future__ import annotations

import functools
import os
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from ensembles.errors import BadInput
from ensembles.store_errors import is_unread_refusal, store_problem

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

_ATTEMPTS, _CONNECT, _ANSWER = 10, 5.0, 30.0  # of a request; seconds
_FIRST_ATTEMPTS, _FIRST_CONNECT, _FIRST_ANSWER = 2, 3.0, 6.0  # of a process's first one
_KEYS = ("region", "endpoint_override", "scheme")

T = TypeVar("T")

_first_asks = False


def ask_first() -> None:
    """Refuse a store that does not answer this process's first request within seconds."""
    global _first_asks
    _first_asks = True


def connected(address: str) -> tuple[FileSystem, str]:
    """The file system of an address, and the path on it; addresses of other kinds are pyarrow's.

    Raises BadInput where the address is wrong, or the store does not answer (`ask_first`).
    """
    from pyarrow.fs import FileSystem

    if not address.startswith("s3://"):
        return FileSystem.from_uri(address)
    bucket, path, options = _parts(address)
    if _first_asks:
        _require_answer(bucket, options)
    return _file_system(options, _ATTEMPTS, _CONNECT, _ANSWER), path


def _parts(address: str) -> tuple[str, str, tuple[tuple[str, str | None], ...]]:
    given = urlsplit(address)
    bucket, query = given.hostname or "", dict(parse_qsl(given.query))
    if "@" not in given.netloc:
        bucket = given.netloc
    if not bucket or (unknown := sorted({*query} - {*_KEYS})):
        wrong = f"unknown {', '.join(unknown)}" if bucket else "it names no bucket"
        raise BadInput(
            f"{address}: {wrong}. An address is s3://BUCKET/KEY, and after a ? {', '.join(_KEYS)}"
        )
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or None
    options = {
        "access_key": unquote(given.username) if given.username else None,
        "secret_key": unquote(given.password) if given.password else None,
        "endpoint_override": query.get("endpoint_override") or endpoint,
        "scheme": query.get("scheme"),
    }
    region = query.get("region") or os.environ.get("AWS_REGION")
    options["region"] = region or os.environ.get("AWS_DEFAULT_REGION")
    if options["region"] is None and options["endpoint_override"] is None:
        options["region"] = _region(bucket)
    path = f"{bucket}{unquote(given.path)}".rstrip("/")
    return bucket, path, tuple(options.items())


@functools.cache
def _region(bucket: str) -> str | None:
    """Where a bucket of AWS is; None where that cannot be found out."""
    from pyarrow.fs import resolve_s3_region

    try:
        return str(resolve_s3_region(bucket))
    except OSError:  # the first request says what is wrong
        return None


@functools.cache
def _require_answer(bucket: str, options: tuple) -> None:
    store = _file_system(options, _FIRST_ATTEMPTS, _FIRST_CONNECT, _FIRST_ANSWER)
    try:
        store.get_file_info(f"{bucket}/")
    except OSError as error:
        # what was answered may be about this request alone: who may read an object may not list
        if re.search(r"curlCode|NETWORK_CONNECTION|HTTP status 5\d\d|SLOW_DOWN", str(error)):
            raise BadInput(store_problem(error, f"s3://{bucket}") or str(error)) from None


def _file_system(options: tuple, attempts: int, connect: float, answer: float) -> FileSystem:
    from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem

    return S3FileSystem(
        **{name: value for name, value in options if value is not None},
        retry_strategy=AwsStandardS3RetryStrategy(max_attempts=attempts),
        connect_timeout=connect,
        request_timeout=answer,
    )


def through_refusals(read: Callable[[], T]) -> T:
    """What `read` returns, called again for a minute where the store's refusal could not be read."""
    for seconds in (1, 2, 4, 8, 16, 32):
        try:
            return read()
        except OSError as error:
            if not is_unread_refusal(error):
                raise
            time.sleep(seconds)
    return read()


def require_writable(store: FileSystem, path: str, address: str) -> None:
    """Write, read and delete a file below `path`. Raises BadInput with what is wrong."""
    probe = f"{path}/.written-{os.getpid()}"

    def read() -> None:
        with store.open_input_stream(probe) as stream:
            stream.read()

    try:
        with store.open_output_stream(probe) as stream:
            stream.write(b"x")
        through_refusals(read)
        store.delete_file(probe)
    except OSError as error:
        why = store_problem(error, address) or f"{address}: {error}"
        raise BadInput(f"{why}. Nothing was trained.") from None
