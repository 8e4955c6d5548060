"""The refitted front: `vote --pareto` keeps it in the run, and the page shows it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

import ensembles
from orchestrator.commands.pages.report import write_report
from orchestrator.errors import BAD_INPUT
from tests.orchestrator.report.conftest import page_of
from tests.orchestrator.report.made import run_of


@pytest.fixture
def fronted(copied, command):
    code, out, err = command("vote", "--run", str(copied), "--pareto", "--json", "front.json")
    assert code == 0, err
    assert "fronts/soft.json" in out
    return copied


def test_its_points_are_on_the_page_with_the_vote(fronted, tmp_path):
    page = page_of(fronted)
    front = json.loads((tmp_path / "front.json").read_text())
    expected = {
        f"soft of {', '.join(own['members'])}": own for own in front["points"] if own["front"]
    }
    shown = {row[0]: row for row in page.tables["Points"] if row[1] == "refit"}
    assert shown.keys() == expected.keys()
    for name, own in expected.items():
        assert float(shown[name][2]) == pytest.approx(own["milliseconds"], abs=5e-3)
        assert shown[name][3].startswith(f"{own['macro_f1']:.4f} ±")
        assert "to these members alone" in shown[name][5]
    assert "votes fitted to some members anew" in page.texts["cost"]
    assert "soft" in {row[0] for row in page.tables["Points"]}


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
