"""Gradient-boosted trees of LightGBM as a module: its nodes in arrays, walked all at once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class TreesGraph(nn.Module):
    """(N, D) float64 columns -> (N, K) float64 raw scores, as `booster.predict(raw_score=True)`.

    Every tree is walked as many steps as the deepest has; a leaf leads to itself.
    """

    column: Tensor
    threshold: Tensor
    left: Tensor
    right: Tensor
    value: Tensor

    def __init__(self, booster: Any, rounds: int):
        super().__init__()
        found = booster.dump_model(num_iteration=rounds)
        self.n_classes = int(found["num_class"])
        trees = [_nodes(own["tree_structure"]) for own in found["tree_info"]]
        most = max(len(nodes) for nodes, _ in trees)
        self.depth = max(depth for _, depth in trees)
        rows: list[list[tuple[int, float, int, int, float]]] = [
            nodes + [(0, 0.0, i, i, 0.0) for i in range(len(nodes), most)] for nodes, _ in trees
        ]
        column, threshold, left, right, value = (
            torch.tensor([[node[i] for node in nodes] for nodes in rows]) for i in range(5)
        )
        self.register_buffer("column", column)
        self.register_buffer("threshold", threshold.double())
        self.register_buffer("left", left)
        self.register_buffer("right", right)
        self.register_buffer("value", value.double())

    def forward(self, columns: Tensor) -> Tensor:
        n_trees, most = self.column.shape
        first = torch.arange(n_trees) * most  # each tree's first node among all
        at = torch.zeros_like(columns[:, :1], dtype=torch.int64).expand(-1, n_trees)

        def of(values: Tensor) -> Tensor:
            return values.reshape(-1)[(at + first)]

        for _ in range(self.depth):
            goes_left = columns.gather(1, of(self.column)) <= of(self.threshold)
            at = torch.where(goes_left, of(self.left), of(self.right))
        leaves = of(self.value)  # class after class, round after round
        return leaves.reshape(-1, n_trees // self.n_classes, self.n_classes).sum(1)


def _nodes(root: dict[str, Any]) -> tuple[list[tuple[int, float, int, int, float]], int]:
    """(column, threshold, left, right, value) of each node, the root first, and the tree's depth."""
    found: list[tuple[int, float, int, int, float]] = []

    def add(node: dict[str, Any]) -> tuple[int, int]:
        at = len(found)
        if "split_feature" not in node:
            found.append((0, 0.0, at, at, float(node["leaf_value"])))
            return at, 0
        found.append((0, 0.0, at, at, 0.0))
        left, depth_left = add(node["left_child"])
        right, depth_right = add(node["right_child"])
        column, threshold = int(node["split_feature"]), float(node["threshold"])
        found[at] = (column, threshold, left, right, 0.0)
        return at, 1 + max(depth_left, depth_right)

    return found, add(root)[1]
