"""A `unit.json` as it was written before there was a model of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from orchestrator.units.record import UnitRecord

WRITTEN: dict[str, Any] = json.loads(Path(__file__).with_name("unit_record.json").read_text())


def record(**changes: Any) -> UnitRecord:
    return UnitRecord(**{**WRITTEN, **changes})
