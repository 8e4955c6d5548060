"""The version of all three packages; the build reads it here."""

__version__ = "0.4.0"
