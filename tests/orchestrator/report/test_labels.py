"""Labels on the page: the ranking is that of `audit`, and so are the labels that contradict each other."""

from __future__ import annotations

import csv
import json

import numpy as np
import pandas as pd
import pytest

from members.data.codec import Codec
from orchestrator.audit.contradictions import (
    COPIES,
    Contradiction,
    contradictions_csv,
    read_contradictions,
)
from orchestrator.commands.pages.report import write_report
from orchestrator.errors import BAD_INPUT
from tests.orchestrator.report.conftest import page_of
from tests.orchestrator.report.made import TARGETS, Made, cast_into, run_of

SUSPECTS, AGAINST = "Labels that are not believed", "Labels that contradict each other"


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Groups of three share their label; row 4 has another one than the other two of group-1."""
    run = Made(shared=True, search=False, units=False, seed=3).write(
        tmp_path_factory.mktemp("runs") / "e"
    )
    codec = Codec({name: tuple(values) for name, values in TARGETS})
    (run / "targets.json").write_text(codec.to_json())
    images = pd.read_parquet(run / "images.parquet")
    labels = np.array([int(i % 4) for i in np.arange(90) // 3])
    labels[4] = (labels[4] + 1) % 4
    images = images.assign(label=labels, **codec.decode(labels))
    images.to_parquet(run / "images.parquet")
    cast_into(run)
    return run


def test_the_page_and_the_audit_rank_labels_alike(shared, command, tmp_path):
    page = page_of(shared)
    code, _, err = command("audit", "--run", str(shared), "--json", str(tmp_path / "a.json"))
    assert code == 0, err
    with (shared / "audit/suspects.csv").open(newline="") as stream:
        ranked = list(csv.DictReader(stream))
    believed_less = [own for own in ranked if float(own["p_suggested"]) > float(own["p_label"])]
    shown = page.tables[SUSPECTS]
    assert [row[2] for row in shown] == [own["image_id"] for own in believed_less[:100]]
    assert [row[4] for row in shown] == [own["suggested"] for own in believed_less[:100]]
    assert [bool(row[9]) for row in shown] == [own["proposed"] == "yes" for own in believed_less]
    assert json.loads((tmp_path / "a.json").read_text())["groups"]
    (first,) = [row for row in shown if row[5] == "differs"]
    assert first[2] == "photo-4"


def test_groups_that_contradict_themselves_are_shown_without_an_audit(shared, tmp_path):
    rows = page_of(shared, out=str(tmp_path / "r.html")).tables[AGAINST]
    # class 1 -> 2 is worn/old -> off/young: both targets
    assert sorted(row[3] for row in rows) == ["age", "mask"]
    for row in rows:
        assert (row[0], row[2]) == ("group", "group-1")
        assert row[5].startswith("photo-4 is ")
        assert row[4] in ("2 worn, 1 off", "2 old, 1 young")


def test_what_the_audit_found_among_look_alikes_is_read_while_the_labels_are_the_same(copied):
    page = page_of(copied)
    assert "Look-alikes under two labels are not known of this run" in page.texts["labels"]
    labels = _labels(copied)
    kept = Contradiction(
        COPIES, "look the same", "label", {i: labels[i] for i in ("photo-0", "photo-1")}
    )
    stale = Contradiction(
        COPIES, "look the same", "label", {"photo-2": "off/old", "photo-3": "worn/old"}
    )
    if labels["photo-2"] == "off/old":
        stale = Contradiction(
            COPIES, "look the same", "label", {"photo-2": "off/young", "photo-3": "worn/old"}
        )
    (copied / "audit").mkdir()
    (copied / "audit/contradictions.csv").write_text(contradictions_csv([stale, kept]))
    page = page_of(copied)
    (row,) = page.tables[AGAINST]
    assert row[0] == "look-alikes"
    assert row[5] == ", ".join(f"{i} is {labels[i]}" for i in ("photo-0", "photo-1"))
    assert "not known of this run" not in page.texts["labels"]


def _labels(run) -> dict[str, str]:
    import ensembles

    table = ensembles.read_table(run / "tables/one/oof.parquet")
    return {str(i): table.classes[k] for i, k in zip(table.ids, table.label, strict=True)}


def test_an_audit_that_found_nothing_is_told_from_none(copied):
    (copied / "audit").mkdir()
    (copied / "audit/contradictions.csv").write_text(contradictions_csv([]))
    page = page_of(copied)
    assert AGAINST not in page.tables
    assert "audit found no look-alikes under two labels" in page.texts["labels"]


@pytest.mark.parametrize("content", [b"", b"x,y\n1,2\n", b"\xff\xfe\x00"])
def test_a_damaged_file_of_an_audit_is_named(copied, content):
    (copied / "audit").mkdir()
    (copied / "audit/contradictions.csv").write_bytes(content)
    with pytest.raises(BAD_INPUT, match=r"audit/contradictions\.csv"):
        write_report(run_of(copied))


def test_the_file_is_read_as_it_was_written(tmp_path):
    found = [
        Contradiction("group", 'a,"b"\nc', "age", {"x,1": "<30", "y": ">=60"}),
        Contradiction(COPIES, "look the same", "label", {"y": "é", "z": "b"}),
    ]
    (tmp_path / "c.csv").write_text(contradictions_csv(found), encoding="utf-8")
    assert read_contradictions(str(tmp_path / "c.csv")) == found
