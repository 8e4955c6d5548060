"""Mistakes of a search that only the whole spec shows."""

from __future__ import annotations

from typing import get_args, get_origin

from members.recipe.recipe import Recipe
from members.training.metric import LOSS
from orchestrator.errors import unknown
from orchestrator.spec import member_metrics
from orchestrator.spec.mistakes import Mistakes
from orchestrator.spec.search import Search, samples
from orchestrator.spec.spec import Spec

_AT = ("search", "space")
# what a validation loss depends on: candidates that differ in it cannot be compared by their loss
_OF_THE_LOSS = ("loss", "smoothing", "focal_gamma", "class_weights")
# what no candidate's score depends on, and why
_WITHOUT_INFLUENCE = {
    "choose_views": "views are chosen when all units of a member are there, and candidates are scored "
    "on photos as they are",
    "select": "a candidate's score is that of its best epoch, whichever is kept",
    "submissions_above": "it only says which submissions are written",
    "test_normalize": "candidates are scored on the validation part, which has labels, and this is "
    "of the photos to predict",
}


def check_search(spec: Spec, mistakes: Mistakes) -> None:
    """Add every mistake of the search that its own values do not show."""
    search = spec.search
    if search is None:
        return
    names = [member.name for member in spec.members]
    for name in search.members:
        if name not in names:
            mistakes.add(("search", "members"), unknown("member", name, names))
    searched = [name for name in search.members if name in names]
    _check_space(spec, search, searched, mistakes)
    _check_comparable(spec, search, searched, mistakes)
    counts = {"kfold": spec.folds.k, "holdout": 1, "balanced_holdout": 1, "all": 0}
    last = counts.get(spec.folds.scheme, search.fold + 1) - 1  # `own` folds: not known yet
    if last < 0:
        mistakes.add(
            ("search",),
            "folds.scheme `all` leaves no validation part to compare "
            "candidates on. Use kfold or holdout, or leave the search out",
        )
    elif search.fold > last:
        mistakes.add(("search", "fold"), f"there are folds 0 to {last}, got {search.fold}")


def check_influence(spec: Spec, mistakes: Mistakes) -> None:
    """Add a mistake for each searched key that no score depends on, and where no candidate is ever stopped.
    Not of a recorded spec: earlier versions took them.
    """
    search = spec.search
    if search is None:
        return
    if "epochs" not in search.space or not mistakes.problems:  # drawn, its values must be right
        _check_grace(spec, search, mistakes)
    why = {key: text for key, text in _WITHOUT_INFLUENCE.items() if key in search.space}
    asked = [
        member.name
        for member in spec.members
        if member.name in search.members and not member.recipe.validation_views
    ]
    if "views" in search.space and "validation_views" not in search.space and asked:
        why["views"] = (
            "candidates are scored on photos as they are. It has one with validation_views: true in "
            f"{' and '.join(asked)}"
        )
    for key, text in why.items():
        mistakes.add(
            (*_AT, key),
            f"{key} has no influence on a candidate's score: {text}. Candidates that differ in it "
            "alone would be compared by chance. Write it into the member instead",
        )


def _check_grace(spec: Spec, search: Search, mistakes: Mistakes) -> None:
    for member in spec.members:
        epochs = search.longest(member.recipe.epochs)
        if member.name in search.members and epochs < search.asha.grace_epochs:
            mistakes.add(
                ("search", "asha", "grace_epochs"),
                f"{search.asha.grace_epochs} is more than the {epochs} epochs of "
                f"{member.name}: no candidate could ever be stopped",
            )


def _check_space(spec: Spec, search: Search, searched: list[str], mistakes: Mistakes) -> None:
    """Every key can take every value that may be drawn, together with those of the others."""
    space = dict(search.space)
    for key, distribution in search.space.items():
        if distribution.size() is not None:
            continue
        kind, (low, high) = next(iter(distribution.model_dump(exclude_none=True).items()))
        if search.sampler == "grid":
            middle = (low * high) ** 0.5 if kind == "log_uniform" else (low + high) / 2
            mistakes.add(
                (*_AT, key),
                f"a grid cannot list every number of {kind}. Write which, e.g. "
                f"choice: [{low:g}, {middle:g}, {high:g}] or quniform: [low, high, step], or take "
                "sampler: random or tpe",
            )
        if _is_whole(key):
            mistakes.add(
                (*_AT, key),
                f"{key} is a whole number, and {kind} draws others. Write int_uniform: "
                f"[{low:.0f}, {high:.0f}] (NNI: randint) or quniform: [low, high, step]",
            )
            del space[key]
    if not space:
        return
    for name in searched:
        base = spec.member(name).recipe.model_dump(mode="json")
        for settings in samples(space):
            mistakes.build(Recipe, {**base, **settings}, _AT, "search.space")


def _is_whole(key: str) -> bool:
    if key == "image_size":  # one number is a square
        return True
    annotation = Recipe.model_fields[key].annotation
    return get_origin(annotation) is not tuple and int in (annotation, *get_args(annotation))


def _check_comparable(spec: Spec, search: Search, searched: list[str], mistakes: Mistakes) -> None:
    """Members and candidates that compete are measured alike."""
    if search.metric == LOSS.name and (drawn := [k for k in _OF_THE_LOSS if k in search.space]):
        mistakes.add(
            ("search", "metric"),
            f"candidates that differ in {' and '.join(drawn)} cannot be compared by their loss. "
            "Use macro_f1 or accuracy",
        )
    judged = {spec.member(name).recipe.metric for name in searched} | (
        {"metric"} & search.space.keys()
    )
    if search.metric not in member_metrics.IN_EVERY_HISTORY and judged - {search.metric}:
        mistakes.add(
            ("search", "metric"),
            f"the epochs of {' and '.join(searched)} are not scored by {search.metric}. Give the "
            f"searched members `metric: {search.metric}` too, or search by "
            f"{' or '.join(member_metrics.IN_EVERY_HISTORY)}",
        )
    if search.scope == "member":
        return
    members = [spec.member(name) for name in searched]
    path = ("search", "scope")
    if len({member.targets for member in members}) > 1:
        predicts = ", ".join(f"{m.name} {' and '.join(m.targets or ['all'])}" for m in members)
        mistakes.add(
            path,
            f"members that compete must predict the same targets, but these do not: {predicts}. "
            "Use scope: member, or search fewer members",
        )
    settings = [
        member.recipe.model_dump(mode="json", include={*_OF_THE_LOSS}) for member in members
    ]
    if search.metric == LOSS.name and any(one != settings[0] for one in settings):
        mistakes.add(
            path, "members with different losses cannot be compared by metric: loss. Use macro_f1"
        )
    made = [(f"the join {join.name}", join.of) for join in spec.join]
    made += [(f"the stack {own.name}", own.stack.of) for own in spec.stacks]
    for what, parts in made:
        for name in [name for name in parts if name in searched]:
            mistakes.add(
                path,
                f"{name} may be left out, but {what} needs it. Use scope: member, "
                f"or take {name} out of search.members",
            )
