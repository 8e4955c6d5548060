"""Parquet files whose cells are photos, numbers with names, or what no text can hold."""

import datetime
import decimal
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from members.data.codec import Codec
from members.data.layouts import read_test, read_train
from members.data.table_layout import ListOptions
from tests.members.data_fixtures import problems_of, write_photo

PATHS, LABELS = [f"{n}.jpg" for n in range(4)], ["cat", "dog", "cat", "dog"]


@pytest.fixture
def blobs(tmp_path) -> list[bytes]:
    return [write_photo(tmp_path / path, seed=n).read_bytes() for n, path in enumerate(PATHS)]


def table(folder, **columns):
    pq.write_table(pa.table(columns), folder / "photos.parquet")
    return folder / "photos.parquet"


def with_names(folder, names, **columns):
    features = {"label": {"names": names, "_type": "ClassLabel"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), folder / "photos.parquet")
    return folder / "photos.parquet"


def options(folder, **columns) -> ListOptions:
    return ListOptions(columns=columns, pictures=folder / "cache")


def test_an_image_column_of_hugging_face_is_a_photo(tmp_path, blobs):
    cells = [{"bytes": b, "path": p} for b, p in zip(blobs, PATHS, strict=True)]
    names = ["zebra", "ant"]
    file = with_names(tmp_path, names, image=cells, label=[0, 1, 0, 1])
    found = read_train("table", file, options=options(tmp_path, path="image"))
    assert found.codec.classes == ("zebra", "ant")  # in the order of the numbers
    assert found.frame["label"].tolist() == [0, 1, 0, 1]
    assert found.frame["image_id"].tolist() == PATHS
    assert [Path(path).read_bytes() for path in found.frame["path"]] == blobs
    unknown = with_names(tmp_path, names, image=cells, label=[0, 1, -1, None])
    test = read_test("table", unknown, found.codec, options=options(tmp_path, path="image"))
    assert test.frame["label"].tolist() == [0, 1, -1, -1]
    wrong = with_names(tmp_path, names, image=cells, label=[0, 1, 2, 0])
    text = problems_of(read_train, "table", wrong, None, options(tmp_path, path="image"))
    assert "'label' holds 2, but the file's metadata names the classes 0 to 1" in text


def test_pictures_without_names_have_the_numbers_of_their_rows(tmp_path, blobs):
    frame = read_train(
        "table", table(tmp_path, path=blobs, label=LABELS), options=options(tmp_path)
    ).frame
    assert frame["image_id"].tolist() == ["0", "1", "2", "3"]
    assert [Path(path).read_bytes() for path in frame["path"]] == blobs
    same = [{"bytes": b, "path": "image.jpg"} for b in blobs]
    file = table(tmp_path, path=same, label=LABELS)
    frame = read_train("table", file, options=options(tmp_path)).frame
    assert frame["image_id"].tolist() == ["0", "1", "2", "3"]


def test_a_written_picture_that_was_damaged_is_written_again(tmp_path, blobs):
    file = table(tmp_path, path=blobs, label=LABELS)
    first = read_train("table", file, options=options(tmp_path)).frame["path"].tolist()
    stamp = Path(first[1]).stat().st_mtime_ns
    Path(first[0]).write_bytes(b"?" * len(blobs[0]))
    assert read_train("table", file, options=options(tmp_path)).frame["path"].tolist() == first
    assert Path(first[0]).read_bytes() == blobs[0]
    assert Path(first[1]).stat().st_mtime_ns == stamp


def test_rows_without_a_picture_are_named(tmp_path, blobs):
    file = table(tmp_path, path=[*blobs[:2], None, b""], label=LABELS)
    text = problems_of(read_train, "table", file, None, options(tmp_path))
    assert "2 cells of 'path' hold no picture (row 2, row 3)" in text


def test_texts_that_are_marked_as_bytes_and_pictures_that_stayed_files(tmp_path, blobs):
    binary = table(tmp_path, path=[p.encode() for p in PATHS], label=LABELS)
    assert read_train("table", binary).frame["image_id"].tolist() == PATHS
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    cells = pa.array([{"bytes": None, "path": path} for path in PATHS], kind)
    file = table(tmp_path, path=cells, label=LABELS)
    assert read_train("table", file).frame["path"].tolist() == [str(tmp_path / p) for p in PATHS]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ([["cat"]] * 4, "'label' is list<"),
        ([{"name": "cat"}] * 4, "'label' is struct<"),
        ([b"\xff\xd8\xff"] * 4, "'label' is bytes"),
    ],
)
def test_cells_that_are_no_label_are_refused_with_their_type(tmp_path, blobs, column, expected):
    text = problems_of(read_train, "table", table(tmp_path, path=PATHS, label=column))
    assert expected in text
    assert "must be text or numbers" in text


@pytest.mark.parametrize(
    ("column", "classes"),
    [
        (pa.array(LABELS).dictionary_encode(), ("cat", "dog")),
        ([True, False, True, False], ("False", "True")),
        ([decimal.Decimal("1.00"), decimal.Decimal("0.00")] * 2, ("0", "1")),
        (pa.array([1.0, 0.0, 1.0, 0.0], pa.float16()), ("0", "1")),
        ([datetime.date(2020, 1, 1), datetime.date(2021, 1, 1)] * 2, ("2020-01-01", "2021-01-01")),
    ],
)
def test_other_types_are_read_as_what_they_say(tmp_path, blobs, column, classes):
    found = read_train("table", table(tmp_path, path=PATHS, label=column))
    assert found.codec.classes == classes


def test_an_index_of_pandas_is_a_column_like_others(tmp_path, blobs):
    import pandas as pd

    frame = pd.DataFrame({"path": PATHS, "label": LABELS}, index=list("wxyz"))
    frame.to_parquet(tmp_path / "photos.parquet")
    assert len(read_train("table", tmp_path / "photos.parquet").frame) == 4
    frame.set_index("path").to_parquet(tmp_path / "photos.parquet")
    assert len(read_train("table", tmp_path / "photos.parquet").frame) == 4


def test_a_test_table_with_nothing_for_a_number(tmp_path, blobs):
    file = table(tmp_path, path=PATHS, label=[1, None, 0, 1])
    found = read_test("table", file, Codec({"label": ("0", "1")}))
    assert found.frame["label"].tolist() == [1, -1, 0, 1]
    assert "1 rows have no label (row 1)" in problems_of(read_train, "table", file)
