"""A search is known again by what decides it, whatever stands in place of what it draws."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest

from ensembles.files.digests import sealed
from orchestrator.errors import WrongRequest
from orchestrator.progress.board import Board
from orchestrator.runs.store import Store
from orchestrator.search.candidates import MemberSearch, searches
from orchestrator.spec import load
from orchestrator.spec.load import load_recorded
from orchestrator.spec.search import Search
from orchestrator.spec.spec import Member, Spec
from orchestrator.units.unit import member_hash
from tests.orchestrator.search.played import EPOCHS, SEARCH, run

SPACE = {
    "lr": {"log_uniform": [1e-4, 1e-2]},
    "epochs": {"choice": [4, EPOCHS]},
    "augmentation": {"choice": ["flip", "base"]},
    "loss": {"choice": [{"f1": 0.5, "cross_entropy": 0.5}, "focal"]},
    "ema": {"choice": [None, {"decay": 0.9}]},
    "batch_size": {"quniform": [8, 24, 8]},
}
DRAWN = {"lr": 0.5, "epochs": 2, "augmentation": "light", "loss": "f1", "ema": {"decay": 0.5},
         "batch_size": 7}  # fmt: skip
CURVES = np.maximum.accumulate(np.random.default_rng(3).random((6, EPOCHS)), axis=1).tolist()


def member(name: str = "m", **own: object) -> Member:
    return Member(name=name, recipe={"model": "test_resnet", **own})


def earlier_key(own: Member, search: Search, photographs) -> str:
    """What versions up to 0.4 recorded: of the member with all that it was given."""
    limits = {"members", "candidates", "hours"}
    block = search.model_dump(mode="json", exclude=limits, exclude_defaults=True)
    text = member_hash(own, photographs) + json.dumps(block)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


@pytest.fixture
def make(tmp_path, photographs):
    def make(own: Member, table=photographs, **changes) -> MemberSearch:
        search = Search(**{**SEARCH, "space": SPACE, **changes})
        return MemberSearch(own, search, table, Store(tmp_path))

    return make


@pytest.fixture
def record(tmp_path):
    return tmp_path / "search" / "m.json"


@pytest.mark.parametrize("key", SPACE)
def test_what_is_drawn_does_not_count_as_the_member_has_it(make, record, key):
    run(make(member()), CURVES)
    before = record.read_bytes()
    again = make(member(**{key: DRAWN[key]}))
    assert again.is_over()
    assert again.winner() == make(member()).winner()
    assert record.read_bytes() == before


def test_the_winners_settings_in_the_member_change_neither_search_nor_units(make):
    first = make(member(**DRAWN))
    run(first, CURVES)
    settings = first.winner().settings
    again = make(first.member.with_settings(settings))
    assert again.is_over()
    assert again.winner().settings == settings
    assert again.unit(settings).path == first.unit(settings).path


def test_a_search_goes_on_with_more_candidates_as_it_would_have(make, record):
    whole = make(member(), candidates=6)
    drawn = [whole.ask()[0].settings for _ in range(6)]
    record.unlink()
    run(make(member(), candidates=3), CURVES)
    run(make(member(**DRAWN), candidates=6), CURVES)
    assert [c.settings for c in make(member()).candidates] == drawn


@pytest.mark.parametrize(
    "changes",
    [
        {"space": {**SPACE, "lr": {"log_uniform": [1e-4, 1e-1]}}},
        {"space": {key: SPACE[key] for key in SPACE if key != "ema"}},
        {"sampler": "tpe"},
        {"scope": "ensemble"},
        {"metric": "accuracy"},
        {"fold": 1},
        {"seed": 1},
        {"asha": {"grace_epochs": 2, "reduction_factor": 3}},
    ],
)
def test_with_another_space_or_other_rules_it_is_another_search(make, changes):
    run(make(member(), candidates=2), CURVES)
    assert len(make(member(), candidates=2).candidates) == 2
    assert make(member(), candidates=2, **changes).candidates == []


def test_with_another_setting_that_is_not_drawn_or_other_data_it_is_another_search(
    make, photographs
):
    run(make(member(**DRAWN)), CURVES)
    assert make(member(**DRAWN, weight_decay=0.1)).candidates == []
    other = photographs.train.assign(digest="other")
    assert make(member(**DRAWN), replace(photographs, train=other)).candidates == []


def test_without_its_space_a_written_setting_counts(make):
    space = {"lr": SPACE["lr"]}
    run(make(member(loss="f1"), space=space), CURVES)
    assert make(member(loss="f1", lr=0.5), space=space).is_over()
    assert make(member(loss="focal"), space=space).candidates == []


def test_members_that_compete_are_known_again_the_one_left_out_too(tmp_path, photographs):
    search = {**SEARCH, "members": ["m", "n"], "scope": "ensemble"}

    def both(**lr: float) -> dict[str, MemberSearch]:
        members = [member(name, epochs=EPOCHS, lr=lr[name]) for name in ("m", "n")]
        spec = Spec(name="s", data={"train": "x"}, members=members, search=search)
        return searches(spec, photographs, Store(tmp_path))

    good, hopeless = both(m=0.1, n=0.2).values()
    run(good, [[0.5 + 0.01 * i] * EPOCHS for i in range(6)])
    run(hopeless, [[0.1] * EPOCHS] * 6)
    again = both(m=good.winner().settings["lr"], n=0.2)
    assert {name: s.is_over() for name, s in again.items()} == {"m": True, "n": True}
    assert {name: s.is_left_out() for name, s in again.items()} == {"m": False, "n": True}


# -- of earlier versions ---------------------------------------------------------------------------


def test_a_record_of_an_earlier_version_is_known_by_the_member_as_it_was(make, record, photographs):
    own = member(**DRAWN)
    search = make(own, candidates=4)
    run(search, CURVES)
    content = json.loads(record.read_text())
    del content["sha256"]
    content["key"] = earlier_key(own, search.search, photographs)
    record.write_text(json.dumps(sealed(content)))
    before = record.read_bytes()

    assert make(own, candidates=4).is_over()
    assert record.read_bytes() == before  # reading it writes nothing
    assert make(own, candidates=4, seed=1).candidates == []
    winner = search.winner().settings
    assert (
        make(own.with_settings(winner), candidates=4).candidates == []
    )  # not known to be the same

    run(make(own, candidates=5), CURVES)  # goes on, and records the key of today
    assert len(make(own.with_settings(winner), candidates=5).candidates) == 5


# -- epochs that are drawn -------------------------------------------------------------------------


@pytest.mark.parametrize("written", [2, EPOCHS, 20])
def test_rungs_reach_up_to_the_longest_that_is_drawn(make, written):
    space = {"epochs": {"choice": [EPOCHS]}, "lr": SPACE["lr"]}
    search = make(member(epochs=written), space=space, candidates=2)
    assert search.rungs() == (2, 4, EPOCHS)
    run(search, [[0.5] * EPOCHS, [0.5] * 3 + [0.1] * 5])
    assert [c.state for c in search.candidates] == ["done", "done"]
    late = make(member(epochs=written), space=space, candidates=2, seed=1)
    run(late, [[0.1, 0.2, 0.3, *[0.9] * 5], [0.1, 0.2, 0.3, *[0.4] * 5]])
    assert [c.epochs for c in late.candidates] == [EPOCHS, 4]
    shown = Board(lambda own: 1.0, searches={"m": late}, clock=lambda: 0.0).document()
    assert shown["members"][0]["search"]["rungs"] == {"2": 2, "4": 2, "8": 1}


@pytest.mark.parametrize(
    ("written", "drawn", "grace", "wrong"),
    [
        (2, "choice: [2, 8]", 4, None),
        (2, "int_uniform: [1, 4]", 4, None),
        (9, "quniform: [2, 6, 2]", 7, "7 is more than the 6 epochs of m"),
        (9, "choice: [many, 2]", 7, "Allowed: a whole number"),
    ],
)
def test_grace_epochs_are_judged_by_the_longest_that_is_drawn(
    tmp_path, written, drawn, grace, wrong
):
    file = tmp_path / "spec.yaml"
    file.write_text(
        f"name: s\ndata: {{train: x}}\nmembers: [{{name: m, model: test_resnet, epochs: {written}}}]\n"
        f"search: {{members: [m], space: {{epochs: {{{drawn}}}}}, asha: {{grace_epochs: {grace}}}}}\n"
    )
    if wrong is None:
        assert load(file).search.longest(written) >= grace
        return
    if "epochs" in wrong:  # earlier versions compared with what the member itself has
        assert load_recorded(file.read_text(), "spec.yaml").search.longest(written) < grace
    with pytest.raises(WrongRequest) as error:
        load(file)
    (problem,) = error.value.problems
    assert wrong in problem
