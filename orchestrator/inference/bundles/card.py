"""What stands in a bundle for people: how it is used, what it is, how good, and what is not known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from orchestrator.errors import counted
from orchestrator.inference.bundles.origin import UNKNOWN, license_of_card
from orchestrator.inference.bundles.record import Kind, Manifest, OneMember
from orchestrator.inference.refits.said import of_card
from orchestrator.inference.soups.said import soup_card

_NEEDS: Mapping[Kind, str] = {
    "onnx": "numpy 'pillow>=10.1' onnxruntime",
    "torch": "numpy 'pillow>=10.1' torch",
    "safetensors": "ensemble-of-image-classifiers",
}
_LIBRARY: Mapping[Kind, str] = {"onnx": "onnx", "torch": "pytorch", "safetensors": "timm"}
_METRICS = {"macro_f1": "macro F1", "accuracy": "accuracy", "log_loss": "log-loss"}
_MOST_CLASSES = 60  # in a table


def readme(manifest: Manifest) -> str:
    """README.md: how the bundle is used."""
    return f"# {manifest.name}\n\n{_what(manifest)}\n\n{_use(manifest)}\n\n{_contents(manifest)}\n"


def model_card(manifest: Manifest) -> str:
    """MODEL_CARD.md, in the layout of the Hugging Face Hub."""
    parts = [
        _front(manifest),
        f"# {manifest.name}",
        _what(manifest),
        "## Use",
        _use(manifest),
        "## Scores",
        _scores(manifest),
        "## Members",
        _members(manifest),
        "## Data",
        _data(manifest),
        "## Limits",
        _limits(manifest),
        "## Where the weights come from",
        _origins(manifest),
        "## Files",
        _contents(manifest),
    ]
    return "\n\n".join(parts) + "\n"


def _front(manifest: Manifest) -> str:
    licenses = [n.origin.get("license") for own in manifest.members for n in own.networks]
    lines = [
        f"license: {_license(license_of_card(licenses))}",
        f"library_name: {_LIBRARY[manifest.kind]}",
        "pipeline_tag: image-classification",
        "tags:",
        "- image-classification",
        "- ensemble",
    ]
    return "\n".join(["---", *lines, "---"])


def _license(name: str) -> str:
    """As the Hub writes it: apache-2.0, mit, other, unknown."""
    return "-".join(name.lower().replace("license", "").split()) or UNKNOWN


def _what(manifest: Manifest) -> str:
    networks = sum(len(own.networks) for own in manifest.members)
    return (
        f"An ensemble of image classifiers: {counted(networks, 'network')} of "
        f"{counted(len(manifest.members), 'member')} and their {manifest.vote.name} vote, "
        f"{len(manifest.classes)} classes."
    )


def _use(manifest: Manifest) -> str:
    more = ""
    if manifest.kind == "safetensors":
        more = (
            "\n\nThe weights are state dicts of timm models: `timm.create_model(NAME, num_classes=K)` "
            "with `recipe.model` of `ensemble.json`, then `load_state_dict`."
        )
    if manifest.kind == "torch":
        more = "\n\nThe `.pt2` files are programs (`torch.export.load`): run them where you trust them."
    return f"""```sh
pip install {_NEEDS[manifest.kind]}
python predict.py PHOTOS... > answers.csv
```

```python
from predict import predict_proba
predict_proba(["a.jpg", "b.jpg"])  # (N, {len(manifest.classes)}) float32, classes as in ensemble.json
```

Or `ensemble predict --bundle FOLDER PHOTOS...`, with the package ensemble-of-image-classifiers.{more}"""


def _contents(manifest: Manifest) -> str:
    lines = [
        f"- `ensemble.json`: preprocessing, classes, vote and digests (format {manifest.format})",
        f"- `networks/`: {manifest.kind}{', weights in 16 bits' if manifest.half else ''}",
    ]
    if manifest.vote.file:
        lines.append(f"- `{manifest.vote.file}`: the networks' probabilities -> the vote's")
    if "stackers.npy" in manifest.files:
        lines.append("- `stackers.npy`: coefficients of the vote, for the package")
    if manifest.stacks:
        lines.append("- `stacks/`: second levels, for the package")
    program = "`predict.py`" if manifest.kind == "safetensors" else "`predict.py` with `pixels.py`"
    lines.append(f"- {program}, `README.md`, `MODEL_CARD.md`")
    return "\n".join(lines)


def _scores(manifest: Manifest) -> str:
    record = manifest.vote.record
    if not record.get("estimate"):
        text = "The vote was cast without out-of-fold predictions: nothing is known of its scores."
        return text + _fewer(manifest)
    rows: list[tuple[str, Mapping[str, Any]]] = [("the vote", record["estimate"])]
    best = record.get("best_single")
    if best:
        rows.append((f"best single member ({best.get('member')})", best))
    if record.get("uniform"):
        rows.append(("plain mean of the members", record["uniform"]))
    table = _table(
        ["", *_METRICS.values()],
        [[name, *(_figure(found, metric) for metric in _METRICS)] for name, found in rows],
    )
    n = manifest.data.get("photographs")
    of = f"{n:,} photographs" if n else "photographs"
    some = record.get("missing_rows") or (record.get("common_rows") or {}).get("oof")
    if some and some["rows"] < some["of"]:
        of = f"{some['rows']:,} of {some['of']:,} photographs that every member held out in some fold"
    text = (
        f"{table}\n\nEach figure with its standard error. They are out-of-fold: each of the {of} was "
        "predicted by networks that had not seen it or its group, and by a vote whose weights and kind were "
        "chosen without its fold."
    )
    if fewer := _fewer(manifest):
        text += fewer
    else:
        text += " The vote uses all folds' networks for a new photograph, which the scores do not count."
    return text + "".join(f"\n\n{note}" for note in record.get("notes") or ())


def _figure(found: Mapping[str, Any], metric: str) -> str:
    if (value := found.get(metric)) is None:
        return ""
    error = (found.get("standard_error") or {}).get(metric)
    return f"{value:.4f}" + (f" ± {error:.4f}" if error is not None else "")


def _fewer(manifest: Manifest) -> str:
    """What is said of fewer networks than the run has; empty where it is all of them."""
    if manifest.soups:
        return soup_card(manifest.soups, _table)
    return of_card(manifest.refit, _table, _figure) if manifest.refit else ""


def _members(manifest: Manifest) -> str:
    record = manifest.vote.record
    weights, solo = record.get("members") or {}, record.get("solo") or {}

    def row(name: str, what: str, seen: str) -> list[str]:
        weight = f"{weights[name]:.3f}" if name in weights else ""
        return [name, what, seen, weight, _figure(solo.get(name) or {}, "macro_f1")]

    rows = [
        row(own.name, f"{len(own.networks)} x {own.networks[0].recipe['model']}", _seen(own))
        for own in manifest.members
    ]
    rows += [row(n, f"product of {', '.join(of)}", "") for n, of in manifest.joins.items()]
    rows += [row(n, f"second level of {', '.join(s.of)}", "") for n, s in manifest.stacks.items()]
    there = [*(own.name for own in manifest.members), *manifest.joins, *manifest.stacks]
    table = _table(["member", "networks", "sees", "weight", "its own macro F1"], rows)
    without = [name for name in manifest.vote.voters if name not in there]
    note = f"\n\nWithout influence, and not in here: {', '.join(without)}." if without else ""
    if manifest.soups:
        note = f" The members' scores are of all their networks in the run.{note}"
    if manifest.refit:
        note = f" The members' scores are of the folds' networks.{note}"
    return f"{table}\n\nThe pool is {record.get('pool') or 'linear'}; `ensemble.json` has all numbers.{note}"


def _seen(member: OneMember) -> str:
    views = [view for view in member.networks[0].recipe.get("views", ()) if view != "plain"]
    parts = [f"{member.size[0]}x{member.size[1]}"]
    if member.crop:
        parts.append(f"centre {member.crop[0]:g}x{member.crop[1]:g}")
    if member.cut_out:
        parts.append("without background")
    if member.targets:
        parts.append(f"predicts {' and '.join(member.targets)}")
    return ", ".join([*parts, *views])


def _data(manifest: Manifest) -> str:
    data, lines = manifest.data, []
    if n := data.get("photographs"):
        groups = data.get("groups")
        of = f" of {groups:,} groups" if groups and groups != n else ""
        lines.append(f"Trained on {n:,} photographs{of}, {data.get('folds', '')}.")
    else:
        lines.append("Nothing is recorded of the photographs that it was trained on.")
    if data.get("drawn"):
        lines.append(
            "They are people drawn by a program, to try things out: no score on them says anything "
            "about photographs."
        )
    if data.get("data_hash"):
        lines.append(f"Hash of the photographs and labels: `{data['data_hash']}`.")
    text = " ".join(lines)
    counts = data.get("by_class") or {}
    if counts:
        shown = list(counts.items())[:_MOST_CLASSES]
        text += f"\n\n{_table(['class', 'photographs'], [[k, f'{v:,}'] for k, v in shown])}"
        if len(counts) > len(shown):
            text += f"\n\nand {len(counts) - len(shown)} more classes."
    return text


def _limits(manifest: Manifest) -> str:
    record, data = manifest.vote.record, manifest.data
    lines = [
        "The scores hold for photographs like those it was trained on: same cameras, same framing, same "
        "shares of the classes. Nothing was measured on others.",
        "It answers with one of its classes whatever a photograph shows; it has no class for what it "
        "does not know.",
    ]
    if record.get("estimate"):
        lines.append(
            "How far probabilities can be trusted is what the log-loss above says; a probability of a "
            "rare class rests on few photographs."
        )
    rare = [name for name, n in (data.get("by_class") or {}).items() if n < 30]
    if rare:
        lines.append(f"Fewer than 30 photographs were of: {', '.join(rare[:12])}"
                     + (f" and {len(rare) - 12} more." if len(rare) > 12 else "."))  # fmt: skip
    if record.get("prior"):
        lines.append(
            "Its answers are corrected for the class shares of the photographs that the run predicted; for "
            "others these may be wrong."
        )
    checked = manifest.checked
    if manifest.half:
        lines.append(
            "Weights are kept in 16 bits and computed with in 32: on pixels that were tried, a network's "
            f"probabilities differ by up to {checked.get('half', 0):.1g} from those scored above."
        )
    lines.append(
        "Arithmetic is in float32; on pixels that were tried, a network's probabilities are within "
        f"{max(checked.get('networks', 0), 1e-9):.1g} of what it was made of."
    )
    return "\n".join(f"- {line}" for line in lines)


def _origins(manifest: Manifest) -> str:
    rows = []
    for own in manifest.members:
        origin = own.networks[0].origin
        stated = origin.get("license")
        rows.append([
            own.name, origin.get("architecture", ""), origin.get("began_from", UNKNOWN),
            "none needed" if stated is None else stated, origin.get("source", ""),
        ])  # fmt: skip
    table = _table(["member", "architecture", "began from", "licence of these", "source"], rows)
    return (
        f"{table}\n\nA licence is what the publisher of the first weights states; `unknown` where nobody "
        "does. Which licence the trained weights have is for their author to say, in the front of this "
        "card."
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    def line(cells: Iterable[str]) -> str:
        return f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in cells)} |"

    return "\n".join([line(head), f"|{'---|' * len(head)}", *map(line, rows)])
