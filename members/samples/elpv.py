"""Real photographs to try the system on: 2,624 solar cells with four levels of defects.

    python -m pip install elpv-dataset
    python -m members.samples.elpv DIR

    DIR/photos.csv   path,label,group: four fifths of the cells, to train on
    DIR/test.csv     path,group: the rest, and their right answers in truth.csv (ImageID,ans)
    DIR/images/      the photographs, 300 x 300, grey

They are electroluminescence images by Deitsch et al. (2019, doi:10.1016/j.solener.2019.02.067)
under CC BY-NC-SA 4.0: used from the installed package, never shipped with this project.

Cells of one solar module share its camera, lighting and wear, so a module is the group. The data
set says that there are 44 modules, not which cell is whose; but it lists them module by module.
A run of cells of one type (mono, poly) is therefore cut into equal blocks of about 60, the size
of most modules, which makes 44. A few cells at the seams stand in the neighbouring block.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from members import files
from members.data.folds.assign import assign_folds
from members.data.layouts import read_train
from members.errors import BadInput

if TYPE_CHECKING:
    import pandas as pd

PACKAGE = "elpv_dataset"
MODULE = 60  # cells
HELD_BACK = 0.2
SEED = 42
LEVELS = {  # probability of a defect, from the counts of the experts' verdicts
    0.0: "functional",
    0.33: "possibly defective",
    0.67: "probably defective",
    1.0: "defective",
}
FILES = ("photos.csv", "test.csv", "truth.csv", "README.txt")


def write_elpv(folder: str | os.PathLike) -> bool:
    """Write the folder described above; False where it is there already.

    The folder appears only when it is complete. Raises BadInput where the package is missing or
    the folder holds anything else.
    """
    folder = Path(folder)
    source = _installed()
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"{folder}: is a file. Name a folder that does not exist yet.")
    if folder.is_dir() and any(folder.iterdir()):
        if all((folder / name).is_file() for name in FILES):
            return False
        raise BadInput(
            f"{folder}: holds other files, which are left alone. "
            "Name an empty folder or one that does not exist yet."
        )
    cells = _cells(source / "labels.csv")
    with files.new_folder(folder) as work:
        (work / "images").mkdir()
        for path in cells["path"]:
            shutil.copyfile(source / path, work / path)
        _write_tables(work, cells)
        (work / "README.txt").write_text(__doc__)
    return True


def _installed() -> Path:
    found = importlib.util.find_spec(PACKAGE)
    data = Path(found.origin).parent / "data" if found and found.origin else None
    if data is None or not (data / "labels.csv").is_file():
        raise BadInput(
            "The package elpv-dataset, which carries the photographs, is not installed. "
            f"Run: {sys.executable} -m pip install elpv-dataset"
        )
    return data


def _cells(file: Path) -> pd.DataFrame:
    """path, label, group of every cell, from lines like `images/cell0001.png  1.0  mono`."""
    import pandas as pd

    listed = pd.read_csv(file, sep=r"\s+", names=["path", "probability", "type"])
    groups: list[str] = []
    for kind, run in itertools.groupby(listed["type"]):
        length = len(list(run))
        blocks = max(1, round(length / MODULE))
        first = len(set(groups))
        groups += [f"{kind}-{first + cell * blocks // length:02}" for cell in range(length)]
    label = listed["probability"].round(2).map(LEVELS)
    return pd.DataFrame({"path": listed["path"], "label": label, "group": groups})


def _write_tables(folder: Path, cells: pd.DataFrame) -> None:
    """Holds back whole modules, stratified by label, and writes the three CSV files."""
    everything = folder / "photos.csv"
    cells.to_csv(everything, index=False)
    data = read_train("table", everything)
    held = assign_folds(data.frame, "holdout", ratio=HELD_BACK, seed=SEED) == 0
    cells[~held].to_csv(everything, index=False)
    cells.loc[held, ["path", "group"]].to_csv(folder / "test.csv", index=False)
    truth = data.frame.loc[held, ["image_id", "label"]]
    truth.columns = ["ImageID", "ans"]
    truth["ans"] = [data.codec.classes[label] for label in truth["ans"]]
    truth.to_csv(folder / "truth.csv", index=False)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; its exit code: 0, or 2 where the request is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m members.samples.elpv",
        description="Write the elpv data set as a folder of photographs with tables.",
    )
    parser.add_argument("folder", metavar="DIR", help="where to write; must not hold other files")
    folder = parser.parse_args(arguments).folder
    try:
        written = write_elpv(folder)
    except BadInput as error:
        print(error, file=sys.stderr)
        return 2
    count = len(list((Path(folder) / "images").iterdir()))
    print(f"{folder}: {count} photographs of solar cells{'' if written else ', there already'}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
