from pathlib import Path

import numpy as np
import pytest

from ensembles.files.table import Table

CIFAR = Path(__file__).parents[3] / "shared" / "data" / "cifar10_1_votes.npz"


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return (powers / powers.sum(axis=-1, keepdims=True)).astype(np.float32)


@pytest.fixture
def draw():
    """(M, N, K) probabilities of members of unequal skill, and (N,) labels of uneven classes."""

    def draw(n_members=4, n_rows=300, n_classes=5, seed=0):
        rng = np.random.default_rng(seed)
        labels = rng.choice(n_classes, n_rows, p=rng.dirichlet(np.full(n_classes, 3.0)))
        logits = rng.normal(size=(n_members, n_rows, n_classes))
        logits[:, np.arange(n_rows), labels] += np.linspace(1, 1.6, n_members)[:, None]
        return softmax(logits), labels

    return draw


@pytest.fixture
def make_tables(draw):
    """Member -> OOF table (three folds) or, with kind="test", test table of other rows."""

    def make_tables(names=("a", "b", "c"), n_rows=90, n_classes=4, seed=0, kind="oof", meta=None):
        probabilities, labels = draw(len(names), n_rows, n_classes, seed + (kind == "test"))
        oof = kind == "oof"
        return {
            name: Table(
                np.array([f"{kind}-{i}" for i in range(n_rows)], object),
                member,
                (np.arange(n_rows) % 3).astype(np.int16) if oof else None,
                labels.astype(np.int16) if oof else None,
                {"member": name, **(meta or {})},
            )
            for name, member in zip(names, probabilities, strict=True)
        }

    return make_tables


@pytest.fixture
def file(tmp_path):
    """Write a file into the test's folder; its path."""

    def file(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return file


@pytest.fixture(params=["v4", "v6"])
def cifar(request):
    """Published hard votes of 30 networks on CIFAR-10.1: choices (30, N), labels (N,)."""
    if not CIFAR.exists():
        pytest.skip(f"{CIFAR} is not there: it comes beside a checkout, never in it")
    votes = np.load(CIFAR)
    return votes[f"{request.param}_votes"].astype(int), votes[f"{request.param}_labels"].astype(int)
