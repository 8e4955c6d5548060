"""For tests of any folder: the fault that one injects goes into the report; an S3-compatible server."""

from __future__ import annotations

import logging
import uuid

import pytest


@pytest.fixture(autouse=True)
def _name_the_fault(request, record_property) -> None:
    for mark in request.node.iter_markers("fault"):
        kind, _ = mark.args
        record_property("fault", kind)


@pytest.fixture(scope="session")
def s3_server():
    """Its address. Skipped where moto is not installed (`make test` installs it)."""
    server = pytest.importorskip("moto.server")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def bucket(s3_server, monkeypatch) -> str:
    """The URI of a new bucket; this process and those that it starts find the server."""
    import boto3

    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "anything")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    name = f"bucket-{uuid.uuid4().hex[:8]}"
    boto3.client("s3").create_bucket(Bucket=name)
    return f"s3://{name}"
