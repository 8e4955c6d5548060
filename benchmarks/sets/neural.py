"""The regularised neural ensembler (Arango et al., arXiv 2410.04520) in its simplest form.

A small network reads what the M members say of a row, the same for every class. Averaging: the
classes' hidden units are averaged and become M weights for the row, of sum 1, and the vote is the
weighted mean. Stacking: each class's hidden units become its logit. Members are dropped at random
in training, one mask a batch, and those dropped get no weight.
"""

from __future__ import annotations

import numpy as np

from benchmarks.sets.peers import Split, Vote

HIDDEN, DROPPED, STEPS, BATCH, RATE = 32, 0.5, 500, 128, 2e-3


def neural(mode: str):
    def fit(split: Split) -> Vote:
        import torch
        from torch import nn

        torch.set_num_threads(1)
        generator = torch.Generator().manual_seed(1)
        torch.manual_seed(1)
        n_members = len(split.oof)
        x = torch.from_numpy(np.ascontiguousarray(np.moveaxis(split.oof, 0, 2)))  # (N, K, M)
        y = torch.from_numpy(split.labels.astype(np.int64))
        of_class = nn.Sequential(
            nn.Linear(n_members, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU()
        )
        if mode == "averaging":
            last = nn.Sequential(nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, n_members))
        else:
            last = nn.Sequential(nn.Linear(HIDDEN, 1))

        def vote(rows: torch.Tensor, kept: torch.Tensor | None) -> torch.Tensor:
            seen = rows if kept is None else rows * kept / (1 - DROPPED)
            hidden = of_class(seen)
            if mode == "stacking":
                return torch.softmax(last(hidden).squeeze(2), dim=1)
            logits = last(hidden.mean(dim=1))
            if kept is not None:
                logits = logits.masked_fill(kept == 0, -1e9)
            return (rows * torch.softmax(logits, dim=1)[:, None, :]).sum(dim=2)

        step = torch.optim.Adam([*of_class.parameters(), *last.parameters()], lr=RATE)
        for _ in range(STEPS):
            rows = torch.randint(len(y), (min(BATCH, len(y)),), generator=generator)
            kept = (torch.rand(n_members, generator=generator) >= DROPPED).float()
            if not kept.any():
                continue
            mixed = vote(x[rows], kept)
            loss = -mixed[torch.arange(len(rows)), y[rows]].clamp_min(1e-9).log().mean()
            step.zero_grad()
            loss.backward()
            step.step()

        def of_tables(tables: np.ndarray) -> np.ndarray:
            with torch.no_grad():
                rows = torch.from_numpy(np.ascontiguousarray(np.moveaxis(tables, 0, 2)))
                return vote(rows.float(), None).numpy()

        return of_tables

    return fit


NEURAL = {f"neural, {mode}": neural(mode) for mode in ("averaging", "stacking")}
