"""Whatever is wrong with a request, the command says what, and what to do: code 2, no traceback."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import ensembles
from orchestrator.tracking import follow

# -- photographs -------------------------------------------------------------------------------


def picture(seed: int, **how) -> bytes:
    rng = np.random.default_rng(seed)
    content = io.BytesIO()
    Image.fromarray(rng.integers(0, 255, (40, 30, 3), np.uint8)).save(content, "JPEG", **how)
    return content.getvalue()


@pytest.fixture
def photos(tmp_path):
    """24 photographs of 12 groups in three classes, as a table."""
    rows = []
    for i in range(24):
        (tmp_path / f"{i}.jpg").write_bytes(picture(i))
        rows.append({"path": f"{i}.jpg", "label": "abc"[i % 3], "group": f"g{i % 12}"})
    frame = pd.DataFrame(rows)
    frame.to_csv(tmp_path / "photos.csv", index=False)
    return frame


SPEC = """\
name: small
data: {layout: table, train: photos.csv}
folds: {k: 2}
defaults: {image_size: [32, 32], epochs: 1}
members: [{name: a, model: test_resnet}]
"""


@pytest.fixture
def spec(tmp_path):
    def write(*changes: tuple[str, str], text: str = SPEC) -> str:
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "spec.yaml").write_text(text)
        return "spec.yaml"

    return write


def test_a_good_request_passes_the_check(command, spec, photos):
    code, out, _ = command("check", spec())
    assert code == 0
    assert "24 photographs of 12 groups in 3 classes" in out
    assert "2 units to train" in out


BROKEN = [
    ("zero bytes", b"", "zero bytes"),
    ("no picture", b"hello, this is no picture", "cannot be read"),
    ("truncated", picture(7)[:400], "cannot be read"),
]


@pytest.mark.parametrize(("name", "content", "said"), BROKEN, ids=[b[0] for b in BROKEN])
@pytest.mark.parametrize("verb", ["check", "train-members"])
def test_a_photograph_that_cannot_be_decoded_is_named(
    command, spec, photos, tmp_path, name, content, said, verb
):
    (tmp_path / "7.jpg").write_bytes(content)
    code, _, err = command(verb, spec())
    assert code == 2
    assert "7.jpg" in err
    assert said in err


def test_grey_transparent_and_turned_photographs_work(command, spec, photos, tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6
    (tmp_path / "0.jpg").write_bytes(picture(0, exif=turned))
    Image.new("L", (30, 40), 99).save(tmp_path / "1.jpg")
    Image.new("RGBA", (30, 40), (1, 2, 3, 4)).save(tmp_path / "2.jpg", "PNG")
    assert command("check", spec())[0] == 0


def test_a_row_whose_photograph_is_missing_is_named(command, spec, photos, tmp_path):
    (tmp_path / "3.jpg").unlink()
    code, _, err = command("check", spec())
    assert code == 2
    assert "3.jpg" in err


def test_mistakes_of_the_data_and_of_the_recipes_come_together(command, spec, photos, tmp_path):
    (tmp_path / "3.jpg").write_bytes(b"")
    code, _, err = command("check", spec(("test_resnet", "test_resnt"), ("k: 2", "k: 13")))
    assert code == 2
    assert "3 mistakes" in err
    assert "Did you mean 'test_resnet'" in err
    assert "12 groups" in err
    assert "3.jpg" in err


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("test_resnet", "test_resnt", "Did you mean 'test_resnet'"),
        ("test_resnet", "test_resnet, optimizer: adamww", "Did you mean 'adamw'"),
        ("test_resnet", "test_vit, image_size: [33, 33]", "divisible"),
        ("test_resnet", "test_resnet, pretrained: weights.pth", "weights.pth"),
        ("test_resnet", "test_resnet, pretrained: 'package:no-such'", "pip install"),
        ("photos.csv", "nowhere.csv", "nowhere.csv"),
        ("layout: table, train: photos.csv", "layout: folders, train: empty", "empty"),
        ("layout: table", "layout: profiles", "photos.csv"),
        ("k: 2", "k: 13", "12 groups"),
    ],
)
def test_a_wrong_spec_or_folder_is_refused_before_anything_is_trained(
    command, spec, photos, tmp_path, old, new, said
):
    (tmp_path / "empty").mkdir()
    code, _, err = command("train-members", spec((old, new)))
    assert code == 2
    assert said in err
    assert not (tmp_path / "runs/small/units").exists()


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ("{model: {choice: [test_resnet, test_resnt]}}", "Did you mean 'test_resnet'"),
        ("{crop: {choice: [[20, 20], [400, 20]]}}", "400"),
        ("{optimizer: {choice: [adamw, adamww]}}", "Did you mean 'adamw'"),
        # each goes with the first of the other key
        (
            "{model: {choice: [test_resnet, test_vit]}, image_size: {choice: [32, 33]}}",
            "test_vit does not take [33, 33]",
        ),
    ],
)
def test_what_a_search_may_draw_is_checked_before_anything_is_trained(
    command, spec, photos, tmp_path, space, said
):
    text = f"{SPEC}search: {{members: [a], space: {space}}}\n"
    for verb in ("check", "train-members"):
        code, _, err = command(verb, spec(text=text))
        assert code == 2
        assert err.count(said) == 1
    assert not (tmp_path / "runs/small/units").exists()


def test_a_label_outside_the_classes_of_the_training_table_is_named(
    command, spec, photos, tmp_path
):
    photos.assign(label="d").head(3).to_csv(tmp_path / "test.csv", index=False)
    code, _, err = command(
        "check", spec(("train: photos.csv", "train: photos.csv, test: test.csv"))
    )
    assert code == 2
    assert "outside the classes: d" in err


def test_a_class_absent_from_a_training_part_is_warned_of_by_name(command, spec, photos, tmp_path):
    photos.loc[0, ["label", "group"]] = ["rare", "alone"]
    photos.to_csv(tmp_path / "photos.csv", index=False)
    code, out, _ = command("check", spec())
    assert code == 0
    assert "class rare is absent from the training part of fold" in out


def test_the_same_photograph_in_two_groups_is_shown_as_a_leak(command, spec, photos, tmp_path):
    (tmp_path / "7.jpg").write_bytes(picture(4))
    code, out, _ = command("check", spec())
    assert code == 0
    assert "leak" in out
    assert "4.jpg" in out
    assert "7.jpg" in out


# -- votes -------------------------------------------------------------------------------------


@pytest.fixture
def tables(tmp_path):
    """Two members' tables of 30 rows in three classes, under `tables/`."""
    rng = np.random.default_rng(0)
    made = {}
    for member in ("a", "b"):
        probabilities = rng.dirichlet(np.ones(3), 30).astype(np.float32)
        ids = np.array([f"i{i}" for i in range(30)], dtype=object)
        made[member] = ensembles.Table(ids, probabilities, np.arange(30, dtype=np.int16) % 3,
                                       np.arange(30, dtype=np.int16) % 3)  # fmt: skip
        ensembles.write_table(tmp_path / f"tables/{member}/oof.parquet", made[member])
    return made


def change(tmp_path, edit) -> None:
    """Rewrite member b's table as another program might have, unchecked."""
    path = tmp_path / "tables/b/oof.parquet"
    frame = pd.read_parquet(path)
    edit(frame)
    frame.to_parquet(path, index=False)


def shift_ids(frame):
    frame["image_id"] = [f"other{i}" for i in range(len(frame))]


def repeat_an_id(frame):
    frame.loc[1, "image_id"] = frame.loc[0, "image_id"]


def change_folds(frame):
    frame["fold"] = ((frame["fold"] + 1) % 3).astype("int16")


def change_labels(frame):
    frame.loc[:4, "label"] = 2 - frame.loc[:4, "label"]


def add_a_class(frame):
    frame["p3"] = np.float32(0)


def set_nan(frame):
    frame.loc[3, "p0"] = np.nan


def break_the_sum(frame):
    frame.loc[3, "p0"] += np.float32(0.3)


@pytest.mark.parametrize(
    ("edit", "said"),
    [(shift_ids, "i0"), (repeat_an_id, "i0"), (change_folds, "fold"), (change_labels, "label"),
     (add_a_class, "4"), (set_nan, "null"), (break_the_sum, "sum")],
)  # fmt: skip
def test_tables_that_do_not_fit_are_refused_with_the_members_name(
    command, tables, tmp_path, edit, said
):
    change(tmp_path, edit)
    code, _, err = command("vote", "--tables", "tables", "--mode", "soft")
    assert code == 2
    assert "b" in err
    assert said in err


def test_one_member_alone_is_voted_on_and_said_to_be_alone(command, tables, tmp_path):
    (tmp_path / "tables/b/oof.parquet").unlink()
    code, out, _ = command("vote", "--tables", "tables", "--mode", "weighted")
    assert code == 0
    assert "one member only" in out


def test_a_weighted_vote_without_oof_tables_says_what_to_do(command, tables, tmp_path):
    for member in ("a", "b"):
        (tmp_path / f"tables/{member}/oof.parquet").rename(
            tmp_path / f"tables/{member}/test.parquet"
        )
    code, _, err = command("vote", "--tables", "tables", "--mode", "weighted")
    assert code == 2
    assert "--mode soft" in err
    assert command("vote", "--tables", "tables", "--mode", "soft")[0] == 0


def test_submissions_are_voted_on_by_id_and_13_0_is_a_13(command, tmp_path):
    (tmp_path / "a.csv").write_text("ImageID,ans\nx.jpg,13.0\ny.jpg,2\n")
    (tmp_path / "b.csv").write_text("ImageID,ans\r\ny.jpg,3\r\nx.jpg,13\r\n")
    (tmp_path / "c.csv").write_text("ImageID,ans\nx.jpg,1\ny.jpg,3\n")
    code, _, _ = command(
        "vote", "--mode", "hard", "--submissions", "a.csv", "b.csv", "c.csv", "--out", "o"
    )
    assert code == 0
    assert (tmp_path / "o/submission.csv").read_text().split() == [
        "ImageID,ans",
        "x.jpg,13",
        "y.jpg,3",
    ]
    code, out, _ = command("compare", "a.csv", "b.csv", "c.csv")
    assert code == 0
    assert "0.5" in out


def test_soft_submissions_are_averaged(command, tmp_path):
    (tmp_path / "a.csv").write_text("ImageID,cat,dog\nx.jpg,0.6,0.4\ny.jpg,0.5,0.5\n")
    (tmp_path / "b.csv").write_text("ImageID,cat,dog\ny.jpg,0.1,0.9\nx.jpg,0.3,0.7\n")
    code, _, _ = command("vote", "--mode", "soft", "--submissions", "a.csv", "b.csv", "--out", "o")
    assert code == 0
    answers = (tmp_path / "o/submission.csv").read_text().split()
    assert answers == ["ImageID,ans", "x.jpg,dog", "y.jpg,dog"]
    code, _, err = command("vote", "--mode", "hard", "--submissions", "a.csv", "b.csv")
    assert code == 2
    assert "no column ans" in err


def test_a_missing_tracker_is_said_by_check_and_before_training(command, spec, photos, monkeypatch):
    monkeypatch.setattr(follow, "_installed", lambda name: False)
    wrong = spec(("folds:", "tracking: [mlflow]\nfolds:"))
    for verb in ("check", "train-members"):
        code, _, err = command(verb, wrong)
        assert code == 2
        assert "pip install mlflow" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["vote"], "nothing was trained here"),
        (["vote", "--run", "nowhere"], "no run folder"),
        (["vote", "--tables", "nowhere"], "nowhere"),
        (["vote", "--submissions", "nowhere.csv"], "nowhere.csv"),
        (["vote", "--mode", "weighted", "--submissions", "a.csv"], "--mode hard or soft"),
        (["vote", "--mode", "loud"], "loud"),
        (["vote", "--small"], "give its file"),
        (["check", "spek.yaml"], "Did you mean 'spec.yaml'"),
        (["train-members", "spec.yaml", "--only", "b"], "unknown member 'b'"),
        (["evaluate", "nowhere.csv", "--truth", "nowhere.csv"], "nowhere.csv"),
        (["compare", "nowhere.csv"], "nowhere.csv"),
        (["nonsense"], "nonsense"),
    ],
)
def test_a_wrong_command_line_says_what_to_do(command, spec, photos, arguments, said):
    spec()
    code, _, err = command(*arguments)
    assert code == 2
    assert said in err
