"""Several members, several slots, and calls that are killed."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

from orchestrator.runs.store import Store
from orchestrator.search.candidates import MemberSearch, searches
from orchestrator.spec.spec import Spec
from tests.orchestrator.search.played import EPOCHS, SEARCH, member, run


@pytest.fixture
def rivals(photographs):
    """The searches of two members over one folder, made anew as each call does."""

    def rivals(folder, scope: str) -> dict[str, MemberSearch]:
        search = {**SEARCH, "members": ["m", "n"], "scope": scope}
        members = [member("m"), member("n")]
        spec = Spec(name="s", data={"train": "x"}, members=members, search=search)
        return searches(spec, photographs, Store(folder))

    return rivals


def play(make, curves: dict, seed: int, kills: set[int] = frozenset()) -> tuple[dict, list]:
    """Three slots that advance at random. At the steps in `kills` the driver is lost: new searches
    over the same folder ask for what was running, and its worker reports from its first epoch on.
    """
    rng = np.random.default_rng(seed)
    found, running, events = make(), [], []
    for step in itertools.count():
        if step in kills:
            found, before = make(), running
            again = [(name, s.ask()[0].number) for name, s in found.items() for _ in s._waiting[:]]
            assert sorted(again) == sorted((name, number) for name, number, _ in before)
            for name, number, done in before:
                for epoch in range(1, done + 1):
                    assert found[name].epoch(number, epoch, curves[name][number][epoch - 1]) == ""
        for name, search in sorted(found.items(), key=lambda item: item[1].begun):
            if len(running) < 3 and (proposed := search.ask()):
                running.append([name, proposed[0].number, 0])
        if not running:
            return found, events
        place = int(rng.integers(len(running)))
        name, number, done = running[place]
        value = curves[name][number][done]
        reason = found[name].epoch(number, done + 1, value)
        events.append((name, number, done + 1, value, bool(reason)))
        running[place][2] += 1
        if reason or done + 1 == EPOCHS:
            found[name].ended(number, "done", "")
            running.pop(place)


@pytest.mark.parametrize("scope", ["member", "ensemble"])
@pytest.mark.parametrize("seed", range(5))
def test_a_killed_search_decides_as_one_that_was_never_killed(rivals, tmp_path, scope, seed):
    rng = np.random.default_rng(seed)
    curves = {name: rng.random((6, EPOCHS)).tolist() for name in ("m", "n")}
    whole, events = play(lambda: rivals(tmp_path / "whole", scope), curves, seed)
    assert any(stopped for *_, stopped in events)
    kills = set(rng.choice(len(events), 8, replace=False).tolist())
    broken, again = play(lambda: rivals(tmp_path / "broken", scope), curves, seed, kills)
    assert again == events
    for name in curves:
        assert broken[name].candidates == whole[name].candidates


@pytest.mark.parametrize("scope", ["member", "ensemble"])
def test_whom_asha_compares_is_the_scope(rivals, tmp_path, scope):
    """Against a plain account of each rung: one a member, or one for all."""
    rng = np.random.default_rng(9)
    curves = {"m": rng.random((6, EPOCHS)).tolist(), "n": (rng.random((6, EPOCHS)) / 2).tolist()}
    _, events = play(lambda: rivals(tmp_path, scope), curves, seed=1)
    rungs: dict[tuple, list[float]] = {}
    best: dict[tuple, float] = {}
    for name, number, epoch, value, stopped in events:
        score = best[name, number] = max(value, best.get((name, number), 0.0))
        if epoch not in (2, 4, 8):
            assert not stopped
            continue
        before = rungs.setdefault((epoch, name if scope == "member" else ""), [])
        behind = bool(before) and score < np.percentile(before, 50)
        assert stopped == (behind and epoch < EPOCHS)
        before.append(score)


def test_a_member_none_of_whose_candidates_reached_the_end_is_left_out(rivals, tmp_path):
    good, hopeless = rivals(tmp_path, "ensemble").values()
    run(good, [[0.5 + 0.01 * i] * EPOCHS for i in range(6)])
    assert not hopeless.is_left_out()
    run(hopeless, [[0.1] * EPOCHS] * 6)
    assert {c.epochs for c in hopeless.candidates} == {2}
    assert hopeless.is_left_out()
    assert not good.is_left_out()
    hopeless.save()
    remembered = {name: s.is_left_out() for name, s in rivals(tmp_path, "ensemble").items()}
    assert remembered == {"m": False, "n": True}
    assert json.loads((tmp_path / "search/n.json").read_text())["left_out"]
    assert not rivals(tmp_path, "member")["n"].is_left_out()


def test_members_that_do_not_compete_are_not_stopped_by_each_other(rivals, tmp_path):
    good, weak = rivals(tmp_path, "member").values()
    run(good, [[0.5] * EPOCHS] * 6)
    run(weak, [[0.1] * EPOCHS] * 6)
    assert {c.state for c in weak.candidates} == {"done"}
