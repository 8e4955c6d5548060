"""A member may see a copy of the photographs; labels, folds, ids and order stay the originals'."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from members.pixels.decode import decode
from members.samples.people import draw_people
from orchestrator.errors import WrongRequest
from orchestrator.photographs.files import write_photographs
from orchestrator.photographs.prepare import prepare_photographs
from orchestrator.photographs.table import Photographs
from orchestrator.runs.store import Store
from orchestrator.spec import load
from orchestrator.spec.spec import Spec
from orchestrator.units import unit as units
from orchestrator.units.assemble import assemble
from orchestrator.units.record import write_record
from orchestrator.worker.inputs import Inputs
from tests.orchestrator import in_process
from tests.orchestrator.records import record

SPEC = """\
name: c
data:
  train: photos/train
  test: photos/eval
  copies: {dark: {train: dark/train, test: dark/eval}, unused: {train: nowhere}}
folds: {k: 2}
defaults: {model: test_resnet, image_size: [32, 32], epochs: 1, batch_size: 32}
members:
  - {name: plain}
  - {name: cut, photos: dark}
"""


def darkened(source: Path, target: Path) -> None:
    """A copy with every photo darker and of half the size, and nothing else in it."""
    for file in source.rglob("*.jpg"):
        picture = Image.fromarray(decode(file) // 2).resize((24, 32))
        to = target / file.relative_to(source)
        to.parent.mkdir(parents=True, exist_ok=True)
        picture.save(to, quality=95)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("people")
    draw_people(folder / "photos", profiles=6, eval=8, seed=3, size=(64, 48))
    for part in ("train", "eval"):
        darkened(folder / "photos" / part, folder / "dark" / part)
    return folder


@pytest.fixture
def work(tmp_path, prepared, monkeypatch) -> Path:
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENSEMBLE_CACHE", str(tmp_path / "cache"))
    return tmp_path


def spec(text: str = SPEC) -> Spec:
    Path("spec.yaml").write_text(text)
    return load("spec.yaml")


def photographs(text: str = SPEC) -> Photographs:
    return prepare_photographs(spec(text)).photographs


def problems(text: str) -> list[str]:
    with pytest.raises(WrongRequest) as caught:
        spec(text)
    return caught.value.problems


# -- which pictures ----------------------------------------------------------------------------


def test_a_copy_supplies_pictures_for_the_originals_rows(work):
    both, originals = photographs(), photographs(SPEC.replace(", photos: dark", ""))
    for one, other in ((both.train, originals.train), (both.test, originals.test)):
        pd.testing.assert_frame_equal(one[other.columns], other)
        assert set(one.columns) - set(other.columns) == {"path@dark", "digest@dark"}
        for path, copy in zip(one["path"], one["path@dark"], strict=True):
            assert Path(copy).relative_to(work / "dark") == Path(path).relative_to(work / "photos")
        assert (one["digest"] != one["digest@dark"]).all()


def test_a_member_of_a_copy_comes_out_as_if_the_copy_were_the_originals(work, tmp_path):
    """The worker's whole way: training, out-of-fold rows, test rows."""
    shutil.copy("photos/train/train.csv", "dark/train/train.csv")
    shutil.copy("photos/eval/info.csv", "dark/eval/info.csv")
    swapped = SPEC.replace("photos/", "dark/").replace(", photos: dark", "")
    tables = []
    for text, name in ((SPEC, "with"), (swapped, "as originals")):
        read, found, store = spec(text), photographs(text), Store(tmp_path / name)
        write_photographs(found, store)
        of_member = units.of_member(read.member("cut"), found)
        in_process.carry_out(
            in_process.work(store, of_member, tmp_path / "cache"), lambda values: None
        )
        assert assemble(read.member("cut"), found, store)
        tables.append(
            [pd.read_parquet(store.uri(f"tables/cut/{kind}.parquet")) for kind in ("oof", "test")]
        )
    for one, other in zip(*tables, strict=True):
        pd.testing.assert_frame_equal(one, other, check_exact=True)


def test_members_of_the_originals_and_of_a_copy_share_a_worker_and_not_their_pictures(work):
    found, store = photographs(), Store(work / "run")
    write_photographs(found, store)
    inputs = Inputs(store, str(work / "cache"))
    shown = {
        member.name: inputs.photos(units.of_member(member, found)[0], "train").pixels[:]
        for member in spec().members
    }
    assert shown["cut"].mean() < 0.6 * shown["plain"].mean()


# -- hashes ------------------------------------------------------------------------------------


def hashes(found: Photographs) -> dict[str, str]:
    return {member.name: units.member_hash(member, found) for member in spec().members}


def changed(path: str) -> None:
    Image.fromarray(np.zeros((32, 24, 3), np.uint8)).save(path)


def test_a_copy_that_changes_concerns_those_who_see_it_and_nobody_else(work):
    before = hashes(photographs())
    originals = photographs(SPEC.replace(", photos: dark", ""))
    assert before["plain"] == units.member_hash(spec().member("plain"), originals)
    assert before["plain"] != before["cut"]
    changed(str(next(Path("dark/train").rglob("*.jpg"))))
    after = hashes(photographs())
    assert after["plain"] == before["plain"]
    assert after["cut"] != before["cut"]


def test_new_test_pictures_of_a_copy_are_asked_again_where_it_is_seen(work):
    before = photographs()
    changed(str(next(Path("dark/eval").rglob("*.jpg"))))
    after = photographs()
    assert hashes(after) == hashes(before)
    assert after.test_hash_of(None) == before.test_hash_of(None) == before.test_hash
    assert after.test_hash_of("dark") != before.test_hash_of("dark")
    store = Store(work / "run")
    (plain, _), (cut, _) = (units.of_member(member, before) for member in spec().members)
    for unit in (plain, cut):
        store.write(f"{unit.path}/oof.parquet", b"rows")
        own = {"hash": unit.hash, "fold": unit.fold, "seed": unit.seed}
        own |= {"digests": {"oof.parquet": "0" * 64}, "sizes": {"oof.parquet": 4}}
        asked = before.test_hash_of(unit.member.photos)
        write_record(unit.path, record(test_hash=asked, **own), store)
        assert units.is_done(unit, store, before.test_hash_of(unit.member.photos))
    assert units.is_done(plain, store, after.test_hash_of(None))
    assert not units.is_done(cut, store, after.test_hash_of("dark"))


def test_without_a_test_part_a_copy_needs_none(work):
    found = photographs(SPEC.replace("  test: photos/eval\n", "").replace(", test: dark/eval", ""))
    assert found.test is None
    assert found.test_hash_of("dark") == ""


# -- other layouts -----------------------------------------------------------------------------


@pytest.mark.parametrize("root", [False, True])
def test_a_table_s_photos_are_found_by_their_paths_below_the_root(work, root):
    rows = photographs().train.assign(label=lambda f: f["label"] % 3)
    where = work / ("lists" if root else "photos/train")
    where.mkdir(exist_ok=True)
    rows["path"] = [str(Path(path).relative_to(work / "photos/train")) for path in rows["path"]]
    rows[["path", "label", "group"]].to_csv(where / "list.csv", index=False)
    head = f"{{layout: table, train: {where}/list.csv" + (", root: photos/train" if root else "")
    text = SPEC[SPEC.index("folds") :]
    found = photographs(f"name: c\ndata: {head}, copies: {{dark: {{train: dark/train}}}}}}\n{text}")
    assert [Path(p).relative_to(work / "dark/train").as_posix() for p in found.train["path@dark"]] \
        == rows["path"].tolist()  # fmt: skip


def test_folders_by_class_have_copies_by_class(work):
    for i, file in enumerate(sorted(Path("photos/train").rglob("*.jpg"))):
        for place in ("classes", "dark_classes"):
            (work / place / "ab"[i % 2]).mkdir(parents=True, exist_ok=True)
            shutil.copy(file, work / place / "ab"[i % 2] / f"{i}.jpg")
    text = "data: {layout: folders, train: classes, copies: {dark: {train: dark_classes}}}\n"
    found = photographs("name: c\n" + text + SPEC[SPEC.index("folds") :])
    assert [Path(p).relative_to(work / "dark_classes").as_posix() for p in found.train["path@dark"]] \
        == found.train["image_id"].tolist()  # fmt: skip


def test_photos_outside_the_folder_have_no_place_in_a_copy(work, command):
    elsewhere = sorted((work / "photos/train").rglob("*.jpg"))
    (work / "lists").mkdir()
    rows = pd.DataFrame({"path": map(str, elsewhere), "label": [i % 2 for i in range(42)]})
    rows.to_csv("lists/list.csv", index=False)
    text = "data: {layout: table, train: lists/list.csv, copies: {dark: {train: dark/train}}}\n"
    spec("name: c\n" + text + SPEC[SPEC.index("folds") :])
    code, _, err = command("check", "spec.yaml")
    assert code == 2
    assert "42 photos lie outside" in err
    assert "Give `root`" in err


# -- mistakes ----------------------------------------------------------------------------------


def test_photos_missing_in_a_copy_are_named_with_the_command_that_makes_them(work, command):
    lost = sorted(Path("dark/train").rglob("*.jpg"))[:5]
    for file in lost:
        file.unlink()
    shutil.rmtree("dark/eval")
    spec()
    for name in ("check", "train-members"):
        code, _, err = command(name, "spec.yaml")
        assert code == 2
        assert "data.copies.dark.train: 5 of 42 photos are missing" in err
        assert lost[0].relative_to("dark/train").as_posix() in err
        assert "data.copies.dark.test: 8 of 8 photos are missing" in err
        made = "python -m orchestrator prepare --remove-background"
        assert f"{made} {work}/photos/train {work}/dark/train" in err
        assert f"{made} {work}/photos/eval {work}/dark/eval" in err
    assert not Path("runs/c/units").exists()


def test_a_damaged_photo_of_a_copy_stops_what_would_see_it(work, command):
    damaged = next(Path("dark/train").rglob("*.jpg"))
    damaged.write_bytes(damaged.read_bytes()[:200])
    spec()
    code, _, err = command("check", "spec.yaml")
    assert code == 2
    assert str(damaged) in err
    photographs(SPEC.replace(", photos: dark", ""))  # nobody sees it


def test_a_crop_must_fit_the_copy_that_the_member_sees(work, command):
    spec(SPEC.replace("photos: dark", "photos: dark, crop: [60, 40]"))
    code, _, err = command("check", "spec.yaml")
    assert code == 2
    assert "larger than 42 photos" in err  # the copy's are 32 x 24
    spec(SPEC.replace("{name: plain}", "{name: plain, crop: [60, 40]}"))
    photographs(Path("spec.yaml").read_text())


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("photos: dark", "photos: drak", "unknown copy 'drak'. Did you mean 'dark'?"),
        (", test: dark/eval", "", "data has a `test`, and it has none"),
        ("  test: photos/eval\n", "", "it has a `test`, and data has none"),
        ("train: dark/train", "trian: dark/train", "Did you mean 'train'?"),
        ("dark: {", "../dark: {", "letters, digits"),
    ],
)
def test_wrong_copies_are_refused_with_their_line(work, old, new, problem):
    found = problems(SPEC.replace(old, new, 1))
    assert any(problem in text and "spec.yaml, line" in text for text in found), found


def test_a_copy_without_data_copies_says_how_to_write_them(work):
    start, end = SPEC.index("  copies"), SPEC.index("folds")
    (text,) = problems(SPEC[:start] + SPEC[end:])
    assert "members.cut.photos: got 'dark'" in text
    assert "copies: {NAME: {train: DIR, test: DIR}}" in text


def test_copies_survive_the_resolved_spec_and_the_way_to_a_worker(work):
    read = spec()
    Path("resolved.yaml").write_text(read.to_yaml())
    assert load("resolved.yaml") == read
    (unit, _) = units.of_member(read.member("cut"), photographs())
    assert units.Unit.from_config(json.loads(json.dumps(unit.to_config()))) == unit


# -- the command -------------------------------------------------------------------------------


def test_prepare_makes_the_copy_that_a_spec_asks_for(work, command):
    shutil.rmtree("dark")
    for part in ("train", "eval"):
        code, out, _ = command(
            "prepare", "--remove-background", f"photos/{part}", f"dark/{part}",
            "--json", f"{part}.json",
        )  # fmt: skip
        assert code == 0
    assert "8 photos made, 0 were done before, 2 other files" in out
    report = json.loads(Path("eval.json").read_text())
    assert len(report["kept"]) == report["photos"] == 8
    mean = ", ".join(f"{value:.4f}" for value in report["statistics"]["mean"])
    assert f"normalize: {{mean: [{mean}], std: [" in out
    normalize = out.split("normalize: ")[-1].strip()
    text = SPEC.replace("photos: dark", f"photos: dark, normalize: {normalize}")
    assert spec(text).member("cut").recipe.normalize.mean == tuple(report["statistics"]["mean"])
    assert command("check", "spec.yaml")[0] == 0
    code, out, _ = command("prepare", "--remove-background", "photos/eval", "dark/eval")
    assert code == 0
    assert "0 photos made, 8 were done before" in out


def test_prepare_names_every_bad_photo_and_makes_the_others(work, command):
    bad = sorted(Path("photos/train").rglob("*.jpg"))[3:6]
    for file in bad:
        file.write_bytes(b"")
    code, out, err = command("prepare", "--remove-background", "photos/train", "copy")
    assert code == 2
    assert "39 photos made" in out
    assert "3 mistakes" in err
    assert all(f"{file}: has zero bytes" in err for file in bad)


def test_prepare_lists_suspicious_photos(work, command, monkeypatch):
    monkeypatch.setattr(
        "members.pixels.background.without_background",
        lambda photo: (photo, 0.5 + 0.49 * (photo[0, 0, 0] > 0)),
    )
    for i, level in enumerate((0, 255, 0)):
        Path("few").mkdir(exist_ok=True)
        Image.fromarray(np.full((32, 32, 3), level, np.uint8)).save(f"few/{i}.png")
    code, out, _ = command("prepare", "--remove-background", "few", "copy")
    assert code == 0
    assert "1 photos are suspicious (kept below 5% or above 95%)" in out
    assert "  1.png  99.0%" in out


def test_prepare_must_be_told_what_to_do(work, command):
    code, _, err = command("prepare", "photos/train", "copy")
    assert code == 2
    assert "prepare --remove-background photos/train copy" in err
    assert not Path("copy").exists()
