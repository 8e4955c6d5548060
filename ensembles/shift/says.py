"""What a vote's notes say of test rows that differ from the OOF rows."""

from __future__ import annotations

from typing import Any

# Classes in a note; of more than these the first.
LISTED = 6


def drift_note(drift: dict[str, Any], classes: list[str], offered: bool) -> list[str]:
    """One note where drift is said, else none. offered: whether `--prior test` may be named."""
    if not drift["said"]:
        return []
    parts = []
    confidence, contradict, shares = (
        drift[name] for name in ("confidence", "disagreement", "class_shares")
    )
    if confidence["beyond_chance"]:
        parts.append(f"mean confidence {_compared(confidence)}")
    if contradict and contradict["beyond_chance"]:
        parts.append(f"members that contradict the vote {_compared(contradict)}")
    told = shares is not None and any(shares["beyond_chance"])
    if told:
        differ = [k for k, beyond in enumerate(shares["beyond_chance"]) if beyond]
        shown = [_share(shares, k, classes) for k in differ]
        parts.append(f"class shares {_listed(shown)}")
    text = f"drift: the test rows look unlike the OOF rows, beyond chance: {'; '.join(parts)}."
    if confidence["beyond_chance"] and confidence["difference"] > 0:
        text += " Surer than on OOF rows: are any of these photographs among those trained on?"
    if told and offered:
        text += (
            " Where only the class shares differ, vote --prior test corrects the answers for them."
        )
    return [f"{text} The scores are of rows like the OOF ones."]


def prior_note(prior: dict[str, Any], classes: list[str]) -> str:
    """What `--prior test` did."""
    before, after = prior["before"], prior["after"]
    moved = [abs(a - b) for a, b in zip(before, after, strict=True)]
    if not any(moved):
        return (
            "prior: nothing is corrected, as the test rows' class shares do not differ from those of "
            "the OOF rows beyond chance."
        )
    order = sorted(range(len(moved)), key=lambda k: -moved[k])
    shown = _listed([f"{classes[k]} {before[k]:.1%} -> {after[k]:.1%}" for k in order])
    return (
        f"prior: answers corrected for the class shares of the test rows: {shown}. "
        f"{prior['changed']} of {prior['of']} decisions changed. The scores are of the vote without "
        "this."
    )


def _share(shares: dict[str, Any], k: int, classes: list[str]) -> str:
    before, after, error = (shares[name][k] for name in ("oof", "test", "standard_error"))
    return f"{classes[k]} {after:.1%} ±{error:.1%} against {before:.1%}"


def _compared(found: dict[str, Any]) -> str:
    return f"{found['test']:.3f} against {found['oof']:.3f} (±{found['standard_error']:.3f})"


def _listed(shown: list[str]) -> str:
    more = f", ... ({len(shown)} in all)" if len(shown) > LISTED else ""
    return ", ".join(shown[:LISTED]) + more
