"""What the page of a run says, against scikit-learn and the run's own files."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, f1_score

import ensembles
from ensembles.voting.record import VoteRecord
from orchestrator.commands.pages.report import write_report
from tests.orchestrator.report.conftest import Page, page_of
from tests.orchestrator.report.made import Made, cast_into, run_of

ORDER = ["leaderboard", "choice", "curves", "search", "confusion", "f1", "members", "correlation",
         "reliability", "cost", "folds", "hardest", "labels", "settings"]  # fmt: skip


@pytest.fixture(scope="module")
def page(made) -> Page:
    return page_of(made)


@pytest.fixture(scope="module")
def tables(made) -> dict[str, ensembles.OofTable]:
    return ensembles.align(
        ensembles.read_members(str(made / "tables"), "oof", ["one", "two", "three"]), "oof"
    )


@pytest.fixture(scope="module")
def held_out(made) -> ensembles.Table:
    return ensembles.read_table(made / "votes/soft/held_out.parquet")


def record_of(folder: Path, vote: str = "soft") -> VoteRecord:
    path = folder / f"votes/{vote}/vote.json"
    return VoteRecord.from_json(path.read_bytes(), str(path))


def test_sections_stand_in_their_order(page):
    assert list(page.texts) == ORDER


def test_the_leaderboard_has_every_member_and_vote_with_its_error(page, made):
    shown = {row[0]: row[1] for row in page.tables["Members and votes"]}
    record = record_of(made)
    for name, own in (*record.solo.items(), ("soft", record.estimate)):
        assert shown[name] == f"{own['macro_f1']:.4f} ±{own['standard_error']['macro_f1']:.4f}"


def test_the_choice_is_told_in_three_sentences(page, made):
    record, text = record_of(made), page.texts["choice"]
    score = f"macro F1 {record.estimate['macro_f1']:.4f}"
    assert (
        f"Chosen is the vote soft: the mean of the probabilities, in which 3 of 3 members count, {score}"
        in text
    )
    assert "The truth of the test part is not known here" in text
    name = record.best_single["member"]
    assert f"the best member alone ({name}" in text
    ahead = record.estimate["macro_f1"] - record.solo[name]["macro_f1"]
    assert f"it is {abs(ahead):.4f} {'ahead of' if ahead >= 0 else 'behind'} {name}" in text


def test_confusion_is_scikit_learns(page, held_out, made):
    guess = held_out.probabilities.argmax(axis=1)
    expected = confusion_matrix(held_out.label, guess, labels=range(4))
    shown = [[int(cell.strip() or 0) for cell in row[1:-1]] for row in page.tables["All classes"]]
    assert shown == expected.tolist()
    age = confusion_matrix(held_out.label % 2, guess % 2, labels=range(2))
    assert [
        [int(cell.strip() or 0) for cell in row[1:-1]] for row in page.tables["age"]
    ] == age.tolist()
    assert "fitted without its fold" in page.texts["confusion"]


def test_f1_by_class_is_scikit_learns(page, held_out, tables):
    shown = {
        row[0]: [float(cell) for cell in row[2:]] for row in page.tables["F1 of members and vote"]
    }
    guesses = [held_out.probabilities.argmax(axis=1)]
    guesses += [own.probabilities.argmax(axis=1) for own in tables.values()]
    truths = [held_out.label, *(own.label for own in tables.values())]
    for k, name in enumerate(held_out.classes):
        expected = [f1_score(t, g, labels=[k], average="macro", zero_division=0)
                    for t, g in zip(truths, guesses, strict=True)]  # fmt: skip
        # the page's members stand in the order of the vote
        assert shown[name][0] == pytest.approx(expected[0], abs=6e-4)
        assert sorted(shown[name][1:]) == pytest.approx(sorted(expected[1:]), abs=6e-4)


def test_error_correlation_is_numpys(page, tables):
    title = "Members whose errors are alike"
    names = [row[0] for row in page.tables[title]]
    errors = [tables[n].probabilities.argmax(axis=1) != tables[n].label for n in names]
    expected = np.corrcoef(np.array(errors, float))
    shown = np.array([[float(cell) for cell in row[1:]] for row in page.tables[title]])
    np.testing.assert_allclose(shown, expected, atol=0.0051)


def test_the_search_shows_candidates_and_why_they_stopped(page):
    rows = page.tables["Candidates of one"]
    assert [row[0] for row in rows] == ["0", "1", "2"]
    assert rows[1][-1] == "ASHA, rung 1: 0.1 is behind the cut-off 0.3"
    assert rows[2][-2:] == ["failed", "out of memory"]
    assert "3 candidates (1 done, 1 stopped, 1 failed) in 12 s" in page.texts["search"]


def test_costs_add_up_and_the_vote_is_among_the_points(page):
    rows = {row[0]: row for row in page.tables["Points"]}
    assert [float(rows[name][2]) for name in ("one", "two", "three", "soft")] == [1, 4, 7, 12]
    assert rows["mean of all 3"][3] == rows["soft"][3]
    assert all(row[-1] for row in rows.values())  # what was fitted


def test_folds_are_counted(page, tables):
    first = tables["one"]
    for row in page.tables["Photographs of each class in each fold"]:
        k = first.classes.index(row[0])
        expected = [int(((first.label == k) & (first.fold == f)).sum()) for f in range(3)]
        assert [int(cell) for cell in row[3:]] == expected


def test_suspicious_labels_are_those_least_believed(page, held_out):
    own = held_out.probabilities[np.arange(len(held_out.ids)), held_out.label]
    wrong = held_out.probabilities.argmax(axis=1) != held_out.label
    expected = held_out.ids[wrong][np.argsort(own[wrong], kind="stable")]
    shown = [row[2] for row in page.tables["Labels that are not believed"]]
    assert shown == expected[:100].tolist()


def test_hardest_photographs_are_shown_with_every_members_opinion(page, tables):
    true = [t.probabilities[np.arange(len(t.ids)), t.label] for t in tables.values()]
    order = np.argsort(np.log(np.array(true, float)).mean(axis=0), kind="stable")
    text = page.texts["hardest"]
    places = [text.index(tables["one"].ids[row]) for row in order[:5]]
    assert places == sorted(places)
    assert text.count(" one ") == text.count(" three ") == 18
    pictures = [own for tag, own in page.tags if tag == "img"]
    assert len(pictures) == 18 + min(24, len(page.tables["Labels that are not believed"]))
    assert all(own["src"].startswith("data:image/jpeg;base64,") and own["alt"] for own in pictures)


def test_every_picture_has_a_size_and_a_description(page):
    pictures = [own for tag, own in page.tags if tag in ("img", "svg")]
    assert pictures
    for own in pictures:
        assert float(own["width"]) > 0
        assert float(own["height"]) > 0
        assert own.get("alt") or own.get("aria-label")


def test_nothing_is_asked_of_another_place(page):
    for tag, own in page.tags:
        for key in ("src", "href", "xlink:href", "action", "data", "poster", "srcset"):
            assert re.match(r"(data:|#|$)", own.get(key) or ""), (tag, own)
        assert tag not in ("iframe", "object", "embed", "base", "form")


def test_the_same_run_gives_the_same_bytes(made):
    first = Path(write_report(run_of(made))["report"]).read_bytes()
    assert Path(write_report(run_of(made))["report"]).read_bytes() == first


def test_names_are_text_whatever_they_are(tmp_path):
    """Of classes, members' models and photographs: no element and no attribute comes of them."""
    evil = '<script>alert(1)</script>" onload="x'
    classes = (evil, "a & b", "</td></table><img src=x>", "'quoted'\x1b[31m")
    run = Made(classes=classes, targets=[["t", list(classes)]], id_of=f"{evil}{{}}", rows=30).write(
        tmp_path / "e"
    )
    cast_into(run)
    page = page_of(run)
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert not [own for _, own in page.tags if "onload" in own]
    assert all(
        own.get("src", "data:").startswith("data:") for tag, own in page.tags if tag == "img"
    )
    assert f"{evil}" in page.texts["confusion"]
    assert r"'quoted'\x1b[31m" in page.texts["confusion"]
    assert f"{evil}1" in page.texts["hardest"] + page.texts["labels"]


def test_the_page_needs_neither_torch_nor_ray(made):
    code = (
        "import sys; from orchestrator.commands.pages.report import write_report\n"
        "from tests.orchestrator.report.made import run_of\n"
        f"write_report(run_of({str(made)!r}))\n"
        "sys.exit(bool({'torch', 'timm', 'ray', 'cv2'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True,
        cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
