"""Texts that stand in the files of several members are unpacked once, and only where they are the same."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ensembles import BadInput, OofTable, read_members, write_table
from ensembles.files.reading import unpacked
from ensembles.files.reading.same_texts import SeenTexts
from ensembles.files.reading.unpacked import read_bounded

IDS = np.array([f"{row:04}.jpg" for row in range(300)], object)
GROUP = np.array([f"g{row // 3}" for row in range(300)], object)


def table(seed=0, ids=IDS, group=GROUP):
    shares = np.random.default_rng(seed).dirichlet(np.ones(3), len(ids)).astype(np.float32)
    fold = (np.arange(len(ids)) // 3 % 5).astype(np.int16)
    return OofTable(ids, shares, fold, fold % 3, {"classes": ["a", "b", "c"]}, group)


@pytest.fixture
def looked_at(monkeypatch):
    """How often the texts of a column were looked at."""
    seen, letters = [], unpacked._letters
    monkeypatch.setattr(unpacked, "_letters", lambda *own: seen.append(own) or letters(*own))
    return seen


def test_the_same_texts_are_unpacked_once(tmp_path, looked_at):
    for seed in range(4):
        write_table(tmp_path / f"m{seed}" / "oof.parquet", table(seed))
    found = read_members(tmp_path, "oof")
    assert len(looked_at) == 2  # ids and groups, of the first file
    for seed, own in enumerate(found.values()):
        expected = pq.read_table(tmp_path / f"m{seed}" / "oof.parquet").to_pandas()
        assert own.ids.tolist() == expected["image_id"].tolist()
        assert own.group.tolist() == expected["group"].tolist()
        np.testing.assert_array_equal(own.probabilities, expected[["p0", "p1", "p2"]])


@pytest.mark.parametrize(
    "other",
    [
        table(1, ids=np.array(["9999.jpg", *IDS[1:]], object)),
        table(1, ids=IDS[::-1]),
        table(1, ids=IDS[:299], group=GROUP[:299]),
        table(1, group=np.array([*GROUP[:-1], "other"], object)),
        table(1, group=None),
    ],
    ids=["one id", "order", "fewer", "one group", "no group"],
)
def test_other_texts_are_read_as_they_are(tmp_path, other):
    seen = SeenTexts()
    for name, own in (("first", table()), ("other", other), ("again", table())):
        write_table(tmp_path / f"{name}.parquet", own)
        found = read_bounded(tmp_path / f"{name}.parquet", seen)
        assert found.equals(pq.read_table(tmp_path / f"{name}.parquet"))


def test_what_the_footer_says_of_the_same_bytes_counts(tmp_path):
    seen, texts = SeenTexts(), ["ä", "b", "ä"]
    for kind in (pa.string(), pa.binary()):
        own = pa.table(
            {"image_id": pa.array([t.encode() for t in texts]).cast(kind), "p0": [1.0] * 3}
        )
        pq.write_table(own, tmp_path / "t.parquet")
        assert read_bounded(tmp_path / "t.parquet", seen).equals(own)


def test_damage_among_the_same_texts_is_found(tmp_path):
    for name in ("a", "b"):
        write_table(tmp_path / name / "oof.parquet", table())
    path = tmp_path / "b" / "oof.parquet"
    chunk = pq.read_metadata(path).row_group(0).column(0)
    content = bytearray(path.read_bytes())
    content[chunk.data_page_offset + chunk.total_compressed_size // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(BadInput, match="member b: "):
        read_members(tmp_path, "oof")
