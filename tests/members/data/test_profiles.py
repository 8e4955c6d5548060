from members.data.codec import PROFILES
from members.data.layouts import read_test, read_train
from tests.members.data_fixtures import SEVEN, problems_of, write_photo, write_profiles


def test_truth_of_a_profile_comes_from_folder_and_file_names(tmp_path):
    people = [("000001", "female", 45), ("000002", "male", 60)]
    found = read_train("profiles", write_profiles(tmp_path, people))
    assert found.notes == []
    assert found.codec == PROFILES
    frame = found.frame.set_index("image_id")
    assert len(frame) == 14
    woman = frame.loc["000001_female_Asian_45/incorrect_mask"]
    assert (woman["mask"], woman["gender"], woman["age"], woman["label"]) == (1, 1, 1, 10)
    assert woman["group"] == "000001_female_Asian_45"
    assert woman["path"] == str(tmp_path / "images/000001_female_Asian_45/incorrect_mask.jpg")
    man = frame.loc["000002_male_Asian_60/mask3"]
    assert (man["mask"], man["gender"], man["age"], man["label"]) == (0, 0, 2, 2)
    assert {str(frame[c].dtype) for c in ("label", "mask", "gender", "age")} == {"int16"}


def test_crlf_capital_endings_and_hidden_files_are_read_as_they_are(tmp_path):
    write_profiles(tmp_path, [("000001", "male", 20), ("000002", "female", 30)], newline="\r\n")
    folder = tmp_path / "images" / "000002_female_Asian_30"
    (folder / "mask1.jpg").rename(folder / "mask1.JPG")
    (folder / "mask2.jpg").rename(folder / "mask2.jpeg")
    (folder / "normal.jpg").unlink()
    write_photo(folder / "normal.png")
    (folder / "._mask1.jpg").write_bytes(b"\x00\x05\x16\x07")
    (tmp_path / "images" / "._000001_male_Asian_20").write_bytes(b"\x00")
    found = read_train("profiles", tmp_path)
    assert found.notes == []
    assert len(found.frame) == 14
    assert {path.rsplit(".", 1)[1] for path in found.frame["path"]} == {"jpg", "JPG", "jpeg", "png"}


def test_an_id_with_two_folders_is_one_group_and_both_are_kept(tmp_path):
    people = [("003397", "male", 20), ("000002", "female", 30), ("003397", "female", 21)]
    found = read_train("profiles", write_profiles(tmp_path, people))
    assert len(found.frame) == 21
    groups = found.frame.groupby("group")["image_id"].agg(len).to_dict()
    assert groups == {"003397_male_Asian_20": 14, "000002_female_Asian_30": 7}
    assert "003397" in found.notes[0]
    assert "one group" in found.notes[0]


def test_a_row_that_stands_twice_is_read_once(tmp_path):
    people = [("000001", "male", 20), ("000002", "female", 30), ("000001", "male", 20)]
    found = read_train("profiles", write_profiles(tmp_path, people))
    assert len(found.frame) == 14
    assert "occurs 2 times" in found.notes[0]


def test_irregularities_are_in_the_notes(tmp_path):
    write_profiles(tmp_path, [("000001", "male", 20), ("000002", "female", 30)])
    first = tmp_path / "images" / "000001_male_Asian_20"
    (first / "mask4.jpg").unlink()
    write_photo(first / "holiday.jpg")
    write_photo(tmp_path / "images" / "000009_male_Asian_50" / "mask1.jpg")
    csv = tmp_path / "train.csv"
    csv.write_text(csv.read_text().replace("000002,female", "000002,male"))
    notes = "\n".join(read_train("profiles", tmp_path).notes)
    assert "000001_male_Asian_20 has 6 of 7 photos" in notes
    assert "holiday.jpg" in notes
    assert "000009_male_Asian_50" in notes
    assert "000002_female_Asian_30 says gender male" in notes


def test_every_mistake_in_the_profiles_is_reported_at_once(tmp_path):
    people = [("000001", "male", 20), ("000002", "femal", 30), ("000003", "male", 40)]
    write_profiles(tmp_path, people)
    rows = [
        "000004,male,Asian,50,000004_male_Asian_50",
        "000005,male,Asian,xx,000005_male_Asian_xx",
    ]
    rows += ["6,male,Asian,20,nonsense"]
    with (tmp_path / "train.csv").open("a") as file:
        file.write("\n".join(rows) + "\n")
    for photo in (tmp_path / "images" / "000003_male_Asian_40").iterdir():
        photo.unlink()
    write_photo(tmp_path / "images" / "000005_male_Asian_xx" / "mask1.jpg")
    write_photo(tmp_path / "images" / "nonsense" / "mask1.jpg")
    write_photo(tmp_path / "images" / "000001_male_Asian_20" / "mask1.PNG")
    text = problems_of(read_train, "profiles", tmp_path)
    assert "unknown gender 'femal'" in text
    assert "Did you mean 'female'" in text
    assert "no photos: 000003_male_Asian_40" in text
    assert "000004_male_Asian_50" in text
    assert "'xx' must be a whole number" in text
    assert "'nonsense'" in text
    assert "mask1.PNG and mask1.jpg are both 'mask1'" in text


def test_missing_folder_file_and_columns(tmp_path):
    assert "no such folder" in problems_of(read_train, "profiles", tmp_path / "none")
    text = problems_of(read_train, "profiles", tmp_path)
    assert "train.csv: no such file" in text
    assert "images: no such folder" in text
    (tmp_path / "images").mkdir()
    (tmp_path / "train.csv").write_text("id,gender\n")
    assert "no column 'path'" in problems_of(read_train, "profiles", tmp_path)
    (tmp_path / "train.csv").write_text("")
    assert "the file is empty" in problems_of(read_train, "profiles", tmp_path)
    (tmp_path / "train.csv").write_text("id,path\n")
    assert "no rows" in problems_of(read_train, "profiles", tmp_path)


def test_eval_photos_keep_the_order_of_info_csv(tmp_path):
    names = ["cc.jpg", "aa.jpg", "bb.png"]
    for seed, name in enumerate(names):
        write_photo(tmp_path / "images" / name, seed)
    (tmp_path / "info.csv").write_bytes(
        b"ImageID,ans\r\n" + b"\r\n".join(f"{name},0".encode() for name in names) + b"\r\n"
    )
    frame = read_test("profiles", tmp_path, PROFILES).frame
    assert frame["image_id"].tolist() == names
    assert frame["path"].tolist() == [str(tmp_path / "images" / name) for name in names]
    assert frame["label"].tolist() == [-1, -1, -1]  # ans is a place to write
    assert frame["age"].tolist() == [-1, -1, -1]
    assert list(frame.columns) == ["image_id", "path", "group", "label", "mask", "gender", "age"]


def test_eval_photos_that_are_missing_or_twice(tmp_path):
    write_photo(tmp_path / "images" / "a.jpg")
    (tmp_path / "info.csv").write_text("ImageID,ans\na.jpg,0\na.jpg,0\nb.jpg,0\n")
    text = problems_of(read_test, "profiles", tmp_path, PROFILES)
    assert "1 of 3 photos are missing: b.jpg" in text
    assert "more than once: a.jpg" in text


def test_all_seven_file_names_have_their_mask_state(tmp_path):
    frame = read_train("profiles", write_profiles(tmp_path, [("1", "male", 20)])).frame
    by_stem = {
        i.split("/")[1]: mask for i, mask in zip(frame["image_id"], frame["mask"], strict=True)
    }
    assert by_stem == dict(zip(SEVEN, (0, 0, 0, 0, 0, 1, 2), strict=True))
