"""A vote as a graph says what the rule says, for every kind of rule there is."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from orchestrator.inference.bundles import onnx_files, stacks, torch_files
from orchestrator.inference.bundles.graphs.vote import VoteGraph
from orchestrator.inference.parts import Network, Part, Seen, Trained
from orchestrator.inference.vote import tables_of, vote_of
from tests.orchestrator.inference import made

RULES = made.rules()


def trained(rule: str, stack: str = "logistic", **record) -> Trained:
    """Without networks: only what they say is given."""

    def part(name: str, n: int, targets=None) -> Part:
        return Part(name, Seen((8, 8)), (Network("", None, None),) * n, targets)

    members = [
        part("views", 3),
        part("plain", 1),
        part("ages", 2, ("age",)),
        part("kinds", 1, ("kind",)),
    ]
    second = {"second": made.second(("views", "plain"), stack)}
    return made.of_parts(members, RULES[rule], second, **record)


def said(ensemble: Trained, n: int, ties: bool = False) -> list[np.ndarray]:
    """What each network says of n photographs; ties: in whole tenths, so that many are tied."""
    rng, found = np.random.default_rng(n), []
    for part in ensemble.members:
        for _ in part.networks:
            k = len(ensemble.codec_of(part).classes)
            own = made.simplex(rng, n, k)
            if ties:
                own = rng.multinomial(4, np.full(k, 1 / k), n) / np.float32(4)
            found.append(own.astype(np.float32))
    return found


def expected(ensemble: Trained, given: list[np.ndarray]) -> np.ndarray:
    left, members = list(given), {}
    for part in ensemble.members:
        own = [left.pop(0).astype(np.float64) for _ in part.networks]
        members[part.name] = np.mean(own, axis=0).astype(np.float32)
    return vote_of(ensemble, tables_of(ensemble, members))


def by_graph(ensemble: Trained, given: list[np.ndarray]) -> np.ndarray:
    with torch.inference_mode():
        return VoteGraph(ensemble)(*map(torch.from_numpy, given)).numpy()


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("rule", RULES)
def test_every_kind_of_rule(rule, ties):
    ensemble = trained(rule)
    given = said(ensemble, 500, ties)
    found = by_graph(ensemble, given)
    np.testing.assert_allclose(found, expected(ensemble, given), atol=2e-6)
    assert found.dtype == np.float32


@pytest.mark.parametrize("rule", ["linear", "mean"])
def test_a_correction_for_class_shares(rule):
    ensemble = trained(rule, prior=made.PRIOR)
    given = said(ensemble, 200)
    found = by_graph(ensemble, given)
    np.testing.assert_allclose(found, expected(ensemble, given), atol=2e-6)
    assert np.abs(found - by_graph(trained(rule), given)).max() > 0.01


def test_a_second_level_of_trees_and_its_file():
    ensemble = trained("soft", "lightgbm")
    stack = ensemble.stacks["second"]
    assert any(own.rounds for own in stack.fit.stackers), "the trees say something"
    given = said(ensemble, 300)
    np.testing.assert_allclose(by_graph(ensemble, given), expected(ensemble, given), atol=2e-6)
    again = stacks.from_bytes(stack.of, stacks.to_bytes(stack), "x")
    tables = np.stack([made.simplex(np.random.default_rng(i), 40, made.K) for i in range(2)])
    assert np.array_equal(again.predict(tables), stack.predict(tables))


def test_a_file_of_a_second_level_gives_the_same_bits():
    stack = made.second(("views", "plain"))
    again = stacks.from_bytes(stack.of, stacks.to_bytes(stack), "x")
    tables = np.stack([made.simplex(np.random.default_rng(i), 40, made.K) for i in range(2)])
    assert np.array_equal(again.predict(tables), stack.predict(tables))
    assert stacks.to_bytes(again) == stacks.to_bytes(stack)


@pytest.mark.parametrize("kind", ["onnx", "torch"])
def test_all_of_it_in_a_file_for_any_number_of_photographs(kind):
    ensemble = trained("mean", "lightgbm", prior=made.PRIOR)
    graph = VoteGraph(ensemble)
    examples = [torch.from_numpy(own) for own in said(ensemble, 3)]
    if kind == "onnx":
        names = [f"network_{i}" for i in range(len(examples))]
        model = onnx_files.graph_of(graph, examples, names)
        run = onnx_files.Session(onnx_files.to_bytes(model, "a vote")).run
    else:
        program = torch_files.loaded(torch_files.to_bytes(torch_files.program_of(graph, examples)))

        def run(*given):
            return program(*map(torch.from_numpy, given)).numpy()

    for n in (1, 2, 70):
        given = said(ensemble, n, ties=n == 70)
        np.testing.assert_allclose(run(*given), expected(ensemble, given), atol=2e-6)
