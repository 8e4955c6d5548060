"""The version of all three packages; the build reads it here."""

from __future__ import annotations

__version__ = "0.4.0"


def environment() -> list[str]:
    """`python 3.11.2`, `torch 2.13.0`, ...: of what results depend on, without importing it."""
    import platform
    from importlib import metadata

    found = [f"python {platform.python_version()}"]
    for name in ("torch", "timm", "ray"):
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            found.append(f"{name} is not installed")
    return found
