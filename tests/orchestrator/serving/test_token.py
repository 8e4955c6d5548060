"""The token of a service: where it is read, what is refused, and who is let in."""

from __future__ import annotations

import hashlib

import pytest

from orchestrator.errors import WrongRequest
from orchestrator.serving.token import digest_of, lets_in, read_token

TOKEN = "abcdefghijklmnopqrstuvwxyz"


def test_it_is_read_from_the_file_else_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.delenv("ENSEMBLE_SERVE_TOKEN", raising=False)
    assert read_token(None) == (None, None)
    monkeypatch.setenv("ENSEMBLE_SERVE_TOKEN", TOKEN[::-1])
    assert read_token(None) == (TOKEN[::-1], None)
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    file.chmod(0o600)
    assert read_token(file) == (TOKEN, None)
    file.chmod(0o644)
    assert "chmod 600" in read_token(file)[1]


@pytest.mark.parametrize(
    "text", ["", "short", "two words that are long enough", "\u00e4" * 30, "x" * 23]
)
def test_what_could_be_guessed_or_is_no_word_is_refused_and_not_shown(text, tmp_path):
    (tmp_path / "token").write_text(text)
    with pytest.raises(WrongRequest, match="one word of at least 24 letters") as error:
        read_token(tmp_path / "token")
    assert not text or text not in str(error.value).replace("token", "")


def test_a_file_that_is_not_there_is_refused_with_how_to_make_one(tmp_path):
    with pytest.raises(WrongRequest, match=r"No such file.*openssl rand"):
        read_token(tmp_path / "token")


def test_only_the_digest_is_kept_and_it_is_salted():
    first, second = digest_of(TOKEN), digest_of(TOKEN)
    assert first != second
    salt, _, digest = first.partition(":")
    assert digest == hashlib.sha256((salt + TOKEN).encode()).hexdigest()
    for own in (first, second):
        assert lets_in(f"Bearer {TOKEN}", own)
        assert lets_in(f"bearer  {TOKEN} ", own)
        for header in (
            None,
            "",
            "Bearer",
            "Bearer ",
            f"Bearer {TOKEN[:-1]}",
            f"Token {TOKEN}",
            TOKEN,
            "Bearer \xff",
        ):
            assert not lets_in(header, own)
