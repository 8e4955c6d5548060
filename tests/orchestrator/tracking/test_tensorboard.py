"""TensorBoard's files have every epoch of a unit once, and are what TensorBoard reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.runs.store import Store
from orchestrator.tracking import event_file
from orchestrator.tracking.tensorboard import TensorBoard
from tests.orchestrator.tracking.followed import assert_logged_once, board, killed_and_resumed


def test_tensorboard_has_curves_settings_and_picture_of_a_resumed_unit(run):
    r, unit, history = killed_and_resumed(run, "tensorboard")
    folder = r.store.uri(f"tracking/tensorboard/{unit.path}")
    assert len(list(Path(folder).iterdir())) == 1
    found = board(folder)
    assert_logged_once(found, history)
    (picture,) = found.Images("predictions")
    assert (picture.step, picture.encoded_image_string) == (
        3, r.store.read(f"{unit.path}/predictions.png"),
    )  # fmt: skip
    settings = found.Tensors("settings/text_summary")[0].tensor_proto.string_val[0].decode()
    for line in ("member: net", "model: test_resnet", "fold: 1", "seed: 7", f"hash: {unit.hash}"):
        assert f"    {line}\n" in settings


def test_a_record_that_a_dying_process_left_half_written_is_cut_off(run):
    r = run("r", ["tensorboard"])
    unit = r.units("net")[0]
    with pytest.raises(KeyboardInterrupt):
        r.train([unit], stop_after=2)
    file = Path(r.store.uri(f"tracking/tensorboard/{unit.path}/events.out.tfevents.unit"))
    file.write_bytes(file.read_bytes()[:-5])
    r.train([unit])
    assert_logged_once(board(file.parent), r.store.read_json(f"{unit.path}/unit.json")["history"])


def test_a_unit_that_lost_its_state_begins_its_curves_again(run):
    r = run("r", ["tensorboard"])
    unit = r.units("net")[0]
    with pytest.raises(KeyboardInterrupt):
        r.train([unit], stop_after=2)
    r.store.delete(f"{unit.path}/state.pt")
    r.train([unit])
    folder = r.store.uri(f"tracking/tensorboard/{unit.path}")
    assert_logged_once(board(folder), r.store.read_json(f"{unit.path}/unit.json")["history"])


def test_a_run_folder_that_is_not_local_has_the_same_curves(run, tmp_path, bucket):
    r = run("r", ["tensorboard"])
    unit = r.units("net")[0]
    store = Store(f"{bucket}/remote")
    assert not store.local
    rows = [{"epoch": e, "train_loss": 1 / e, "seconds": 1.0} for e in (1, 2, 3)]
    first = TensorBoard(unit, store, "p")
    first.begin([])
    first.epoch(rows[0])
    second = TensorBoard(unit, store, "p")
    second.begin(rows[:2])
    second.epoch(rows[2])
    file = f"tracking/tensorboard/{unit.path}/events.out.tfevents.unit"
    Store(tmp_path).write("copy/events.out.tfevents.unit", store.read(file))
    found = board(tmp_path / "copy")
    assert [(e.step, e.value) for e in found.Scalars("train_loss")] == [
        (row["epoch"], pytest.approx(row["train_loss"])) for row in rows
    ]
    assert found.Tags()["scalars"] == ["train_loss"]


def test_the_checksum_is_the_one_of_the_standard():
    # RFC 3720, B.4, and the mask undone
    for data, crc in ((bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43)):
        turned = (event_file.masked_crc32c(data) - 0xA282EAD8) & 0xFFFFFFFF
        assert (turned >> 17 | turned << 15) & 0xFFFFFFFF == crc
