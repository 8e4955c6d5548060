"""`report --maps`: where the vote and its members look in the hardest photographs of the page."""

from __future__ import annotations

from rich.console import Console

from orchestrator.commands.run import Run
from orchestrator.errors import WrongRequest, counted
from orchestrator.report.material import Material
from orchestrator.report.sections.photographs import hardest_rows
from orchestrator.report.thumbnails import SIDE, of_pixels
from orchestrator.screens.reading import reading

MOST_MEMBERS = 8  # whose maps are shown, those of the greatest weight: the page stays small


def add_maps(found: Material, run: Run, console: Console) -> None:
    """Fill `found.maps` and what is said of them. Raises WrongRequest where there is nothing to make maps
    of or by, and BadInput without what makes them.
    """
    from orchestrator.activation_maps.look import Asked, look
    from orchestrator.activation_maps.overlay import overlay

    if not found.oof:
        raise WrongRequest(f"--maps: {found.why_no_rows} Leave it out.")
    names = list(found.oof)
    given = found.record.weights if found.record and found.mixed is not None else {}
    weights = {name: float(given.get(name, 0) if given else 1 / len(names)) for name in names}
    answers = found.answered.argmax(axis=1)
    asked, nowhere = [], 0
    for row in hardest_rows(found):
        image_id = str(found.first.ids[row])
        if (path := found.paths.get(image_id)) is None:
            nowhere += 1
            continue
        classes = dict.fromkeys(names, int(answers[row]))
        asked.append(Asked(image_id, path, int(found.first.fold[row]), classes))
    if not asked:
        raise WrongRequest(
            f"--maps: {found.place} does not say where its photographs are (images.parquet). Leave it out."
        )
    with reading(console) as progress:
        looks = look(asked, weights, run.spec, run.store, SIDE, progress)
    of_all = "the vote" if given else "their mean"
    for looked in looks.photos:
        by_weight = sorted(looked.maps, key=lambda name: -weights[name])[:MOST_MEMBERS]
        cells = [] if looked.mean is None else [(of_all, looked.mean)]
        cells += [(name, looked.maps[name]) for name in by_weight]
        pictures = ((whose, of_pixels(overlay(looked.pixels, own))) for whose, own in cells)
        found.maps[looked.asked.id] = [
            (whose, own.source, own.width, own.height) for whose, own in pictures if own.source
        ]
    found.about_maps.append(
        "Coloured is what raises the answered class most, by networks that did not learn the photograph; "
        "each map is scaled to itself. The first is the mean"
        + (" by the vote's weights." if given else " of them.")
    )
    if len(names) > MOST_MEMBERS:
        found.about_maps.append(f"Maps of the {MOST_MEMBERS} members with the greatest weights.")
    found.about_maps += [f"No maps of {name}: {why}" for name, why in looks.left_out.items()]
    if looks.unread or nowhere:
        count = counted(len(looks.unread) + nowhere, "photograph")
        found.about_maps.append(f"No maps of {count}, which cannot be read here.")
