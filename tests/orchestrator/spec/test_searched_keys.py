"""Which keys a search may try: those that a candidate's score depends on."""

from __future__ import annotations

import pytest

from orchestrator.spec import load
from orchestrator.spec.load import load_recorded
from tests.orchestrator.spec.test_search_reader import SPEC, problems


@pytest.mark.parametrize(
    ("key", "values", "why"),
    [
        ("choose_views", "[[[plain], [flip]], [[plain], [crops]]]", "when all units of a member"),
        ("select", "[best, last]", "that of its best epoch"),
        ("submissions_above", "[0.4, 0.5]", "which submissions are written"),
        ("test_normalize", "[imagenet, half]", "of the photos to predict"),
        ("views", "[[plain], [plain, flip]]", "It has one with validation_views: true in a"),
    ],
)
def test_what_no_score_depends_on_is_not_searched(write, key, values, why):
    found = problems(write(SPEC, f"{{lr: {{choice: [1e-3]}}, {key}: {{choice: {values}}}}}"))
    (problem,) = [text for text in found if "has no influence" in text]
    assert f"search.space.{key}: {key} has no influence on a candidate's score" in problem
    assert why in problem
    assert "Write it into the member instead" in problem


def test_views_are_searched_where_candidates_are_scored_by_them(write):
    text = SPEC.replace("{name: a,", "{name: a, views: [plain, flip], validation_views: true,")
    assert text != SPEC
    load(write(text, "{views: {choice: [[plain, flip], [plain, crops]]}}"))


def test_a_run_that_was_searched_so_is_still_read(write):
    path = write(SPEC, "{select: {choice: [best, last]}}")
    assert load_recorded(path.read_text(), str(path)).search is not None
