"""`ensemble.json`: what a bundle is made of, written from `Trained` and read back.

format      1: of this file; a reader refuses what is newer
kind        onnx | torch | safetensors
classes     in the order of the columns; targets: [[name, [class, ...]], ...]
members     each with what it sees (size, crop, cut_out) and its networks: file, recipe, origin
joins       name -> members whose probabilities are multiplied
stacks      name -> the members below a second level, and its file
vote        its name, the members that vote, `vote.json` of the run as `record`, and the file of
            the whole vote as a graph (onnx and torch)
data        what is known of the photographs that it was trained on
soups       of `export --folds soup`: what judged, which members are means of whose weights, and scores
refit       of `export --folds refit`: how long each member's networks were trained on all rows, and
            how the vote over them differs from the vote over the folds' networks
files       path -> sha256 of what is loaded
sha256      of all the above
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ensembles.files import places
from ensembles.files.cells import parse_json
from ensembles.files.digests import sealed, unsealed
from ensembles.voting.record import VoteRecord
from ensembles.voting.stored import STACKERS, rule_of
from members.data.codec import Codec
from members.recipe.recipe import Recipe
from orchestrator.errors import WrongRequest
from orchestrator.inference.bundles import stacks
from orchestrator.inference.parts import Network, Part, Seen, Trained

MANIFEST = "ensemble.json"
FORMAT = 1
Kind = Literal["onnx", "torch", "safetensors"]
SUFFIX: dict[Kind, str] = {"onnx": ".onnx", "torch": ".pt2", "safetensors": ".safetensors"}
AGAIN = "Get the bundle anew, or export it again."


class _Block(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class OneNetwork(_Block):
    """file: below the bundle. origin: see `origin.origin_of`."""

    file: str
    recipe: dict[str, Any]
    origin: dict[str, Any] = {}


class OneMember(_Block):
    """As `parts.Part`."""

    name: str
    size: tuple[int, int]
    crop: tuple[float, float] | None = None
    cut_out: bool = False
    targets: tuple[str, ...] | None = None
    milliseconds: float | None = None
    networks: tuple[OneNetwork, ...]


class OneStack(_Block):
    """of: the members that it is fitted to."""

    of: tuple[str, ...]
    file: str


class OneVote(_Block):
    """As `parts.Trained`: its name, record and voters. file: the vote as a graph, where there is one."""

    name: str
    voters: tuple[str, ...]
    record: dict[str, Any]
    file: str | None = None


class Manifest(_Block):
    """What MANIFEST holds, see above."""

    format: int
    kind: Kind
    name: str
    made_by: dict[str, str] = {}
    half: bool = False
    classes: tuple[str, ...]
    targets: tuple[tuple[str, tuple[str, ...]], ...]
    bits: int | None = None
    members: tuple[OneMember, ...]
    joins: dict[str, tuple[str, ...]] = {}
    stacks: dict[str, OneStack] = {}
    vote: OneVote
    data: dict[str, Any] = {}
    soups: dict[str, Any] = {}
    refit: dict[str, Any] = {}
    checked: dict[str, Any] = {}
    files: dict[str, str]

    def to_bytes(self) -> bytes:
        return places.json_bytes(sealed(self.model_dump(mode="json")))


def member_of(part: Part, files: Mapping[str, str], origins: Mapping[str, Any]) -> OneMember:
    """files: where a network was -> its file in the bundle. origins: the same -> where it began."""
    networks = [
        OneNetwork(file=files[n.place], recipe=_recipe(n.recipe), origin=origins[n.place])
        for n in part.networks
    ]
    seen = part.seen
    return OneMember(
        name=part.name, size=seen.size, crop=seen.crop, cut_out=seen.cut_out,
        targets=part.targets, milliseconds=part.milliseconds, networks=tuple(networks),
    )  # fmt: skip


def _recipe(recipe: Recipe) -> dict[str, Any]:
    """Without the folders of the machine that it was trained on."""
    found = recipe.model_dump(mode="json")
    if isinstance(recipe.pretrained, str) and not recipe.pretrained.startswith("package:"):
        found["pretrained"] = PurePosixPath(recipe.pretrained.replace("\\", "/")).name
    return found


def is_bundle(place: str) -> bool:
    return places.exists(places.join(place, MANIFEST))


def read_manifest(place: str) -> Manifest:
    """Raises WrongRequest where there is none, or it is damaged or of a newer format."""
    path = places.join(place, MANIFEST)
    try:
        content = places.read_bytes(path)
    except (FileNotFoundError, NotADirectoryError):
        raise WrongRequest(
            f"{place}: no bundle: it has no {MANIFEST}. Give a folder that `export` wrote; of a "
            "zip, unpack it first."
        ) from None
    try:
        found = parse_json(content)
        if not isinstance(found, dict) or not isinstance(found.get("format"), int):
            raise ValueError("it has no `format`")
        _require_known_format(found["format"], path)
        return _checked(Manifest.model_validate(unsealed(found)), path)
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        why = "; ".join(wrong[:3]) + more
    except WrongRequest:
        raise
    except (ValueError, RecursionError) as error:
        why = str(error)
    raise WrongRequest(f"{path}: damaged, or of something else ({why}). {AGAIN}")


def _require_known_format(number: int, path: str) -> None:
    if not 1 <= number <= FORMAT:
        raise WrongRequest(
            f"{path}: a bundle of format {number}, and this version reads 1"
            + (f" to {FORMAT}" if FORMAT > 1 else "")
            + ". Install the version that wrote it (`made_by` there), or a later one: pip install "
            "--upgrade ensemble-of-image-classifiers"
        )


def _checked(manifest: Manifest, path: str) -> Manifest:
    """With names that fit each other."""
    codec = codec_of(manifest)
    problems = []
    if codec.classes != manifest.classes:
        problems.append(
            f"{path}: its {len(manifest.classes)} classes ({', '.join(manifest.classes[:3])}, ...) "
            f"are not those of its targets ({len(codec.classes)}: {', '.join(codec.classes[:3])}, "
            f"...), so nothing says what the columns mean. {AGAIN}"
        )
    there = {own.name for own in manifest.members} | {*manifest.joins, *manifest.stacks}
    parts = [*manifest.joins.values(), *(own.of for own in manifest.stacks.values())]
    if lacking := sorted({name for own in parts for name in own} - there):
        problems.append(f"{path}: there is no member {', '.join(lacking)}. {AGAIN}")
    named = {n.file for own in manifest.members for n in own.networks}
    named |= {own.file for own in manifest.stacks.values()}
    if manifest.vote.file is not None:
        named.add(manifest.vote.file)
    if outside := sorted(name for name in named | {*manifest.files} if not _is_inside(name)):
        problems.append(f"{path}: {outside[0]!r} is no file of the bundle. {AGAIN}")
    if unsealed_files := sorted(named - {*manifest.files}):
        problems.append(f"{path}: no digest of {', '.join(unsealed_files[:3])}. {AGAIN}")
    if problems:
        raise WrongRequest(problems)
    return manifest


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in name


def codec_of(manifest: Manifest) -> Codec:
    return Codec(dict(manifest.targets))


def trained_of_bundle(place: str, asked: str | None = None) -> Trained:
    """The ensemble in a folder, a path or an address, that `export` wrote. asked: the name of its vote,
    which has to be that; None: any.

    Raises WrongRequest with every file that is missing, and where the record, the vote's numbers or
    a second level's are damaged. Networks are compared with their digests when they are loaded.
    """
    manifest = read_manifest(place)
    if asked is not None and asked != manifest.vote.name:
        raise WrongRequest(
            f"--vote {asked}: {place} was exported with the {manifest.vote.name} vote, and a bundle has "
            "one. Leave --vote out, or export the run again with that one."
        )
    missing = [name for name in manifest.files if not places.exists(places.join(place, name))]
    if missing:
        raise WrongRequest(
            f"{places.join(place, name)}: there is no such file, though {MANIFEST} names it. {AGAIN}"
            for name in missing
        )
    vote = manifest.vote
    record = VoteRecord.from_json(json.dumps(vote.record).encode(), places.join(place, MANIFEST))
    codec = codec_of(manifest)
    if STACKERS in manifest.files:
        read_right(place, STACKERS, manifest)
    return Trained(
        name=manifest.name,
        place=place,
        codec=codec,
        members=tuple(_part(own, place, manifest) for own in manifest.members),
        vote=vote.name,
        record=record,
        rule=rule_of(record, place),
        voters=vote.voters,
        joins=manifest.joins,
        stacks={
            name: stacks.from_bytes(own.of, read_right(place, own.file, manifest), own.file)
            for name, own in manifest.stacks.items()
        },
        bits=manifest.bits,
    )


def _part(own: OneMember, place: str, manifest: Manifest) -> Part:
    networks = [
        Network(places.join(place, n.file), manifest.files[n.file], Recipe(**n.recipe))
        for n in own.networks
    ]
    seen = Seen(own.size, own.crop, own.cut_out)
    return Part(own.name, seen, tuple(networks), own.targets, own.milliseconds)


def read_right(place: str, name: str, manifest: Manifest) -> bytes:
    """A file of the bundle. Raises WrongRequest where it is not the one that was written."""
    path = places.join(place, name)
    content = places.read_bytes(path)
    if hashlib.sha256(content).hexdigest() != manifest.files[name]:
        raise WrongRequest(f"{path}: damaged: its sha256 is not the one in {MANIFEST}. {AGAIN}")
    return content
