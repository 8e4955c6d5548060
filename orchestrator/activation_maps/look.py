"""Class-activation maps of photographs by the networks of a run, and their mean by the vote's weights.

A training photograph is shown to the networks that did not see it, one to predict to all of them. The map
of a member is the mean of its networks' maps, that of a join or a stack the mean of those it is made of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from members.activation_maps.layers import Layer, find_layers
from members.activation_maps.maps import Choice, class_maps, require_package, scaled
from members.data.codec import Codec
from members.errors import first_line
from members.pixels.crop import crop_box
from orchestrator.errors import BAD_INPUT, WrongRequest
from orchestrator.inference.networks import device_of, load_network
from orchestrator.inference.of_run import part_of, recorded
from orchestrator.inference.parts import Part, Seen, with_parts
from orchestrator.inference.pixels import see, upright
from orchestrator.photographs.reading import read_reading
from orchestrator.runs.store import Store
from orchestrator.spec.spec import Spec

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Asked:
    """A photograph. fold: that held it out, None: it is one to predict. classes: voter -> the joint class,
    by its number, that its map is of.
    """

    id: str
    path: str
    fold: int | None
    classes: Mapping[str, int]


@dataclass
class Looked:
    """pixels: (h, w, 3) uint8, the whole photograph. maps: voter -> (h, w) float32 in [0, 1] over it;
    where nothing raises the class all 0. mean: (h, w), by the weights above 0 of the voters in `maps`;
    None where none has one.
    """

    asked: Asked
    pixels: np.ndarray
    maps: dict[str, np.ndarray]
    mean: np.ndarray | None


@dataclass
class Looks:
    """The photographs that could be read, in order. networks: member -> of each photograph, how the
    map of each network was made that it was shown to. left_out: member -> why. unread: id -> why.
    """

    photos: list[Looked]
    networks: dict[str, list[list[Choice]]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)


def look(
    asked: Sequence[Asked],
    weights: Mapping[str, float],
    spec: Spec,
    store: Store,
    side: int,
    progress: Progress = lambda what, done, of: None,
) -> Looks:
    """Maps of the photographs by the voters of `weights`, `side` pixels the longer side.

    Members whose networks are not there or have no layer for maps are left out. Raises WrongRequest where
    none is left, and BadInput without torchcam.
    """
    require_package()
    made_of = {own.name: tuple(own.of) for own in spec.join}
    made_of |= {own.name: tuple(own.stack.of) for own in spec.stacks}
    names = with_parts(weights, made_of)
    found = Looks([])
    parts: dict[tuple[str, bool], Part] = {}
    for name in (own for own in names if own not in made_of):
        try:
            for held_out in {own.fold is not None for own in asked}:
                parts[name, held_out] = part_of(name, store, held_out=held_out)
        except BAD_INPUT as error:
            found.left_out[name] = first_line(error)
    read_as = read_reading(store)
    shown: list[tuple[Asked, np.ndarray, dict[Seen, np.ndarray]]] = []
    ways = list(dict.fromkeys(part.seen for part in parts.values()))
    for own in asked:
        try:
            whole = upright(own.path, read_as.bits if read_as else None)
            views = see(own.path, ways, read_as.bits if read_as else None)
        except (*BAD_INPUT, OSError) as error:
            found.unread[own.id] = f"{own.path} {first_line(error)}"
            continue
        shown.append((own, whole, dict(zip(ways, views, strict=True))))
    codec = Codec.from_json(recorded("targets.json", store).decode())
    own_maps = _of_members(shown, names, parts, made_of, codec, found, progress)
    for row, (own, whole, _) in enumerate(shown):
        height, width = _within(whole.shape[:2], side)
        pixels = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
        maps: dict[str, np.ndarray] = {}
        for name in names:
            if (name, row) in own_maps:
                seen = parts[name, own.fold is not None].seen
                maps[name] = over(own_maps[name, row], seen, whole.shape[:2], (height, width))
            elif inside := [maps[part] for part in made_of.get(name, ()) if part in maps]:
                maps[name] = _mean(inside)
        voters = {name: maps[name] for name in weights if name in maps}
        found.photos.append(Looked(own, pixels, voters, mean_map(voters, weights)))
    if shown and not own_maps:
        raise WrongRequest(
            ["no member of this vote has class-activation maps:"]
            + [f"{name}: {why}" for name, why in found.left_out.items()]
        )
    return found


def _of_members(
    shown: Sequence[tuple[Asked, np.ndarray, dict[Seen, np.ndarray]]],
    names: Sequence[str],
    parts: Mapping[tuple[str, bool], Part],
    made_of: Mapping[str, tuple[str, ...]],
    codec: Codec,
    found: Looks,
    progress: Progress,
) -> dict[tuple[str, int], np.ndarray]:
    """(member, row of `shown`) -> (h, w) float32 in [0, 1], over what the member sees."""
    device = device_of(None)
    maps: dict[tuple[str, int], np.ndarray] = {}
    total = sum(len(part.networks) for part in parts.values())
    done = 0
    for (name, held_out), part in parts.items():
        own_codec = codec if part.targets is None else codec.subset(part.targets)
        each: dict[int, list[np.ndarray]] = {}
        choices: list[list[Choice]] = [[] for _ in shown]
        layers: list[Layer] = []
        for network in part.networks:
            rows = [
                row
                for row, (own, _, _) in enumerate(shown)
                if (own.fold is not None) == held_out and own.fold in (None, network.fold)
            ]
            progress("class-activation maps", done := done + 1, total)
            if not rows or name in found.left_out:
                continue
            try:
                model, recipe = load_network(network, len(own_codec.classes), device)
                layers = layers or find_layers(model, recipe.image_size)
                classes = [_class_of(shown[row][0], name, made_of) for row in rows]
                pixels = np.stack([shown[row][2][part.seen] for row in rows])
                made = class_maps(
                    model,
                    pixels,
                    recipe,
                    _projected(classes, codec, own_codec),
                    layers,
                    device=device,
                )
            except (*BAD_INPUT, OSError) as error:
                found.left_out[name] = first_line(error)
                continue
            for row, own_map in zip(rows, made, strict=True):
                each.setdefault(row, []).append(own_map.cells)
                choices[row].append(own_map.choice)
        if name in found.left_out:
            continue
        for row, some in each.items():
            maps[name, row] = _mean(some)
        known = found.networks.setdefault(name, [[] for _ in shown])
        for own, more in zip(known, choices, strict=True):
            own += more
    return maps


def _class_of(asked: Asked, name: str, made_of: Mapping[str, tuple[str, ...]]) -> int:
    """Of a member, or of the first voter that is made of it."""
    if name in asked.classes:
        return asked.classes[name]
    holders = [own for own, of in made_of.items() if name in of]
    return next(_class_of(asked, own, made_of) for own in holders if _votes(own, asked, made_of))


def _votes(name: str, asked: Asked, made_of: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether a voter is it, or is made of it."""
    return name in asked.classes or any(
        _votes(own, asked, made_of) for own, of in made_of.items() if name in of
    )


def _projected(classes: Sequence[int], codec: Codec, own: Codec) -> list[int]:
    """Joint classes -> those of a member of some of the targets."""
    values = codec.decode(np.array(classes, np.int64))
    return own.encode({target: values[target] for target in own.targets}).tolist()


def over(
    cells: np.ndarray, seen: Seen, shape: tuple[int, int], size: tuple[int, int]
) -> np.ndarray:
    """(rows, columns) over what a member sees of a photograph of `shape` -> `size` (h, w) float32 over
    the whole; 0 where its crop does not reach.
    """
    top, left, high, wide = crop_box(shape, seen.crop)
    down, across = size[0] / shape[0], size[1] / shape[1]
    first = round(top * down), round(left * across)
    last = round((top + high) * down), round((left + wide) * across)
    last = max(last[0], first[0] + 1), max(last[1], first[1] + 1)
    inside = cv2.resize(
        cells.astype(np.float32),
        (last[1] - first[1], last[0] - first[0]),
        interpolation=cv2.INTER_LINEAR,
    )
    found = np.zeros(size, np.float32)
    found[first[0] : last[0], first[1] : last[1]] = inside[: size[0], : size[1]]
    return found


def mean_map(maps: Mapping[str, np.ndarray], weights: Mapping[str, float]) -> np.ndarray | None:
    """(h, w) float32: the mean of the maps by the weights above 0; None where none is."""
    counting = {name: weights[name] for name in maps if weights[name] > 0}
    if not counting:
        return None
    total = sum(counting.values())
    mean = sum(weight / total * maps[name].astype(np.float64) for name, weight in counting.items())
    return np.asarray(mean, np.float32)


def _mean(maps: Sequence[np.ndarray]) -> np.ndarray:
    """Each counting alike; the greatest of it 1."""
    return scaled(np.stack(maps).mean(axis=0, keepdims=True, dtype=np.float32))[0]


def _within(shape: tuple[int, ...], side: int) -> tuple[int, int]:
    """(h, w) of the same shape, the longer `side`."""
    factor = side / max(shape)
    return max(1, round(shape[0] * factor)), max(1, round(shape[1] * factor))
