import ast
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from members.batches.loader import WEIGHTS, derived_seed
from members.networks.compiling import compiler_problem
from members.networks.models import build_model
from members.training.fit import best_weights
from tests.members.drawn import SHAPES
from tests.members.trained import TRAIN, recipe, same_weights, states, through_a_file

NEEDS_A_COMPILER = pytest.mark.skipif(
    compiler_problem() is not None, reason="torch.compile does not work here"
)


@pytest.mark.slow
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


@pytest.mark.slow
@NEEDS_A_COMPILER
def test_compiled_stages_learn_what_they_learn_without_and_go_on_with_the_same_bits():
    """The head alone, then all, in a smaller size and then in the full one: a program for each stage."""
    settings = {"epochs": 2, "batch_size": 8, "optimizer": "sgd", "dropout": 0.0}
    settings |= {"head_first": {"epochs": 1, "lr": 0.05}, "sizes": [16, 32]}
    some = TRAIN.take(range(16))
    train = replace(some, sizes={(16, 16): np.ascontiguousarray(some.pixels[:, ::2, ::2])})
    plain, by_steps = states(recipe("base_cnn", **settings), train)
    epochs, after = states(recipe("base_cnn", compile=True, **settings), train)
    for ours, theirs in zip(epochs, plain, strict=True):
        assert ours.metrics["train_loss"] == pytest.approx(theirs.metrics["train_loss"], abs=1e-4)
    torch.manual_seed(derived_seed(0, WEIGHTS))
    fresh = build_model(recipe("base_cnn", **settings), SHAPES).state_dict()
    learnt, expected = (
        {name for name, own in own_states[0]["model"].items() if not torch.equal(own, fresh[name])}
        for own_states in (after, by_steps)
    )
    assert 0 < len(learnt) < len(fresh)
    assert learnt == expected
    resumed = recipe("base_cnn", compile=True, **settings)
    _, then = states(resumed, train, state=through_a_file(after[0]))
    assert same_weights(then[-1]["model"], after[-1]["model"])


@pytest.mark.slow
@NEEDS_A_COMPILER
def test_a_process_takes_the_programs_that_another_has_left(tmp_path):
    """Of another seed, as another fold's network is."""
    found = []
    for seed in (0, 1):
        code = f"""
from torch._dynamo.utils import counters
from members.networks.compiling import keep_programs
from tests.members.trained import TRAIN, recipe, states
keep_programs({str(tmp_path / "compiled")!r})
settings = recipe("base_cnn", compile=True, epochs=1, batch_size=8)
states(settings, TRAIN.take(range(16)), seed={seed})
print({{name: counters["inductor"]["fxgraph_cache_" + name] for name in ("miss", "hit")}})
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        found.append(ast.literal_eval(done.stdout.splitlines()[-1]))
    assert found[0]["miss"] > found[0]["hit"] == 0
    assert found[1] == {"miss": 0, "hit": found[0]["miss"]}


def test_where_no_compiler_is_there_the_problem_says_what_to_install():
    code = "from members.networks.compiling import compiler_problem; print(compiler_problem())"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True,
        env={"CXX": "/no/such/compiler", "CUDA_VISIBLE_DEVICES": "", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.stdout.startswith("compile: torch.compile does not work on this machine (")
    assert "apt-get install g++" in done.stdout


@pytest.mark.parametrize("compiled", [False, True])
def test_only_compiled_programs_are_made_alike_each_time_by_importing_the_compiler(compiled):
    code = (
        "import sys, torch\n"
        "from members.networks.compiling import same_each_time\n"
        f"same_each_time({compiled})\n"
        "assert torch.are_deterministic_algorithms_enabled()\n"
        "assert torch.is_deterministic_algorithms_warn_only_enabled()\n"
        "config = sys.modules.get('torch._inductor.config')\n"
        f"assert bool(config and config.deterministic) is {compiled}\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
