"""One column of the answers that holds arrays as text, or one probability, is a soft file."""

import numpy as np
import pytest

from ensembles import BadInput, read_soft_submissions
from ensembles.files.soft_submission import read_soft_submission

P = np.random.default_rng(0).dirichlet(np.ones(18), 5).astype(np.float32)


def tensor(row):
    return f"tensor([{', '.join(f'{v:.8f}' for v in row)}], device='cuda:0')"


@pytest.mark.parametrize(
    "write",
    [str, repr, lambda row: str(row.tolist()), tensor, lambda row: " ".join(map(str, row)),
     lambda row: repr(tuple(row.tolist()))],
    ids=["numpy", "repr", "list", "tensor", "spaces", "tuple"],
)  # fmt: skip
def test_arrays_are_read_as_they_are_printed(file, write):
    content = "ImageID,ans\n" + "".join(f'{i}.jpg,"{write(row)}"\n' for i, row in enumerate(P))
    found = read_soft_submission(file("s.csv", content))
    assert found.ids.tolist() == [f"{i}.jpg" for i in range(5)]
    assert found.answers == [str(k) for k in range(18)]
    np.testing.assert_allclose(found.probabilities, P, atol=2e-7)


@pytest.mark.parametrize(
    ("cells", "text"),
    [
        (["[0.1 ... 0.9]", "[0.1 0.9]"], r"shortened \(`...`\) in line 2"),
        (["[0.1 0.9]", "[0.1 0.2 0.7]"], "arrays of 2 numbers, but of 3 in line 3"),
        (["[0.1 0.9]", "1"], "but not in line 3: '1'"),
        (["[3.1 -2.0]", "[1.0 0.0]"], r"outside \[0, 1\]"),
        (["[0.1 nan]", "[1.0 0.0]"], "NaN"),
    ],
)
def test_arrays_that_are_no_probabilities_are_refused(file, cells, text):
    content = "ImageID,ans\n" + "".join(f'{i}.jpg,"{cell}"\n' for i, cell in enumerate(cells))
    with pytest.raises(BadInput, match=text):
        read_soft_submission(file("s.csv", content))


def test_an_array_without_quotation_marks_is_told_so(file):
    with pytest.raises(BadInput, match="in quotation marks"):
        read_soft_submission(file("s.csv", "ImageID,ans\na,[0.1, 0.9]\n"))


def test_one_column_of_the_positive_class_is_two_classes(file):
    found = read_soft_submission(file("s.csv", "image_name,target\na,0.25\nb,1e-3\nc,1\n"))
    assert found.answers == ["0", "1"]
    np.testing.assert_allclose(
        found.probabilities, [[0.75, 0.25], [0.999, 0.001], [0, 1]], atol=1e-7
    )
    assert any("probability of class 1" in note for note in found.notes)


def test_scores_beyond_1_are_no_probabilities(file):
    with pytest.raises(BadInput, match=r"holds scores, no probabilities: 1.83 in line 2"):
        read_soft_submission(file("s.csv", "ImageID,ans\na,1.83\nb,1\n"))


def test_classes_in_another_order_are_put_in_the_first_files(file):
    paths = [
        file("one.csv", "ImageID,cat,dog\na,0.9,0.1\n"),
        file("two.csv", "ImageID,dog,cat\na,0.3,0.7\n"),
    ]
    found = read_soft_submissions(paths)
    assert found["two"].classes == ["cat", "dog"]
    np.testing.assert_allclose(found["two"].probabilities, [[0.7, 0.3]], atol=1e-7)
    numbered = [file("0.csv", "i,p0,p1\na,1,0\n"), file("1.csv", "i,p1,p2\na,1,0\n")]
    with pytest.raises(BadInput, match=r"numbered from 1, those of .*0.csv from 0"):
        read_soft_submissions(numbered)
