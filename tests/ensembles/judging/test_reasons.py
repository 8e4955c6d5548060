import numpy as np
import pytest

from ensembles import BadInput, cast, explain, pareto
from ensembles.judging.reasons import member_reasons
from ensembles.rules.pools import Rule
from ensembles.scores import metrics
from ensembles.weights.stack import stack_members


@pytest.mark.parametrize("pool", ["linear", "log_linear", "hard"])
def test_what_is_lost_without_a_member_is_the_vote_taken_again(draw, pool):
    probabilities, labels = draw(4, 300, 4)
    weights = np.array([0.4, 0.1, 0.0, 0.5])
    rule = Rule(weights, pool, temperature=1.3)
    found = member_reasons(
        stack_members(probabilities, labels), "abcd", weights, [(np.arange(300), rule)], "macro_f1"
    )
    whole = metrics.score_all(labels, rule.apply(probabilities))["macro_f1"]
    for j, entry in enumerate(found):
        left = np.where(np.arange(4) == j, 0, weights)
        mixed = Rule(left, pool, temperature=1.3).apply(probabilities)
        lost = whole - metrics.score_all(labels, mixed)["macro_f1"]
        assert entry["loss_without"] == pytest.approx(lost, abs=1e-9)
        assert entry["member"] == "abcd"[j]
        assert entry["solo"] == metrics.score_all(labels, probabilities[j])["macro_f1"]
    assert found[2]["loss_without"] == 0
    assert found[2]["text"].startswith("weight 0")


def test_a_copy_is_said_to_err_where_the_other_errs(make_tables):
    oof = make_tables()
    oof["b"].probabilities = oof["c"].probabilities ** 1.2
    oof["b"].probabilities /= oof["b"].probabilities.sum(axis=1, keepdims=True)
    vote = cast(oof, None, "weighted", "log_loss")
    by_name = {entry["member"]: entry for entry in vote.reasons}
    assert by_name["b"]["like"] == "c"
    loser = min(("b", "c"), key=vote.weights.get)
    assert by_name[loser]["error_correlation"] < 1
    assert any("errs exactly where" in entry["text"] for entry in vote.reasons) or (
        min(vote.weights["b"], vote.weights["c"]) > 1e-3
    )


def test_one_photograph_is_explained(make_tables):
    oof = make_tables()
    vote = cast(oof, None, "weighted", "log_loss")
    reason = explain(vote.rule, oof, "oof-7")
    assert reason["final"] == pytest.approx(vote.probabilities[7].tolist(), abs=1e-6)
    assert reason["decision"] == str(vote.labels[7])
    assert reason["label"] == str(oof["a"].label[7])
    assert reason["members"]["b"]["probabilities"] == oof["b"].probabilities[7].tolist()
    assert sum(reason["votes"].values()) == 3
    assert explain(vote.rule, oof, "nobody") is None


def test_who_alone_decides_is_named():
    """a says 0 firmly, b says 1 softly: without a the vote is 1, without b it stays 0."""
    from ensembles import Table

    def table(p):
        return Table(np.array(["x"], object), np.array([p], np.float32))

    tables = {"a": table([0.9, 0.1]), "b": table([0.4, 0.6])}
    reason = explain(Rule(np.array([0.5, 0.5])), tables, "x")
    assert reason["decision"] == "0"
    assert reason["turned_by"] == ["a"]


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
