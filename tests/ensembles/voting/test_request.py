"""Every option of a vote has an effect, or the vote is refused."""

from __future__ import annotations

import dataclasses
import inspect

import numpy as np
import pytest

from ensembles import BadInput, VoteClassifier, VoteRequest, cast, cast_large, fit_weights
from ensembles.voting.request import MODES

# A value of each option that is not its default.
GIVEN = {
    "choice": "simplest",
    "objective": "log_loss",
    "pool": "log_linear",
    "offsets": True,
    "temperature": True,
    "ridge": 2.0,
    "negative": True,
    "top": 2,
    "weights": {"a": 2.0},
}
# What each mode takes of them, alone.
TAKEN = {
    "hard": {"offsets", "temperature", "top", "weights"},
    "soft": {"pool", "offsets", "temperature", "top", "weights"},
    "weighted": {"objective", "pool", "offsets", "temperature", "ridge", "top", "choice"},
}
# What takes effect only beside another option, or only without it.
TOGETHER = [
    ("soft", {"objective": "log_loss", "top": 2}, None),
    ("hard", {"objective": "accuracy", "offsets": True}, None),
    ("soft", {"objective": "log_loss", "offsets": True}, "objective"),
    ("soft", {"objective": "log_loss", "temperature": True}, "objective"),
    ("hard", {"objective": "accuracy", "weights": {"a": 2}}, "objective"),
    ("weighted", {"negative": True, "pool": "log_linear"}, None),
    ("weighted", {"negative": True, "pool": "linear"}, "negative"),
    ("soft", {"negative": True, "pool": "log_linear"}, "negative"),
    ("weighted", {"ridge": 2.0, "objective": "log_loss"}, None),
    ("weighted", {"ridge": 2.0, "pool": "log_linear"}, None),
    ("weighted", {"ridge": 2.0, "objective": "macro_f1"}, "ridge"),
    ("weighted", {"pool": "log_linear", "objective": "macro_f1"}, "objective"),
    ("weighted", {"weights": {"a": 2}, "objective": "log_loss"}, "weights"),
    ("weighted", {"objective": "log_loss", "offsets": True, "temperature": True}, None),
    ("soft", {"weights": {}}, "weights"),
    ("soft", {"weights": {"a": np.nan}}, "weights"),
    ("weighted", {"ridge": np.inf}, "ridge"),
    ("soft", {"top": 1.5}, "top"),
]


def test_a_classifier_has_the_requests_options_with_its_defaults():
    fields = {field.name: field.default for field in dataclasses.fields(VoteRequest)}
    # rows of arrays have no ids; the others are of what is predicted after a fit
    for name in ("common_rows", "missing_rows", "prior", "sets", "unknown"):
        del fields[name]
    parameters = inspect.signature(VoteClassifier).parameters
    assert {name: own.default for name, own in parameters.items()} == fields
    assert VoteClassifier().get_params() == fields
    assert {"mode", *GIVEN} == set(fields)


@pytest.mark.parametrize("option", GIVEN)
@pytest.mark.parametrize("mode", MODES)
def test_an_option_changes_the_vote_or_is_refused(make_tables, mode, option):
    oof, test = make_tables(), make_tables(kind="test")
    request = VoteRequest(mode, **{option: GIVEN[option]})
    assert (request.problems(list(oof)) == []) == (option in TAKEN[mode])
    if option not in TAKEN[mode]:
        with pytest.raises(BadInput, match=f"^{option}: "):
            cast(oof, test, request)
        with pytest.raises(BadInput, match=f"^{option}: "):
            VoteClassifier(mode, **request.options).fit([t.probabilities for t in oof.values()],
                                                        oof["a"].label)  # fmt: skip
        return
    plain, given = cast(oof, test, mode), cast(oof, test, request)
    same = np.array_equal(plain.probabilities, given.probabilities)
    assert not same or plain.objective != given.objective


@pytest.mark.parametrize(("mode", "options", "wrong"), TOGETHER)
def test_options_that_undo_each_other_are_refused(make_tables, mode, options, wrong):
    found = [path[0] for path, _ in VoteRequest(mode, **options).mistakes(["a", "b", "c"])]
    assert found == ([wrong] if wrong else [])
    if not wrong:
        cast(make_tables(), None, mode, **options)


def test_all_mistakes_come_at_once_and_members_may_be_unknown_yet():
    request = VoteRequest("soft", ridge=-1.0, top=9, weights={"x": -1})
    at = [path for path, _ in request.mistakes(["a", "b"])]
    assert at == [("ridge",), ("top",), ("ridge",), ("weights", "x"), ("weights", "x")]
    at = [path for path, _ in request.mistakes(None)]
    assert at == [("ridge",), ("ridge",), ("weights", "x")]
    assert VoteRequest(objective="macro_f1:age").mistakes(None, targets=None) == []
    assert VoteRequest(objective="f1:age").mistakes(None, targets=None) != []


def test_the_best_members_may_not_all_have_weight_0(make_tables):
    request = VoteRequest("soft", top=1, weights=dict.fromkeys("ab", 1) | {"c": 0})
    assert cast(make_tables(), None, "soft", top=1).weights["c"] == 1
    with pytest.raises(BadInput, match="weights: those of c are all 0"):
        cast(make_tables(), None, request)


def test_a_request_stands_in_place_of_its_options(make_tables, tmp_path):
    oof = make_tables()
    request = VoteRequest("soft", pool="log_linear", weights={"a": 3})
    one, other = cast(oof, None, request), cast(oof, None, "soft", pool="log_linear",
                                                weights={"a": 3})  # fmt: skip
    np.testing.assert_array_equal(one.probabilities, other.probabilities)
    for function in (lambda: cast(oof, None, request, top=2),
                     lambda: cast_large(tmp_path, tmp_path, request, "log_loss")):  # fmt: skip
        with pytest.raises(BadInput, match=r"beside a VoteRequest.*dataclasses\.replace"):
            function()


@pytest.mark.parametrize("objective", ["f1", "macro_f1:age", ""])
def test_weights_are_fitted_for_objectives_that_exist(draw, objective):
    with pytest.raises(BadInput, match="objective: "):
        fit_weights(*draw(), objective)
