"""The most that a spec, a search space or a request may take, so that no stranger's fills the machine."""

from __future__ import annotations

from members.limits import Limit

SPEC = Limit("ENSEMBLE_MAX_SPEC_KIB", 256, "KiB", "a spec, or a file of a search space")
SPEC_VALUES = Limit(
    "ENSEMBLE_MAX_SPEC_VALUES",
    20_000,
    "values",
    "keys and values of a spec; an alias counts as all that it names",
)
SPEC_DEPTH = 50  # blocks inside each other; Python's own stack bounds it
MOST_DIGITS = 100  # of a number

REQUEST = Limit("ENSEMBLE_MAX_REQUEST_MIB", 64, "MiB", "a request to `serve`, all its photographs")
REQUEST_PHOTOS = Limit("ENSEMBLE_MAX_REQUEST_PHOTOS", 64, "photographs", "a request to `serve`")
REQUEST_FILE = Limit(
    "ENSEMBLE_MAX_REQUEST_FILE_MIB", 32, "MiB", "the file of a photograph sent to `serve`"
)
REQUEST_PIXELS = Limit(
    "ENSEMBLE_MAX_REQUEST_MEGAPIXELS", 50, "megapixels", "a photograph sent to `serve`"
)
