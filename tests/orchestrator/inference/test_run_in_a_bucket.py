"""A run folder under s3:// answers as the same one on a disk."""

from __future__ import annotations

import numpy as np
import pytest
from pyarrow.fs import copy_files

from ensembles.object_store import connected
from orchestrator import Ensemble


@pytest.mark.slow
@pytest.mark.parametrize("vote", ["weighted", "soft"])
def test_it_is_asked_by_its_address(used, bucket, vote):
    run, photos = used / "runs/used", sorted((used / "photos/eval/images").glob("*.jpg"))[:8]
    system, path = connected(f"{bucket}/used")
    copy_files(str(run), path, destination_filesystem=system)
    here = Ensemble.load(run, vote, device="cpu").predict_proba(photos)
    there = Ensemble.load(f"{bucket}/used", vote, device="cpu").predict_proba(photos)
    np.testing.assert_array_equal(here, there)
