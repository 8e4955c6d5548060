"""Any id and answer column: recognised where one reading is possible, else named with the options."""

import numpy as np
import pytest

from ensembles import BadInput, cast_submissions, read_submission
from ensembles.files.soft_submission import read_soft_submission
from ensembles.files.submissions.columns import Columns


@pytest.mark.parametrize(
    "content",
    [
        "id,label\na,1\nb,0\n",
        "image_name,target\na,1\nb,0\n",
        "id_code,diagnosis\na,1\nb,0\n",
        "filename,prediction\na,1\nb,0\n",
        "Image Id,Class\na,1\nb,0\n",
        "file,what\na,1\nb,0\n",
        "where,label\na,1\nb,0\n",
        ",label\na,1\nb,0\n",
        "Unnamed: 0,ImageID,ans\n0,a,1\n1,b,0\n",
        "ImageID;ans\na;1\nb;0\n",
        "ImageID\tans\na\t1\nb\t0\n",
        "sep=;\nImageID;ans\na;1,0\nb;0,0\n",
        "ImageID,ans,\na,1,\nb,0,\n",
        "\n\nImageID,ans\na,1\nb,0\n",
        '{"a": 1, "b": 0}',
        '{"ans": {"0": 1, "1": 0}, "ImageID": {"0": "a", "1": "b"}}',
        "ImageID,ans\na,1\nb,0\n".encode("utf-16"),
    ],
)
def test_the_only_reading_is_taken(file, content):
    found = read_submission(file("s.csv", content))
    assert (found.ids.tolist(), found.answers.tolist()) == (["a", "b"], ["1", "0"])


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        ("image,label,prediction\na,1,0\n", ["label and prediction could each", "--answer-column"]),
        ("id,filename,label\n1,a,0\n", ["id and filename could each be the ids", "--id-column"]),
        ("where,what,how\n1,2,3\n", ["has where, what, how", "--id-column NAME"]),
        ("ImageID,cat,comment\na,x,y\n", ["no column ans", "ImageID, cat, comment"]),
        ("a.jpg,cat\nb.jpg,dog\n", ["no line of names"]),
        ("a,cat\nb,cat\nc,dog\n", ["no line of names"]),
        ("ImageID,ans,ans\na,1,2\n", ["stand there twice: ans"]),
        ("ImageID,ImageID,ans\na,b,2\n", ["stand there twice: ImageID"]),
        ("a.jpg,13\nb.jpg,2\n", ["no column ImageID nor ans", "no line of names"]),
    ],
)
def test_several_readings_are_refused_with_the_columns_and_the_option(file, content, texts):
    with pytest.raises(BadInput) as refused:
        read_submission(file("s.csv", content))
    assert all(text in str(refused.value) for text in texts), str(refused.value)


def test_what_is_not_used_is_named(file):
    found = read_submission(file("s.csv", ",ImageID,ans,fold\n0,a,1,2\n1,b,0,2\n"))
    assert any("columns not used: (no name), fold." in note for note in found.notes)


def test_named_columns_hold_in_the_files_that_have_them(file):
    paths = [
        file("one.csv", "image,label,guess\na,9,1\nb,9,0\n"),
        file("two.csv", "ImageID,ans\nb,0\na,1\n"),
    ]
    vote = cast_submissions(paths, columns=Columns(("image",), ("guess",)))
    assert vote.answers == ["1", "0"]
    with pytest.raises(BadInput, match=r"--answer-column gues: no file .* Did you mean guess\?"):
        cast_submissions(paths, columns=Columns((), ("gues",)))


@pytest.mark.parametrize(
    ("header", "answers"),
    [
        ("img,c0,c1,c2", ["0", "1", "2"]),
        ("filename,prob_0,prob_1,prob_2", ["0", "1", "2"]),
        ("id,p1,p2,p3", ["1", "2", "3"]),
        ("image,cat,dog,cow", ["cat", "dog", "cow"]),
    ],
)
def test_columns_of_classes_are_recognised(file, header, answers):
    found = read_soft_submission(file("s.csv", f"{header}\na,0.2,0.3,0.5\nb,1,0,0\n"))
    assert found.answers == answers
    np.testing.assert_allclose(found.probabilities, [[0.2, 0.3, 0.5], [1, 0, 0]], atol=1e-7)


def test_an_index_and_a_comment_are_no_classes(file):
    content = "Unnamed: 0,image,cat,dog,comment\n0,a,0.2,0.8,x\n1,b,1,0,y\n"
    found = read_soft_submission(file("s.csv", content))
    assert found.classes == ["cat", "dog"]
    assert any("columns not used: Unnamed: 0, comment." in note for note in found.notes)
