"""CSV as people and their programs write it: read as what was meant, or refused with its line."""

import pytest

from members.data.codec import Codec
from members.data.layouts import read_test, read_train
from tests.members.data_fixtures import problems_of, write_photo

PATHS, LABELS = ["a.jpg", "b.jpg", "c.jpg", "d.jpg"], ["cat", "dog", "cat", "dog"]
PLAIN = "path,label\n" + "".join(f"{p},{x}\n" for p, x in zip(PATHS, LABELS, strict=True))


@pytest.fixture
def folder(tmp_path):
    for path in PATHS:
        write_photo(tmp_path / path)
    return tmp_path


def write(folder, text: str, name: str = "photos.csv", encoding: str = "utf-8"):
    (folder / name).write_bytes(text.encode(encoding))
    return folder / name


MEANT = {
    "semicolon": PLAIN.replace(",", ";"),
    "tab": PLAIN.replace(",", "\t"),
    "bar": PLAIN.replace(",", "|"),
    "sep=": "sep=;\n" + PLAIN.replace(",", ";"),
    "spaces": PLAIN.replace(",", " , "),
    "quotes": PLAIN.replace("cat", '"cat"'),
    "blank lines": PLAIN.replace("\n", "\n\n") + ",,\n",
    "columns without anything": PLAIN.replace("\n", ",,\n"),
    "old Mac": PLAIN.replace("\n", "\r"),
    "comments": "# by hand\n# on Monday\n" + PLAIN,
    "NumPy's header": "# " + PLAIN,
    "pandas' index": ",path,label\n" + "".join(f"{n},{r}\n" for n, r in enumerate(PLAIN.split()[1:])),
    "R's index": "path,label\n" + "".join(f"{n},{r}\n" for n, r in enumerate(PLAIN.split()[1:], 1)),
}  # fmt: skip


@pytest.mark.parametrize("kind", MEANT)
def test_one_reading_is_possible(folder, kind):
    found = read_train("table", write(folder, MEANT[kind]))
    assert found.codec.classes == ("cat", "dog")
    assert found.frame["image_id"].tolist() == PATHS
    assert found.frame["label"].tolist() == [0, 1, 0, 1]
    assert found.frame["group"].tolist() == PATHS


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("separator", [",", "\t"])
def test_encodings_of_excel(folder, encoding, separator):
    file = write(folder, PLAIN.replace(",", separator).replace("cat", "Käfer"), encoding=encoding)
    assert read_train("table", file).codec.classes == ("Käfer", "dog")


def test_tsv_and_json_lines(folder):
    file = write(folder, PLAIN.replace(",", "\t"), "photos.tsv")
    assert read_train("table", file).frame["label"].tolist() == [0, 1, 0, 1]
    rows = "".join(f'{{"path": "{p}", "label": {n}}}\n' for n, p in enumerate(PATHS))
    found = read_train("table", write(folder, rows, "photos.jsonl"))
    assert found.codec.classes == ("0", "1", "2", "3")
    nested = write(folder, rows.replace('"label": 2', '"label": [2]'), "nested.jsonl")
    assert "'label' is a list" in problems_of(read_train, "table", nested)
    broken = write(folder, '{"path":\n', "broken.jsonl")
    assert "not a readable jsonl file" in problems_of(read_train, "table", broken)


REFUSED = {
    "unclosed at the end": (PLAIN.replace("dog", '"dog', 1), "line 3: unexpected end of data"),
    "unclosed, closed later": (
        PLAIN.replace("b.jpg,dog", 'b.jpg,"dog').replace("d.jpg,dog", 'd.jpg,dog"'),
        "1 labels hold a line break (line 3)",
    ),
    "a comma in a name": (PLAIN.replace("b.jpg", "b, 2.jpg"), "line 3 has 3"),
    "a comma in every name": (PLAIN.replace(".jpg,", ".jpg,x,"), "4 rows have more cells"),
    "two columns of one name": (PLAIN.replace("path,label", "path,path"), "more than once: path"),
    "no header": (PLAIN.split("\n", 1)[1], "the first line, a.jpg, cat, looks like a photo"),
    "blanks": (PLAIN.replace(",", " "), "Separate them by commas"),
    "a comment below": (PLAIN + "# the end,x\n", "1 of them: comments"),
    "nothing": ("", "the file is empty"),
    "only blank lines": ("\n\n", "the file is empty"),
    "Git LFS": ("version https://git-lfs.github.com/spec/v1\n", "pointer of Git LFS"),
    "Excel": ("PK\x03\x04", "a spreadsheet"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_has_no_one_reading_is_refused_with_its_place(folder, kind):
    text, expected = REFUSED[kind]
    assert expected in problems_of(read_train, "table", write(folder, text))


def test_the_encoding_of_windows_is_named_with_its_line_and_the_way_out(folder):
    file = write(folder, PLAIN.replace("dog", "Käfer", 1), encoding="cp1252")
    text = problems_of(read_train, "table", file)
    assert "line 3: no UTF-8 text: byte 0xe4, which is 'ä'" in text
    assert "iconv -f cp1252" in text


@pytest.mark.parametrize("name", ["x.xlsx", "x.json", "x.feather", "x.csv.gz", "x.txt", "x.pkl"])
def test_other_kinds_of_files_are_named_with_what_to_do(folder, name):
    text = problems_of(read_train, "table", write(folder, PLAIN, name))
    assert "cannot read" in text
    assert text.count(". ") >= 2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_list_of_paths_for_the_layout_folders(folder, encoding):
    file = write(folder, "'b.jpg'\r\n\r\n  \"a.jpg\" \r\n", "list.txt", encoding)
    found = read_test("folders", file, Codec({"label": ("cat", "dog")}))
    assert found.frame["image_id"].tolist() == ["b.jpg", "a.jpg"]


def test_rows_of_one_photo_are_told_apart_by_their_labels(folder):
    file = write(folder, PLAIN + "a.jpg,dog\nb.jpg,dog\n./c.jpg,cat\n")
    text = problems_of(read_train, "table", file)
    assert "2 photos occur more than once with the same label: b.jpg in line 3, line 7" in text
    assert "c.jpg = ./c.jpg in line 4, line 8" in text
    assert "different labels: a.jpg is cat in line 2 and dog in line 6" in text


def test_an_id_of_several_photos_is_refused(folder):
    file = write(folder, "path,label,image_id\na.jpg,cat,1\nb.jpg,dog,1\n")
    assert "1 values of image_id occur more than once: 1" in problems_of(read_train, "table", file)
