"""Weights of the log-linear pool by log-loss: a convex problem, solved by Newton's method.

With z_j = log p_j, the pool is softmax(sum_j w_j z_j + b), and the mean log-loss plus
ridge / (2 N) |w - 1/M|^2 + bias_ridge / (2 N) |b|^2 is convex in w and b together. Its gradient is
mean(sum_k (q_k - [k = y]) z_jk) in w_j and mean(q_k - [k = y]) in b_k, its Hessian the mean over rows
of the covariance under q. Both ridges make it strongly convex, so that a small gradient certifies
the loss: it is at most |gradient|^2 N / (2 ridge) above its minimum.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import dataclass

import numpy as np

from ensembles.rules.pools import mix_logs
from ensembles.weights.simplex import nonnegative_minimum
from ensembles.weights.stack import LogBlocks, LogParts

RIDGE = 1.0
# The largest entry of the gradient, of those that w >= 0 does not hold back, at which a fit is done.
TOLERANCE = 1e-6
MOST_STEPS = 100
HESSIAN_ROWS = 1024
# and of so many a parameter, where there are more: a class's bias is told by the rows of its class
ROWS_A_PARAMETER = 8
# A large problem is of more numbers than these; it begins where one of every so manieth row ends.
LARGE, ONE_IN = 1 << 24, 8
# After so many steps the Hessian is of twice as many rows whenever it is taken anew.
FEW_STEPS = 6
# Second derivatives serve the next step where the last left at most 1 in so many of the gradient.
LEADS_ON = 3
# Of many parts of a few rows each some are put together.
FEW_PARTS, TOGETHER = 8, 1 << 22
CHUNK, AT_ONCE = 1 << 14, 1 << 20  # float32 numbers at once
# Of fits without a member: their rows, and how much is tried of a step that may be too long.
REMOVAL_ROWS, ON_THE_WAY = 512, (0.0, 0.25, 0.5, 1.0)
# What float32 logits leave unsure of a mean log-loss.
ROUNDING = 1e-8


@dataclass
class LogLinearFit:
    """weights: (M,) float64, >= 0 unless `negative`; they need not sum to 1. bias: (K,) float64, or
    None. gradient: the largest entry of the gradient that is left.
    """

    problem: _Problem
    at: np.ndarray
    gradient: float
    negative: bool

    @property
    def weights(self) -> np.ndarray:
        return self.at[: self.problem.n_members]

    @property
    def bias(self) -> np.ndarray | None:
        return self.at[self.problem.n_members :] if self.problem.has_bias else None

    def without_each(self) -> tuple[np.ndarray, np.ndarray | None]:
        """(M, M) and, with a bias, (M, K) float64: row j the weights without member j.

        Of the quadratic model around the fit its minimum without j, as far on the way to it from the
        others as they were as the loss falls: all on some rows, set right by the gradient of all.
        """
        some, m = self.problem.part(REMOVAL_ROWS), self.problem.n_members
        (_, gradient), (_, of_some) = (own.loss(self.at) for own in (self.problem, some))
        modelled = _model_without_each(self.at, gradient, some.hessian(self.at), m, self.negative)
        zeroed = np.tile(self.at, (m, 1))
        zeroed[np.diag_indices(m)] = 0
        ways = np.stack([zeroed + part * (modelled - zeroed) for part in ON_THE_WAY])  # (W, M, P)
        losses = some.losses(ways.reshape(-1, len(self.at))).reshape(ways.shape[:2])
        losses += ways @ (gradient - of_some)
        left = ways[losses.argmin(axis=0), np.arange(m)]
        left[self.weights == 0] = self.at
        return left[:, :m], left[:, m:] if self.problem.has_bias else None


def log_linear_fit(
    logs: np.ndarray | LogParts | LogBlocks,
    labels: np.ndarray,
    ridge: float = RIDGE,
    bias_ridge: float | None = None,
    negative: bool = False,
    start: np.ndarray | None = None,
) -> LogLinearFit:
    """The pool of least penalised log-loss, its gradient at most TOLERANCE where rounding allows.

    logs: (M, K, N) float32 (`Stack.logs`), or of some rows each (`Stack.log_parts`). labels: (N,) int.
    ridge: pull towards 1/M each, in units of a photograph's curvature. bias_ridge: pull of the
    class bias to 0; None: no bias. A bias needs `negative`, weights of any sign. start: (M,) or (M + K,)
    to begin from.
    """
    assert bias_ridge is None or negative, "a class bias is fitted beside weights of any sign"
    each = [(np.arange(len(labels)), logs)] if isinstance(logs, np.ndarray) else logs
    problem = _Problem(each, labels, ridge, bias_ridge)
    if start is None and problem.is_large:
        part = copy(problem.part(problem.n_rows // ONE_IN))
        part.pull = problem.pull * (problem.n_rows / part.n_rows)
        start = _newton(part, problem.centre.copy(), negative)[0]
    at = problem.centre.copy() if start is None else problem.centre * 0 + _padded(start, problem)
    at, far = _newton(problem, at, negative)
    return LogLinearFit(problem, at, far, negative)


def _newton(problem: _Problem, at: np.ndarray, negative: bool) -> tuple[np.ndarray, float]:
    """Where the largest entry of the gradient is at most TOLERANCE, from (P,), and that entry.

    The Hessian, which only steers, is of some HESSIAN_ROWS rows, and of more where these steer badly.
    How the gradient of all rows changed sets it right along each step (the BFGS update, Nocedal and
    Wright 2006, section 6.1).
    """
    loss, gradient = problem.loss(at)
    far, before, hessian = _far(at, gradient, negative), np.inf, np.empty((0, 0))
    rows, fresh = HESSIAN_ROWS, False
    if problem.is_large:
        rows = max(rows, ROWS_A_PARAMETER * len(at))
    for step in range(MOST_STEPS):
        if far <= TOLERANCE:
            break
        if far > before / LEADS_ON or not hessian.size:
            rows *= 2 if step > FEW_STEPS else 1
            hessian, fresh = problem.part(rows).hessian(at), True
        if negative:
            change = -np.linalg.solve(hessian, gradient)
        else:
            change = nonnegative_minimum(hessian, hessian @ at - gradient) - at
        promised, length = float(-gradient @ change), 1.0
        while True:
            found = problem.loss(at + length * change)
            if found[0] <= loss - 1e-4 * length * promised + ROUNDING or length < 1e-3:
                break
            length /= 2
        new_far = _far(at + length * change, found[1], negative)
        if new_far >= far and abs(found[0] - loss) <= ROUNDING:
            if fresh:
                break  # rounding is all that is left
            before = 0.0
            continue
        hessian = set_right(hessian, length * change, found[1] - gradient)
        before, far, fresh = far, new_far, False
        at, (loss, gradient) = at + length * change, found
    return at, far


def set_right(hessian: np.ndarray, step: np.ndarray, change: np.ndarray) -> np.ndarray:
    """(P, P) by which the gradient changes so (P,) along a step (P,); as definite as it was."""
    along, led = float(step @ change), hessian @ step
    if along <= 1e-3 * (step @ led):
        return hessian
    return hessian + np.outer(change, change) / along - np.outer(led, led) / (step @ led)


class _Problem:
    """The loss, its gradient and its Hessian at weights and bias (P,), one after the other.

    logs: which rows (n,), and their logs (M, K, n), gone through once for each.
    """

    def __init__(
        self,
        logs: LogParts | LogBlocks,
        labels: np.ndarray,
        ridge: float,
        bias_ridge: float | None,
    ):
        self.logs, self.labels = logs, labels
        if isinstance(logs, LogBlocks):
            self.n_members, self.n_classes = logs.stack.n_members, logs.stack.n_classes
        else:
            self.n_members, self.n_classes = logs[0][1].shape[:2]
        self.n_rows, self.has_bias = len(labels), bias_ridge is not None
        self.centre = np.full(self.n_members, 1 / self.n_members)
        self.pull = np.full(self.n_members, ridge / self.n_rows)
        if bias_ridge is not None:
            self.centre = np.append(self.centre, np.zeros(self.n_classes))
            self.pull = np.append(self.pull, np.full(self.n_classes, bias_ridge / self.n_rows))
        self.is_large = self.n_members * self.n_classes * self.n_rows > LARGE
        self._some: dict[int, _Problem] = {}
        self._true: np.ndarray | None = None

    def _parts(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Logs (M, K, n) and labels (n,)."""
        for at, logs in self.logs:
            yield logs, self.labels[at]

    def _right(self, true: np.ndarray, logs: np.ndarray, labels: np.ndarray) -> None:
        """Add to (P,) what the gradient would be of a pool that were right in every row of these."""
        at = labels * len(labels) + np.arange(len(labels))
        for j, own in enumerate(logs):
            true[j] += np.take(own, at).sum(dtype=np.float64)
        if self.has_bias:
            true[self.n_members :] += np.bincount(labels, minlength=self.n_classes)

    def loss(self, at: np.ndarray) -> tuple[float, np.ndarray]:
        """The penalised mean log-loss and its gradient (P,)."""
        m, away = self.n_members, at - self.centre
        total, gradient = 0.0, np.zeros(len(at))
        true = np.zeros(len(at)) if self._true is None else None
        for logs, labels in self._parts():
            if true is not None:
                self._right(true, logs, labels)
            chances = self._chances(at, logs)
            own = np.maximum(chances[labels, np.arange(len(labels))], np.finfo(np.float32).tiny)
            total -= float(np.log(own).sum(dtype=np.float64))
            flat, said = logs.reshape(m, -1), chances.ravel()
            for begin in range(0, len(said), CHUNK):  # summed in float64, a chunk in float32
                part = slice(begin, begin + CHUNK)
                gradient[:m] += flat[:, part] @ said[part]
            if self.has_bias:
                gradient[m:] += chances.sum(axis=1, dtype=np.float64)
        if true is not None:
            self._true = true / self.n_rows
        assert self._true is not None
        loss = total / self.n_rows + float((self.pull * away) @ away) / 2
        return loss, gradient / self.n_rows - self._true + self.pull * away

    def losses(self, points: np.ndarray) -> np.ndarray:
        """(J,) the penalised mean log-loss at each of (J, P)."""
        m, found = self.n_members, np.zeros(len(points))
        for logs, labels in self._parts():
            rows, flat = np.arange(len(labels)), logs.reshape(m, -1)
            each = max(1, AT_ONCE // (self.n_classes * len(labels)))
            for begin in range(0, len(points), each):
                some = points[begin : begin + each]
                logits = (some[:, :m].astype(np.float32) @ flat).reshape(-1, *logs.shape[1:])
                if self.has_bias:
                    logits += some[:, m:, None].astype(np.float32)
                logits -= logits.max(axis=1, keepdims=True)
                own = logits[:, labels, rows].sum(axis=1, dtype=np.float64)
                norms = np.log(np.exp(logits, out=logits).sum(axis=1)).sum(axis=1, dtype=np.float64)
                found[begin : begin + each] += norms - own
        return found / self.n_rows + (self.pull * (points - self.centre) ** 2).sum(axis=1) / 2

    def part(self, rows: int) -> _Problem:
        """The same of about so many rows, each standing for several."""
        step = max(1, self.n_rows // rows)
        if step == 1:
            return self
        if step not in self._some:
            some = copy(self)
            if isinstance(self.logs, LogBlocks):
                rows_of = np.arange(0, self.n_rows, step)
                some.labels = self.labels[rows_of]
                some.logs = list(_joined(own for _, own in self.logs.take(rows_of)))
            else:
                chosen = [(np.flatnonzero(at % step == 0), at, own) for at, own in self.logs]
                some.labels = np.concatenate([self.labels[at[rows]] for rows, at, _ in chosen])
                some.logs = list(_joined(np.take(own, rows, 2) for rows, _, own in chosen))
            some.n_rows, some._some, some._true = len(some.labels), {}, None
            self._some[step] = some
        return self._some[step]

    def hessian(self, at: np.ndarray) -> np.ndarray:
        """(P, P), and a little more so that it can be inverted."""
        m, found = self.n_members, np.zeros((len(at), len(at)))
        said: list[np.ndarray] = []
        for logs, _ in self._parts():
            chances = self._chances(at, logs)
            weighted = logs * chances
            means = weighted.sum(axis=1)
            found[:m, :m] += weighted.reshape(m, -1) @ logs.reshape(m, -1).T - means @ means.T
            if self.has_bias:
                found[:m, m:] += weighted.sum(axis=2) - means @ chances.T
                said.append(chances)
        if len(said) > FEW_PARTS:
            said = [np.concatenate(said, axis=1)]
        for chances in said:
            found[m:, m:] += np.diag(chances.sum(axis=1)) - chances @ chances.T
        found[m:, :m] = found[:m, m:].T
        found /= self.n_rows
        found[np.diag_indices(len(at))] += self.pull + 1e-7 * found.trace() / len(at)
        return found

    def _chances(self, at: np.ndarray, logs: np.ndarray) -> np.ndarray:
        """(K, n) float32: the pool of rows of logs (M, K, n)."""
        m = self.n_members
        return mix_logs(logs, at[:m], at[m:] if self.has_bias else None)


def _joined(logs: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Logs (M, K, n) of few rows each put together, about TOGETHER numbers at once; and their rows."""
    begin = 0
    some: list[np.ndarray] = []

    def together() -> tuple[np.ndarray, np.ndarray]:
        whole = np.concatenate(some, axis=2)
        return np.arange(begin, begin + whole.shape[2]), whole

    for own in logs:
        if some and sum(part.size for part in some) + own.size > TOGETHER:
            yield together()
            begin, some = begin + sum(part.shape[2] for part in some), []
        some.append(own)
    yield together()


def _padded(start: np.ndarray, problem: _Problem) -> np.ndarray:
    return np.append(start, np.zeros(len(problem.centre) - len(start)))


def _far(at: np.ndarray, gradient: np.ndarray, negative: bool) -> float:
    """The largest entry of the gradient, but for those that push against w >= 0."""
    held = gradient if negative else at - np.maximum(at - gradient, 0)
    return float(abs(held).max())


def _model_without_each(
    at: np.ndarray, gradient: np.ndarray, hessian: np.ndarray, n_members: int, negative: bool
) -> np.ndarray:
    """(M, P) where the quadratic model around (P,) is least with each member's weight held at 0."""
    members = np.arange(n_members)
    if negative:
        inverse = np.linalg.inv(hessian)
        best = at - inverse @ gradient
        scale = best[members] / inverse[members, members]
        left = best - scale[:, None] * inverse[:n_members]
        left[members, members] = 0
        return left
    left, linear = np.tile(at, (n_members, 1)), hessian @ at - gradient
    for j in np.flatnonzero(at):
        rest = np.delete(members, j)
        left[j] = 0
        if len(rest):
            left[j, rest] = nonnegative_minimum(hessian[np.ix_(rest, rest)], linear[rest])
    return left
