"""The refitted front: `vote --pareto` keeps it in the run, and the page shows it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

import ensembles
from orchestrator.commands.pages.report import write_report
from orchestrator.errors import BAD_INPUT
from orchestrator.runs.fronts import write_front
from orchestrator.runs.store import Store
from tests.orchestrator.report.conftest import page_of
from tests.orchestrator.report.made import run_of


@pytest.fixture
def fronted(copied):
    """One of two members, as if it had been fitted."""
    point = {"members": ["one", "two"], "milliseconds": 5.0, "macro_f1": 0.9, "standard_error": 0.1,
             "choice": None, "front": True}  # fmt: skip
    tables = json.loads((copied / "votes/soft/vote.json").read_text())["tables"]
    write_front(Store(copied), "soft", {"metric": "macro_f1", "points": [point]}, tables)
    return copied


def test_the_command_keeps_it_and_the_page_has_its_points_with_the_vote(copied, command, tmp_path):
    code, out, err = command("vote", "--run", str(copied), "--pareto", "--json", "front.json")
    assert code == 0, err
    assert "fronts/soft.json" in out + err
    page = page_of(copied)
    front = json.loads((tmp_path / "front.json").read_text())
    expected = {
        f"soft of {', '.join(own['members'])}": own
        for own in front["points"]
        if own["front"] and len(own["members"]) > 1
    }
    shown = {row[0]: row for row in page.tables["Points"] if row[1] == "refit"}
    assert shown.keys() == expected.keys() != set()
    for name, own in expected.items():
        assert float(shown[name][2]) == pytest.approx(own["milliseconds"], abs=5e-3)
        assert shown[name][3].startswith(f"{own['macro_f1']:.4f} ±")
        assert "to these members alone" in shown[name][5]
    assert "votes fitted to some members anew" in page.texts["cost"]
    assert "soft" in {row[0] for row in page.tables["Points"]}


def test_one_of_the_tables_of_today_is_shown(fronted):
    (row,) = (row for row in page_of(fronted).tables["Points"] if row[1] == "refit")
    assert row[:5] == ["soft of one, two", "refit", "5.00", "0.9000 ±0.1000", "yes"]


def test_without_one_the_page_says_how_to_get_it(copied):
    page = page_of(copied)
    assert "--pareto writes it" in page.texts["cost"]
    assert "refit" not in {row[1] for row in page.tables["Points"]}


def test_one_of_other_tables_is_not_shown(fronted):
    place = fronted / "tables/three/oof.parquet"
    table = ensembles.read_table(place)
    ensembles.write_table(place, replace(table, probabilities=table.probabilities[:, ::-1].copy()))
    page = page_of(fronted, vote="soft")
    assert "refit" not in {row[1] for row in page.tables["Points"]}
    assert "fronts/soft.json) is of other tables" in page.texts["leaderboard"]


@pytest.mark.parametrize("content", ["{", "[]", '{"points": []}'])
def test_a_damaged_one_is_named(fronted, content):
    (fronted / "fronts/soft.json").write_text(content)
    with pytest.raises(BAD_INPUT, match=r"fronts/soft\.json.*--pareto writes it again"):
        write_report(run_of(fronted))


def test_a_changed_number_is_damage(fronted):
    place = fronted / "fronts/soft.json"
    told = json.loads(place.read_text())
    told["points"][0]["macro_f1"] = 0.99
    place.write_text(json.dumps(told))
    with pytest.raises(BAD_INPUT, match=r"fronts/soft\.json"):
        write_report(run_of(fronted))
