"""What the texts of exceptions are made of."""

import pytest

from members.errors import first_line
from members.training.ranks import LostContact, _in_contact


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("one\ntwo"), "one"),
        (ValueError("\n\n  one\n"), "one"),
        (ValueError(), "ValueError"),
        (ValueError(" \n "), "ValueError"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
    ],
)
def test_the_first_line_of_an_exception_is_its_kind_where_it_has_no_message(error, expected):
    assert first_line(error) == expected


@pytest.mark.parametrize("message", ["connection closed\nby peer", "", "\n"])
def test_any_error_of_a_process_that_is_gone_is_lost_contact(message):
    expected = "connection closed" if message.strip() else "RuntimeError"
    with pytest.raises(LostContact, match=rf"\({expected}\)"), _in_contact():
        raise RuntimeError(message)
