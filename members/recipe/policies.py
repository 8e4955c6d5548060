"""The policies of timm that `auto_augment` may name, by timm's strings: `rand-m9-mstd0.5-inc1`.

timm passes over a section that it does not know; here each is read, and refused where it has no effect.
"""

from __future__ import annotations

import math
import re

from members.recipe.blocks import known

_LARGEST = 10  # above this a magnitude counts as this, where a policy does not say otherwise
_AUTO = {"original", "originalr", "v0", "v0r", "3a"}
# of RandAugment, how many operations a set has to draw from without replacement; None: with
_SETS = {"weights": 15, "3aw": 14, "3a": None}
_NUMBER, _WHOLE, _SWITCH = r"\d+(\.\d+)?", r"\d+", r"[01]"
# policy -> section -> what may follow it, and what it means
_RAND = {
    "m": (_WHOLE, "magnitude, 10"),
    "n": (_WHOLE, "operations a photo, 2"),
    "p": (_NUMBER, "probability of each, 0.5"),
    "mstd": (_NUMBER, "standard deviation of the magnitude, 0; above 100: uniform up to it"),
    "mmax": (_WHOLE, "the largest magnitude, 10"),
    "inc": (_SWITCH, "1: all operations grow with the magnitude"),
    "t": ("|".join(_SETS), "another set of operations"),
}
_AUGMIX = {
    "m": (_WHOLE, "magnitude, 3"),
    "w": (_WHOLE, "chains, 3"),
    "d": (_WHOLE, "operations a chain; left out: 1 to 3"),
    "a": (_NUMBER, "of the Dirichlet and Beta distributions, 1"),
    "b": (_SWITCH, "1: blends one after the other, faster"),
    "mstd": (_NUMBER, "standard deviation of the magnitude; left out: uniform up to it"),
}
POLICIES = {
    "rand": _RAND,
    "augmix": _AUGMIX,
    **{
        name: {"mstd": (_NUMBER, "standard deviation of the magnitudes, 0")}
        for name in sorted(_AUTO)
    },
}


def pattern() -> str:
    """A regular expression of the strings, for editors; what contradicts itself is read later."""
    policies = (
        f"{name}(-({'|'.join(f'{key}({form})' for key, (form, _) in sections.items())}))*"
        for name, sections in POLICIES.items()
    )
    return f"^({'|'.join(policies)})$"


def read_policy(text: str | None) -> str | None:
    """`text`, where timm does what it says. Raises ValueError for what timm would not know or heed."""
    if text is None:
        return None
    name, *given = text.split("-")
    known("policy of timm", name, POLICIES)
    sections: dict[str, str] = {}
    for section in given:
        key, value = _section(name, section)
        if key in sections:
            raise ValueError(f"{text!r} has {key!r} twice. Leave one of them out")
        sections[key] = value
    if problem := _without_effect(name, sections):
        raise ValueError(f"{text!r}: {problem}")
    return text


def _section(policy: str, section: str) -> tuple[str, str]:
    allowed = POLICIES[policy]
    for key in sorted(allowed, key=len, reverse=True):
        form, _ = allowed[key]
        if section.startswith(key) and re.fullmatch(form, section.removeprefix(key)):
            return key, section.removeprefix(key)
    every = ", ".join(f"{key}{_shown(form)} ({text})" for key, (form, text) in allowed.items())
    raise ValueError(f"{section!r} is no section of {policy!r}. There are: {every}")


def _shown(form: str) -> str:
    return {_NUMBER: "0.5", _WHOLE: "2", _SWITCH: "1"}.get(form, form)


def _without_effect(name: str, sections: dict[str, str]) -> str | None:
    spread = float(sections.get("mstd", 0 if name != "augmix" else math.inf))
    magnitude = int(sections.get("m", _LARGEST if name == "rand" else 3))
    most = int(sections.get("mmax", _LARGEST))
    if magnitude > most:
        more = f" Add mmax{magnitude}." if name == "rand" else ""
        return f"a magnitude above {most} counts as {most}.{more}"
    if "mmax" in sections and magnitude <= _LARGEST and not spread:
        return "mmax has no effect on a magnitude of at most 10 without mstd. Leave it out"
    if int(sections.get("n", 1)) == 0 or int(sections.get("w", 1)) == 0:
        return "no operation would be drawn. At least 1"
    if not 0 < float(sections.get("p", 0.5)) <= 1:
        return "p is a probability above 0, at most 1"
    if float(sections.get("a", 1)) == 0 or int(sections.get("d", 1)) == 0:
        return "a and d must be above 0"
    chosen = sections.get("t")
    if chosen and "inc" in sections:
        return f"inc has no effect beside t{chosen}, whose operations are fixed. Leave it out"
    drawn = _SETS.get(chosen or "")
    if drawn and int(sections.get("n", 2)) > drawn:
        return (
            f"t{chosen} draws without replacement from {drawn} operations, so n is at most {drawn}"
        )
    return None
