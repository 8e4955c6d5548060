"""A cell holds a whole number however it was printed, and nothing else is one."""

import numpy as np
import pytest

from ensembles.files.cells import is_missing, whole_number


@pytest.mark.parametrize(
    "text",
    [
        "13", "013", "13.0", "13.", "+13", " 13 ", "1.3e1", "1.300000000000000000e+01", "1.3E+1",
        "130e-1", "tensor(13)", "tensor(13, device='cuda:0')", "tensor(13., grad_fn=<X>)", "'13'",
        "tensor([13], dtype=torch.int32)", "np.int64(13)", "np.float32(13.0)", "array(13)", "[13]",
        "array([13], dtype=int64)", "(13,)", "[[13]]", "[ 13.]", "Array(13, dtype=int32)",
        repr(np.int64(13)), str(np.array([13])), repr(np.array([13.0])),
    ],
)  # fmt: skip
def test_a_whole_number_is_one_however_it_was_printed(text):
    assert whole_number(text) == 13


@pytest.mark.parametrize(
    "text",
    [
        "1.83", "1e-3", "nan", "", "cat", "13 cats", "[13", "13)", "[0.1, 0.9]", "tensor(1.5)", "(cat)",
        "0x13", "1_3", "inf", "--13", "9" * 41, "1e9999", "12.0000000000000000001",
    ],
)  # fmt: skip
def test_what_is_no_whole_number_is_none(text):
    assert whole_number(text) is None


def test_large_numbers_are_exact():
    assert whole_number("12345678901234567891.0") == 12345678901234567891
    assert whole_number("-0.0") == 0


def test_missing_values_are_known_in_any_case():
    assert all(map(is_missing, ["nan", "NaN", "NONE", "null", "NA", "<NA>", " ", "n/a"]))
    assert not any(map(is_missing, ["nano", "nah", "0", "none of these"]))
