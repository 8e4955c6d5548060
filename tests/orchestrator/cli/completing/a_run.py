"""A spec and a run of it, as far as completion looks at them."""

from __future__ import annotations

from pathlib import Path

SPEC = """\
name: mine
data: {train: photos}
members:
  - {name: effnet, model: test_efficientnet}
  - {name: resnet, model: test_resnet}
  - {name: mask_only, model: test_resnet, targets: [mask]}
  - {name: second, stack: {of: [effnet, resnet]}}
"""


def write_run(folder: Path) -> None:
    """spec.yaml, and runs/mine with two votes, which is the last one; runs/other without votes."""
    (folder / "spec.yaml").write_text(SPEC)
    for vote in ("soft", "weighted-log_loss"):
        (folder / f"runs/mine/votes/{vote}").mkdir(parents=True)
        (folder / f"runs/mine/votes/{vote}/vote.json").write_text("{}")
    (folder / "runs/mine/votes/begun").mkdir()
    (folder / "runs/other").mkdir()
    for run in ("mine", "other"):
        (folder / f"runs/{run}/spec.yaml").write_text(SPEC.replace("effnet", f"effnet_of_{run}"))
    (folder / "runs/nothing").mkdir()
    (folder / "runs/latest").write_text("mine\n")
