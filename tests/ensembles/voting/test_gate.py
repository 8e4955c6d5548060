import numpy as np
import pytest

from ensembles import BadInput, cast
from ensembles.judging.scored import Scored
from ensembles.rules import pools
from ensembles.scores import scorers
from ensembles.voting import candidates, gate, kinds
from ensembles.weights.offsets import fit_temperature
from ensembles.weights.stack import stack_members


def test_every_name_is_fitted_and_every_kind_has_a_name():
    assert sorted({*kinds.PLAIN, *kinds.AVERAGED}) == sorted(candidates.KINDS)
    order = [kind for kind in candidates.KINDS if kind in kinds.AVERAGED]
    assert order == list(kinds.AVERAGED)  # simplest first


@pytest.fixture
def data(draw):
    return stack_members(*draw(5, 300, 4))


def test_every_kind_is_scored_and_those_near_the_best_are_averaged(data):
    choice = gate.choose(data, np.arange(300) % 3)
    names = [row["name"] for row in choice.table]
    with_offsets = [kind + " + offsets" for kind in kinds.AVERAGED if kind in kinds.PLAIN]
    assert sorted(names) == sorted([*kinds.AVERAGED, *with_offsets])
    best = max(choice.table, key=lambda row: row["macro_f1"])
    assert best["behind"] == 0
    near = [r["name"] for r in choice.table if r["behind"] <= gate.NEAR * r["standard_error"]]
    assert near == [row["name"] for row in choice.table if row["as_good"]]
    assert near == [row["name"] for row in choice.table if row["chosen"]]
    assert choice.name == "mean"
    assert list(choice.rule.parts) == near
    assert sum(row["share"] for row in choice.table) == pytest.approx(1)
    for row in choice.table:
        assert row["loss_behind"] is None or not np.signbit(row["loss_behind"])  # no -0.0000


def test_the_simplest_is_chosen_where_asked_for(data):
    choice = gate.choose(data, np.arange(300) % 3, choice="simplest")
    names = [row["name"] for row in choice.table]
    assert names == [kind + end for kind in kinds.PLAIN for end in ("", " + offsets")]
    good = [row for row in choice.table if row["behind"] <= row["standard_error"]]
    assert good == [row for row in choice.table if row["as_good"]]
    least = min(row["log_loss"] for row in good)
    for row in good:
        assert row["loss_behind"] == row["log_loss"] - least
    simplest = next(row for row in good if row["loss_behind"] <= row["loss_standard_error"])
    assert [row["name"] for row in choice.table if row["chosen"]] == [choice.name]
    assert simplest["name"] == choice.name


def test_by_log_loss_those_near_in_it_are_averaged(data):
    choice = gate.choose(data, np.arange(300) % 3, objective="log_loss")
    least = min(row["log_loss"] for row in choice.table)
    for row in choice.table:
        assert row["behind"] == pytest.approx(row["log_loss"] - least)
        assert row["chosen"] == (row["behind"] <= gate.NEAR * row["standard_error"])
        assert "offsets" not in row["name"]


def test_the_mean_is_that_of_its_parts_with_their_temperatures(data):
    rule = gate.choose(data, np.arange(300) % 3).rule
    parts = [part.apply(data.probabilities).astype(float) for part in rule.parts.values()]
    mean = np.tensordot(rule.shares, np.stack(parts), axes=1)
    turned = mean ** (1 / rule.temperature)
    expected = turned / turned.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(rule.apply(data.probabilities), expected, atol=1e-6)
    assert len({part.temperature for part in rule.parts.values()}) > 1


@pytest.mark.parametrize("name", ["uniform", "ridge pool", "stacker", "top-k + offsets"])
def test_one_candidate_is_taken_by_its_name(data, name):
    choice = gate.choose(data, np.arange(300) % 3, choice=name)
    assert (choice.name, [row["name"] for row in choice.table]) == (name, [name])
    rule = candidates.Fits(data).rule(name)
    expected, found = (own.apply(data.probabilities).argmax(axis=1) for own in (rule, choice.rule))
    np.testing.assert_array_equal(found, expected)


def test_a_temperature_that_makes_held_out_rows_worse_is_dropped():
    """Where the fitted temperature of two folds is wrong for the third."""
    rng = np.random.default_rng(0)
    labels, folds = rng.integers(0, 2, 90), np.arange(90) % 3
    sure = np.where(folds == 0, 0.99, 0.6)[:, None]
    p = np.where(np.eye(2)[labels] == 1, sure, 1 - sure).astype(np.float32)
    wrong = (folds != 0) & (rng.random(90) < 0.5)
    p[wrong] = p[wrong][:, ::-1]
    scored = Scored({"one": p}, labels, folds, None)
    turned = 0.0
    for fold in range(3):
        t = fit_temperature(p[folds != fold], labels[folds != fold])
        turned += scorers.log_loss(labels[folds == fold], pools.adjust(p[folds == fold], None, t))
    worse = turned / 3 > scorers.log_loss(labels, p)
    assert worse
    assert scored.last_temperature(["one"]) == 1


def test_the_tables_scores_are_those_of_fits_without_the_fold(data):
    folds = np.arange(300) % 3
    for choice, names in (
        ("mean", ("top-k", "log-loss weights", "ridge pool", "stacker")),
        ("simplest", ("macro-F1 weights", "log-linear + offsets")),
    ):
        found = gate.choose(data, folds, choice=choice)
        for name in names:
            predictions = np.empty(300, int)
            for fold in range(3):
                rule = candidates.Fits(data.take(folds != fold)).rule(name)
                said = rule.apply(data.probabilities[:, folds == fold])
                predictions[folds == fold] = said.argmax(axis=1)
            (row,) = (r for r in found.table if r["name"] == name)
            assert row["macro_f1"] == scorers.macro_f1(data.labels, predictions, 4)


def test_labels_of_a_fold_move_neither_its_rules_nor_the_choice_among_them(data):
    folds = np.arange(300) % 4
    labels = np.where(folds == 2, (data.labels + 1) % 4, data.labels)
    first, second = (
        gate.choose(stack_members(data.probabilities, y), folds).held_out
        for y in (data.labels, labels)
    )
    np.testing.assert_array_equal(first[folds == 2], second[folds == 2])


def test_of_one_member_that_knows_and_three_that_guess_the_one_decides():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 4, 400)
    probabilities = rng.dirichlet(np.ones(4), (4, 400)).astype(np.float32)
    seen = np.where(rng.random(400) < 0.2, rng.integers(0, 4, 400), labels)
    probabilities[2] = 0.2 * probabilities[2] + 0.8 * np.eye(4)[seen]
    choice = gate.choose(stack_members(probabilities, labels), np.arange(400) % 5)
    decided = choice.rule.apply(probabilities).argmax(axis=1)
    assert np.mean(decided == probabilities[2].argmax(axis=1)) > 0.99


def test_many_rows_are_fitted_side_by_side_with_the_same_choice(draw, monkeypatch):
    many, found, at_once = stack_members(*draw(4, 1200, 3)), [], []
    executor = gate.ThreadPoolExecutor

    def counted(n):
        at_once.append(n)
        return executor(n)

    monkeypatch.setattr(gate, "ThreadPoolExecutor", counted)
    for cpus in (1, 4):
        monkeypatch.setattr("os.cpu_count", lambda n=cpus: n)
        found.append(gate.choose(many, np.arange(1200) % 3))
    assert at_once == [1, 4]
    assert found[0].table == found[1].table
    np.testing.assert_array_equal(found[0].held_out, found[1].held_out)


def test_many_folds_are_merged_and_too_few_are_drawn_by_group():
    assert set(gate.gate_folds(np.arange(100) % 10, None)) == set(range(5))
    assert set(gate.gate_folds(np.arange(6000) % 10, None)) == set(range(3))
    groups = np.arange(100) // 10
    drawn = gate.gate_folds(np.arange(100) // 50, groups)
    assert len(set(drawn)) == 5
    assert all(len(set(drawn[groups == g])) == 1 for g in range(10))


def test_a_weighted_vote_without_an_objective_prints_what_it_chose_from(make_tables, tmp_path):
    vote = cast(make_tables(), make_tables(kind="test"), "weighted")
    record = vote.record()
    assert record["choice"] == "mean"
    shares = {row["name"]: row["share"] for row in record["candidates"] if row["chosen"]}
    assert {rule["name"]: rule["share"] for rule in record["rules"]} == shares
    assert record["objective"] is None
    assert sum(record["members"].values()) == pytest.approx(1)
    vote.write(tmp_path)
    explicit = cast(make_tables(), None, "weighted", "macro_f1")
    assert explicit.choice is None
    assert (explicit.rule.pool, explicit.rule.offsets, explicit.rule.temperature) == (
        "linear",
        None,
        1.0,
    )


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ({"pool": "geometric"}, "pool: 'geometric', but must be one of linear, log_linear"),
        ({"pool": "log_linear", "objective": "macro_f1"}, "Add offsets"),
        ({"negative": True}, "pool log_linear"),
        ({"top": 4}, "top: 4, but must be 1 to 3"),
        ({"top": 0}, "top: 0"),
        ({"ridge": -1.0}, "ridge: -1.0"),
        ({"ridge": 1.0, "objective": "accuracy"}, "objective log_loss"),
        ({"mode": "soft", "weights": {"a": 0, "b": 0, "c": 0}}, "sum to 0"),
        ({"mode": "soft", "weights": {"a": -1}}, "0 or more"),
        ({"mode": "hard", "weights": {"aa": 1}}, "no member 'aa'.*Did you mean a"),
        ({"weights": {"a": 1}}, "fits its own"),
        ({"mode": "hard", "pool": "linear"}, "counts votes"),
        ({"choice": "men"}, "choice: 'men', but must be one of mean, simplest.*Did you mean mean"),
        ({"mode": "soft", "choice": "mean"}, "only a weighted vote takes one"),
        (
            {"choice": "mean", "ridge": 1.0, "offsets": True},
            "ridge: a choice among kinds decides it",
        ),
        ({"choice": "simplest", "objective": "accuracy"}, "'simplest' goes by macro_f1"),
        ({"choice": "uniform", "objective": "log_loss"}, "'uniform' goes by macro_f1"),
    ],
)
def test_what_makes_no_sense_is_refused(make_tables, how, text):
    how = {"mode": "weighted", **how}
    with pytest.raises(BadInput, match=text):
        cast(make_tables(), None, **how)


@pytest.mark.parametrize(
    "how",
    [
        {"mode": "hard", "weights": {"a": 3, "b": 1}},
        {"mode": "hard", "top": 2},
        {"mode": "soft", "top": 2},
        {"mode": "soft", "pool": "log_linear"},
        {"mode": "soft", "offsets": True, "temperature": True},
        {"mode": "weighted", "pool": "log_linear", "negative": True, "offsets": True},
        {"mode": "weighted", "ridge": 20.0},
        {"mode": "weighted", "objective": "macro_f1", "top": 2, "offsets": True},
        {"mode": "weighted", "choice": "simplest"},
        {"mode": "weighted", "choice": "mean", "objective": "log_loss"},
        {"mode": "weighted", "choice": "mean", "objective": "balanced_accuracy"},
        {"mode": "weighted", "choice": "log-loss weights + offsets"},
    ],
)
def test_what_makes_sense_is_voted_with_an_estimate(make_tables, how):
    vote = cast(make_tables(), make_tables(kind="test"), **how)
    assert vote.estimate["macro_f1"] > 0.2
    assert sum(vote.weights.values()) == pytest.approx(1)
    if "top" in how:
        assert sum(w != 0 for w in vote.weights.values()) == 2


def test_groups_that_straddle_folds_are_refused(make_tables):
    oof = make_tables()
    groups = {image_id: str(i // 2) for i, image_id in enumerate(oof["a"].ids)}
    with pytest.raises(BadInput, match="45 of 45 groups stand in several of the 3 folds: 0, 1, 10"):
        cast(oof, None, "weighted", groups=groups)


def test_one_group_only_cannot_be_judged(make_tables):
    oof = make_tables()
    for table in oof.values():
        table.fold[:] = 0
    with pytest.raises(BadInput, match="at least 2 groups"):
        cast(oof, None, "weighted", groups=dict.fromkeys(oof["a"].ids, "one"))


def test_constant_and_identical_members_are_noted_without_numpys_warnings(make_tables, recwarn):
    oof = make_tables(("a", "b", "c", "d"))
    oof["b"].probabilities = oof["a"].probabilities.copy()
    oof["c"].probabilities = np.full((90, 4), 0.25, np.float32)
    vote = cast(oof, None, "weighted")
    notes = "\n".join(vote.notes)
    assert "a and b have the same probabilities" in notes
    assert "c says the same of every photograph" in notes
    assert not recwarn.list


@pytest.mark.parametrize("n_rows", [3, 5, 12])
def test_hardly_any_rows_give_a_choice_all_the_same(make_tables, recwarn, n_rows):
    vote = cast(make_tables(n_rows=n_rows), None, "weighted")
    assert vote.choice
    assert not recwarn.list


def test_two_groups_are_too_few_to_choose_by(make_tables):
    oof = make_tables()
    for table in oof.values():
        table.fold[:] = np.arange(90) % 2
    groups = {image_id: str(i % 2) for i, image_id in enumerate(oof["a"].ids)}
    with pytest.raises(BadInput, match=r"2 groups of OOF rows.*--objective"):
        cast(oof, None, "weighted", groups=groups)
    assert cast(oof, None, "weighted", "log_loss", groups=groups).estimate
