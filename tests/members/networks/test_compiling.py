import subprocess
import sys

import pytest

from members.networks.compiling import compiler_problem
from members.training.fit import best_weights
from tests.members.trained import TRAIN, recipe, same_weights, states, through_a_file

NEEDS_A_COMPILER = pytest.mark.skipif(
    compiler_problem() is not None, reason="torch.compile does not work here"
)


@NEEDS_A_COMPILER
def test_compiled_it_learns_the_same_and_goes_on_with_the_same_bits():
    settings = {"epochs": 3, "batch_size": 8, "ema": 0.5, "optimizer": "sgd"}
    train = TRAIN.take(range(16))  # batches of one size: each other size takes half a minute
    plain, _ = states(recipe("base_cnn", dropout=0.0, **settings), train)
    epochs, after = states(recipe("base_cnn", dropout=0.0, compile=True, **settings), train)
    for ours, theirs in zip(epochs, plain, strict=True):
        assert ours.metrics["train_loss"] == pytest.approx(theirs.metrics["train_loss"], abs=1e-4)
    resumed = recipe("base_cnn", dropout=0.0, compile=True, **settings)
    _, then = states(resumed, train, state=through_a_file(after[0]))
    assert same_weights(then[-1]["model"], after[-1]["model"])
    assert same_weights(best_weights(then[-1]), best_weights(after[-1]))


def test_where_no_compiler_is_there_the_problem_says_what_to_install():
    code = "from members.networks.compiling import compiler_problem; print(compiler_problem())"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True,
        env={"CXX": "/no/such/compiler", "CUDA_VISIBLE_DEVICES": "", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.stdout.startswith("compile: torch.compile does not work on this machine (")
    assert "apt-get install g++" in done.stdout
