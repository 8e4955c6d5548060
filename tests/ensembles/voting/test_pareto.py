import numpy as np
import pytest

from ensembles import BadInput, cast, pareto
from ensembles.weights.simplex import log_loss_weights


@pytest.fixture
def priced(make_tables):
    """Five members of which `e` is a copy of `d`; rows in another order in each table."""
    oof = make_tables(("a", "b", "c", "d", "e"), n_rows=240)
    oof["e"].probabilities = oof["d"].probabilities.copy()
    for shift, (name, cost) in enumerate(zip(oof, (1.0, 2.0, 40.0, 3.0, 5.0), strict=True)):
        oof[name] = oof[name].take(np.roll(np.arange(240), 17 * shift))
        oof[name].meta = {**oof[name].meta, "milliseconds_per_photo": cost}
    return oof


def test_the_front_and_the_cheapest_as_good_as_the_best(make_tables):
    oof = make_tables(n_rows=300)
    for cost, table in zip((1.0, 2.0, 400.0), oof.values(), strict=True):
        table.meta["milliseconds_per_photo"] = cost
    found = pareto(oof)
    front = [point for point in found["points"] if point["front"]]
    costs = [point["milliseconds"] for point in front]
    scores = [point["macro_f1"] for point in front]
    assert costs == sorted(costs)
    assert scores == sorted(scores)
    assert front[-1] == found["best"]
    assert found["cheapest"]["milliseconds"] <= found["best"]["milliseconds"]
    for point in found["points"]:
        assert not any(
            other["milliseconds"] <= point["milliseconds"] and other["macro_f1"] > point["macro_f1"]
            for other in found["points"]
            if point["front"]
        )
    assert {tuple(point["members"]) for point in found["points"]} >= {("a",), ("b",), ("c",)}


def test_a_front_needs_costs(make_tables):
    oof = make_tables()
    oof["a"].meta["milliseconds_per_photo"] = 3.0
    oof["b"].meta["milliseconds_per_photo"] = float("nan")
    with pytest.raises(BadInput, match="no cost is known of: b, c"):
        pareto(oof)


@pytest.mark.parametrize(
    ("options", "metric", "chosen_by"),
    [
        ({}, "macro_f1", "mean"),
        ({"choice": "mean", "objective": "log_loss"}, "log_loss", "mean"),
        ({"choice": "simplest"}, "macro_f1", "simplest"),
        ({"choice": "ridge pool"}, "macro_f1", "ridge pool"),
        ({"objective": "log_loss"}, "log_loss", None),
        ({"mode": "soft"}, "macro_f1", None),
        ({"pool": "log_linear", "negative": True}, "log_loss", None),
    ],
)
def test_a_point_is_the_vote_of_its_members_alone(priced, options, metric, chosen_by):
    found = pareto(priced, **options)
    assert found["metric"] == metric
    assert found["chosen_by"] == chosen_by
    assert sorted({len(point["members"]) for point in found["points"]}) == [1, 2, 3, 4, 5]
    mode = options.get("mode", "weighted")
    rest = {name: value for name, value in options.items() if name != "mode"}
    for point in found["points"]:
        given = {name: priced[name] for name in point["members"]}
        vote = cast(given, None, mode, **rest)
        for name in ("macro_f1", "accuracy", "log_loss"):
            assert point[name] == vote.estimate[name]
        assert point["standard_error"] == vote.estimate["standard_error"][metric]
        assert point["choice"] == vote.choice
    assert found["whole"]["members"] == list("abcde")
    assert found["notes"] == cast(priced, None, mode, **rest).notes
    assert found["whole"] in found["points"]


def test_the_next_to_go_is_the_one_that_costs_least_log_loss_for_what_it_saves(priced):
    """By hand: log-loss of the mixtures with and without each, over the milliseconds saved."""
    by_size = {
        len(point["members"]): set(point["members"])
        for point in pareto(priced, "soft")["points"]
        if len(point["members"]) > 1
    }
    order = priced["a"].ids
    true = {}
    for name, table in priced.items():
        row = {image_id: i for i, image_id in enumerate(table.ids)}
        at = [row[image_id] for image_id in order]
        true[name] = table.probabilities[at, table.label[at]].astype(float)
    cost = {name: table.meta["milliseconds_per_photo"] for name, table in priced.items()}

    def loss(members):
        p = np.stack([true[name] for name in members])
        return -np.log(log_loss_weights(p).weights @ p).mean()

    assert by_size[4] == set("abcd")  # the dearer of two alike
    for size in (4, 3):
        members = sorted(by_size[size])

        def worth(gone, members=members):
            return (loss([name for name in members if name != gone]) - loss(members)) / cost[gone]

        assert set(members) - by_size[size - 1] == {min(members, key=worth)}


def test_only_common_rows_are_voted_on_where_asked(priced):
    priced["b"] = priced["b"].take(np.arange(200))
    with pytest.raises(BadInput, match="b"):
        pareto(priced, "soft")
    vote = cast(priced, None, "soft", common_rows=True)
    found = pareto(priced, "soft", common_rows=True)
    assert found["whole"]["log_loss"] == vote.estimate["log_loss"]


def test_what_is_of_all_members_or_of_test_rows_is_refused(priced):
    with pytest.raises(BadInput) as caught:
        pareto(priced, "soft", top=2, weights={"a": 2.0}, sets=0.9)
    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "top",
        "weights",
        "sets",
    ]
    with pytest.raises(BadInput, match="objective: 'f2'"):
        pareto(priced, "weighted", "f2")


def test_how_many_votes_are_done_is_told(priced):
    said = []
    found = pareto(priced, "soft", progress=lambda *counts: said.append(counts))
    n = len(found["points"])
    assert said == [(done, n) for done in range(n + 1)]


def test_a_member_that_a_stack_asks_anyway_goes_first(priced):
    """It saves nothing by itself; without the stack there is something to save."""
    priced["second"] = priced["a"].take(np.arange(240))
    priced["second"].meta = {**priced["a"].meta, "stack": {"of": ["a", "b"], "kind": "logistic"}}
    found = pareto({name: priced[name] for name in ("a", "b", "second")}, "soft")
    costs = {tuple(point["members"]): point["milliseconds"] for point in found["points"]}
    assert costs["a", "b", "second"] == 3.0
    assert costs["second",] == 3.0
