import numpy as np
import pytest

from ensembles import cast, explain
from ensembles.judging.reasons import member_reasons
from ensembles.judging.removal import removal
from ensembles.rules.mean import MeanRule
from ensembles.rules.pools import Rule
from ensembles.scores import metrics
from ensembles.weights.stack import stack_members


@pytest.mark.parametrize("pool", ["linear", "log_linear", "hard"])
def test_what_is_lost_without_a_member_is_the_vote_taken_again(draw, pool):
    probabilities, labels = draw(4, 300, 4)
    weights = np.array([0.4, 0.1, 0.0, 0.5])
    rule = Rule(weights, pool, temperature=1.3)
    data = stack_members(probabilities, labels)
    removed = removal(data, [(np.arange(300), rule)])
    found = member_reasons(data, "abcd", rule, removed, "macro_f1")
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


def test_of_a_vote_that_is_one_members_alone_no_other_reason_is_given(draw):
    probabilities, labels = draw(3, 300, 4)
    probabilities[0] = probabilities[2]  # errs where c errs, which is not in the vote
    data = stack_members(probabilities, labels)
    rule = Rule(np.array([0.0, 1.0, 0.0]))
    removed = removal(data, [(np.arange(300), rule)])
    texts = [own["text"] for own in member_reasons(data, "abc", rule, removed, "macro_f1")]
    for text in (texts[0], texts[2]):
        assert text.startswith("weight 0: the vote is b's alone; this one scores 0.")


def test_likeness_is_said_of_members_with_weight_only(draw):
    """c errs where d errs, but neither is in the vote: that is no reason."""
    probabilities, labels = draw(4, 300, 4)
    probabilities[3] = probabilities[2]
    data = stack_members(probabilities, labels)
    rule = Rule(np.array([0.5, 0.5, 0.0, 0.0]))
    removed = removal(data, [(np.arange(300), rule)])
    found = member_reasons(data, "abcd", rule, removed, "macro_f1")
    assert found[2]["like"] == "d"
    assert "d errs" not in found[2]["text"]


def test_members_of_a_mean_weigh_what_their_removal_moves(make_tables):
    oof = make_tables(("a", "b", "c", "same"), n_rows=300)
    oof["same"].probabilities = np.full((300, 4), 0.25, np.float32)
    vote = cast(oof, None, "weighted")
    assert isinstance(vote.rule, MeanRule)
    moved = [
        abs(vote.rule.without(j).apply(stacked(oof)) - vote.rule.apply(stacked(oof))).mean()
        for j in range(4)
    ]
    weights = np.array(list(vote.weights.values()))
    assert weights.sum() == pytest.approx(1)
    np.testing.assert_allclose(weights, moved / np.sum(moved), atol=0.1)
    assert vote.weights["same"] < 0.05


def test_a_member_whose_twin_takes_over_is_said_to_move_little(make_tables):
    oof = make_tables(("a", "b", "twin"), n_rows=300)
    oof["twin"].probabilities = oof["b"].probabilities.copy()
    alone = cast({name: oof[name] for name in ("a", "b")}, None, "weighted")
    vote = cast(oof, None, "weighted")
    assert vote.weights["twin"] < 0.5 * alone.weights["b"]


def stacked(tables):
    return np.stack([table.probabilities for table in tables.values()])


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


def test_of_a_mean_each_rules_own_answer_is_shown(make_tables):
    oof = make_tables(n_rows=300)
    vote = cast(oof, None, "weighted")
    reason = explain(vote.rule, oof, "oof-7")
    assert [own["name"] for own in reason["rules"]] == list(vote.rule.parts)
    mean = sum(own["share"] * np.array(own["probabilities"]) for own in reason["rules"])
    np.testing.assert_allclose(reason["pooled"], mean, atol=1e-6)
    assert reason["final"] == pytest.approx(vote.probabilities[7].tolist(), abs=1e-6)
    turned = [
        name
        for j, name in enumerate("abc")
        if vote.rule.without(j).apply(stacked(oof))[7].argmax() != vote.labels[7]
    ]
    assert reason["turned_by"] == turned


def test_who_alone_decides_is_named():
    """a says 0 firmly, b says 1 softly: without a the vote is 1, without b it stays 0."""
    from ensembles import Table

    def table(p):
        return Table(np.array(["x"], object), np.array([p], np.float32))

    tables = {"a": table([0.9, 0.1]), "b": table([0.4, 0.6])}
    reason = explain(Rule(np.array([0.5, 0.5])), tables, "x")
    assert reason["decision"] == "0"
    assert reason["turned_by"] == ["a"]
