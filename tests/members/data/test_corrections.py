from pathlib import Path

import pytest

from members.data.corrections import apply_corrections
from members.data.layouts import read_train
from members.errors import BadInput
from tests.members.data_fixtures import write_profiles

ROOT = Path(__file__).parents[3]


@pytest.fixture
def frame(tmp_path):
    people = [("000020", "male", 25), ("001498-1", "male", 33), ("000120", "female", 60)]
    return read_train("profiles", write_profiles(tmp_path / "train", people)).frame


def corrected(tmp_path, frame, *rows, header="id,photo,gender,age,mask"):
    file = tmp_path / "corrections.csv"
    file.write_text("\n".join([header, *rows]) + "\n")
    return apply_corrections(frame, file)


def of(frame, profile, *columns):
    """{photo: values} of one profile."""
    rows = frame[frame["image_id"].str.startswith(profile)]
    values = rows[[*columns]].to_numpy()
    return {i.split("/")[1]: tuple(v) for i, v in zip(rows["image_id"], values, strict=True)}


def test_a_profile_s_gender_changes_on_every_photo_and_the_class_with_it(tmp_path, frame):
    after, (note,) = corrected(tmp_path, frame, "001498-1,,female,,")
    assert set(of(after, "001498-1", "gender").values()) == {(1,)}
    labels = of(after, "001498-1", "label")
    assert labels["mask1"] == (0 * 6 + 1 * 3 + 1,)
    assert labels["normal"] == (2 * 6 + 1 * 3 + 1,)
    assert "7 photos have other labels" in note
    assert (after["gender"] != frame["gender"]).sum() == 7  # and no other photo's
    assert (frame["label"] != after["label"]).sum() == 7  # the table that was given is left alone


def test_two_swapped_photos_change_places(tmp_path, frame):
    rows = ("20,normal,,,incorrect", "20,incorrect_mask,,,normal")  # without leading zeros
    after, _ = corrected(tmp_path, frame, *rows)
    masks = of(after, "000020", "mask")
    assert (masks["normal"], masks["incorrect_mask"], masks["mask1"]) == ((1,), (2,), (0,))


def test_an_age_changes_years_and_class(tmp_path, frame):
    after, _ = corrected(tmp_path, frame, "000120_female_Asian_60,,,59,")
    assert set(of(after, "000120", "age_years", "age").values()) == {(59, 1)}


def test_what_is_unknown_is_refused_with_line_and_nearest(tmp_path, frame):
    with pytest.raises(BadInput) as caught:
        corrected(
            tmp_path,
            frame,
            "000021,,female,,",
            "000020,,femal,,",
            "000020,nrmal,,,wear",
            "000020,,,old,",
            "000020,,,,",
            "000020,,,,masked",
        )
    problems = caught.value.problems
    assert [problem.split(":")[0].rpartition(", ")[2] for problem in problems] == [
        f"line {line}" for line in range(2, 8)
    ]
    for problem, message in zip(
        problems,
        (
            "no profile has the id '000021'",
            "Did you mean 'female'",
            "Did you mean 'normal'",
            "whole number of years",
            "nothing to correct",
            "Allowed: wear, incorrect, normal",
        ),
        strict=True,
    ):
        assert message in problem
    with pytest.raises(BadInput, match="Did you mean 'gender'"):
        corrected(tmp_path, frame, "000020,female", header="id,gendr")


def test_the_corrections_of_the_mission_fit_the_real_ids(tmp_path):
    numbers = ["001498-1", "004432", *(f"00{n}" for n in range(6359, 6365))]
    numbers += ["000020", "004418", "005227"]
    genders = ["male", "male", *["female"] * 6, "male", "female", "male"]
    people = [(n, g, 30) for n, g in zip(numbers, genders, strict=True)]
    before = read_train("profiles", write_profiles(tmp_path / "train", people)).frame
    after, (note,) = apply_corrections(before, ROOT / "ensembles/sources/corrections.csv")
    assert f"{8 * 7 + 3 * 2} photos" in note
    assert (before["gender"] != after["gender"]).sum() == 8 * 7
