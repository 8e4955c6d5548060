"""Tables and votes on an object store: a real S3 interface, served by moto on this machine."""

import numpy as np

from ensembles import cast, cast_large, read_members, read_table, write_table
from ensembles.files import places


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
