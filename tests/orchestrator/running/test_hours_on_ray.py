"""Hours that end while a unit is trained: it is stopped, and a later call goes on with it."""

from __future__ import annotations

import re
import time

import pytest

from tests.faults.started_command import photographs
from tests.faults.training_processes import SPEC, tables, training, undisturbed

pytestmark = [pytest.mark.ray, pytest.mark.slow]


def test_a_unit_that_is_stopped_when_the_hours_are_over_goes_on_in_a_later_call(tmp_path):
    spec = SPEC.replace("epochs: 200", "epochs: 600")
    photographs(tmp_path, spec=spec)
    began = time.monotonic()
    with training(tmp_path, f"hours: 0.02\n{spec}") as run:
        assert run.end() == 0, run.printed
        assert time.monotonic() - began < 0.02 * 3600 + 60
        printed = " ".join(run.printed.split())
        # where the machine is busy no epoch may have ended
        far = r"(stopped after epoch \d+|not begun)"
        assert re.search(rf"hours: 0\.02 do not suffice for net fold 0 \({far}\)", printed)
        assert run.last_epoch() < 600
    with training(tmp_path, spec) as run:
        assert run.end() == 0, run.printed
        assert "1 units trained" in run.printed
        assert tables(run.root) == undisturbed(tmp_path, spec)
