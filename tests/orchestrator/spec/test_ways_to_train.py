"""The keys of a recipe that divide its training or choose its views, in a spec and in a search."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from members.data.codec import PROFILES
from orchestrator.errors import WrongRequest
from orchestrator.photographs.table import Photographs
from orchestrator.search.draws import grid
from orchestrator.spec import load
from orchestrator.spec.spec import Member, Spec
from orchestrator.units.unit import member_hash

OFF = {
    "head_first": None,
    "swa": None,
    "sizes": [],
    "validation_views": False,
    "choose_views": [],
}
ON = {
    "head_first": {"head_first": {"epochs": 2, "lr": 0.01}},
    "swa": {"swa": {"epochs": 2, "lr": 0.01}, "select": "last"},
    "sizes": {"sizes": [[32, 24], [64, 48]]},
    "validation_views": {"views": ["plain", "flip"], "validation_views": True},
    "choose_views": {"choose_views": [["plain"], ["plain", "flip"]]},
}


def spec(tmp_path, keys: str, rest: str = "") -> Spec:
    path = tmp_path / "spec.yaml"
    path.write_text(
        "name: x\ndata: {train: photos}\ndefaults: {image_size: [64, 48], epochs: 8}\n"
        f"members:\n  - {{name: a, model: test_resnet{keys}}}\n{rest}"
    )
    return load(path)


def digest(**recipe) -> str:
    frame = pd.DataFrame(
        {
            "image_id": list("abcd"), "group": list("abcd"), "fold": [0, 0, 1, 1], "digest": "x",
            **PROFILES.decode(np.arange(4)),
        }
    )  # fmt: skip
    member = Member(name="m", recipe={"model": "test_resnet", **recipe})
    return member_hash(member, Photographs(frame, None, PROFILES))


def test_written_out_as_they_are_off_they_change_no_unit_s_hash():
    assert digest(**OFF) == digest()


@pytest.mark.parametrize("key", ON)
def test_each_of_them_is_another_unit(key):
    beside = {k: v for k, v in ON[key].items() if k != key}
    assert digest(**ON[key]) != digest(**beside)


def test_the_resolved_spec_reads_back_as_the_same(tmp_path):
    keys = (
        ", head_first: {epochs: 2, lr: 0.01}, swa: {epochs: 2, lr: 0.001}, select: last, "
        "sizes: [32, [48, 36], [64, 48]], choose_views: [[plain], [plain, flip]]"
    )
    one = spec(tmp_path, keys)
    (tmp_path / "again.yaml").write_text(one.to_yaml())
    assert load(tmp_path / "again.yaml") == one
    assert one.member("a").recipe.sizes == ((32, 32), (48, 36), (64, 48))


def test_a_search_may_draw_any_of_them_or_none(tmp_path):
    search = """\
search:
  members: [a]
  sampler: grid
  space:
    head_first: {choice: [null, {epochs: 2, lr: 0.01}]}
    swa: {choice: [null, {epochs: 3, lr: 0.001}]}
    sizes: {choice: [[], [[32, 24], [64, 48]]]}
"""
    one = spec(tmp_path, ", select: last", search)
    found = [one.member("a").with_settings(s).recipe for s in grid(one.search.space)]
    assert len({recipe.model_dump_json() for recipe in found}) == 8
    assert found[0] == one.member("a").recipe
    assert (found[-1].head_first.epochs, found[-1].swa.epochs) == (2, 3)


def test_a_draw_that_another_key_contradicts_is_refused_with_its_line(tmp_path):
    search = (
        "search:\n  members: [a]\n  space:\n    swa: {choice: [null, {epochs: 3, lr: 0.001}]}\n"
    )
    with pytest.raises(WrongRequest, match=r"line \d+: .*select: last") as caught:
        spec(tmp_path, "", search)
    assert len(caught.value.problems) == 1


def test_a_misspelt_key_of_a_block_is_named_with_its_line_and_the_nearest(tmp_path):
    with pytest.raises(WrongRequest, match=r"line 5: members.a.swa.*'epoch'.*'epochs'"):
        spec(tmp_path, ", swa: {epoch: 3, lr: 0.001}, select: last")


def test_everything_that_contradicts_is_said_at_once(tmp_path):
    keys = (
        ", head_first: {epochs: 9, lr: 0.1}, freeze: backbone, sizes: [[64, 48]], patience: 2, "
        "swa: {epochs: 2, lr: 0.1}"
    )
    with pytest.raises(WrongRequest) as caught:
        spec(tmp_path, keys)
    for part in ("leave none of the 8", "freeze: backbone", "image_size", "patience (2)"):
        assert part in str(caught.value)
