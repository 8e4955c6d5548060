"""Tables as pandas, polars, AutoGluon and scikit-learn leave them: read as the same table written plainly."""

from __future__ import annotations

import decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ensembles import BadInput, cast, read_members, read_table
from ensembles.files.parquet import read_oof_table

N, K = 60, 4
NAMES = ["ant", "bee", "cat", "dog"]
P = [f"p{k}" for k in range(K)]


@pytest.fixture
def plain():
    rng = np.random.default_rng(0)
    label = np.arange(N) % K
    logits = rng.normal(size=(N, K))
    logits[np.arange(N), label] += 2
    p = np.exp(logits)
    frame = pd.DataFrame((p / p.sum(axis=1, keepdims=True)).astype(np.float32), columns=P)
    frame.insert(0, "image_id", [f"{i:03d}.jpg" for i in range(N)])
    frame.insert(1, "fold", np.arange(N) // 12)
    frame.insert(2, "label", label)
    return frame


def words(frame, kind=None):
    return frame.assign(label=pd.Series(np.array(NAMES)[frame.label]).astype(kind or object))


def named(frame):
    return frame.rename(columns=dict(zip(P, NAMES, strict=True)))


def decimals(frame):
    def exact(v):
        return decimal.Decimal(str(v))

    return frame.assign(**{c: frame[c].astype(float).round(6).map(exact) for c in P})


LAYOUTS = {
    "c0": lambda f: f.rename(columns={c: "c" + c[1:] for c in P}),
    "prob_0": lambda f: f.rename(columns={c: "prob_" + c[1:] for c in P}),
    "0": lambda f: f.rename(columns={c: c[1:] for c in P}),
    "p1, labels from 1": lambda f: f.rename(columns={c: f"p{int(c[1:]) + 1}" for c in P[::-1]})
    .assign(label=f.label + 1),
    "labels from 1": lambda f: f.assign(label=f.label + 1),
    "labels as floats": lambda f: f.assign(label=f.label.astype(float)),
    "labels as text": lambda f: f.assign(label=f.label.astype(str)),
    "labels as int8": lambda f: f.assign(label=f.label.astype("int8")),
    "words, sorted": words,
    "named by class": lambda f: words(named(f)),
    "named by class, numbers": named,
    "categories": lambda f: words(named(f), "category").astype({"image_id": "category"}),
    "AutoGluon's index": lambda f: words(named(f)).set_index("image_id").rename_axis(None),
    "a named index": lambda f: f.set_index("image_id").rename_axis("stem"),
    "filename": lambda f: f.rename(columns={"image_id": "filename"}),
    "ImageID": lambda f: f.rename(columns={"image_id": "ImageID"}),
    "any unique text": lambda f: f.rename(columns={"image_id": "photograph"}),
    "folds as text": lambda f: f.assign(fold="fold_" + f.fold.astype(str)),
    "folds as floats": lambda f: f.assign(fold=f.fold.astype(float)),
    "float64": lambda f: f.astype(dict.fromkeys(P, float)),
    "decimals": decimals,
    "numbers as text": lambda f: f.astype(dict.fromkeys(P, str)),
    "capitals": lambda f: f.rename(columns=str.upper),
    "another prefix": lambda f: f.rename(columns={c: "model" + c[1:] for c in P})[
        ["image_id", "model1", "fold", "model3", "model0", "label", "model2"]
    ],
    "an empty group": lambda f: f.assign(group=None),
    "a target": lambda f: f.rename(columns={"label": "target"}),
    "other columns": lambda f: f.assign(age=np.arange(N), note="x", loss=0.5),
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_a_layout_is_read_as_the_plain_table(tmp_path, plain, layout, ending):
    frame = LAYOUTS[layout](plain.copy())
    index = not isinstance(frame.index, pd.RangeIndex)
    place = tmp_path / f"oof.{ending}"
    frame.to_parquet(place, index=index) if ending == "parquet" else frame.to_csv(
        place, index=index
    )
    table = read_oof_table(place)
    assert table.ids.tolist() == plain.image_id.tolist()
    assert table.label.tolist() == plain.label.tolist()
    assert table.fold.tolist() == plain.fold.tolist()
    np.testing.assert_allclose(table.probabilities, plain[P].to_numpy(), atol=2e-6)


@pytest.mark.parametrize("kind", [pa.large_string(), pa.dictionary(pa.int8(), pa.large_string())])
def test_arrows_own_kinds_of_text_are_ids(tmp_path, plain, kind):
    found = pa.Table.from_pandas(plain, preserve_index=False)
    ids = found["image_id"].cast(pa.string()).combine_chunks()
    ids = ids.dictionary_encode().cast(kind) if pa.types.is_dictionary(kind) else ids.cast(kind)
    pq.write_table(found.set_column(0, "image_id", ids), tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet").ids.tolist() == plain.image_id.tolist()


def test_whole_numbers_are_ids_and_keep_their_zeros_in_a_csv(tmp_path, plain):
    plain.assign(image_id=np.arange(N)).to_parquet(tmp_path / "t.parquet")
    plain.assign(image_id=[f"{i:04d}" for i in range(N)]).to_csv(tmp_path / "t.csv", sep=";")
    assert read_table(tmp_path / "t.parquet").ids.tolist() == [str(i) for i in range(N)]
    assert read_table(tmp_path / "t.csv").ids.tolist() == [f"{i:04d}" for i in range(N)]


@pytest.mark.parametrize("unknown", [-1, np.nan, None, "", "nan"])
def test_a_test_table_may_hold_labels_that_are_not_known(tmp_path, plain, unknown):
    test = plain.drop(columns="fold").assign(label=unknown)
    test.to_parquet(tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet").label is None
    with pytest.raises(BadInput, match=r"`label` is not known in 60 rows"):
        read_oof_table(tmp_path / "t.parquet")


REFUSED = {
    "lists": (lambda f: f.assign(image_id=[[1]] * N), ["`image_id` holds list<"]),
    "bytes": (lambda f: f.assign(image_id=[b"x%d" % i for i in range(N)]), ["`image_id` holds binary"]),
    "dicts": (lambda f: f.assign(label=[{"a": 1}] * N), ["`label` is struct<"]),
    "probabilities in a list": (
        lambda f: f[["image_id", "label"]].assign(probs=f[P].to_numpy().tolist()),
        ["`probs` holds list<", "one column a class"],
    ),
    "two ids": (
        lambda f: f.rename(columns={"image_id": "id"}).assign(filename=f.image_id),
        ["each of id, filename could be the ids"],
    ),
    "no ids": (lambda f: f.drop(columns="image_id"), ["no column `image_id`; there are fold, label"]),
    "other words": (
        lambda f: named(f).assign(label="fox"),
        ["`label` has fox, but the classes are ant, bee, cat, dog"],
    ),
    "fewer words": (
        lambda f: f.assign(label=np.where(f.label > 1, "x", "y")),
        ["2 different words (x, y) for 4 columns"],
    ),
    "two truths for four classes": (lambda f: f.assign(label=f.label > 1), ["2 different words"]),
    "half a label": (lambda f: f.assign(label=f.label + 0.5), ["`label` is double with 0.5"]),
    "beyond the classes": (lambda f: f.assign(label=f.label * 2), ["`label` outside 0..3 in"]),
    "numbered from 1": (
        lambda f: f[f.label < 3].assign(label=f.label + 1),
        ["no row has the label 0", "numbered from 1"],
    ),
    "scores": (lambda f: f.assign(p0=f.p0 * 0.5), ["do not sum to 1 within 0.002", "softmax"]),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_refused_with_its_column(tmp_path, plain, case):
    change, texts = REFUSED[case]
    change(plain).to_parquet(tmp_path / "t.parquet", index=False)
    with pytest.raises(BadInput) as refused:
        read_oof_table(tmp_path / "t.parquet")
    (problem,) = refused.value.problems
    for text in texts:
        assert text in problem


# -- several members ---------------------------------------------------------------------------


def write(folder, frames, kind="oof"):
    for name, frame in frames.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        frame.to_parquet(folder / name / f"{kind}.parquet", index=False)
    return folder


def test_columns_named_by_class_are_brought_into_one_order(tmp_path, plain):
    b = words(named(plain))[["label", "dog", "image_id", "bee", "fold", "cat", "ant"]]
    tables = read_members(write(tmp_path, {"a": words(named(plain)), "b": b}), "oof")
    assert tables["b"].classes == NAMES
    np.testing.assert_array_equal(tables["b"].probabilities, tables["a"].probabilities)
    np.testing.assert_array_equal(tables["b"].label, tables["a"].label)


def test_folders_that_systems_leave_are_no_members(tmp_path, plain):
    write(tmp_path, dict.fromkeys(("a", "b", ".ipynb_checkpoints", "__MACOSX"), plain))
    (tmp_path / "votes").mkdir()
    (tmp_path / "b" / "._oof.parquet").write_bytes(b"\0")
    tables = read_members(tmp_path, "oof")
    assert list(tables) == ["a", "b"]
    hidden, empty = cast(tables, None, "soft").notes[:2]
    assert hidden.endswith("no members: .ipynb_checkpoints, __MACOSX.")
    assert empty.endswith("no members: votes.")


def test_folds_that_no_table_has_are_drawn_alike_in_any_order_and_by_group(tmp_path, plain):
    frame = plain.drop(columns="fold").assign(group=[f"g{i % 15}" for i in range(N)])
    tables = read_members(
        write(tmp_path, {"a": frame, "b": frame.sample(frac=1, random_state=1)}), "oof"
    )
    vote = cast(tables, None, "weighted", "log_loss")
    assert any("a, b: no column `fold`: 5 parts were drawn by group" in n for n in vote.notes)
    by_group = pd.DataFrame({"g": tables["a"].group, "fold": tables["a"].fold}).groupby("g")
    assert (by_group["fold"].nunique() == 1).all()


def test_a_fold_or_label_that_one_member_lacks_is_anothers(tmp_path, plain):
    bare = plain.drop(columns=["fold", "label"]).sample(frac=1, random_state=1)
    b = read_members(write(tmp_path, {"a": plain, "b": bare}), "oof")["b"]
    expected = plain.set_index("image_id").loc[b.ids]
    assert b.fold.tolist() == expected.fold.tolist()
    assert b.label.tolist() == expected.label.tolist()


def test_repeated_cross_validation_is_averaged(tmp_path, plain):
    rng = np.random.default_rng(1)
    repeats = []
    for _ in range(3):
        own = plain.assign(fold=rng.permutation(N) % 5)
        own[P] = rng.dirichlet(np.ones(K), N)
        repeats.append(own)
    together = pd.concat(repeats).sample(frac=1, random_state=2)
    table = read_members(write(tmp_path, {"a": together}), "oof")["a"]
    expected = together.groupby("image_id")[P].mean().loc[table.ids]
    np.testing.assert_allclose(table.probabilities, expected.to_numpy(), atol=1e-6)
    assert "180 rows of 60 photographs, 3 of each: averaged" in table.notes[0]
    together["label"] = (together["label"] + (together["fold"] == 0)) % K
    with pytest.raises(BadInput, match="another `label`"):
        read_members(write(tmp_path / "other", {"a": together}), "oof")
    with pytest.raises(BadInput, match="twice"):
        read_members(write(tmp_path, {"a": together}, "test"), "test")


def test_a_csv_beside_the_parquet_is_not_read_and_named(tmp_path, plain):
    write(tmp_path, {"a": plain})
    plain.assign(p0=0).to_csv(tmp_path / "a" / "oof.csv")
    table = read_members(tmp_path, "oof")["a"]
    assert table.notes == ("oof.parquet was read, oof.csv beside it was not.",)
