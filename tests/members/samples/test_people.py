import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from members.data.codec import PROFILES
from members.data.folds.assign import absent_classes, assign_folds, photos_by_class
from members.data.layouts import read_test, read_train
from members.errors import BadInput
from members.samples import people
from members.samples.people import draw_people
from tests.members.data_fixtures import SEVEN


def bytes_below(folder: Path) -> dict[str, str]:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    digest = lambda file: hashlib.sha256(file.read_bytes()).hexdigest()  # noqa: E731
    return {str(file.relative_to(folder)): digest(file) for file in files}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("drawn") / "sample"
    assert draw_people(folder, profiles=18, eval=40, seed=3, size=(64, 48))
    return folder


def test_the_layout_is_the_competitions_and_reads_without_a_note(drawn):
    found = read_train("profiles", drawn / "train")
    assert found.notes == []
    assert len(found.frame) == 18 * 7
    assert found.frame["group"].nunique() == 18
    header = (drawn / "train" / "train.csv").read_text().splitlines()[0]
    assert header == "id,gender,race,age,path"
    frame = read_test("profiles", drawn / "eval", PROFILES).frame
    assert len(frame) == 40
    with Image.open(frame["path"][0]) as photo:
        assert photo.size == (48, 64)
    assert "drawings" in (drawn / "README.txt").read_text()


def test_the_truth_of_eval_stands_apart_in_the_order_of_info(drawn):
    info = pd.read_csv(drawn / "eval" / "info.csv")
    truth = pd.read_csv(drawn / "eval" / "truth.csv")
    assert info.columns.tolist() == truth.columns.tolist() == ["ImageID", "ans"]
    assert info["ImageID"].tolist() == truth["ImageID"].tolist()
    assert (info["ans"] == 0).all()
    masks = PROFILES.decode(truth["ans"].to_numpy())["mask"]
    assert np.bincount(masks).tolist() == [30, 5, 5]  # 5 people of seven photos, one of five


def test_three_folds_by_person_train_and_validate_every_class(drawn):
    frame = read_train("profiles", drawn / "train").frame
    fold = assign_folds(frame, "kfold", k=3)
    assert absent_classes(frame, fold, PROFILES) == []
    assert (photos_by_class(frame, fold, PROFILES) > 0).all(axis=None)


@pytest.mark.parametrize("count", [1, 5, 18, 40, 100, 1000])
def test_people_are_as_uneven_as_the_competitions(count):
    found = people._people(count, seed=1, part=people.TRAIN)
    assert len(found) == count
    assert all(18 <= age <= 60 for _, age in found)
    old = [female for female, age in found if age >= 60]
    if count >= 18:
        assert min(sum(old), len(old) - sum(old)) >= 3
    if count >= 100:
        assert abs(np.mean([female for female, _ in found]) - 0.614) < 0.02
        assert abs(len(old) / count - 0.071) < 0.01
        assert abs(np.mean([age < 30 for _, age in found]) - 0.474) < 0.02


def test_same_request_same_bytes_and_another_seed_other_people(tmp_path, drawn):
    draw_people(tmp_path / "again", profiles=18, eval=40, seed=3, size=(64, 48))
    assert bytes_below(tmp_path / "again") == bytes_below(drawn)
    draw_people(tmp_path / "other", profiles=18, eval=40, seed=4, size=(64, 48))
    same = set(bytes_below(tmp_path / "other").values()) & set(bytes_below(drawn).values())
    photos = {digest for name, digest in bytes_below(drawn).items() if name.endswith(".jpg")}
    assert not same & photos


def test_no_photo_is_drawn_twice(drawn):
    photos = [d for name, d in bytes_below(drawn).items() if name.endswith(".jpg")]
    assert len(photos) == len(set(photos)) == 18 * 7 + 40


def test_photos_of_one_person_are_more_alike_than_those_of_two(drawn):
    """The corner shows the room: what a split by photo would let a network remember."""
    corner = {}
    for folder in (drawn / "train" / "images").iterdir():
        shots = [np.asarray(Image.open(folder / f"{stem}.jpg"), float) for stem in SEVEN]
        corner[folder.name] = np.stack([shot[:12, :8].mean(axis=(0, 1)) for shot in shots])
    within = np.mean([tones.std(axis=0).mean() for tones in corner.values()])
    between = np.stack([tones.mean(axis=0) for tones in corner.values()]).std(axis=0).mean()
    assert between > 1.5 * within


def test_the_same_request_again_touches_nothing(drawn):
    before = {file: file.stat().st_mtime_ns for file in drawn.rglob("*")}
    assert draw_people(drawn, profiles=18, eval=40, seed=3, size=(64, 48)) is False
    assert {file: file.stat().st_mtime_ns for file in drawn.rglob("*")} == before
    assert [entry.name for entry in drawn.parent.iterdir()] == ["sample"]


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path, drawn):
    with pytest.raises(BadInput, match=r"another sample \(seed 3\)"):
        draw_people(drawn, profiles=18, eval=40, seed=5, size=(64, 48))
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(BadInput, match="not a sample"):
        draw_people(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.txt"]
    with pytest.raises(BadInput, match="is a file"):
        draw_people(tmp_path / "thesis.txt")


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "here").mkdir()
    assert draw_people(tmp_path / "here", profiles=1, eval=1, size=(32, 24))
    assert len(read_train("profiles", tmp_path / "here" / "train").frame) == 7


def test_an_interrupted_drawing_leaves_no_folder(tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(people, "_draw_eval", stop)
    with pytest.raises(KeyboardInterrupt):
        draw_people(tmp_path / "sample", profiles=1, eval=1, size=(32, 24))
    assert list(tmp_path.iterdir()) == []


def test_every_number_out_of_range_is_reported_at_once(tmp_path):
    with pytest.raises(BadInput) as caught:
        draw_people(tmp_path / "sample", profiles=0, eval=-1, seed=-1, size=(256,))
    assert len(caught.value.problems) == 4
