"""What `with_soups` found, in words: for the terminal and for a bundle's card."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ensembles.scores import metrics
from orchestrator.errors import counted
from orchestrator.inference.soups.choice import ALL, GREEDY, SINGLE, UNIFORM

NAMES = {
    ALL: "all its networks",
    UNIFORM: "uniform soup",
    GREEDY: "greedy soup",
    SINGLE: "best single network",
}


def soup_lines(soups: Mapping[str, Any]) -> list[str]:
    """For the terminal, a line a member; none where nothing was averaged."""
    if not soups:
        return []
    found = [f"soups, judged by {_judge(soups)}:"]
    for name, own in soups["members"].items():
        before, after = own["networks"]
        if own["accepted"] is None:
            found.append(f"  {name} keeps {counted(before, 'network')}: {own['why']}")
            continue
        behind = own["behind"][own["accepted"]]
        figures = ", ".join(f"{metrics.title(m)} {_gap(gap)}" for m, gap in behind.items())
        found.append(f"  {name}: {before} -> {after}, {NAMES[own['accepted']]}: {figures}")
    before, after = soups["networks"]["before"], soups["networks"]["after"]
    figures = ", ".join(
        f"{metrics.title(m)} {_gap(gap)}" for m, gap in soups["vote"]["behind"].items()
    )
    found.append(f"  the vote: {before} -> {counted(after, 'network')}: {figures}")
    return found


def soup_card(
    soups: Mapping[str, Any], table: Callable[[Sequence[str], Iterable[Sequence[str]]], str]
) -> str:
    """For the model card, below the scores of the run. table: head and rows -> Markdown."""
    vote, members = soups["vote"], soups["members"]
    measured = list(vote["behind"])
    before, after = soups["networks"]["before"], soups["networks"]["after"]
    rows = [
        [f"the vote, {what}", *(_figure(vote[key][m]) for m in measured)]
        for what, key in ((f"all {before} networks", ALL), (f"these {after}", "soups"))
    ]
    rows.append(["the vote with soups", *(_gap(vote["behind"][m]) for m in measured)])
    for name, own in members.items():
        for key, what in NAMES.items():
            if "scores" in own:
                mark = " (in here)" if key == (own["accepted"] or ALL) else ""
                figures = map(_figure, own["scores"][key].values())
                rows.append([f"{name}, {what}{mark}", *figures])
    scores = table(["", *(metrics.title(m) for m in measured)], rows)
    of_what = table(
        ["member", "networks of the run", "in here", "which"],
        [[name, *map(str, own["networks"]), _which(own)] for name, own in members.items()],
    )
    return (
        f"\n\n### Fewer networks\n\nScores of the run are of its {counted(before, 'network')}. In here "
        f"are {after}: where it says so below, a member is the mean of several networks' weights (a soup), "
        "with batch norm measured anew on training photographs. The weights of the vote are those of the "
        f"run.\n\n{of_what}\n\nJudged by {_judge(soups)}:\n\n{scores}\n\nEach figure with "
        "its standard error. What is chosen for a photograph, a greedy soup's networks or the best single "
        f"one, was chosen on others: {_cross_fitted(soups)}. A soup is taken where it is at most one "
        "paired standard error behind all its member's networks, and the vote with it too: with few "
        "photographs that error is large, and so is the loss that could go unseen. The vote with soups "
        "is of those that passed, so its score is a little flattered."
    )


def _judge(soups: Mapping[str, Any]) -> str:
    judge = soups["judge"]
    groups = judge["groups"]
    of = f" of {counted(groups, 'group')}" if groups < judge["photographs"] else ""
    return f"{judge['of']} ({judge['photographs']:,} photos{of})"


def _cross_fitted(soups: Mapping[str, Any]) -> str:
    judge = soups["judge"]
    if judge["over"] == "seeds":
        return "those of other folds; each fold is answered by the mean of its own seeds' networks"
    return f"whole groups in {judge['parts']} parts, each answered by a choice on the other parts"


def _which(own: Mapping[str, Any]) -> str:
    if own["accepted"] is None:
        return f"not averaged: {own['why']}"
    chosen = own["of"][own["accepted"]]
    return f"{NAMES[own['accepted']]} of {'; '.join(' + '.join(pot) for pot in chosen)}"


def _figure(score: Sequence[float]) -> str:
    return f"{score[0]:.4f} ± {score[1]:.4f}"


def _gap(gap: Sequence[float]) -> str:
    """`worse by 0.0123 ± 0.0040`, or `better by ...`."""
    if not gap[0]:
        return f"the same ± {gap[1]:.4f}" if gap[1] else "the same"
    how = "worse" if gap[0] > 0 else "better"
    return f"{how} by {abs(gap[0]):.4f} ± {gap[1]:.4f}"
