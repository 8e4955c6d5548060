"""What a process that shares a GPU may take of its memory."""

from unittest import mock

import pytest
import torch

from members.errors import BadInput
from members.out_of_memory import limit_gpu_memory


@pytest.fixture
def gpu(monkeypatch):
    """A GPU of 16 GiB: the share that torch is told."""
    told = mock.Mock()
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (1 << 30, 16 << 30))
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", told)
    return told


@pytest.mark.parametrize(("share", "gibibytes"), [(0.5, 7.5), (0.25, 3.5), (0.1, 1.1)])
def test_its_share_less_what_every_process_takes(gpu, share, gibibytes):
    limit_gpu_memory(share)
    ((fraction,), _) = gpu.call_args
    assert 16 * fraction == pytest.approx(gibibytes)


def test_alone_it_has_all(gpu):
    limit_gpu_memory(1.0)
    gpu.assert_not_called()


def test_a_share_in_which_nothing_can_run_is_refused(gpu):
    with pytest.raises(
        BadInput, match=r"gpus: 0.03 of this GPU's 16 GiB is less than a process takes"
    ):
        limit_gpu_memory(0.03)
