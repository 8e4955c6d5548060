"""The reference pages, written from the code when the docs are built.

    python -m docs.generate spec       # prints one as Markdown; or recipes, chains, policies, kinds,
                                        # metrics, repairs, commands, folders, house, faults, limits_of_files
    python -m docs.generate schemas    # writes the JSON Schemas that come with the package

A page of docs/ takes one in between `<!-- generated: NAME -->` and `<!-- end -->`; what stands there
in the file is for readers of the source.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from docs import picture
from docs.command_table import callbacks, commands, parameters
from docs.fault_table import faults
from docs.kind_table import kinds
from docs.limit_table import limits_of_files
from docs.markdown import code, table
from ensembles.scores.metrics import METRICS
from members.data.lists.lookup import REPAIRS
from members.pixels.augment import CHAINS
from members.recipe.blocks import (
    Balance,
    Erasing,
    HeadFirst,
    Mixing,
    RunningMean,
    Statistics,
    Switch,
    WeightAveraging,
)
from members.recipe.families import families, family
from members.recipe.policies import POLICIES
from members.recipe.recipe import Recipe
from orchestrator.spec.blocks.data import Columns, Data, PhotoCopy
from orchestrator.spec.blocks.resources import Cache, Resources
from orchestrator.spec.search import Asha, Distribution, Search
from orchestrator.spec.spec import Folds, Join, Member, SecondLevel, Spec, StackedMember
from orchestrator.spec.students.blocks import Pseudo, Teacher

ROOT = Path(__file__).parent.parent
# title of a section -> the model of its keys, in the order of the page
BLOCKS: dict[str, type] = {
    "The whole file": Spec,
    "data": Data,
    "data.columns": Columns,
    "data.copies.NAME": PhotoCopy,
    "folds": Folds,
    "members": Member,
    "members and defaults: the recipe": Recipe,
    "members: pseudo": Pseudo,
    "members: teacher": Teacher,
    "members that are stacks": StackedMember,
    "members: stack": SecondLevel,
    "head_first": HeadFirst,
    "swa": WeightAveraging,
    "ema as timm's": RunningMean,
    "sampling": Balance,
    "erasing": Erasing,
    "mixing": Mixing,
    "mixing.switch": Switch,
    "normalize and test_normalize as numbers": Statistics,
    "search": Search,
    "search.space.KEY": Distribution,
    "search.asha": Asha,
    "join": Join,
    "vote": Spec.model_fields["vote"].annotation,
    "resources": Resources,
    "cache": Cache,
}
# keys that are gone before a model is built, and some that a model has and no spec
ADDED = {
    "The whole file": [
        ("defaults", "mapping", "{}", "recipe keys for all members; also `recipe`, a family below"),
        ("small", "mapping", "none", "merged over the rest with `--small`; `members` by name, "
         "and a member mapped to null is left out"),
    ],
    "members": [
        ("recipe", "text", "none", "the family that its settings start from, see below; "
         "`defaults` and its own keys come before it"),
    ],
    "search": [
        ("names", "mapping", "{}", "another name of a key in `space` -> the recipe's: "
         "`{criterion: loss}`"),
    ],
}  # fmt: skip
HIDDEN = {("members", "recipe"), ("members", "teachers"), ("The whole file", "stacks")}


# -- keys of a spec ------------------------------------------------------------------------------


def kind(annotation: Any) -> str:
    """A type as YAML has it: `whole number`, `[number, number]`, `a | b`, ..."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return kind(inner[0])
    if origin is Literal:
        return " | ".join(map(str, inner))
    if origin in (typing.Union, types.UnionType):
        return " | ".join(dict.fromkeys(map(kind, inner)))
    if origin is tuple:
        if inner[-1] is Ellipsis:
            return f"list of {kind(inner[0])}"
        return f"[{', '.join(map(kind, inner))}]"
    if origin in (dict, Mapping):
        return f"mapping of {kind(inner[0])} to {kind(inner[1])}"
    if is_block(annotation):
        return "mapping"
    words = {
        str: "text",
        bool: "true | false",
        int: "whole number",
        float: "number",
        type(None): "null",
        Any: "any value",
    }
    return words.get(annotation, str(annotation))


def is_block(annotation: Any) -> bool:
    """Whether it is a class with keys of its own: a pydantic model or a dataclass."""
    return inspect.isclass(annotation) and (
        issubclass(annotation, BaseModel) or dataclasses.is_dataclass(annotation)
    )


def fields_of(model: type) -> dict[str, FieldInfo]:
    """The keys of a block. Those of a dataclass are options of `vote`, whose help describes them."""
    if issubclass(model, BaseModel):
        return model.model_fields
    hints = typing.get_type_hints(model)
    helps = {re.split(r"[ /]", row[0])[0]: row[2] for row in parameters(callbacks()["vote"])}
    return {
        field.name: FieldInfo(
            annotation=hints[field.name],
            default=field.default,
            description=helps.get(f"--{field.name.replace('_', '-')}"),
        )
        for field in dataclasses.fields(model)
    }


def limits(field: FieldInfo) -> str:
    """`, at least 1` and the like."""
    words = {
        "ge": "at least",
        "gt": "above",
        "le": "at most",
        "lt": "below",
        "min_length": "length at least",
    }
    found = [
        f"{text} {getattr(rule, name):g}"
        for rule in field.metadata
        for name, text in words.items()
        if getattr(rule, name, None) is not None
    ]
    return "".join(f", {text}" for text in found)


def default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value = field.default
    if isinstance(value, BaseModel):
        return "see there"
    return code(yaml_of(value))


def yaml_of(value: Any) -> str:
    words = {None: "null", True: "true", False: "false"}
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(yaml_of, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {yaml_of(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, float):
        return f"{value:g}"
    return words.get(value, str(value)) if value is None or isinstance(value, bool) else str(value)


def keys(title: str) -> list[tuple[str, str, str, str]]:
    """(key, type, default, meaning) of every key of one block."""
    rows = [
        (name, kind(f.annotation) + limits(f), default(f), f.description or "")
        for name, f in fields_of(BLOCKS[title]).items()
        if (title, name) not in HIDDEN
    ]
    return rows + [(n, k, code(d) if d != "none" else d, m) for n, k, d, m in ADDED.get(title, [])]


def spec() -> str:
    parts = []
    for title, model in BLOCKS.items():
        rows = [(code(name), type_, value, text) for name, type_, value, text in keys(title)]
        text = first_paragraph(model)
        head = ("key", "type", "default", "meaning")
        parts += [f"## {code(title) if ' ' not in title else title}", text, table(head, rows)]
    return "\n\n".join(parts)


def first_paragraph(thing: Any) -> str:
    return " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())


# -- names that a spec may use -------------------------------------------------------------------


def recipes() -> str:
    """The families of members/recipes/ with what each sets."""
    rows = []
    for name in families():
        settings = {key: value for key, value in family(name).items() if key != "model"}
        shown = ", ".join(f"{key}: {yaml_of(value)}" for key, value in settings.items())
        rows.append((code(name), code(family(name)["model"]), code(shown)))
    return table(("recipe", "model", "and"), rows)


def chains() -> str:
    """The augmentation chains with what they do."""
    rows = []
    for name, chain in CHAINS.items():
        crop = "" if chain.crop is None else " by ".join(f"{side:.3g}" for side in chain.crop)
        noise = f"{chain.noise_std:g}" if chain.noise_std else ""
        steps = ", ".join(code(step) for step, _ in chain.transforms)
        if chain.policy:
            steps += f", timm's {code(chain.policy)}, colours by up to {chain.color_jitter:g}"
        rows.append((code(name), crop, steps, noise))
    return table(("augmentation", "centre crop (part of the photo)", "transforms", "noise"), rows)


def policies() -> str:
    """timm's policies with the sections that their strings may have."""
    rows = []
    for name, sections in POLICIES.items():
        shown = (f"{code(key)} {text}" for key, (_, text) in sections.items())
        rows.append((code(name), "; ".join(shown)))
    return table(("policy", "sections, and what is without"), rows)


def repairs() -> str:
    """How photos of a list that are not where it says may be found."""
    rows = [(code(name), f"read {how}") for name, how in REPAIRS.items()]
    return table(("`data.repair`", ""), rows)


def metrics() -> str:
    """The registered metrics: direction, what they take, other names."""
    rows = [
        (code(name), "more" if m.greater_is_better else "less", m.takes,
         ", ".join(map(code, m.aliases)))
        for name, m in METRICS.items()
    ]  # fmt: skip
    return table(("metric", "better is", "takes", "also called"), rows)


# -- the house -------------------------------------------------------------------------------------


def folders() -> str:
    """A table a package: what each of its folders and loose files is for."""
    parts = []
    for package, text in picture.PACKAGES.items():
        rows = [(code(name), first) for name, first in picture.described(ROOT, package)]
        parts += [f"### {code(package + '/')}", f"{text}.", table(("", ""), rows)]
    return "\n\n".join(parts)


def house() -> str:
    """The picture, as HTML."""
    return f'<div class="house">\n{picture.svg(ROOT)}\n</div>'


PARTS = {
    part.__name__: part
    for part in (
        *(spec, recipes, chains, policies, kinds, metrics, repairs, commands, folders, house),
        *(faults, limits_of_files),
    )
}
MARK = re.compile(r"<!-- generated: (\w+) -->.*?<!-- end -->", re.DOTALL)


def filled(text: str) -> str:
    """A page with its generated parts written out. Raises KeyError for an unknown part."""
    return MARK.sub(lambda match: PARTS[match[1]](), text)


if __name__ == "__main__":
    if sys.argv[1] == "schemas":
        from docs.spec_schema import write_schemas  # which takes the keys from here

        write_schemas()
    else:
        print(PARTS[sys.argv[1]]())
