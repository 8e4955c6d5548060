"""A hard vote takes classes: scores, arrays, missing values and ids are refused as what they are."""

import tracemalloc

import numpy as np
import pytest

from ensembles import BadInput, cast_submissions, read_soft_submissions, read_submission


def rows(answers, header="ImageID,ans"):
    return header + "\n" + "".join(f'{i}.jpg,"{a}"\n' for i, a in enumerate(answers))


@pytest.mark.parametrize(
    ("answers", "texts"),
    [
        (["1.83", "2.5", "3.0"], ["scores, not classes: 1.83, 2.5", "round a regression"]),
        (["0.52", "0.1", "1.0"], ["scores", "positive class vote with --mode soft"]),
        (["-3.1", "2", "1"], ["scores", "line 2"]),
        (["1.0", "2.00", "3.5"], ["scores, not classes: 3.5 in line 4"]),
        (["inf", "1", "2"], ["scores, not classes: inf in line 2"]),
        (["cat", "0.5", "dog"], ["scores", "line 3", "Write the class in these rows too"]),
        (["[0.1 0.9]", "[0.8 0.2]"], ["a soft file", "--mode soft"]),
        (["tensor([0.1, 0.9])", "tensor([1., 0.])"], ["a soft file"]),
        (["0.1 0.9", "0.8 0.2"], ["a soft file"]),
        (["{'cat': 0.1, 'dog': 0.9}", "{'cat': 1.0, 'dog': 0.0}"], ["arrays of scores"]),
        ([f"id{i}" for i in range(60)], ["60 different answers in 60 rows", "no classes"]),
    ],
)
def test_scores_are_refused_with_what_to_do(file, answers, texts):
    with pytest.raises(BadInput) as refused:
        cast_submissions([file("s.csv", rows(answers))])
    (problem,) = refused.value.problems
    assert all(text in problem for text in texts), problem


def test_ten_thousand_floats_are_refused_in_little_memory(file):
    path = file("s.csv", rows(np.random.default_rng(0).random(10_982)))
    tracemalloc.start()
    with pytest.raises(BadInput, match="10982 different in 10982 rows"):
        cast_submissions([path, path])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6


@pytest.mark.parametrize("missing", ["nan", "NaN", "None", "NULL", "NA", "<NA>", "tensor(nan)", ""])
def test_a_missing_value_is_no_class(file, missing):
    path = file("s.csv", rows(["cat", missing, "dog", missing]))
    with pytest.raises(BadInput, match=r"`ans` is empty.* in lines 3, 5: 2 rows"):
        read_submission(path)


def test_a_class_that_is_called_none_counts_where_it_is_allowed(file):
    path = file("s.csv", rows(["cat", "None", "NA"]))
    found = read_submission(path, allowed=["cat", "None", "NA"])
    assert found.answers.tolist() == ["cat", "None", "NA"]


def test_allowed_classes_may_look_like_scores(file):
    path = file("s.csv", rows(["0.5", "1.5"]))
    assert read_submission(path, allowed=["0.5", "1.5"]).answers.tolist() == ["0.5", "1.5"]


def test_labels_are_no_soft_file(file):
    with pytest.raises(BadInput, match="Labels alone vote with --mode hard"):
        read_soft_submissions([file("s.csv", rows(["1", "0"]))])


def test_whole_numbers_are_classes_however_they_are_written(file):
    texts = ["1.000000000000000000e+00", "tensor(13)", "13.0", "np.int64(3)", " 3 ", "+0"]
    found = read_submission(file("s.csv", rows(texts)))
    assert found.answers.tolist() == ["1", "13", "13", "3", "3", "0"]


def test_the_same_letters_composed_otherwise_are_one_class_and_look_alikes_are_named(file):
    vote = cast_submissions([file("s.csv", rows(["caf\u00e9", "cafe\u0301", "Cat", "cat"]))])
    assert vote.table.classes == ["Cat", "caf\u00e9", "cat"]
    assert "'Cat' and 'cat' look alike and are counted as 2 classes." in vote.notes


@pytest.mark.parametrize("content", ['a,"1\nb,2\nc,3\n', 'a,"1\nb,"2\nc,3\n'])
def test_a_quotation_mark_that_is_never_closed_swallows_no_rows(file, content):
    with pytest.raises(BadInput, match="quotation mark"):
        read_submission(file("s.csv", "ImageID,ans\n" + content))
