"""What this program is called in its messages."""

from __future__ import annotations

import sys
from pathlib import Path


def called() -> str:
    """As it was called: `ensemble` by the console script, else `python -m orchestrator`."""
    return "ensemble" if Path(sys.argv[0]).stem == "ensemble" else "python -m orchestrator"
