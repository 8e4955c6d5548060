"""Weights files of strangers: what would run code, unpack without end, or is no file."""

from __future__ import annotations

import contextlib
import os
import pickle
import struct
import zipfile

import pytest
import torch

from members.errors import BadInput
from members.networks.pretrained import read_weights


class Runs:
    """Its pickle makes a file when it is loaded without care."""

    def __init__(self, mark):
        self.mark = str(mark)

    def __reduce__(self):
        return os.mkdir, (self.mark,)


@pytest.mark.fault("a weights file holds code", "refused by its name; nothing is run")
@pytest.mark.parametrize("wrap", [lambda bomb: bomb, lambda bomb: {"state_dict": {"a": bomb}}])
@pytest.mark.parametrize(
    "write", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))]
)
@pytest.mark.parametrize("ending", [".pth", ".pt", ".bin"])
def test_a_pickle_that_runs_code_is_refused_by_its_name_and_runs_nothing(
    tmp_path, ending, write, wrap
):
    path, mark = tmp_path / f"bomb{ending}", tmp_path / "mark"
    write(wrap(Runs(mark)), path)
    with pytest.raises(BadInput, match=f"bomb{ending} cannot be read as weights"):
        read_weights(str(path))
    assert not mark.exists()
    with contextlib.suppress(RuntimeError):  # of what is a pickle, but none of torch's
        torch.load(path, weights_only=False)
    assert mark.exists()  # it is a bomb


@pytest.mark.fault("a small weights file unpacks to a large one", "refused before it is unpacked")
def test_an_archive_that_unpacks_to_more_than_it_holds_is_refused_before_it_is_read(tmp_path):
    plain, packed = tmp_path / "plain.pth", tmp_path / "packed.pth"
    torch.save({"a": torch.zeros(50_000_000)}, plain)
    with (
        zipfile.ZipFile(plain) as given,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as made,
    ):
        for part in given.infolist():
            made.writestr(part.filename, given.read(part))
    assert packed.stat().st_size < 500_000
    with pytest.raises(BadInput, match=r"packed.pth is a compressed archive .* unpacks to 200,0"):
        read_weights(str(packed))
    assert read_weights(str(plain))[0]["a"].shape == (50_000_000,)


@pytest.mark.fault("a weights file announces more than it holds", "refused by its name")
def test_a_header_of_exabytes_is_refused(tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(struct.pack("<Q", 2**62) + b"{}")
    with pytest.raises(BadInput, match=r"w.safetensors cannot be read as weights.*[Hh]eader"):
        read_weights(str(path))


@pytest.mark.fault("a pipe or a device in place of weights", "refused by its name")
def test_a_pipe_and_a_device_are_no_weights(tmp_path):
    os.mkfifo(tmp_path / "w.pth")
    for place in (tmp_path / "w.pth", "/dev/zero", tmp_path):
        with pytest.raises(BadInput, match="no weights file"):
            read_weights(str(place))
