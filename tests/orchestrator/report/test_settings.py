"""The report's settings say with what units went on that ran out of memory."""

from orchestrator.report.material import Material
from orchestrator.report.sections import settings
from orchestrator.spec.spec import Spec
from orchestrator.units.record import SmallerBatches, UnitRecord

SPEC = Spec(
    name="s",
    data={"train": "photos"},
    members=[{"name": "net", "recipe": {"model": "test_resnet"}}],
)


def record(fold: int, **values) -> UnitRecord:
    return UnitRecord(
        fold=fold, hash="0", best_epoch=1, metrics={}, history=[{}], test_hash="", **values
    )


def test_it_stands_beside_versions_and_devices():
    smaller = SmallerBatches(batch_size=8, accumulate=4, since=1)
    units = {"net": {"fold 0": record(0), "fold 1": record(1, out_of_memory=smaller)}}
    found = settings.section(Material("s", "runs/s", SPEC, [], {}, {}, None, units=units))
    rows = [
        [cell.shown for cell in row] for block in found.blocks for row in getattr(block, "rows", [])
    ]
    said = {name: value for name, value in rows if name.startswith("memory")}
    assert said == {"memory, net fold 1": smaller.line()}
