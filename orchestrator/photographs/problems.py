"""What the members of a spec need that its photographs and folds do not have."""

from __future__ import annotations

import numpy as np
import pandas as pd

from members.batches.sampling import partner_pool, sampling_problems
from members.data.codec import Codec
from members.data.columns import columns_of
from members.data.folds import assign as folds
from members.errors import BadInput
from members.recipe.recipe import Recipe
from orchestrator.photographs.table import codec_of, in_fold
from orchestrator.spec.folds.choice import choice_problem, folds_of, source_fold
from orchestrator.spec.spec import Member, Spec
from orchestrator.spec.students.checks import LEAST_FOLDS, few_folds


def member_problems(spec: Spec, frame: pd.DataFrame, codec: Codec) -> list[str]:
    """What members need that the photos, or the training part of a fold, do not have."""
    columns = columns_of(frame, codec)
    found: dict[str, None] = {}
    for member in spec.members:
        for recipe in spec.recipes_of(member):
            problems = sampling_problems(recipe, columns)
            problems += _class_weight_problems(recipe, len(codec_of(member, codec).classes))
            if "fold" in frame and not problems:  # else the folds are a mistake of their own
                problems += _fold_problems(member, recipe, columns, frame)
            found |= dict.fromkeys(f"{member.name}: {text}" for text in problems)
        found |= dict.fromkeys(_pseudo_problems(member, codec))
        if "fold" in frame:
            found |= dict.fromkeys(_choice_problems(member, frame["fold"].to_numpy()))
            found |= dict.fromkeys(_teacher_problems(member, frame["fold"].to_numpy()))
    return list(found)


def _choice_problems(member: Member, fold: np.ndarray) -> list[str]:
    """Folds that it names and a file of folds does not have; of others the spec was refused."""
    n_folds, source = folds.n_folds(fold), source_fold(member.init_from)
    named = {"folds": member.folds, "init_from": None if source is None else (source,)}
    return [
        f"members.{member.name}.{key}: {problem}"
        for key, choice in named.items()
        if (problem := choice_problem(choice, n_folds))
    ]


def _pseudo_problems(member: Member, codec: Codec) -> list[str]:
    """A bound that every photo reaches: the greatest of K probabilities is 1/K at least."""
    n_classes = len(codec_of(member, codec).classes)
    if member.pseudo is None or member.pseudo.at_least > 1 / n_classes:
        return []
    return [
        f"members.{member.name}.pseudo.at_least: {member.pseudo.at_least:g} keeps no photo out, as of "
        f"{n_classes} classes the most probable one has {1 / n_classes:.3g} or more. Give a greater "
        "one, e.g. 0.9"
    ]


def _teacher_problems(member: Member, fold: np.ndarray) -> list[str]:
    """Training photos that no network answers which did not see them, and too few folds for weights."""
    own = member.teacher
    if own is None:
        return []
    found, shown = [], f"members.{member.name}.teacher"
    if never := int((fold < 0).sum()):
        found.append(
            f"{shown}: {never} of {len(fold)} photos are in no fold, so that every network has seen them "
            "and none can answer them for a student. Give each a fold, or leave teacher out"
        )
    k = folds.n_folds(fold)
    if k < LEAST_FOLDS and own.vote == "weighted" and len(member.teachers) > 1:
        found.append(f"{shown}: {few_folds(k)}")
    return found


def _fold_problems(
    member: Member, recipe: Recipe, columns: dict[str, np.ndarray], frame: pd.DataFrame
) -> list[str]:
    problems = []
    for fold in folds_of(member.folds, folds.n_folds(frame["fold"].to_numpy())):
        rows, _ = in_fold(frame, fold)
        try:
            partner_pool(recipe, {name: values[rows] for name, values in columns.items()})
        except BadInput as error:
            problems += [f"{text} in the training part of fold {fold}" for text in error.problems]
    if recipe.schedule == "plateau" and (frame["fold"] < 0).all():
        problems.append(
            "schedule: plateau needs a validation part to watch, and no photo is held out; use "
            "step or cosine"
        )
    return problems


def _class_weight_problems(recipe: Recipe, n_classes: int) -> list[str]:
    if not isinstance(recipe.class_weights, tuple):
        return []
    from members.training.losses import class_weights  # imports torch

    try:
        class_weights(recipe, (), n_classes)
    except BadInput as error:
        return error.problems
    return []


def epoch_choice_problems(spec: Spec, frame: pd.DataFrame) -> list[str]:
    """Choices among epochs or views that nothing can be chosen by, or written of."""
    problems, nothing_held_out = [], (frame["fold"] < 0).all()
    for member in spec.members:
        recipe, watches = member.recipe, "needs a validation part, and no photo is held out"
        if recipe.select == "common_epoch" and nothing_held_out:
            problems.append(f"{member.name}: select: common_epoch {watches}; use last")
        if recipe.choose_views and nothing_held_out:
            problems.append(f"{member.name}: choose_views {watches}; write which in views")
        if recipe.submissions_above is not None and nothing_held_out:
            problems.append(f"{member.name}: submissions_above {watches}; leave it out")
        if recipe.submissions_above is not None and spec.data.test is None:
            problems.append(
                f"{member.name}: submissions_above needs photos to predict: give data.test"
            )
    return problems
