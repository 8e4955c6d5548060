"""Weights of the members that minimise the log-loss of their mixture: the exact optimum.

With A (M, N), the probability that member j gives to row i's true class, the mixture's log-loss
f(w) = -mean(log(w A)) is convex over the simplex. Its gradient is -g with g = A (1 / (w A)) / N,
and f(w) - min f <= max(g) - 1: the certified gap (the Frank-Wolfe duality gap, since w g = 1).
Dropping sum(w) = 1 and adding + sum(w) leaves the optimum where it was (Kim, Carbonetto, Stephens
and Anitescu 2020, "mixsqp"), so that only w >= 0 is left to hold.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

GAP = 1e-8
ENTER_AT_ONCE = 32
# A block of rows of all members stays in the processor's cache.
BLOCK = 4096
# Neighbouring rows that are taken or left together: memory reads them at once.
RUN = 64
# Up to so many rows every step takes all of them.
FEW_ROWS = 65_536
FIRST_ROWS = 2048
# More than any loss takes that rounding does not keep from its minimum.
MOST_STEPS = 1000
# Of the many rows, those to which the vote gives less than this and one in so many of the others.
HARD, ONE_IN = 0.3, 32
# So near to the optimum one step does it; second derivatives serve the next step where the last
# left so small a part of the way.
NEAR, LEADS_ON = 1e-3, 64


@dataclass
class LogLossFit:
    """weights: (M,) float64, >= 0, sum 1. gap: certified distance of the loss from its minimum."""

    weights: np.ndarray
    gap: float


@dataclass
class WeightedRows:
    """Some of the rows, standing for all of them.

    true: (M, n). counts: (n,) for how many rows each stands. hessian: (k, k) of the members used
    (k,), where it was last measured. far: from the optimum, before the last step.
    """

    true: np.ndarray
    counts: np.ndarray
    used: np.ndarray = field(default_factory=lambda: np.empty(0, np.intp))
    hessian: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    far: float = np.inf


def log_loss_weights(true: np.ndarray, gap: float = GAP, ridge: float = 0.0) -> LogLossFit:
    """Weights over the simplex of least log-loss, certified to `gap`.

    true: (M, N) float64 > 0, each member's probability of the true class. Newton steps on the
    members in use; the gradient over all adds the members that would help and certifies the rest.
    They start from the solution of every n-th row. With many rows the steps, too, are those of a
    part of the rows: one that holds every row that the vote finds hard, and whose gradient is set
    right by that of all rows, which one pass after each step measures.
    ridge: pull towards equal weights, as strong as that many more photographs, of which each
    member alone has an equal share (a Dirichlet prior: the problem keeps its form and its
    certificate, which is then that of the penalised loss).
    """
    n_members, n_rows = true.shape
    counts = np.ones(n_rows)
    start = np.full(n_members, 1 / n_members) if ridge else _start(true)
    if ridge:
        true = np.concatenate([true, np.eye(n_members)], axis=1)
        counts = np.append(counts, np.full(n_members, ridge / n_members))
    if len(counts) <= FEW_ROWS:
        return _newton(WeightedRows(true, counts), start, gap)
    return _newton_on_a_part(true, counts, start, gap)


def certified_gap(weights: np.ndarray, true: np.ndarray) -> float:
    """How far at most the log-loss of weights (M,) is from its minimum; true: (M, N)."""
    return max(float((true @ (1 / (weights @ true))).max()) / true.shape[1] - 1, 0.0)


def log_loss_without_each(weights: np.ndarray, true: np.ndarray) -> np.ndarray:
    """(M, M) float64: row j the weights of least log-loss without member j, these as they are where j
    has none. true: (M, N).

    Of some rows; the best of points on the way from the others in proportion to where a Newton step
    leads, which may be too far.
    """
    true = true[:, :: max(1, true.shape[1] // FEW_ROWS)]
    part = WeightedRows(true, np.ones(true.shape[1]))
    pull, mixture = _gradient(true, part.counts, weights)
    hessian, left = _hessian(part, mixture, np.arange(len(true))), np.tile(weights, (len(true), 1))
    hessian[np.diag_indices(len(true))] += 1e-10 * hessian.trace() / len(true)
    linear = hessian @ weights + pull - 1
    for j in np.flatnonzero(weights):
        rest = np.delete(np.arange(len(weights)), j)
        if not len(rest):
            continue
        point = np.zeros(len(weights))
        point[rest] = nonnegative_minimum(hessian[np.ix_(rest, rest)], linear[rest])
        near = np.where(np.arange(len(weights)) == j, 0, weights)
        near = near if near.any() else np.where(np.arange(len(weights)) == j, 0, 1.0)
        ways = [own / own.sum() for own in (near, near / near.sum() + point, point) if own.any()]
        left[j] = max(ways, key=lambda way: np.log(np.maximum(way @ true, 1e-300)).sum())
    return left


def _start(true: np.ndarray) -> np.ndarray:
    """The weights for every n-th row, as exact as so few rows allow; of very few rows equal weights."""
    n_members, n_rows = true.shape
    step = min(n_rows // max(FIRST_ROWS, 8 * n_members), 64)
    if step < 2:
        return np.full(n_members, 1 / n_members)
    some = _every(true, step)
    part = WeightedRows(some, np.ones(some.shape[1]))
    return _newton(part, _start(some), some.shape[1] ** -0.5).weights


def _every(true: np.ndarray, step: int) -> np.ndarray:
    """(M, n) one run of neighbouring rows of every `step` such runs, which memory reads at once."""
    run = max(1, min(RUN, true.shape[1] // (64 * step)))
    n_runs = true.shape[1] // (run * step)
    runs = true[:, : n_runs * run * step].reshape(len(true), n_runs, step, run)
    return runs[:, :, step // 2].reshape(len(true), -1)


def _newton_on_a_part(
    true: np.ndarray, counts: np.ndarray, weights: np.ndarray, gap: float
) -> LogLossFit:
    """As `_newton` over all rows, of which every step but its gradient takes a part only."""
    pull, mixture = _gradient(true, counts, weights)
    best = LogLossFit(weights, max(float(pull.max()) - 1, 0.0))
    rows, part = _telling_part(true, counts, mixture)
    ridged = bool((counts != 1).any())
    while best.gap > gap:
        # a step to weight 0 would be one too far under a ridge: there each is looked at
        if best.gap > NEAR or ridged:
            weights = _newton(part, weights, best.gap / 30, pull).weights
        else:
            weights = _newton_point(part, weights, pull, mixture[rows])
        pull, mixture = _gradient(true, counts, weights)
        found = max(float(pull.max()) - 1, 0.0)
        if found > best.gap / 2:
            return _newton(WeightedRows(true, counts), best.weights, gap)
        best = LogLossFit(weights, found)
    return best


def _telling_part(
    true: np.ndarray, counts: np.ndarray, mixture: np.ndarray
) -> tuple[np.ndarray, WeightedRows]:
    """(n,) indices of rows, and these rows: all that the vote finds hard, which bend the loss most,
    those of a ridge, and some of the others, which stand for the rest of those.
    """
    hard = (mixture < HARD) | (counts != 1)
    taken = hard.copy()
    runs = taken[: len(taken) // (RUN * ONE_IN) * RUN * ONE_IN].reshape(-1, ONE_IN, RUN)
    runs[:, ONE_IN // 2] = True
    rows = np.flatnonzero(taken)
    part = WeightedRows(np.empty((len(true), len(rows))), counts[rows])
    for member, kept in zip(true, part.true, strict=True):
        np.take(member, rows, out=kept, mode="clip")
    easy = ~hard[rows]
    part.counts[easy] *= (len(hard) - hard.sum()) / max(easy.sum(), 1)
    return rows, part


def _gradient(
    true: np.ndarray, counts: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(M,) mean over rows of A / (w A), each row as often as it counts; (N,) w A."""
    total, mixture = np.zeros(len(true)), np.empty(true.shape[1])
    for begin in range(0, true.shape[1], BLOCK):
        rows = slice(begin, begin + BLOCK)
        mixture[rows] = weights @ true[:, rows]
        total += true[:, rows] @ (counts[rows] / mixture[rows])
    return total / counts.sum(), mixture


def _newton(
    part: WeightedRows, weights: np.ndarray, gap: float, over_all: np.ndarray | None = None
) -> LogLossFit:
    """Weights (M,) of least log-loss over the rows of a part, from a feasible start.

    over_all: (M,) the gradient at the start over all the rows for which the part stands.
    """
    best, shift = LogLossFit(weights, np.inf), np.zeros(len(weights))
    shares = part.counts / part.counts.sum()
    before, point, length, allowed = weights, weights, 1.0, np.inf
    for _ in range(MOST_STEPS):
        # a row that every member with weight rules out has infinite loss: the step is too long
        with np.errstate(divide="ignore", invalid="ignore"):
            pull, mixture = _gradient(part.true, part.counts, weights)
            loss = -(shares @ np.log(mixture)) - shift @ weights
        if loss > allowed and length > 1e-12:
            length = 0.99 if np.isinf(loss) and length == 1 else length / 2
            weights = (1 - length) * before + length * point
            continue
        if over_all is not None:
            shift, over_all = over_all - pull, None
            loss -= shift @ weights
        pull += shift
        # The multiplier of sum(w) = 1: 1 where the part is all there is.
        level = float(weights @ pull)
        found = float(pull.max()) - level
        if found < best.gap:
            best = LogLossFit(weights, max(found, 0.0))
        if best.gap <= gap:
            break
        point = _newton_point(part, weights, pull, mixture)
        step = point - weights
        # N f is self-concordant (a sum of -log of linear functions): a step of Newton decrement
        # below 1/4 is safe at full length.
        own = step[part.used]
        short = part.counts.sum() * (own @ part.hessian @ own) <= 1 / 16
        # longer ones must lower the loss by their share, as far as rounding shows it
        falls = 0.01 * (step @ pull) - 1e-14 * abs(loss)
        allowed = np.inf if short and part.counts.min() >= 1 else loss - falls
        before, weights, length = weights, point, 1.0
    return best


def _newton_point(
    part: WeightedRows, weights: np.ndarray, pull: np.ndarray, mixture: np.ndarray
) -> np.ndarray:
    """(M,) where a Newton step leads of the members in use and those that would help most."""
    excess = pull - weights @ pull
    entering = np.argsort(-excess, kind="stable")[:ENTER_AT_ONCE]
    used = np.union1d(np.flatnonzero(weights), entering[excess[entering] > 0])
    far = float(excess.max())
    if far > part.far / LEADS_ON or not np.array_equal(used, part.used):
        part.used, part.hessian = used, _hessian(part, mixture, used)
    part.far = far
    point = np.zeros_like(weights)
    point[used] = newton_step(weights[used], excess[used], part.hessian)
    return point / point.sum()


def _hessian(part: WeightedRows, mixture: np.ndarray, used: np.ndarray) -> np.ndarray:
    """(k, k) mean over rows of the outer products of A / (w A), of the k members in use."""
    total, space = np.zeros((len(used), len(used))), np.empty((len(used), BLOCK))
    scale = np.sqrt(part.counts) / mixture
    for begin in range(0, part.true.shape[1], BLOCK):
        rows = slice(begin, begin + BLOCK)
        ratios = space[:, : len(scale[rows])]
        for member, ratio in zip(used, ratios, strict=True):
            np.multiply(part.true[member, rows], scale[rows], out=ratio)
        total += ratios @ ratios.T
    return total / part.counts.sum()


def newton_step(weights: np.ndarray, excess: np.ndarray, hessian: np.ndarray) -> np.ndarray:
    """The weights (k,) >= 0 at the minimum of the quadratic model; they sum to about 1.

    excess: (k,) the mean over rows of A / (w A), less 1. hessian: (k, k) mean of its outer products.
    """
    # Members that agree on every row make it singular; a ridge around the current weights slows
    # the step and leaves the optimum alone.
    hessian = hessian + 1e-10 * hessian.trace() / len(hessian) * np.eye(len(hessian))
    return nonnegative_minimum(hessian, hessian @ weights + excess)


def nonnegative_minimum(hessian: np.ndarray, linear: np.ndarray) -> np.ndarray:
    """argmin over x >= 0 of x'Hx/2 - linear'x, H positive definite (k, k).

    Active set (Lawson and Hanson 1974, on normal equations). It begins with the entries that are
    left when all negative ones are dropped, again and again. Deterministic; finite, as from there
    every full step lowers the objective.
    """
    free = np.ones(len(linear), bool)
    x = _minimum_on(free, hessian, linear)
    while (x < 0).any():
        free = x > 0
        x = _minimum_on(free, hessian, linear)
    rounding = 1e-14 * abs(linear).max()
    for _ in range(10 * len(x) + 10):
        slack = np.where(free, -np.inf, linear - hessian @ x)
        if slack.max() <= rounding:
            break
        free[slack.argmax()] = True
        target = _minimum_on(free, hessian, linear)
        while len(out := np.flatnonzero(free & (target <= 0))):
            ratio = x[out] / np.maximum(x[out] - target[out], np.finfo(float).tiny)
            x = np.maximum(x + ratio.min() * (target - x), 0)
            x[out[ratio.argmin()]] = 0
            free &= x > 0
            target = _minimum_on(free, hessian, linear)
        x = target
    return x


def _minimum_on(free: np.ndarray, hessian: np.ndarray, linear: np.ndarray) -> np.ndarray:
    """(k,) the minimum where only the free entries differ from 0."""
    x = np.zeros(len(linear))
    x[free] = np.linalg.solve(hessian[np.ix_(free, free)], linear[free])
    return x
