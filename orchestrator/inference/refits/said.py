"""What is said of networks that were trained on all rows: after the command, and on the model card."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from orchestrator.errors import counted

_METRICS = {"macro_f1": "macro F1", "accuracy": "accuracy", "log_loss": "log-loss"}

Table = Callable[[Sequence[str], Iterable[Sequence[str]]], str]
Figure = Callable[[Mapping[str, Any], str], str]


def lines(refit: Mapping[str, Any]) -> list[str]:
    """For the command; none without `--folds refit`. refit: as of `ensemble.with_refits`."""
    if not refit:
        return []
    networks = _networks(refit)
    found = [f"trained on all rows: {networks}; no out-of-fold score is theirs"]
    both = refit["compared"]
    if "none" in both:
        return [*found, f"not compared with the folds' networks: {both['none']}"]
    found.append(_alike(both["same_answers"]))
    if "scores" in both:
        own, apart = both["scores"], both["scores"]["difference"]
        parts = [
            f"{title} {own['refit'][name]:.4f}, {_signed(apart, name)} beside the folds' networks"
            for name, title in _METRICS.items()
        ]
        found.append(
            f"on {counted(own['photographs'], 'photo')} of known class: {'; '.join(parts)}"
        )
    return found


def of_card(refit: Mapping[str, Any], table: Table, figure: Figure) -> str:
    """What follows the table of the vote's nested scores, a text that begins with a space or a paragraph.

    table: of a head and rows; figure: a score with its error, of a mapping and a metric.
    """
    text = (
        "\n\n**The networks in here are not the ones that these scores are of.** They were trained on all "
        f"photographs: {_networks(refit)}. The scores are of the folds' networks, each trained without the "
        "fold that it was scored on. No photograph is left that the networks in here have not seen, so there "
        "is no out-of-fold score of theirs. They learnt from more photographs than a fold's network; but "
        "each answers alone where the run's own vote takes the mean of several. Neither is measured by the "
        "scores above. Weights, kind, offsets and temperature of the vote are those that fit the folds' "
        "networks: where networks of all photographs are surer or less sure, the vote does not know."
    )
    both = refit["compared"]
    if "none" in both:
        return f"{text}\n\nThey were not compared with the folds' networks: {both['none']}."
    text += f"\n\n{_sentence(_alike(both['same_answers']))}"
    if "scores" not in both:
        return f"{text} Of none of these the class is known, so which are right is not."
    scores = both["scores"]
    rows = [
        ("the vote over all folds' networks", scores["folds"]),
        ("the vote in here", scores["refit"]),
    ]
    shown = [[name, *(figure(own, metric) for metric in _METRICS)] for name, own in rows]
    apart = scores["difference"]
    shown.append(["difference, paired", *(_signed(apart, metric) for metric in _METRICS)])
    return (
        f"{text} Scores on the {counted(scores['photographs'], 'photograph')} to predict whose class is "
        f"known, which no network was trained on, with standard errors over photographs:\n\n"
        f"{table(['', *_METRICS.values()], shown)}"
    )


def _networks(refit: Mapping[str, Any]) -> str:
    """`lite 12 of 20 epochs (1 network in place of 5)`, of each member."""
    parts = []
    for name, own in refit["members"].items():
        epochs = counted(own["epochs"], "epoch")
        if own["epochs"] != own["of_epochs"]:
            epochs = f"{own['epochs']} of {counted(own['of_epochs'], 'epoch')}"
        parts.append(
            f"{name} for {epochs} ({counted(own['networks'], 'network')} in place of {own['in_place_of']})"
        )
    return ", ".join(parts)


def _alike(same: Mapping[str, Any]) -> str:
    return (
        f"on {counted(same['photographs'], 'photo')} to predict it gives the class that the vote over the "
        f"folds' networks gives in {same['same_class']:.1%}; probabilities differ by "
        f"{same['total_variation']:.3f} on average (total variation)"
    )


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _signed(found: Mapping[str, Any], metric: str) -> str:
    return f"{found[metric]:+.4f} ± {found['standard_error'][metric]:.4f}"
