"""The JSON Schemas (draft 2020-12) of a spec and of a recipe file, for editors and validators.

    python -m docs.generate schemas    # writes both where the package has them

They are made from the models that read a spec, and say what those say: keys, types, ranges, names. What a
file may write in another way than a model holds it (members with the recipe's keys beside their own,
`${NAME:-default}`) is put in here; what it may write for single keys, in docs/schema_keys.py.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from docs import generate
from docs.schema_keys import VARIABLE, Schema, block, either, list_of, names, ref, written
from ensembles.voting.request import VoteRequest
from members.recipe.families import families
from members.recipe.recipe import Recipe
from orchestrator.spec.nni import NNI
from orchestrator.spec.search import Distribution
from orchestrator.spec.spec import Spec

ROOT = Path(__file__).parent.parent
OF_SPECS = ROOT / "orchestrator/spec/spec.schema.json"
OF_RECIPES = ROOT / "members/recipe/recipe.schema.json"
DRAFT = "https://json-schema.org/draft/2020-12/schema"
NULL: Schema = {"type": "null"}

# where one may stand without its list
_ONE_OR_MORE = (("Spec", "join"), ("Spec", "tracking"), ("Data", "repair"))


def _models() -> dict[str, Schema]:
    """Model -> the schema of its block, with what `written` says."""
    made = TypeAdapter(Spec).json_schema()
    found: dict[str, Schema] = {**made.pop("$defs"), "Spec": made}
    for model in found.values():
        model.pop("title", None)
        text = model.get("description", "")
        model["description"] = " ".join(text.split("\n\n")[0].split())
    for key, field in generate.fields_of(VoteRequest).items():
        found["VoteRequest"]["properties"][key]["description"] = field.description or ""
    for (name, key), schema in written().items():
        _replace(found[name]["properties"], key, schema)
    for name, key in _ONE_OR_MORE:
        properties = found[name]["properties"]
        several = {k: properties[key][k] for k in ("type", "items")}
        _replace(properties, key, either(several["items"], several))
    return {name: _tidy(model) for name, model in found.items()}


def _replace(properties: dict[str, Schema], key: str, schema: Schema) -> None:
    kept = {k: v for k, v in properties[key].items() if k in ("description", "default")}
    properties[key] = {**kept, **copy.deepcopy(schema)}


def _tidy(schema: Any) -> Any:
    """Without titles that repeat the key, and a list of so many of a kind as any draft says it."""
    if isinstance(schema, list):
        return [_tidy(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    found = {k: _tidy(v) for k, v in schema.items() if k != "title" or not isinstance(v, str)}
    if "prefixItems" in found:
        first, *others = found.pop("prefixItems")
        assert all(other == first for other in others)
        found["items"] = first
    if found.get("default", ...) is None:
        del found["default"]
    return found


def _space(recipe: Schema) -> Schema:
    """Recipe key -> a distribution, whose choices are values of that key."""
    found = {}
    for key in recipe["properties"]:
        if key == "recipe":
            continue
        of_key = list_of(ref(f"Recipe/properties/{key}"), minItems=1)
        of_nni = {**block({"_type": names("choice"), "_value": of_key}),
                  "required": ["_type", "_value"]}  # fmt: skip
        drawn = ("choice" if name == "choice" else name for name in Distribution.model_fields)
        own = [
            block({name: of_key}, required=[name])
            if name == "choice"
            else {**ref("Distribution"), "required": [name]}
            for name in drawn
        ]
        found[key] = either(*own, of_nni, ref("RangeOfNNI"))
    return found


def _shared(models: dict[str, Schema]) -> dict[str, Schema]:
    """The blocks below a spec, with members as a file has them."""
    recipe, member = models["Recipe"], models.pop("Member")
    recipe["properties"]["recipe"] = {
        "description": "the family that its settings start from; `defaults` and its own keys come "
        "before it",
        **either(names(*families()), NULL),
    }
    recipe.pop("required", None)
    own = {k: v for k, v in member["properties"].items() if k not in ("recipe", "teachers")}
    own |= {key: ref(f"Recipe/properties/{key}") for key in recipe["properties"]}
    models["Member"] = {**block(own, required=["name"]), "description": member["description"]}
    changed = {**own, "stack": ref("SecondLevel")}
    models["ChangedMember"] = {
        **block(changed),
        "description": "what is other with --small; null: it is left out",
    }
    return models


def _with_space(models: dict[str, Schema]) -> dict[str, Schema]:
    """The search with its space by key, in the project's form or in NNI's."""
    search = models["Search"]
    any_form = {"type": "object"}
    ranges = [name for name in NNI if name != "choice"]
    number = {"type": "number"}
    models["RangeOfNNI"] = block(
        {"_type": names(*ranges), "_value": list_of(number, minItems=2, maxItems=3)},
        required=["_type", "_value"],
    )
    models["Distribution"]["maxProperties"] = 1
    models["Distribution"]["properties"].pop("choice")
    models["Space"] = block(_space(models["Recipe"]), minProperties=1)
    properties = search["properties"]
    properties["names"] = {
        "description": "another name of a key in `space` -> the recipe's: {criterion: loss}",
        **either(
            {
                "type": "object",
                "additionalProperties": names(*Recipe.model_fields),
            },
            NULL,
        ),
    }
    # under names of others a space has keys that are none of a recipe
    search["if"] = {"required": ["names"]}
    search["then"] = {"properties": {"space": either({"type": "string"}, any_form)}}
    search["else"] = {"properties": {"space": either({"type": "string"}, ref("Space"))}}
    return models


def _small(models: dict[str, Schema], spec: dict[str, Schema]) -> dict[str, Schema]:
    """`small:`, in which what is required may be left out, since it is merged over the rest."""
    for name in ("Data", "Search", "PhotoCopy"):
        part = copy.deepcopy(models[name])
        part.pop("required", None)
        models[f"Changed{name}"] = part
    models["ChangedData"]["properties"]["copies"]["additionalProperties"] = ref("ChangedPhotoCopy")
    changed = {
        **copy.deepcopy(spec),
        "data": ref("ChangedData"),
        "search": {
            "description": spec["search"]["description"],
            **either(ref("ChangedSearch"), NULL),
        },
        "members": {
            "description": "by name; one that is null is left out",
            "type": "object",
            "additionalProperties": either(ref("ChangedMember"), NULL),
        },
    }
    del changed["small"]
    models["Small"] = block(changed)
    return models


def spec_schema() -> Schema:
    """Of a whole spec file."""
    models = _with_space(_shared(_models()))
    spec = models.pop("Spec")
    properties = spec["properties"]
    del properties["stacks"]
    item = {
        "type": "object",
        "if": {"required": ["stack"]},
        "then": ref("StackedMember"),
        "else": ref("Member"),
    }
    properties["members"] = {**properties["members"], "items": item}
    properties["defaults"] = {
        "description": "recipe keys for all members; also `recipe`, a family",
        **either(ref("Recipe"), NULL),
    }
    properties["small"] = {
        "description": "merged over the rest with --small; `members` by name",
        **either(ref("Small"), NULL),
    }
    models = _small(models, properties)
    return {
        "$schema": DRAFT,
        "title": "A spec of an ensemble",
        "description": spec["description"],
        **block(_with_variables(properties), required=["name", "data", "members"]),
        "$defs": {
            **{name: _with_variables(models[name]) for name in sorted(models)},
            "variable": VARIABLE,
        },
    }


def recipe_schema() -> Schema:
    """Of a file of members/recipes/: a recipe's keys."""
    models = _models()
    recipe = models["Recipe"]
    used = {name for name in models if f'"#/$defs/{name}"' in json.dumps(recipe)}
    return {
        "$schema": DRAFT,
        "title": "A recipe",
        **recipe,
        "$defs": {name: models[name] for name in sorted(used)},
    }


_OF_VALUES = ("type", "enum", "const", "minimum", "maximum", "exclusiveMinimum",
              "exclusiveMaximum", "pattern", "maxLength", "minLength")  # fmt: skip


def _with_variables(schema: Any, inside: bool = False) -> Any:
    """`${NAME:-default}` may stand for any value that is no block, list or free text.

    inside: it is one of several ways to write a value, whose others take the variable.
    """
    if isinstance(schema, list):
        return [_with_variables(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    found = {
        key: _with_variables(value) if key not in ("anyOf", "default", "required", "if") else value
        for key, value in schema.items()
    }
    if "anyOf" in found:
        ways = [_with_variables(way, inside=True) for way in found["anyOf"]]
        scalar = any(_is_narrow(way) for way in found["anyOf"])
        free = any(_is_free(way) for way in found["anyOf"])
        found["anyOf"] = [*ways, ref("variable")] if scalar and not free else ways
    elif _is_narrow(found) and not inside:
        value = {key: found.pop(key) for key in _OF_VALUES if key in found}
        found["anyOf"] = [value, ref("variable")]
    return found


def _is_narrow(schema: Schema) -> bool:
    """Whether it is of a single value that not every text is."""
    if schema.get("type") == "string":
        return not _is_free(schema)
    return schema.get("type") in ("integer", "number", "boolean")


def _is_free(schema: Schema) -> bool:
    return schema.get("type") == "string" and not {"enum", "const", "pattern"} & {*schema}


def as_text(value: Any, margin: str = "") -> str:
    """JSON with a line a key, but names and small blocks in one line."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    flat = json.dumps(value, ensure_ascii=False)
    if not any(isinstance(part, dict | list) for part in parts) or len(margin + flat) <= 100:
        return flat
    inner = f"{margin} "
    if isinstance(value, dict):
        rows = [f"{json.dumps(key)}: {as_text(part, inner)}" for key, part in value.items()]
    else:
        rows = [as_text(part, inner) for part in parts]
    first, last = "{}" if isinstance(value, dict) else "[]"
    return f"{first}\n{inner}" + f",\n{inner}".join(rows) + f"\n{margin}{last}"


def texts() -> dict[Path, str]:
    """File -> what belongs there."""
    return {
        OF_SPECS: as_text(spec_schema()) + "\n",
        OF_RECIPES: as_text(recipe_schema()) + "\n",
    }


def write_schemas() -> None:
    for file, text in texts().items():
        file.write_text(text, encoding="utf-8")
        print(f"{file.relative_to(ROOT)}: {len(text.encode()):,} bytes")
