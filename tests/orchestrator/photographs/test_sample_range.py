"""Unmarked 16-bit photos of a data set share one range, which goes with the run."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from members.errors import BadInput
from members.pixels.samples import bits_of
from orchestrator.photographs.prepare import Prepared, prepare_photographs
from orchestrator.spec import load

SPEC = """\
name: deep
data: {layout: folders, train: train, test: test BITS}
folds: {k: 2}
members: [{name: net, model: test_resnet, image_size: [16, 16], epochs: 1}]
"""


def write(path, largest: int, seed: int, dtype: type = np.uint16) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(seed).integers(0, largest + 1, (16, 16)).astype(dtype)
    samples[0, 0] = largest
    Image.fromarray(samples).save(path)


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    """The photographs of a spec, whose training photos reach `train` and whose test photos `test`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENSEMBLE_CACHE", str(tmp_path / "cache"))

    def prepared(train: int, test: int, bits: str = "", dtype: type = np.uint16) -> Prepared:
        for i in range(8):
            # one photo of the data set alone reaches the largest sample
            write(
                tmp_path / f"train/{'ab'[i % 2]}/{i}.png", train if i == 5 else train // 9, i, dtype
            )
        for i in range(2):
            write(tmp_path / f"test/{i}.png", test, 10 + i, dtype)
        given = f", bits: {bits}" if bits else ""
        (tmp_path / "spec.yaml").write_text(SPEC.replace(" BITS", given))
        return prepare_photographs(load(tmp_path / "spec.yaml"))

    return prepared


def digest_bits(found: Prepared) -> set[int | None]:
    frames = (found.photographs.train, found.photographs.test)
    return {bits_of(digest) for frame in frames for digest in frame["digest"]}


def test_all_take_the_range_that_the_training_photos_need_and_a_note_says_so(prepared):
    found = prepared(4095, 200)
    assert digest_bits(found) == {12}
    (note,) = [text for text in found.notes if "16-bit" in text]
    assert note.startswith("10 16-bit photos use at most 12 bits: range 0..4095 taken.")


def test_the_spec_says_it_without_a_note_and_the_same_hash(prepared):
    found, said = prepared(4095, 200), prepared(4095, 200, "12")
    assert not [text for text in said.notes if "16-bit" in text]
    assert said.photographs.data_hash == found.photographs.data_hash
    whole = prepared(4095, 200, "16")
    assert digest_bits(whole) == {None}
    assert whole.photographs.data_hash != found.photographs.data_hash


def test_the_whole_range_and_8_bits_leave_digests_as_they_were(prepared):
    for largest, dtype in ((65535, np.uint16), (255, np.uint8)):
        found = prepared(largest, largest, dtype=dtype)
        assert digest_bits(found) == {None}
        assert not [text for text in found.notes if "bits" in text]


def test_samples_beyond_the_range_are_refused(prepared):
    with pytest.raises(
        BadInput, match=r"2 16-bit photos .*14 bits, but the training photos use 12"
    ):
        prepared(4095, 9000)
    with pytest.raises(BadInput, match=r"1 16-bit photos .*12 bits, but data\.bits says 10"):
        prepared(4095, 100, "10")


def test_bits_that_nothing_needs_or_that_are_unusual_are_refused(prepared):
    with pytest.raises(BadInput, match=r"data\.bits: 12, but no photo has 16-bit samples"):
        prepared(255, 255, "12", np.uint8)
    with pytest.raises(BadInput, match=r"data\.bits"):
        prepared(4095, 100, "7")
