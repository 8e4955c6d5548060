"""Tables and votes on an object store: a real S3 interface, served by moto on this machine."""

import numpy as np
import pytest
from pyarrow import fs

from ensembles import cast, cast_large, places, read_members, read_table, write_table

server = pytest.importorskip("moto.server", reason="pip install 'moto[server]' serves an S3 here")


@pytest.fixture
def bucket(monkeypatch):
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "any"),
        ("AWS_SECRET_ACCESS_KEY", "any"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ):
        monkeypatch.setenv(name, value)
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    made = fs.S3FileSystem(endpoint_override=f"http://{host}:{port}", allow_bucket_creation=True)
    made.create_dir("votes")
    yield "s3://votes"
    running.stop()


def test_tables_on_s3_give_the_vote_that_they_give_here(bucket, tmp_path, make_tables):
    for kind in ("oof", "test"):
        for name, table in make_tables(kind=kind).items():
            for place in (str(tmp_path / "in"), f"{bucket}/in"):
                write_table(f"{place}/{name}/{kind}.parquet", table)
    for place in (str(tmp_path), bucket):
        tables = (read_members(f"{place}/in", kind) for kind in ("oof", "test"))
        cast(*tables, "weighted", "log_loss").write(f"{place}/whole")
        cast_large(f"{place}/in", f"{place}/large", objective="log_loss", cache=tmp_path / "cache")
    for name in ("whole", "large"):
        here, there = (
            read_table(f"{place}/{name}/probabilities.parquet") for place in (tmp_path, bucket)
        )
        np.testing.assert_array_equal(here.probabilities, there.probabilities)
        first, second = (
            places.read_bytes(f"{place}/{name}/submission.csv") for place in (tmp_path, bucket)
        )
        assert first == second
