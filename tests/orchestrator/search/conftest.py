"""Photographs that searches are about."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from members.data.codec import PROFILES
from orchestrator.photographs.table import Photographs


@pytest.fixture
def photographs():
    labels = np.arange(36, dtype=np.int16) % 18
    frame = pd.DataFrame({"image_id": [f"i{i}" for i in range(36)], "group": [f"g{i}" for i in range(36)],
                          "digest": "d", "fold": np.arange(36, dtype=np.int16) % 2, "label": labels,
                          **PROFILES.decode(labels)})  # fmt: skip
    return Photographs(frame, None, PROFILES)
