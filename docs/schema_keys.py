"""What a file may write for a key, where a model's own type says too little: names, short forms."""

from __future__ import annotations

import re
from typing import Any

from ensembles.scores import metrics
from ensembles.voting.kinds import CHOICES
from members.networks.models import model_names
from members.pixels.augment import transforms
from members.recipe import policies
from members.recipe.blocks import NAMED_STATISTICS
from members.recipe.chains import CHAINS
from members.recipe.values import LOSSES, MAX_SIDE, MIN_SIDE, NORMALIZATIONS
from members.training.optim import optimizer_names
from orchestrator.sizes import PATTERN
from orchestrator.spec import member_metrics

Schema = dict[str, Any]
TARGETS = ("mask", "gender", "age", "label")
NULL: Schema = {"type": "null"}
SIDE: Schema = {"type": "integer", "minimum": MIN_SIDE, "maximum": MAX_SIDE}
SIZE: Schema = {"anyOf": [SIDE, {"type": "array", "items": SIDE, "minItems": 2, "maxItems": 2}]}
VARIABLE: Schema = {
    "description": "an environment variable, with a default: ${NAME:-value}",
    "type": "string",
    "pattern": r"\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}",
}


def names(*allowed: str) -> Schema:
    return {"type": "string", "enum": [*allowed]}


def ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def either(*schemas: Schema) -> Schema:
    return {"anyOf": [*schemas]}


def block(properties: dict[str, Schema], **rules: Any) -> Schema:
    """A mapping of these keys and no others."""
    return {"type": "object", "properties": properties, "additionalProperties": False, **rules}


def list_of(items: Schema, **rules: Any) -> Schema:
    return {"type": "array", "items": items, **rules}


def _augmentation() -> Schema:
    """A chain by name, or a list of transforms, each a name or one name with its arguments."""
    steps = {
        name: {"anyOf": [block({argument: {} for argument in arguments}), NULL]}
        for name, arguments in transforms().items()
    }
    step = either(names(*steps), block(steps, minProperties=1, maxProperties=1))
    return either(names(*CHAINS), list_of(step))


def _losses() -> Schema:
    factor = {"type": "number", "exclusiveMinimum": 0}
    return either(names(*LOSSES), block(dict.fromkeys(LOSSES, factor), minProperties=1))


def _objective() -> Schema:
    """A metric, or one of a single target: `macro_f1:age`."""
    known = [*metrics.METRICS, *metrics.ALIASES]
    of_one = {"type": "string", "pattern": f"^({'|'.join(known)}):({'|'.join(TARGETS)})$"}
    return either(names(*known), of_one, NULL)


def _optimizer() -> Schema:
    known = optimizer_names()
    # timm takes their names in any case: these are the usual ones
    any_case = "".join(f"|{re.sub('[a-z]', _either_case, name)}" for name in known)[1:]
    prefix = re.sub("[a-z]", _either_case, "lookahead_")
    return either(names(*known), {"type": "string", "pattern": f"^({prefix})?({any_case})$"})


def _either_case(letter: re.Match) -> str:
    return f"[{letter[0]}{letter[0].upper()}]"


def written() -> dict[tuple[str, str], Schema]:
    """(model, key) -> what a file may have there."""
    statistics, number = ref("Statistics"), {"type": "number"}
    metric = names(*member_metrics.ALLOWED, *metrics.ALIASES)
    plain = {"type": ["string", "number", "boolean"]}
    # timm's own; any other text is let pass: a later timm knows more, and `check` names what is none
    model = either(names(*model_names()), {"type": "string", "minLength": 1})
    return {
        ("Recipe", "model"): model,
        ("Recipe", "image_size"): SIZE,
        ("Recipe", "sizes"): list_of(SIZE),
        ("Recipe", "augmentation"): _augmentation(),
        ("Recipe", "auto_augment"): either({"type": "string", "pattern": policies.pattern()}, NULL),
        ("Recipe", "normalize"): either(names(*NORMALIZATIONS), statistics),
        ("Recipe", "test_normalize"): either(names(*NAMED_STATISTICS, "model"), statistics, NULL),
        ("Recipe", "optimizer"): _optimizer(),
        ("Recipe", "loss"): _losses(),
        ("Recipe", "ema"): either(
            {**number, "exclusiveMinimum": 0, "exclusiveMaximum": 1}, ref("RunningMean"), NULL
        ),
        ("Recipe", "metric"): metric,
        ("Recipe", "class_weights"): either(
            names("balanced"), list_of({**number, "minimum": 0}, minItems=1), NULL
        ),
        ("Mixing", "partners"): either(
            names("random"),
            {
                "type": "object",
                "minProperties": 1,
                "maxProperties": 1,
                "additionalProperties": either(plain, list_of(plain, minItems=1)),
            },
        ),
        ("Cache", "limit"): either({"const": 0}, {"type": "string", "pattern": PATTERN}),
        ("Search", "metric"): metric,
        ("Search", "candidates"): either({"type": "integer", "minimum": 1}, NULL),
        ("Search", "space"): either({"type": "string"}, {"type": "object", "minProperties": 1}),
        ("VoteRequest", "objective"): _objective(),
        ("VoteRequest", "choice"): either(names(*CHOICES), NULL),
        ("VoteRequest", "ridge"): either({**number, "minimum": 0}, NULL),
        ("VoteRequest", "top"): either({"type": "integer", "minimum": 1}, NULL),
        **{
            ("VoteRequest", key): either(
                {**number, "exclusiveMinimum": 0, "exclusiveMaximum": 1}, NULL
            )
            for key in ("sets", "unknown")
        },
    }
