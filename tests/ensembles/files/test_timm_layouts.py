"""What timm's `inference.py` writes: CSV, JSON, split JSON and Parquet; all classes or the best few."""

import numpy as np
import pandas as pd
import pytest

from ensembles import BadInput, cast_submissions
from ensembles.files.soft_submission import read_soft_submission

N, K = 7, 4
P = np.random.default_rng(0).dirichlet(np.ones(K), N).astype(np.float32)
ORDER = np.argsort(-P, axis=1)
SORTED = np.take_along_axis(P, ORDER, axis=1)
NAMES = np.array([f"n {k}, it's" for k in range(K)], object)
IDS = [f"{i:03}.jpg" for i in range(N)]


def save(frame, path):
    """As `save_results` of inference.py."""
    if path.suffix == ".parquet":
        frame.set_index("filename").to_parquet(path)
    elif path.name == "index.json":
        frame.set_index("filename").to_json(path, indent=4, orient="index")
    elif path.name == "records.json":
        frame.to_json(path, lines=True, orient="records")
    elif path.name == "split.json":
        frame.to_json(path, indent=4, orient="split", index=False)
    else:
        frame.to_csv(path, index=False)


def frame(separate, best, index=True):
    """The table of inference.py with `--topk best`, 0 for all classes in their order."""
    columns = {"prob": P} if not best else {"prob": SORTED[:, :best]}
    if best:
        labels = {"label": NAMES[ORDER[:, :best]]}
        columns = ({"index": ORDER[:, :best]} if index else {}) | labels | columns
    if separate:
        columns = {f"{n}_{r}": v[:, r] for n, v in columns.items() for r in range(v.shape[1])}
    elif best == 1:
        columns = {n: v[:, 0] for n, v in columns.items()}
    else:
        columns = {n: list(v) for n, v in columns.items()}
    return pd.DataFrame({"filename": IDS, **columns})


LAYOUTS = ["r.csv", "index.json", "records.json", "split.json", "r.parquet"]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("separate", "best"), [(True, 0), (False, 0), (True, K), (False, K)])
def test_all_classes_are_a_soft_file(tmp_path, layout, separate, best):
    save(frame(separate, best), tmp_path / layout)
    found = read_soft_submission(tmp_path / layout)
    assert (found.ids.tolist(), found.answers) == (IDS, [str(k) for k in range(K)])
    np.testing.assert_allclose(found.probabilities, P, atol=1e-6)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("separate", "best"), [(False, 1), (True, 2), (False, 2)])
def test_of_the_best_few_the_first_is_a_label_and_the_rest_is_not_made_up(
    tmp_path, layout, separate, best
):
    save(frame(separate, best), tmp_path / layout)
    vote = cast_submissions([tmp_path / layout])
    assert vote.answers == [str(k) for k in ORDER[:, 0]]
    with pytest.raises(BadInput, match=r"topk 0|--mode hard"):
        read_soft_submission(tmp_path / layout)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("separate", "best"), [(False, 1), (True, 2), (False, 2)])
def test_without_the_index_the_labels_are_the_answers(tmp_path, layout, separate, best):
    save(frame(separate, best, index=False), tmp_path / layout)
    assert cast_submissions([tmp_path / layout]).answers == NAMES[ORDER[:, 0]].tolist()


def test_two_of_six_classes_are_not_all_of_two(file):
    path = file("s.csv", "filename,index_0,index_1,prob_0,prob_1\nx,5,1,.9,.1\ny,1,5,.8,.2\n")
    with pytest.raises(BadInput, match="only the best 2 classes"):
        read_soft_submission(path)
