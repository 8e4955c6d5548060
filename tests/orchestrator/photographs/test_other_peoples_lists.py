"""`data.columns` and `data.repair`, from the spec to the photographs in their folds."""

from __future__ import annotations

import pandas as pd
import pytest
import yaml

from members.errors import BadInput
from orchestrator.photographs.prepare import prepare_photographs, report_lines
from orchestrator.spec import load
from tests.members.data_fixtures import write_photo

CLASSES = ("healthy", "rust", "scab")


@pytest.fixture
def spec(tmp_path, monkeypatch):
    monkeypatch.setenv("ENSEMBLE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    for number in range(12):
        write_photo(tmp_path / "photos" / f"{number}.jpg", seed=number)

    def spec(folds: dict | None = None, **data):
        text = {"name": "s", "data": data, "folds": folds or {"k": 2}}
        text |= {"members": [{"name": "net", "model": "test_resnet", "image_size": [32, 32]}]}
        (tmp_path / "spec.yaml").write_text(yaml.safe_dump(text))
        return load(tmp_path / "spec.yaml")

    return spec


def problems_of(call, *arguments, **named) -> str:
    with pytest.raises(BadInput) as error:
        call(*arguments, **named)
    return "\n".join(error.value.problems)


def frame(ids=range(12)) -> pd.DataFrame:
    """As the plant pathology challenge has it: ids without ending, a column of 0 and 1 a class."""
    table = pd.DataFrame({"image_id": [*map(str, ids)]})
    return table.assign(**{name: (table.index % 3 == at) * 1 for at, name in enumerate(CLASSES)})


def test_one_hot_labels_and_ids_without_ending_train_as_the_plain_table_does(spec):
    frame().to_csv("train.csv", index=False)
    frame(range(3))[["image_id"]].to_csv("test.csv", index=False)
    columns = {"path": "image_id", "label": [*CLASSES]}
    read = spec(layout="table", train="train.csv", test="test.csv", root="photos",
                columns=columns, repair=["ending"])  # fmt: skip
    found = prepare_photographs(read)
    assert found.photographs.codec.classes == CLASSES
    assert found.photographs.test["image_id"].tolist() == ["0", "1", "2"]
    notes = "\n".join(report_lines(found))
    assert "train.csv: 12 photos are read with another ending: 0 -> 0.jpg" in notes
    assert "test.csv: 3 photos are read with another ending" in notes

    plain = pd.DataFrame({"image_id": [str(n) for n in range(12)]})
    plain = plain.assign(path=plain["image_id"] + ".jpg", label=[CLASSES[n % 3] for n in range(12)])
    plain.to_csv("plain.csv", index=False)
    same = prepare_photographs(spec(layout="table", train="plain.csv", root="photos")).photographs
    assert found.photographs.data_hash == same.data_hash
    assert found.photographs.folds_hash == same.folds_hash


def test_own_folds_stand_in_the_list_whatever_its_columns_are_called(spec):
    table = frame().assign(fold=[n // 4 for n in range(12)])
    table.to_csv("train.csv", index=False)
    columns = {"path": "image_id", "label": [*CLASSES]}
    read = spec({"scheme": "own"}, layout="table", train="train.csv", root="photos",
                columns=columns, repair="ending")  # fmt: skip
    found = prepare_photographs(read)
    assert found.photographs.train["fold"].tolist() == [n // 4 for n in range(12)]
    assert "fold" not in "".join(found.notes)


def test_a_repair_that_the_test_list_alone_needs_is_one(spec):
    table = frame().assign(
        path=[f"{n}.jpg" for n in range(12)], label=["ab"[n % 2] for n in range(12)]
    )
    table[["path", "label"]].to_csv("train.csv", index=False)
    table[["path"]].replace(r"\.jpg", "", regex=True).to_csv("test.csv", index=False)
    given = {"layout": "table", "train": "train.csv", "root": "photos", "repair": ["ending"]}
    assert len(prepare_photographs(spec(**given, test="test.csv")).photographs.test) == 12
    assert "data.repair: no photo needed ending" in problems_of(prepare_photographs, spec(**given))


def test_photographs_in_cells_are_written_to_the_cache_and_read(spec, tmp_path):
    blobs = [(tmp_path / "photos" / f"{n}.jpg").read_bytes() for n in range(12)]
    pd.DataFrame({"image": blobs, "label": [n % 2 for n in range(12)]}).to_parquet("train.parquet")
    read = spec(layout="table", train="train.parquet", columns={"path": "image"})
    found = prepare_photographs(read).photographs.train
    assert found["image_id"].tolist() == [str(n) for n in range(12)]
    assert all(path.startswith(str(tmp_path / "cache" / "pictures")) for path in found["path"])


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"columns": {"paths": "x"}}, "unknown key 'paths'. Did you mean 'path'?"),
        ({"columns": {"label": ["one"]}}, "two classes or more"),
        ({"columns": {"label": ["one", "one"]}}, "two classes or more"),
        ({"columns": {"path": "x", "label": "x"}}, "path and label are both the column 'x'"),
        ({"columns": {"path": "label"}}, "path and label are both the column 'label'"),
        ({"repair": ["endings"]}, "Did you mean 'ending'?"),
        ({"layout": "folders", "columns": {"path": "x"}}, "only for photos that a table lists"),
        ({"layout": "profiles", "repair": ["case"]}, "only for photos that a table lists"),
    ],
)
def test_keys_that_are_wrong_or_without_effect(spec, data, expected):
    assert expected in problems_of(spec, **{"layout": "table", "train": "x"} | data)


def test_a_test_list_of_class_folders_may_have_other_names(spec, tmp_path):
    for number in range(12):
        write_photo(tmp_path / "sorted" / "ab"[number % 2] / f"{number}.jpg", seed=number)
    frame()[["image_id"]].to_csv("test.csv", index=False)
    read = spec(layout="folders", train="sorted", test="test.csv", root="photos",
                columns={"path": "image_id"}, repair="ending")  # fmt: skip
    assert prepare_photographs(read).photographs.test["path"].str.endswith(".jpg").all()


def test_a_resolved_spec_without_these_keys_is_what_it_was(spec):
    text = spec(layout="table", train="x.csv").to_yaml()
    assert "columns" not in text
    assert "repair" not in text
