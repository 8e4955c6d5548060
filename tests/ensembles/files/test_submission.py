import numpy as np
import pytest

from ensembles import BadInput, cast_submissions, compare, read_submission, write_submission
from ensembles.files.submission import file_names

ROWS = "ImageID,ans\na.jpg,13\nb.jpg,0\nc.jpg,5\n"


def test_written_in_the_given_order_and_read_back(tmp_path):
    write_submission(tmp_path / "s.csv", ["b.jpg", "a,1.jpg"], ["3", "x"])
    assert (tmp_path / "s.csv").read_bytes() == b'ImageID,ans\nb.jpg,3\n"a,1.jpg",x\n'
    found = read_submission(tmp_path / "s.csv")
    assert (found.ids.tolist(), found.answers.tolist()) == (["b.jpg", "a,1.jpg"], ["3", "x"])


@pytest.mark.parametrize(
    "content",
    [
        ROWS,
        ROWS.replace("13", "13.0").replace(",5", ",5."),
        ROWS.replace("\n", "\r\n"),
        "\ufeff" + ROWS,
        '"ImageID","ans"\n"a.jpg","13"\n"b.jpg"," 0"\n"c.jpg","5.00"\n',
        ",ImageID,ans\n0,a.jpg,13\n1,b.jpg,0\n2,c.jpg,5\n\n",
        "ans,ImageID\n13,a.jpg\n0,b.jpg\n5,c.jpg",
    ],
    ids=["plain", "13.0", "CRLF", "BOM", "quoted", "index column", "other order, no newline"],
)
def test_files_of_other_people_are_read(file, content):
    found = read_submission(file("s.csv", content), allowed=[str(k) for k in range(18)])
    assert found.ids.tolist() == ["a.jpg", "b.jpg", "c.jpg"]
    assert found.answers.tolist() == ["13", "0", "5"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("at", [1, 2, 4, None], ids=["first", "middle", "last", "nowhere"])
def test_lines_with_nothing_in_them_are_no_rows(file, end, at):
    for separator in ",;\t|":
        for blank in ("", " ", separator, f" {separator} ", "\u00a0", f"\x0b{separator}"):
            lines = [
                f"ImageID{separator}ans",
                *(f"{own}{separator}{k}" for k, own in enumerate("abc")),
            ]
            if at is not None:
                lines[at:at] = [blank] * 2
            for last in ("", end):
                found = read_submission(file("s.csv", end.join(lines).encode() + last.encode()))
                assert found.ids.tolist() == ["a", "b", "c"]
                assert found.answers.tolist() == ["0", "1", "2"]


def test_ids_as_in_the_file_before_are_checked_in_their_own_file(file):
    first = file("a.csv", "ImageID,ans\n x ,1\ny,2\n")
    same = file("b.csv", "ImageID,ans\n x ,2\ny,2\n")
    vote = cast_submissions([first, same])
    assert vote.ids.tolist() == ["x", "y"]
    twice = [file(f"{name}.csv", "ImageID,ans\nx,1\nx,2\n") for name in "cd"]
    with pytest.raises(BadInput) as refused:
        cast_submissions([first, *twice])
    assert [p.rpartition("/")[2] for p in refused.value.problems] == [
        f"{name}.csv: ids that stand there twice: x. Keep one row of each." for name in "cd"
    ]


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        ("where,what,ans\n7,8,1\n", ["no column ImageID; the first line has where, what, ans"]),
        ("", ["no column ImageID nor ans; the first line has nothing"]),
        ("ImageID,ans\n", ["no rows"]),
        ("ImageID,ans\na,1\na,2\nb,\n", ["twice: a", "empty in line 4"]),
        (
            "ImageID,ans\na,18\nb,cat\nc,13.5\n",
            ["3 unknown answers: '18' in line 2, 'cat' in line 3"],
        ),
        ("ImageID,ans\na\nb,1\n", ["1 rows do not have 2 fields: line 2"]),
        (b"ImageID,ans\n\xff,1\n", ["not UTF-8"]),
    ],
)
def test_what_cannot_be_read_is_refused_with_every_problem(file, content, texts):
    with pytest.raises(BadInput) as refused:
        read_submission(file("s.csv", content), allowed=[str(k) for k in range(18)])
    assert len(refused.value.problems) == len(texts)
    for problem, text in zip(refused.value.problems, texts, strict=True):
        assert text in problem
        assert "s.csv" in problem


def test_a_vote_over_files_aligned_by_id(file, tmp_path):
    paths = [
        file("one.csv", "ImageID,ans\nb,1\na,13.0\nc,2\n"),
        file("two.csv", "ImageID,ans\na,13\nb,0\nc,0\n"),
        file("three.csv", "ImageID,ans\nc,0\nb,3\na,7\n"),
    ]
    vote = cast_submissions(paths)
    assert vote.ids.tolist() == ["b", "a", "c"]
    assert vote.answers == ["1", "13", "0"]
    assert vote.weights == pytest.approx({"one": 1 / 3, "two": 1 / 3, "three": 1 / 3})
    vote.write(tmp_path / "out")
    assert (tmp_path / "out/submission.csv").read_text() == "ImageID,ans\nb,1\na,13\nc,0\n"


def test_real_votes_cast_as_files_equal_the_plurality(file, cifar):
    choices, labels = cifar
    paths = []
    for member, votes in enumerate(choices):
        order = (
            np.random.default_rng(member).permutation(len(votes)) if member else range(len(votes))
        )
        rows = "".join(f"{i}.png,{votes[i]}\n" for i in order)
        paths.append(file(f"{member:02}.csv", "ImageID,ans\n" + rows))
    vote = cast_submissions(paths)
    counts = np.stack([(choices == k).sum(axis=0) for k in range(10)])
    clear = (counts == counts.max(axis=0)).sum(axis=0) == 1
    np.testing.assert_array_equal(vote.labels[clear], counts.argmax(axis=0)[clear])
    assert np.mean(vote.labels == labels) > 0.89


def test_ids_that_differ_are_named_with_their_file(file):
    paths = [file("one.csv", ROWS), file("two.csv", ROWS.replace("b.jpg", "z.jpg"))]
    with pytest.raises(BadInput) as refused:
        cast_submissions(paths)
    missing, extra = refused.value.problems
    assert "two.csv: 1 ids of" in missing
    assert "are missing: b.jpg" in missing
    assert "1 ids are not in" in extra
    assert "z.jpg" in extra


def test_an_answer_that_is_no_number_among_numbers_is_refused(file):
    paths = [file("one.csv", ROWS), file("two.csv", ROWS.replace(",5", ",cat"))]
    with pytest.raises(BadInput, match=r"two: 1 answers are not whole numbers.*c.jpg: 'cat'"):
        cast_submissions(paths)


def test_problems_of_all_files_come_at_once(file, tmp_path):
    with pytest.raises(BadInput) as refused:
        cast_submissions([tmp_path / "none.csv", file("bad.csv", "x,y\n")])
    assert len(refused.value.problems) == 2
    with pytest.raises(BadInput, match="at least one"):
        cast_submissions([])


def test_one_file_is_its_own_vote_and_the_same_file_twice_is_noticed(file):
    path = file("one.csv", ROWS)
    alone = cast_submissions([path])
    assert alone.answers == ["13", "0", "5"]
    assert any("one member only" in note for note in alone.notes)
    twice = cast_submissions([path, file("copy.csv", ROWS.replace("13", "13.0"))])
    assert any("one and copy answer alike" in note for note in twice.notes)


def test_files_of_one_answer_only_can_be_voted_over(file, tmp_path):
    cast_submissions([file("one.csv", "ImageID,ans\na,0\nb,0\n")]).write(tmp_path / "out")
    assert (tmp_path / "out/submission.csv").read_text() == "ImageID,ans\na,0\nb,0\n"


def test_comparing_says_how_far_and_which_are_the_same(file):
    paths = [
        file("one.csv", ROWS),
        file("two.csv", "ImageID,ans\nc.jpg,5.0\nb.jpg,0\na.jpg,13\n"),
        file("three.csv", ROWS.replace("13", "4")),
    ]
    found = compare(paths)
    assert found["files"] == ["one", "two", "three"]
    assert found["rows"] == 3
    third = 2 / 3
    np.testing.assert_allclose(
        found["agreement"], [[1, 1, third], [1, 1, third], [third, third, 1]]
    )
    assert found["identical"] == [["one", "two"]]
    assert found["different"] == {"one | two": 0, "one | three": 1, "two | three": 1}
    assert found["rows_that_differ"]["one | three"] == [["a.jpg", "13", "4"]]
    assert found["counts"]["three"] == {"0": 1, "4": 1, "5": 1, "13": 0}


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["a.csv", "b.csv"], ["a", "b"]),
        (["run/hard/submission.csv", "run/soft/submission.csv", "x.csv"], ["hard", "soft", "x"]),
        (["s3://b/one/votes/soft/s.csv", "two/votes/soft/s.csv"], ["s3://b/one", "two"]),
        (["votes/s.csv", "s.csv"], ["votes", "s.csv"]),
        (["s.csv", "s.csv"], ["s.csv", "s.csv (2)"]),
    ],
)
def test_files_of_the_same_name_are_told_apart_by_where_their_paths_differ(paths, names):
    assert file_names(paths) == names


def test_files_of_the_same_name_keep_apart(file, tmp_path):
    (tmp_path / "b").mkdir()
    paths = [file("s.csv", ROWS), file("b/s.csv", ROWS), file("s.csv", ROWS)]
    assert len(set(compare(paths)["files"])) == 3
