"""A stack's tables: they vote as any member's, and say what they are made of."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import ensembles
from ensembles import BadInput, Table, cast, pareto, stack_table
from ensembles.scores import scorers
from ensembles.second_level import stack, trees


@pytest.fixture
def confused():
    """Two members that are sure but call class 0 by the name of 1, 1 by 2 and 2 by 0, mostly."""
    rng = np.random.default_rng(0)
    n = 300
    labels = rng.integers(3, size=n)

    def tables(kind):
        found = {}
        for j, name in enumerate("ab"):
            said = (labels + 1 + (rng.random(n) < 0.2 + 0.1 * j)) % 3
            probabilities = np.full((n, 3), 0.05, np.float32)
            probabilities[np.arange(n), said] = 0.9
            oof = kind == "oof"
            found[name] = Table(
                np.array([f"{kind}{i}" for i in range(n)], object),
                probabilities,
                (np.arange(n) % 5).astype(np.int16) if oof else None,
                labels.astype(np.int16),
                {"member": name, "classes": ["x", "y", "z"], "milliseconds_per_photo": 2.0 + j},
            )
        return found

    return tables("oof"), tables("test")


def test_it_learns_confusions_that_no_pool_expresses(confused):
    oof, test = confused
    made = stack_table(oof, test, name="second")
    for table in (made.oof, made.test):
        assert scorers.accuracy(table.label, table.probabilities.argmax(axis=1)) > 0.7
        assert table.probabilities.sum(axis=1) == pytest.approx(np.ones(300), abs=1e-6)
    alone = cast(oof, test, "weighted", "log_loss")
    beside = cast(
        {**oof, "second": made.oof}, {**test, "second": made.test}, "weighted", "log_loss"
    )
    assert alone.estimate["accuracy"] < 0.3
    assert beside.estimate["accuracy"] > 0.7
    assert beside.weights["second"] > 0.95


def test_its_tables_are_its_members_rows_and_say_what_they_are_of(confused):
    oof, test = confused
    made = stack_table(oof, test, name="second")
    assert (made.oof.ids == oof["a"].ids).all()
    assert (made.oof.fold == oof["a"].fold).all()
    assert (made.test.ids == test["a"].ids).all()
    assert made.test.fold is None
    assert made.oof.meta["member"] == "second"
    assert made.oof.meta["classes"] == ["x", "y", "z"]
    assert made.oof.meta["stack"] == {"kind": "logistic", "of": ["a", "b"]}
    assert made.oof.meta["milliseconds_per_photo"] == 5.0
    assert made.record["oof"]["accuracy"] == scorers.accuracy(
        made.oof.label, made.oof.probabilities.argmax(axis=1)
    )
    assert len(made.record["ridge"]) == made.record["folds"] == 5


def test_the_order_of_rows_in_the_tables_does_not_count(confused):
    oof, _ = confused
    order = np.random.default_rng(0).permutation(300)
    mixed = stack_table({"a": oof["a"], "b": oof["b"].take(order)})
    assert (mixed.oof.probabilities == stack_table(oof).oof.probabilities).all()


def test_it_can_be_read_as_any_table(confused, tmp_path):
    made = stack_table(*confused)
    ensembles.write_table(tmp_path / "oof.parquet", made.oof)
    again = ensembles.read_table(tmp_path / "oof.parquet")
    assert (again.probabilities == made.oof.probabilities).all()
    assert again.meta == made.oof.meta


def test_a_stack_of_a_stack_is_one_of_tables(confused):
    oof, test = confused
    first = stack_table(oof, test, name="first")
    second = stack_table({**oof, "first": first.oof}, {**test, "first": first.test})
    assert second.oof.meta["stack"]["of"] == ["a", "b", "first"]
    assert scorers.accuracy(second.test.label, second.test.probabilities.argmax(axis=1)) > 0.7


def test_its_members_are_asked_once_for_it_and_for_themselves(confused):
    oof, _ = confused
    second = stack_table(oof, name="second")
    third = stack_table({**oof, "second": second.oof}, name="third")
    front = pareto({**oof, "second": second.oof, "third": third.oof})
    costs = {tuple(point["members"]): point["milliseconds"] for point in front["points"]}
    assert costs["a",] == 2.0
    assert costs["b",] == 3.0
    assert all(cost == 5.0 for members, cost in costs.items() if {"second", "third"} & {*members})


def test_without_test_tables_there_is_none(confused):
    assert stack_table(confused[0]).test is None


def refused(*arguments, **options):
    with pytest.raises(BadInput) as caught:
        stack_table(*arguments, **options)
    return "\n".join(caught.value.problems)


def test_every_mistake_is_said_at_once(confused):
    oof, test = confused
    found = refused(oof, {"a": test["a"]}, kind="logistc")
    assert "kind: 'logistc', but must be one of logistic, lightgbm. Did you mean logistic?" in found
    assert "one is missing of: b" in found
    assert "there is no OOF table" in refused({})


def test_tables_that_do_not_fit_are_refused_as_by_a_vote(confused):
    oof, test = confused
    fewer = {**oof, "b": oof["b"].take(np.arange(200))}
    assert "b" in refused(fewer)
    other = dataclasses.replace(test["b"], meta={"classes": ["y", "x", "z"]})
    assert "class 0 is 'y'" in refused(oof, {"a": test["a"], "b": other})


def test_groups_in_several_folds_are_refused(confused):
    oof, _ = confused
    groups = {image: f"g{i // 2}" for i, image in enumerate(oof["a"].ids)}
    assert "stand in several folds" in refused(oof, groups=groups)


def test_lightgbm_where_it_is_missing_names_the_package_and_the_command(confused, monkeypatch):
    monkeypatch.setattr(trees, "is_installed", lambda: False)
    found = refused(confused[0], kind="lightgbm")
    assert "needs the package lightgbm, which is not installed" in found
    assert "pip install lightgbm" in found
    stack_table(confused[0])  # the other kind needs none


def test_more_than_can_be_fitted_is_refused_and_two_classes_are_needed():
    assert stack.size_problems(10, 18) == []
    (problem,) = stack.size_problems(10, 300)
    assert "900,000 numbers to fit, and at most 250,000" in problem
    assert "two classes" in stack.size_problems(3, 1)[0]
