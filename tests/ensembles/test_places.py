"""A path on this machine and an address in a bucket behave alike."""

import pytest

from ensembles import places, tables


@pytest.fixture(params=["a local disk", "a bucket"])
def folder(request, tmp_path) -> str:
    return str(tmp_path) if request.param == "a local disk" else request.getfixturevalue("bucket")


def test_bytes_go_in_and_out_and_are_removed(folder):
    place = places.join(folder, "votes", "soft", "vote.json")
    assert not places.exists(place)
    places.write_bytes(place, b"one")
    places.write_bytes(place, b"two")
    assert places.exists(place)
    assert places.read_bytes(place) == b"two"
    assert places.subfolders(places.join(folder, "votes")) == ["soft"]
    places.remove(place)
    places.remove(place)
    with pytest.raises(FileNotFoundError):
        places.read_bytes(place)


def test_a_table_comes_back_as_it_was_written(folder, make_tables):
    written = make_tables(names=("one",))["one"]
    place = places.join(folder, "tables", "one", "oof.parquet")
    tables.write(place, written)
    read = tables.read(place)
    assert list(read.ids) == list(written.ids)
    for name in ("probabilities", "fold", "label"):
        assert (getattr(read, name) == getattr(written, name)).all()
