"""Other names of columns, one-hot labels, and what is no label."""

import pytest

from members.data.codec import Codec
from members.data.layouts import read_test, read_train
from members.data.table_layout import ListOptions
from tests.members.data_fixtures import problems_of, write_photo

ONE_HOT = ("healthy", "rust", "scab")


@pytest.fixture
def folder(tmp_path):
    for number in range(12):
        write_photo(tmp_path / f"{number}.jpg")
    return tmp_path


def write(folder, header: str, row, count: int = 12, name: str = "photos.csv"):
    lines = [header, *(",".join(map(str, row(n))) for n in range(count))]
    (folder / name).write_text("\n".join(lines) + "\n")
    return folder / name


def named(**columns) -> ListOptions:
    return ListOptions(columns=columns)


def flags(*at: int) -> list[int]:
    return [int(place in at) for place in range(3)]


def test_the_columns_that_the_spec_names(folder):
    file = write(
        folder, "img,breed,owner,key", lambda n: (f"{n}.jpg", "ab"[n % 2], n // 2, f"k{n}")
    )
    options = named(path="img", label="breed", group="owner", image_id="key")
    frame = read_train("table", file, options=options).frame
    assert frame["image_id"].tolist() == [f"k{n}" for n in range(12)]
    assert frame["group"].tolist() == [str(n // 2) for n in range(12)]
    assert frame["label"].tolist() == [n % 2 for n in range(12)]


@pytest.mark.parametrize("cell", [str, float, lambda flag: bool(flag)])
def test_one_hot_labels_are_classes_in_the_order_of_the_spec(folder, cell):
    classes = ("scab", "healthy", "rust")  # as the spec has them; the file has them by name
    row = lambda n: (f"{n}.jpg", *map(cell, flags(n % 3)))  # noqa: E731
    options = named(path="image", label=classes)
    found = read_train("table", write(folder, "image,healthy,rust,scab", row), options=options)
    assert found.codec.classes == classes
    assert [classes[label] for label in found.frame["label"]] == [ONE_HOT[n % 3] for n in range(12)]


@pytest.mark.parametrize(
    ("third", "expected"),
    [
        (flags(), "1 rows have no label (line 4)"),
        (flags(0, 2), "1 rows have several labels (line 4: healthy and scab)"),
        (
            [0.5, 0.5, 0],
            "2 cells of the label columns are neither 0 nor 1: 0.5 of 'healthy' in line 4",
        ),
        (["", 1, 0], "(nothing) of 'healthy' in line 4"),
        (["", "", ""], "3 cells of the label columns are neither 0 nor 1"),
    ],
)
def test_rows_that_are_not_one_hot_are_named(folder, third, expected):
    row = lambda n: (f"{n}.jpg", *(third if n == 2 else flags(n % 3)))  # noqa: E731
    file = write(folder, "path,healthy,rust,scab", row)
    assert expected in problems_of(read_train, "table", file, None, named(label=ONE_HOT))


def test_a_list_to_predict_may_lack_its_labels(folder):
    codec, options = Codec({"label": ONE_HOT}), named(path="id", label=ONE_HOT)
    file = write(folder, "id", lambda n: (f"{n}.jpg",))
    assert read_test("table", file, codec, options=options).frame["label"].tolist() == [-1] * 12
    blank = write(folder, "id,healthy,rust,scab", lambda n: (f"{n}.jpg", "", "", ""))
    assert read_test("table", blank, codec, options=options).frame["label"].tolist() == [-1] * 12
    some = write(folder, "id,healthy,rust", lambda n: (f"{n}.jpg", 1, 0))
    assert "no column 'scab'" in problems_of(read_test, "table", some, codec, None, options)


@pytest.mark.parametrize("void", ["nan", "NaN", "NA", "None", "<NA>", "null", "N/A"])
def test_words_for_no_value_are_no_class(folder, void):
    row = lambda n: (f"{n}.jpg", ["cat", "dog", void][n % 3])  # noqa: E731
    file = write(folder, "path,label", row)
    text = problems_of(read_train, "table", file)
    assert f"4 labels are words for no value: {void!r} in line 4" in text
    codec = Codec({"label": ("cat", "dog")})
    assert read_test("table", file, codec).frame["label"].tolist() == [0, 1, -1] * 4


def test_minus_one_is_an_unknown_label_where_classes_are_numbers(folder):
    file = write(folder, "path,label", lambda n: (f"{n}.jpg", -1))
    test = read_test("table", file, Codec({"label": ("0", "1")}))
    assert test.frame["label"].tolist() == [-1] * 12


@pytest.mark.parametrize(
    ("header", "row", "expected"),
    [
        ("filename,label", lambda n: (f"{n}.jpg", n % 2), "{columns: {path: filename}}"),
        ("image,target", lambda n: (f"{n}.jpg", n % 2), "{columns: {path: image, label: target}}"),
        ("id,breed", lambda n: (n, "ab"[n % 2]), "{columns: {path: id, label: breed}}"),
        ("id_code,diagnosis", lambda n: (n, n % 5), "{columns: {path: id_code, label: diagnosis}}"),
        ("Path,Label", lambda n: (f"{n}.jpg", n % 2), "{columns: {path: Path, label: Label}}"),
        ("x,kind", lambda n: (f"{n}.jpg", "ab"[n % 2]), "{columns: {path: x, label: kind}}"),
        ("image_id,healthy,rust,scab", lambda n: (n, *flags(n % 3)),
         "{columns: {path: image_id, label: [healthy, rust, scab]}}"),
    ],
)  # fmt: skip
def test_the_columns_that_are_there_and_those_that_would_fit(folder, header, row, expected):
    text = problems_of(read_train, "table", write(folder, header, row))
    assert f"the columns are {header.replace(',', ', ')}." in text
    assert text.endswith(f"It looks as if this fits: data: {expected}")


def test_a_wrong_name_in_the_spec_gets_the_nearest(folder):
    file = write(folder, "file,a,b", lambda n: (f"{n}.jpg", "some", "thing"))
    text = problems_of(read_train, "table", file, None, named(path="files", label="c"))
    assert "no columns 'files', 'c'; the columns are file, a, b" in text
    assert "Did you mean 'file'?" in text


@pytest.mark.parametrize("value", [lambda n: f"id{n}", lambda n: n + 100, lambda n: n * 0.37])
def test_ids_and_amounts_are_no_labels(folder, value):
    row = lambda n: (f"{n}.jpg", value(n), "ab"[n % 2], n // 2)  # noqa: E731
    text = problems_of(read_train, "table", write(folder, "path,label,breed,patient_id", row))
    assert "12 labels for 12 photos" in text
    assert "The column 'breed' looks like labels (a, b): `data: {columns: {label: breed}}`" in text


def test_columns_that_seem_to_matter_are_noted_unless_they_are_used(folder):
    row = lambda n: (f"{n}.jpg", "ab"[n % 2], n % 3, n // 2, "train")  # noqa: E731
    file = write(folder, "path,label,fold,patient_id,split", row)
    notes = "\n".join(read_train("table", file).notes)
    assert "{scheme: own, column: fold}" in notes
    assert "data: {columns: {group: patient_id}}" in notes
    assert "split" not in notes  # all rows are of one part
    used = ListOptions(columns={"group": "patient_id"}, used=("fold",))
    assert read_train("table", file, options=used).notes == []


def test_words_for_no_value_are_no_group(folder):
    row = lambda n: (f"{n}.jpg", "ab"[n % 2], ["nan", "NA", "", "x"][n % 4])  # noqa: E731
    found = read_train("table", write(folder, "path,label,group", row))
    groups = found.frame["group"].tolist()
    assert groups == ["x" if n % 4 == 3 else f"{n}.jpg" for n in range(12)]
    assert "9 of 12 rows have no group" in found.notes[-1]
