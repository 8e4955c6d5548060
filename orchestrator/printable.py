"""Text of users as one line that shows every character: what screens, messages and pictures print."""

from __future__ import annotations

import unicodedata

# control codes, halves of surrogate pairs (file names that are no text), line and paragraph ends
_HIDDEN = {"Cc", "Cs", "Zl", "Zp"}
_TURNS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # of the direction of writing


def printable(text: str) -> str:
    r"""With line breaks, tabs, ANSI escapes and the like written out, as in `\x1b`."""
    if text.isprintable():
        return text
    return "".join(
        c.encode("unicode_escape").decode()
        if unicodedata.category(c) in _HIDDEN or c in _TURNS
        else c
        for c in text
    )


def printable_lines(text: str) -> str:
    """The same of a text whose line breaks are meant."""
    return "\n".join(map(printable, text.split("\n")))


def shortened(text: str, longest: int = 3000) -> str:
    """Without its middle where it is longer: a list of 40,000 columns tells nobody anything."""
    if len(text) <= longest:
        return text
    half = longest // 2
    return f"{text[:half]} ... ({len(text) - 2 * half:,} characters) ... {text[-half:]}"
