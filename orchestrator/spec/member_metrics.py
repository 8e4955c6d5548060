"""What members are judged by: the registry of metrics, and the validation loss of their own.

`loss` is the value of the member's own loss function, so it compares epochs of one member, not
members with different losses; `log_loss` is of the registry and the same for all.
"""

from __future__ import annotations

from ensembles.scores import metrics
from members.errors import nearest
from members.training.metric import LOSS, Metric

ALLOWED = (*metrics.METRICS, LOSS.name)
# scored in every history beside the loss; a recipe's own metric comes after, where it is none of these
_ALWAYS = ("macro_f1", "accuracy")
IN_EVERY_HISTORY = (LOSS.name, *_ALWAYS)


def read(name: str) -> str:
    """The canonical name of a metric or alias. Raises ValueError that says what is allowed."""
    found = metrics.canonical(name)
    if found not in ALLOWED:
        near = nearest(name, (*ALLOWED, *metrics.ALIASES))
        raise ValueError(f"got {name!r}.{near} Allowed: {', '.join(ALLOWED)}.")
    return found


def sign(name: str) -> int:
    """1 where greater is better, else -1."""
    return LOSS.sign if name == LOSS.name else metrics.named(name).sign


def worst(name: str) -> float:
    """What every score is better than."""
    return -sign(name) * float("inf")


def of_history(name: str) -> tuple[Metric, ...]:
    """What `members.training.fit.fit` scores each epoch by, for a recipe whose metric is `name`."""
    own = [name] if name != LOSS.name else []
    entries = [metrics.METRICS[n] for n in dict.fromkeys((*_ALWAYS, *own))]
    return tuple(Metric(e.name, e.greater_is_better, e.score) for e in entries)
