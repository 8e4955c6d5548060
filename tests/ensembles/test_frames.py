"""Frames given to `VoteClassifier`: names of columns and the index are used or refused."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.base import clone

from ensembles import BadInput, VoteClassifier

SOFT = VoteClassifier(mode="soft", top=2)


@pytest.fixture
def parts(draw):
    """Four members' (N, K) over classes '0'..'11', columns in the order of the numbers, and y."""
    probabilities, labels = draw(4, 360, 12)
    return probabilities, labels


def frames(probabilities, columns, index=None):
    return {
        name: pd.DataFrame(own, index=index, columns=columns)
        for name, own in zip("abcd", probabilities, strict=True)
    }


def expected(probabilities, y):
    """Of arrays in the order of y's numbers."""
    return VoteClassifier(objective="log_loss").fit(list(probabilities), y)


def same(model, tables, right, arrays):
    np.testing.assert_allclose(model.weights_, right.weights_, atol=1e-12)
    found = model.predict(tables).astype(int)
    np.testing.assert_array_equal(found, right.predict(list(arrays)))
    return found


@pytest.mark.parametrize(
    "name_of",
    [str, int, float, lambda k: f"p{k}", lambda k: f"prob_{k}", lambda k: np.int64(k)],
)
def test_columns_in_any_order_are_taken_by_name(parts, name_of):
    arrays, y = parts
    right = expected(arrays, y)
    shuffle = np.random.default_rng(0).permutation(12)
    columns = [name_of(k) for k in shuffle]
    tables = frames(arrays[:, :, shuffle], columns)
    model = VoteClassifier(objective="log_loss").fit(tables, y)
    assert model.classes_.tolist() == list(range(12))
    found = same(model, tables, right, arrays)
    assert model.score(tables, y) == np.mean(found == y)
    turned = {name: own[own.columns[::-1]] for name, own in tables.items()}
    np.testing.assert_array_equal(model.predict(turned), found)


@pytest.mark.parametrize(
    "columns", [list(map(str, range(12))), list(range(12)), [f"p{k}" for k in range(12)]]
)
def test_numbers_as_text_are_not_mistaken_for_their_order_as_text(parts, columns):
    arrays, y = parts
    right = expected(arrays, y)
    words = np.array([str(k) for k in y])
    tables = frames(arrays, columns)
    model = VoteClassifier(objective="log_loss").fit(tables, words)
    assert model.classes_.tolist() == sorted(map(str, range(12)))
    same(model, tables, right, arrays)
    with pytest.raises(BadInput, match="an array, but fitted was a frame"):
        model.predict(list(arrays))
    with pytest.raises(BadInput, match=r"numbers as text.*either order"):
        VoteClassifier().fit(arrays, words)
    positions = frames(arrays, [f"p{k + 1}" for k in range(12)])
    with pytest.raises(BadInput, match="numbers as text"):
        VoteClassifier().fit(positions, words)


def test_columns_named_otherwise_are_refused_with_what_differs(draw):
    arrays, labels = draw(4, 120, 3)
    y = np.array(["ash", "birch", "cedar"])[labels]
    for columns, text in (
        (["ash", "birch", "date"], "no column cedar; no class date"),
        (["ash", "birch", "birch"], "stand there twice: birch"),
    ):
        with pytest.raises(BadInput, match=text):
            VoteClassifier().fit(frames(arrays, columns), y)
    tables = frames(arrays, ["cedar", "ash", "birch"])
    tables["b"]["image_id"] = "x"
    with pytest.raises(BadInput, match=r"member b: shape \(120, 4\)"):
        VoteClassifier().fit(tables, y)
    numbered = frames(arrays, ["prob_2", "prob_0", "prob_1"])
    by_place = {n: own[["prob_0", "prob_1", "prob_2"]] for n, own in numbered.items()}
    first, second = (VoteClassifier(mode="soft", top=2).fit(t, y) for t in (numbered, by_place))
    np.testing.assert_array_equal(first.predict(numbered), second.predict(by_place))


def test_a_class_without_rows_is_named_by_its_column(draw):
    arrays, labels = draw(3, 200, 4)
    labels[labels == 2] = 1
    names = np.array(["ash", "birch", "cedar", "date"])
    tables = {
        name: pd.DataFrame(own[:, ::-1], columns=names[::-1])
        for name, own in zip("abc", arrays, strict=True)
    }
    model = VoteClassifier(objective="log_loss").fit(tables, names[labels])
    assert model.classes_.tolist() == names.tolist()
    right = VoteClassifier(objective="log_loss").fit(list(arrays), labels)
    np.testing.assert_array_equal(model.predict(tables), names[right.predict(list(arrays))])


def test_a_permuted_index_is_brought_into_ys_order(parts):
    arrays, y = parts
    right = expected(arrays, y)
    rng = np.random.default_rng(3)
    for index in (
        pd.RangeIndex(360),
        [f"img_{i:03}" for i in range(360)],
        pd.MultiIndex.from_arrays([np.arange(360) // 10, np.arange(360) % 10]),
    ):
        tables = frames(arrays, range(12), index)
        tables["c"] = tables["c"].iloc[rng.permutation(360)]
        target = pd.Series(y, index=tables["a"].index).iloc[rng.permutation(360)]
        for labels in (pd.Series(y, index=tables["a"].index), y, target):
            model = VoteClassifier(objective="log_loss").fit(tables, labels)
            np.testing.assert_allclose(model.weights_, right.weights_, atol=1e-9)
        np.testing.assert_array_equal(model.predict(tables), right.predict(list(arrays)))
        truth = np.mean(right.predict(list(arrays)) == y)
        assert model.score(tables, target) == pytest.approx(truth)
        assert model.score(tables, y) == pytest.approx(truth) or labels is target


def test_groups_and_folds_go_by_their_own_index(parts):
    arrays, y = parts
    ids = [f"i{i:03}" for i in range(360)]
    groups, folds = pd.Series(np.arange(360) // 4, ids), pd.Series(np.arange(360) // 4 % 3, ids)
    tables, target = frames(arrays, range(12), ids), pd.Series(y, ids)
    right = VoteClassifier(objective="macro_f1").fit(tables, target, groups, folds)
    found = VoteClassifier(objective="macro_f1").fit(
        tables, target, groups[::-1], folds.sample(frac=1, random_state=0)
    )
    assert found.vote_.estimate == right.vote_.estimate
    with pytest.raises(BadInput, match="groups: 1 labels of y's index are missing: i000"):
        VoteClassifier().fit(tables, target, groups.rename({"i000": "x"}))
    with pytest.raises(BadInput, match="folds: 1 of 360 are missing"):
        VoteClassifier().fit(tables, target, groups, folds.where(folds.index != "i001"))


def test_rows_that_cannot_be_placed_are_refused(parts):
    arrays, y = parts
    ids = np.array([f"i{i:03}" for i in range(360)])
    tables, target = frames(arrays, range(12), ids), pd.Series(y, ids)
    other = {**tables, "b": tables["b"].rename({"i005": "zz"})}
    with pytest.raises(BadInput, match="member b: 1 labels of y's index are missing: i005"):
        VoteClassifier().fit(other, target)
    turned = {**tables, "b": tables["b"][::-1]}
    with pytest.raises(BadInput, match="member d: no index, but the rows of the others"):
        VoteClassifier().fit({**turned, "d": arrays[3]}, target)
    twice = {**tables, "b": tables["b"].rename({"i005": "i006"})}
    with pytest.raises(BadInput, match="member b: labels that stand twice in its index: i006"):
        VoteClassifier().fit(twice, target)
    two = {"a": tables["a"], "b": tables["b"][::-1]}
    with pytest.raises(BadInput, match="y has no index that tells"):
        VoteClassifier().fit(two, y)


def test_one_order_needs_no_index(parts):
    """Arrays and pandas' own 0, 1, ... beside frames that all stand in one order, even with labels
    that stand twice, cannot be read otherwise."""
    arrays, y = parts
    right = expected(arrays, y)
    ids = [f"i{i // 2}" for i in range(360)]
    tables = frames(arrays, range(12), ids)
    mixed = {
        "a": tables["a"],
        "b": arrays[1],
        "c": pd.DataFrame(arrays[2]),
        "d": arrays[3].tolist(),
    }
    for labels in (y, y.tolist(), pd.Series(y), pd.Series(y, ids)):
        model = VoteClassifier(objective="log_loss").fit(mixed, labels)
        np.testing.assert_array_equal(model.weights_, right.weights_)


def test_members_in_another_order_at_predict(parts):
    arrays, y = parts
    tables = frames(arrays, range(12), [f"i{i}" for i in range(360)])
    model = VoteClassifier(objective="log_loss").fit(tables, y)
    shuffled = {n: tables[n].iloc[::-1] if n == "a" else tables[n] for n in "dbac"}
    np.testing.assert_array_equal(model.predict_proba(shuffled), model.predict_proba(tables))
    assert model.column_names_in_["a"] == list(range(12))
    assert clone(model).get_params() == model.get_params()


def test_arrow_tables_and_arrays(parts):
    arrays, y = parts
    right = expected(arrays, y)
    tables = {
        n: pa.table({str(k): own[:, k] for k in reversed(range(12))})
        for n, own in zip("abcd", arrays, strict=True)
    }
    model = VoteClassifier(objective="log_loss").fit(tables, pa.chunked_array([y[:100], y[100:]]))
    same(model, tables, right, arrays)


def test_a_frame_of_no_library_is_read_by_its_columns(parts):
    class Frame:
        def __init__(self, values, columns):
            self._values, self.columns = values, columns

        def to_numpy(self):
            return self._values

    arrays, y = parts
    tables = [Frame(own[:, ::-1], list(map(str, range(12)))[::-1]) for own in arrays]
    model = VoteClassifier(objective="log_loss").fit(tables, y)
    same(model, tables, expected(arrays, y), arrays)


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_rounded_rows_are_scaled_and_said(parts, dtype):
    arrays, y = parts
    rounded = arrays.astype(dtype) if dtype == np.float16 else arrays.astype(float).round(3)
    model = VoteClassifier(mode="soft").fit(list(rounded), y)
    assert any("scaled to sum to 1" in note for note in model.vote_.notes)


def test_bool_and_categorical_labels(draw):
    arrays, labels = draw(3, 120, 2)
    model = VoteClassifier(mode="soft").fit(list(arrays), labels.astype(bool))
    assert model.classes_.tolist() == [False, True]
    tables = [pd.DataFrame(own[:, ::-1], columns=["True", "False"]) for own in arrays]
    np.testing.assert_array_equal(model.predict(tables), model.predict(list(arrays)))
    arrays, labels = draw(3, 120, 3)
    y = pd.Categorical.from_codes(labels, ["low", "mid", "high"])
    with pytest.raises(BadInput, match="categories of y are in the order low, mid, high"):
        VoteClassifier().fit(list(arrays), pd.Series(y))
    tables = [pd.DataFrame(own, columns=["low", "mid", "high"]) for own in arrays]
    model = VoteClassifier(mode="soft").fit(tables, pd.Series(y))
    assert model.score(tables, pd.Series(y)) == VoteClassifier(mode="soft").fit(
        list(arrays), labels
    ).score(list(arrays), labels)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda p, y: (p, np.eye(12)[y]), "one-hot.*argmax"),
        (lambda p, y: (p, pd.DataFrame(np.eye(12, dtype=int)[y])), "one-hot.*idxmax"),
        (lambda p, y: (p, y[:, None]), "ravel"),
        (lambda p, y: (p, np.where(y == 3, np.nan, y)), "labels are missing.*first in row"),
        (lambda p, y: (p, [None if k == 3 else str(k) for k in y]), "labels are missing"),
        (lambda p, y: (p, ["a" if k == 3 else np.nan for k in y]), "labels are missing"),
        (lambda p, y: (p, np.array([np.nan if k == 3 else "w" for k in y])), "labels are missing"),
        (lambda p, y: (p, pd.Series(y, dtype="Int64").where(y != 3)), "labels are missing"),
        (lambda p, y: (p, [str(k) if k else 0 for k in y]), "several types, int"),
        (lambda p, y: (np.log(p), y), "log-probabilities.*np.exp"),
        (lambda p, y: (100 * p, y), "percentages"),
        (lambda p, y: (np.log(p + 1e-9) + 5, y), "not logits"),
        (lambda p, y: (pd.DataFrame(p[0]), y), "one DataFrame"),
        (lambda p, y: ({1: p[0], "1": p[1]}, y), "two members of one name"),
        (lambda p, y: ([p[0].astype(str)], y), "no numbers"),
        (
            lambda p, y: ([pd.DataFrame(p[0]).assign(**{"11": "x"}).drop(columns=0)], y),
            "no numbers in column 11",
        ),
        (lambda p, y: ([p[0, :, :1]], (y > 3).astype(int)), "both: 1 - p and p"),
        (lambda p, y: (p[:, :0], y[:0]), "no rows"),
    ],
)
def test_what_is_no_label_or_probability_is_refused(parts, change, text):
    with pytest.raises(BadInput, match=text):
        VoteClassifier().fit(*change(*parts))


def test_numbered_columns_beside_labels_that_end_like_some_of_them(draw):
    """Of 41 text labels sorted as text, '5' stands at 35, where `prob_35` would be its column."""
    arrays, labels = draw(2, 410, 41)
    labels[:41] = np.arange(41)
    y = np.array([str(k + 1) for k in labels])
    frames_ = [pd.DataFrame(own, columns=[f"prob_{k}" for k in range(41)]) for own in arrays]
    with pytest.raises(BadInput, match="numbers as text"):
        VoteClassifier(mode="soft").fit(frames_, y)


def test_labels_of_another_type_are_not_scored_as_wrong(parts):
    arrays, y = parts
    model = VoteClassifier(mode="soft").fit(list(arrays), y)
    with pytest.raises(BadInput, match="none of the classes that were fitted"):
        model.score(list(arrays), y.astype(str))


def test_a_bool_class_that_does_not_occur_is_not_made_of_a_name(draw):
    arrays, labels = draw(2, 50, 2)
    tables = [pd.DataFrame(own, columns=["False", "True"]) for own in arrays]
    with pytest.raises(BadInput, match="1 different labels"):
        VoteClassifier().fit(tables, labels > -1)
