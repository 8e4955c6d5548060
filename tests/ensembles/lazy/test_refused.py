import numpy as np
import pytest

from ensembles import BadInput, cast
from ensembles.lazy.refused import problems, require_bounds
from ensembles.rules.mean import MeanRule
from ensembles.rules.pools import Rule
from ensembles.rules.stacker import Stacker
from ensembles.shift.options import Options
from ensembles.voting.kinds import CHOICES


def mean(*shares):
    """Of a linear pool and stackers."""
    base = Rule(np.full(2, 0.5), "log_linear")
    stackers = {
        f"stacker {i}": Stacker(base, "pool", np.zeros((3, 4))) for i in range(len(shares) - 1)
    }
    return MeanRule({"uniform": Rule(np.full(2, 0.5)), **stackers}, np.array(shares))


def test_pools_and_means_of_them_may_be_lazy():
    for pool in ("hard", "linear", "log_linear"):
        assert problems(Rule(np.ones(2), pool)) == []
    assert problems(mean(1.0)) == []
    assert problems(mean(0.6, 0.2, 0.2)) == []


def test_stackers_of_half_a_vote_are_refused_with_the_nearest_that_is_not():
    candidates = [
        {"name": "uniform", "behind": 0.03, "standard_error": 0.01},
        {"name": "ridge pool", "behind": 0.0123, "standard_error": 0.004},
        {"name": "stacker", "behind": 0.0, "standard_error": 0.0},
    ]
    with pytest.raises(BadInput) as refused:
        require_bounds(mean(0.5, 0.2, 0.3), candidates=candidates)
    (text,) = refused.value.problems
    assert text.startswith("lazy: 50% of this vote are stackers (stacker 0, stacker 1)")
    assert '--choice "ridge pool", 0.0123 ±0.0040 behind' in text
    assert '--choice "ridge pool"' in problems(mean(0.0, 1.0))[0]


def test_the_nearest_is_a_vote_that_can_be_cast(make_tables):
    vote = cast(make_tables(n_rows=240), None, "weighted", choice="stacker")
    (text,) = problems(vote.rule, candidates=vote.candidates)
    name = text.split('--choice "')[1].split('"')[0]
    assert name in CHOICES
    other = cast(make_tables(n_rows=240), None, "weighted", choice=name)
    assert problems(other.rule) == []


def test_what_goes_by_the_whole_vote_is_refused_all_at_once():
    found = problems(mean(0.4, 0.6), Options(prior="test", sets=0.9, unknown=0.5))
    assert [text.partition(":")[0] for text in found] == ["prior", "sets", "unknown", "lazy"]
    assert problems(mean(1.0), Options()) == []
