"""Corrected labels of class folders, by image id."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from members.data.corrected_labels import correct_labels
from members.data.layouts import read_train
from members.errors import BadInput


@pytest.fixture
def pets(tmp_path):
    for name, colour in (("cat", "red"), ("dog", "blue"), ("owl", "green")):
        folder = tmp_path / "pets" / name
        folder.mkdir(parents=True)
        for number in range(3):
            Image.new("RGB", (8, 8), colour).save(folder / f"{number}.png")
    return read_train("folders", tmp_path / "pets")


def corrected(tmp_path: Path, pets, *rows: str, header: str = "image_id,label,was"):
    file = tmp_path / "corrections.csv"
    file.write_text("\n".join([header, *rows]) + "\n")
    return correct_labels(pets.frame, pets.codec, file)


def test_a_photo_gets_its_right_label_and_the_others_keep_theirs(tmp_path, pets):
    before = pets.frame["label"].to_numpy().copy()
    frame, (note,) = corrected(
        tmp_path, pets, "cat/0.png,dog,cat", "owl/2.png,cat,", "dog/1.png,dog,"
    )
    changed = dict(zip(frame["image_id"], frame["label"], strict=True))
    classes = list(pets.codec.classes)
    assert changed["cat/0.png"] == classes.index("dog")
    assert changed["owl/2.png"] == classes.index("cat")
    assert (frame["label"].to_numpy() != before).sum() == 2
    assert note.endswith("2 photos have other labels than the data say.")
    np.testing.assert_array_equal(pets.frame["label"], before)  # that was given
    assert frame["label"].dtype == pets.frame["label"].dtype


def test_the_column_of_what_it_was_may_be_left_out(tmp_path, pets):
    frame, _ = corrected(tmp_path, pets, "cat/0.png,dog", header="image_id,label")
    assert (frame["label"] != pets.frame["label"]).sum() == 1


def test_every_wrong_row_is_named_at_once(tmp_path, pets):
    with pytest.raises(BadInput) as error:
        corrected(
            tmp_path,
            pets,
            "cat/00.png,dog,",
            "cat/1.png,dgo,",
            "cat/1.png,,",
            "cat/2.png,dog,owl",
            "dog/0.png,cat,",
            "dog/0.png,owl,",
        )
    said = [text.partition("corrections.csv, ")[2] for text in error.value.problems]
    assert said[0].startswith("line 2: no photo to train on has the id 'cat/00.png'. Did you mean")
    assert said[1].startswith("line 3: unknown label 'dgo'. Did you mean 'dog'?")
    assert said[1].endswith("Allowed: cat, dog, owl.")
    assert said[2] == "line 4: no label. Write the right one, or take the row out."
    assert "line 5: 'cat/2.png' is 'cat', not 'owl' as the row says" in said[3]
    assert said[4] == ("line 7: another label than in line 6 for the same photo. Keep one of them.")
    assert len(said) == 5


@pytest.mark.parametrize(
    ("header", "said"),
    [("image_id,lable", "label"), ("image_id,label,score", "the column 'score' is unknown.")],
)
def test_columns_are_checked(tmp_path, pets, header, said):
    with pytest.raises(BadInput, match=said):
        corrected(tmp_path, pets, "cat/0.png,dog", header=header)
