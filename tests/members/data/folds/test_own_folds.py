import pandas as pd
import pytest

from members.data.folds.own import read_own_folds
from members.errors import BadInput
from tests.members.data_fixtures import made_up_frame

FRAME = made_up_frame([0, 1, 0, 1], ["a", "a", "b", "c"])


def read(tmp_path, text, column="fold"):
    file = tmp_path / "folds.csv"
    file.write_text(text)
    return read_own_folds(FRAME, file, column).tolist()


def test_folds_by_group(tmp_path):
    assert read(tmp_path, "group,fold\nb,0\na,1\nc,\n") == [1, 1, 0, -1]


def test_folds_by_photo_in_any_order_and_column(tmp_path):
    text = "image_id,part\n" + "\n".join(
        f"photo-{i:05},{fold}" for i, fold in ((3, 0), (2, -1), (1, 1), (0, 1), (9, 5))
    )
    assert read(tmp_path, text, "part") == [1, 1, -1, 0]


def test_folds_by_the_path_of_a_photo_or_of_a_profile_s_folder(tmp_path):
    photos = "".join(f"photo-{i:05},{i // 2}\n" for i in range(4))
    assert read(tmp_path, f"path,fold\n{photos}") == [0, 0, 1, 1]
    assert read(tmp_path, "id,path,fold\n1,a,0\n2,b,1\n3,c,0\n") == [0, 0, 1, 0]


def test_parquet_with_numbers_and_gaps_is_read_too(tmp_path):
    file = tmp_path / "folds.parquet"
    pd.DataFrame({"group": ["a", "b", "c"], "fold": [0.0, 1.0, None]}).to_parquet(file)
    assert read_own_folds(FRAME, file).tolist() == [0, 0, 1, -1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("group,fold\na,0\nb,1\n", "1 of 3 group values have no row: c"),
        ("group,fold\na,0\nb,x\nc,1\n", r"no fold \(group b\)"),
        ("group,fold\na,0.5\nb,0\nc,1\n", r"no fold \(group a\)"),
        ("group,fold\na,-2\nb,0\nc,1\n", r"no fold \(group a\)"),
        ("group,fold\na,0\nb,2\nc,0\n", "no photo has fold 1"),
        ("group,fold\na,0\nb,0\nc,0\n", "nothing to learn"),
        ("group,fod\na,0\n", "no column 'fold'.*Did you mean 'fod'"),
        ("person,fold\na,0\n", "no column image_id, path, group"),
        (
            "image_id,fold\nphoto-00000,0\nphoto-00001,1\nphoto-00002,0\nphoto-00003,1\n",
            "1 groups stand in more than one fold: a",
        ),
    ],
)
def test_what_makes_no_folds_is_refused(tmp_path, text, message):
    with pytest.raises(BadInput, match=message):
        read(tmp_path, text)


def test_an_id_with_two_folds_is_refused_and_twice_the_same_is_not(tmp_path):
    with pytest.raises(BadInput, match="1 values of group have several folds \\(a\\)"):
        read(tmp_path, "group,fold\na,0\nb,1\nc,0\na,1\n")
    assert read(tmp_path, "group,fold\na,0\nb,1\nc,0\na,0\n") == [0, 0, 1, 0]


def test_ids_are_compared_composed_and_a_folder_without_its_last_slash(tmp_path):
    frame = made_up_frame([0, 1], ["caf\u00e9", "tea"])
    file = tmp_path / "folds.csv"
    file.write_text("path,fold\ncafe\u0301/,0\ntea/,1\n", encoding="utf-8")
    assert read_own_folds(frame, file).tolist() == [0, 1]
