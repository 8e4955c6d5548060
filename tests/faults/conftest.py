"""What a test of a fault says about itself, for `benchmarks/faults.py` and the table in the docs.

@pytest.mark.fault("the worker is killed", "its unit goes on from its last epoch")
def test_...(measured):
    with measured.clear_state():     # seconds until the command has ended, or works again
        ...
    measured(units_kept=3, units=4, tables_equal=True)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.faults.s3_proxy import Proxy


class Measured:
    """Puts figures of the running test into pytest's report (`--junitxml`)."""

    def __init__(self, record: Callable[[str, object], None]):
        self._record = record

    def __call__(self, **figures: object) -> None:
        for name, value in figures.items():
            self._record(name, value)

    @contextmanager
    def clear_state(self) -> Iterator[None]:
        began = time.monotonic()
        yield
        self._record("seconds", round(time.monotonic() - began, 2))


@pytest.fixture
def measured(record_property) -> Measured:
    return Measured(record_property)


@pytest.fixture
def proxy(s3_server, bucket, monkeypatch) -> Iterator[Proxy]:
    proxy = Proxy(s3_server)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
    yield proxy
    proxy.stop()
