import numpy as np
import pytest

from ensembles import BadInput, pareto
from ensembles.lazy.budget import within_budget


@pytest.fixture
def front(make_tables):
    oof = make_tables(("a", "b", "c", "d"), n_rows=240)
    for table, cost in zip(oof.values(), (1.0, 2.5, 20.0, 3.125), strict=True):
        table.meta["milliseconds_per_photo"] = cost
    return pareto(oof, "soft")


def test_the_best_that_is_paid_for(front):
    for allowed in (1, 2.5, 4, 8, 20, 100):
        found = within_budget(front, allowed)
        there = [own for own in front["points"] if own["milliseconds"] <= allowed]
        assert found["milliseconds"] <= allowed
        assert found["macro_f1"] == max(own["macro_f1"] for own in there)
    assert within_budget(front, 1000) == front["best"]


def test_of_a_metric_that_is_better_when_lower_the_lowest(make_tables):
    oof = make_tables(n_rows=240)
    for table in oof.values():
        table.meta["milliseconds_per_photo"] = 1.0
    front = pareto(oof, "weighted", "log_loss")
    least = min(own["log_loss"] for own in front["points"])
    assert within_budget(front, 100)["log_loss"] == least


def test_of_several_as_good_the_cheapest():
    points = [
        {"members": ["a", "b"], "milliseconds": 3.0, "macro_f1": 0.5},
        {"members": ["a"], "milliseconds": 2.0, "macro_f1": 0.5},
    ]
    assert within_budget({"metric": "macro_f1", "points": points}, 5)["members"] == ["a"]


def test_too_little_names_the_nearest_and_what_it_costs(front):
    with pytest.raises(
        BadInput, match=r"budget: 0.5 ms a photograph, and the cheapest vote, a, takes 1.00"
    ):
        within_budget(front, 0.5)
    front["points"] = [own for own in front["points"] if own["members"] == ["d"]]
    with pytest.raises(BadInput, match=r"Allow 3.13 or more"):
        within_budget(front, 3.12)
    assert within_budget(front, 3.13)["members"] == ["d"]


@pytest.mark.parametrize("given", [0, -1, np.inf, np.nan, "9", None])
def test_a_budget_is_a_number_above_0(front, given):
    with pytest.raises(BadInput, match="must be a number of milliseconds"):
        within_budget(front, given)
