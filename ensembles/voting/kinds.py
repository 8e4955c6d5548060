"""The names of the kinds of votes that a choice is made among, and of the ways to choose."""

from __future__ import annotations

# How of all candidates a vote is made; any other choice is a candidate's name.
MEAN, SIMPLEST = "mean", "simplest"
WITH_OFFSETS = " + offsets"
STACKERS = ("strong stacker", "stacker")
# What SIMPLEST takes the simplest of: each without and with class offsets.
PLAIN = (
    "best single",
    "uniform",
    "top-k",
    "log-loss weights",
    "macro-F1 weights",
    "log-linear",
    "log-linear, any sign",
)
# What MEAN is of. Weights searched for decisions, and log-linear ones of 0 or more, made no mean better.
AVERAGED = (
    *(kind for kind in PLAIN if kind not in ("macro-F1 weights", "log-linear")),
    "ridge pool",
    "strong ridge pool",
    *STACKERS,
)
# The one that has weights below 0 and a weak ridge: what leaks through a stack (`second_level.leak`).
LEAKING = "log-linear, any sign"
CANDIDATES = (*dict.fromkeys((*PLAIN, *AVERAGED)), *(kind + WITH_OFFSETS for kind in PLAIN))
CHOICES = (MEAN, SIMPLEST, *CANDIDATES)
