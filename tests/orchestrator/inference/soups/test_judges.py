"""Only photographs that no averaged network has seen may judge, and enough of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from members.data.codec import Codec
from members.pixels.samples import content_digest
from orchestrator.errors import WrongRequest
from orchestrator.inference.soups.judges import Judge, find_judge
from orchestrator.photographs.files import read_photographs, write_photographs
from orchestrator.photographs.table import Photographs
from orchestrator.runs.store import Store

CODEC = Codec({"kind": ("cat", "dog"), "age": ("young", "old")})
CLASSES = ("cat/young", "cat/old", "dog/young", "dog/old")
FEW = "a judge needs 50 or more, of 5 groups"


def frame(folder: Path, name: str, labels: np.ndarray, groups: list[str] | None = None):
    """A table of photographs, each file of its own content."""
    (folder / name).mkdir(parents=True)
    rows = []
    for i, label in enumerate(labels.tolist()):
        path = folder / name / f"{i}.png"
        path.write_bytes(f"{name} {i}".encode())
        rows.append({
            "image_id": f"{name}/{i}.png", "path": str(path),
            "group": groups[i] if groups else f"{name}/{i}.png", "fold": np.int16(i % 3),
            "label": np.int16(label), "digest": content_digest(path.read_bytes()),
        })  # fmt: skip
    found = pd.DataFrame(rows)
    return found.assign(**CODEC.decode(labels))


@pytest.fixture
def store(tmp_path):
    """`store(known)`: of a run with 60 photographs of 20 groups, and 70 to predict of 14 groups."""

    def store(known: bool = False) -> Store:
        train = frame(tmp_path, "train", np.arange(60) % 4, [f"g{i // 3}" for i in range(60)])
        labels = np.arange(70) % 4 if known else np.full(70, -1)
        test = frame(tmp_path, "test", labels, [f"t{i // 5}" for i in range(70)])
        found = Store(tmp_path / "run")
        write_photographs(Photographs(train, test.drop(columns="fold"), CODEC), found)
        return found

    return store


def listed(folder: Path, rows: list[str], head: str) -> str:
    (folder / "judge.csv").write_text("\n".join([head, *rows]) + "\n")
    return str(folder / "judge.csv")


def refused(*given, **more) -> str:
    with pytest.raises(WrongRequest) as error:
        find_judge(*given, **more)
    return "\n".join(error.value.problems)


def whole_groups(judge: Judge) -> bool:
    groups, parts = judge.rows.groups, judge.rows.parts
    return all(len(np.unique(parts[groups == own])) == 1 for own in np.unique(groups))


def test_without_a_judge_folds_are_not_averaged_and_what_to_give_is_said(store):
    text = refused(None, store(), CODEC, several_seeds=False)
    assert "each training photo was seen by some of them" in text
    assert "--judge FILE" in text
    assert "--folds refit" in text


def test_seeds_are_judged_by_the_photographs_that_their_fold_held_out(store):
    judge = find_judge(None, store(), CODEC, several_seeds=True)
    assert judge.folds is not None
    assert judge.folds.tolist() == [i % 3 for i in range(60)]
    assert judge.rows.parts.tolist() == judge.folds.tolist()
    assert judge.rows.labels.tolist() == [i % 4 for i in range(60)]


def test_known_labels_of_the_photographs_to_predict_judge(store):
    judge = find_judge(None, store(known=True), CODEC, several_seeds=True)
    assert (judge.folds, judge.learnt, len(judge.ids)) == (None, True, 70)
    assert judge.rows.labels.tolist() == [i % 4 for i in range(70)]
    assert len(np.unique(judge.rows.groups)) == 14
    assert len(np.unique(judge.rows.parts)) == 5
    assert whole_groups(judge)


def test_where_too_few_labels_are_known_the_held_out_photographs_judge_seeds(store):
    run = store(known=True)
    table = read_photographs(run)
    labels = np.where(np.arange(70) < 40, np.arange(70) % 4, -1)
    table = replace(table, test=table.test.assign(label=labels, **CODEC.decode(labels)))
    write_photographs(table, run)
    assert find_judge(None, run, CODEC, several_seeds=True).folds is not None
    text = refused(None, run, CODEC, several_seeds=False)
    assert "the run's photographs to predict: 40 photos with a label, of 8 groups" in text


def test_a_run_that_kept_no_groups_of_the_photographs_to_predict_is_read(store):
    run = store(known=True)
    table = read_photographs(run)
    write_photographs(replace(table, test=table.test.drop(columns="group")), run)
    judge = find_judge(None, run, CODEC, several_seeds=False)
    assert len(np.unique(judge.rows.groups)) == 70


@pytest.mark.parametrize("how", ["names", "numbers"])
def test_answers_for_the_photographs_to_predict_judge(how, store, tmp_path):
    said = [CLASSES[i % 4] if how == "names" else str(i % 4) for i in range(60)]
    file = listed(tmp_path, [f"test/{i}.png,{own}" for i, own in enumerate(said)], "ImageID,ans")
    judge = find_judge(file, store(), CODEC, several_seeds=True)
    assert judge.rows.labels.tolist() == [i % 4 for i in range(60)]
    assert judge.places[1].endswith("test/1.png")
    assert judge.rows.groups[:6].tolist() == ["t0"] * 5 + ["t1"]


def test_a_list_of_other_photographs_judges(store, tmp_path):
    new = frame(tmp_path, "new", np.arange(60) % 4)
    rows = [f"{own},{CLASSES[i % 4]},n{i // 4}" for i, own in enumerate(new["path"])]
    judge = find_judge(listed(tmp_path, rows, "path,label,group"), store(), CODEC, False)
    assert judge.rows.labels.tolist() == [i % 4 for i in range(60)]
    assert not judge.learnt
    assert whole_groups(judge)


def test_folders_named_by_class_judge(tmp_path, store):
    codec, labels = Codec({"label": ("a", "b")}), np.arange(60) % 2
    run = Store(tmp_path / "of-two")
    train = frame(tmp_path, "of", labels).assign(**codec.decode(labels))
    write_photographs(Photographs(train, None, codec), run)
    for i in range(60):
        (tmp_path / "judge" / "ab"[i % 2]).mkdir(parents=True, exist_ok=True)
        content = f"other {i // 2 * 2 if i < 10 else i}"  # the first ten are five, each twice
        (tmp_path / "judge" / "ab"[i % 2] / f"{i}.png").write_bytes(content.encode())
    judge = find_judge(str(tmp_path / "judge"), run, codec, several_seeds=False)
    assert np.bincount(judge.rows.labels).tolist() == [30, 30]
    assert len(np.unique(judge.rows.groups)) == 55, "copies of a photograph are one group"


def test_what_was_trained_on_cannot_judge(store, tmp_path):
    run = store()
    new = frame(tmp_path, "new", np.arange(60) % 4)
    (tmp_path / "new/7.png").write_bytes(b"train 20")  # a copy under another name
    rows = [f"{own},cat/old,n{i}" for i, own in enumerate(new["path"])]
    rows[9] = rows[9].replace(",n9", ",g3")
    text = refused(listed(tmp_path, rows, "path,label,group"), run, CODEC, False)
    assert "1 of 60 photos were trained on" in text
    assert "new/7.png" in text
    assert "1 group of the training photos (g3) occur in it" in text


def test_what_is_too_little_or_no_class_is_refused_with_what_is_allowed(store, tmp_path):
    run = store()
    rows = [f"test/{i}.png,cat/old" for i in range(49)]
    assert FEW in refused(listed(tmp_path, rows, "ImageID,ans"), run, CODEC, False)
    rows = [f"test/{i}.png,cat/old" for i in range(20)]
    text = refused(listed(tmp_path, rows, "ImageID,ans"), run, CODEC, False)
    assert "20 photos with a label, of 4 groups" in text
    rows = [f"test/{i}.png,{'cow/old' if i == 3 else 'cat/old'}" for i in range(60)]
    text = refused(listed(tmp_path, rows, "ImageID,ans"), run, CODEC, False)
    assert "cow/old" in text
    assert "cat/young" in text
    rows = [f"elsewhere/{i}.png,cat/old" for i in range(60)]
    text = refused(listed(tmp_path, rows, "ImageID,ans"), run, CODEC, False)
    assert "60 of 60 ids are not among the run's photos to predict (elsewhere/0.png" in text
    assert "no such file" in refused(str(tmp_path / "nowhere.csv"), run, CODEC, False)


def test_photographs_that_are_gone_are_named(store, tmp_path):
    run = store(known=True)
    (tmp_path / "test/5.png").unlink()
    assert "test/5.png: No such file" in refused(None, run, CODEC, several_seeds=False)
