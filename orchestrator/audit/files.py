"""The files of an audit: every row ranked, corrections as specs take them, and sheets to look at."""

from __future__ import annotations

import base64
import csv
import io
from html import escape

import numpy as np

from orchestrator.audit.labels import Audit
from orchestrator.spec.spec import Spec

_SIDE = 128  # pixels of a photograph on a sheet


def suspects_csv(audit: Audit) -> str:
    """Every row, the most suspicious first."""
    found, text = audit.found, io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(
        ["rank", "image_id", "path", "group", "label", "suggested", "p_label", "p_suggested",
         "members_for_it", "proposed", "p_label_by_tables", "against_its_group"]
    )  # fmt: skip
    for rank, row in enumerate(found.order, start=1):
        own = audit.frame.iloc[row]
        table.writerow(
            [rank, own["image_id"], own["path"], own["group"], audit.name(own["label"]),
             audit.name(found.other[row]), f"{found.own[row]:.6f}", f"{found.of_other[row]:.6f}",
             found.agree[row], "yes" if found.proposed[row] else "no",
             f"{found.by_tables[row]:.6f}", "yes" if found.contradicts[row] else "no"]
        )  # fmt: skip
    return text.getvalue()


def corrections_csv(audit: Audit, spec: Spec) -> tuple[str, int, int]:
    """The rows that are proposed, as `data.corrections` takes them; how many, and how many more whose
    age class alone looks wrong, which a correction would have to give in years.
    """
    text, written, only_age = io.StringIO(), 0, 0
    table = csv.writer(text, lineterminator="\n")
    profiles = spec.data.layout == "profiles"
    table.writerow(["id", "photo", "gender", "mask"] if profiles else ["image_id", "label", "was"])
    for row in (own for own in audit.found.order if audit.found.proposed[own]):
        image_id = audit.frame["image_id"].iloc[row]
        if not profiles:
            was = audit.name(audit.frame["label"].iloc[row])
            table.writerow([image_id, audit.name(audit.found.other[row]), was])
            written += 1
            continue
        new = {target: to for target, (_, to) in audit.differing(row).items() if target != "age"}
        if not new:
            only_age += 1
            continue
        profile, _, photo = image_id.rpartition("/")
        table.writerow([profile, photo, new.get("gender", ""), new.get("mask", "")])
        written += 1
    return text.getvalue(), written, only_age


def thumbnails(audit: Audit, rows: np.ndarray) -> dict[int, np.ndarray]:
    """row -> (_SIDE, _SIDE, 3) uint8, the whole photograph on white; of those that can be read."""
    from PIL import Image, ImageOps

    from members.errors import BadInput
    from members.pixels.decode import decode

    found = {}
    for row in rows:
        try:
            photo = Image.fromarray(decode(audit.frame["path"].iloc[row]))
        except BadInput:
            continue
        found[int(row)] = np.asarray(ImageOps.pad(photo, (_SIDE, _SIDE), color="white"))
    return found


def sheet_png(audit: Audit, pictures: dict[int, np.ndarray]) -> bytes:
    """Under each photo its label, and in red what members say."""
    from orchestrator.units.pictures import prediction_grid

    rows = list(pictures)
    shown = np.zeros((len(rows), len(audit.codec.classes)))
    shown[np.arange(len(rows)), audit.found.other[rows]] = audit.found.of_other[rows]
    labels = audit.frame["label"].to_numpy(int)[rows]
    return prediction_grid(np.stack([*pictures.values()]), labels, shown, list(audit.codec.classes))


_STYLE = """
:root { color-scheme: light dark; font: 15px/1.4 system-ui, sans-serif; }
body { margin: 1.5rem auto; max-width: 70rem; padding: 0 1rem; }
ul { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: 1rem; padding: 0; }
li { list-style: none; overflow-wrap: anywhere; }
img { width: 128px; height: 128px; background: #fff; display: block; }
b { display: block; }
.says { font-weight: 600; text-decoration: underline; }
small { opacity: .8; }
"""


def sheet_html(audit: Audit, pictures: dict[int, np.ndarray], name: str) -> str:
    """One page without anything from elsewhere: the most suspicious photographs, then conflicts."""
    items = "".join(_item(audit, row, pictures[row]) for row in pictures)
    conflicts = "".join(
        f"<li>{escape(own.where)}: "
        + escape("; ".join(f"{i} is {c}" for i, c in own.values.items()))
        + "</li>"
        for own in (*audit.copies, *audit.groups)
    )
    more = f"<h2>Labels that contradict each other</h2><ol>{conflicts}</ol>" if conflicts else ""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>Labels of {escape(name)}</title><style>{_STYLE}</style>"
        f"<h1>Labels of {escape(name)} that are probably wrong</h1>"
        f"<p>The most suspicious first, by {escape(audit.by)}: {len(audit.members)} members that did "
        "not learn them. Under each photograph its label, then what members say.</p>"
        f"<ul>{items}</ul>{more}</html>\n"
    )


def _item(audit: Audit, row: int, picture: np.ndarray) -> str:
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(picture).save(content, "JPEG", quality=80)
    source = base64.b64encode(content.getvalue()).decode()
    own = audit.frame.iloc[row]
    return (
        f'<li><img src="data:image/jpeg;base64,{source}" width="{_SIDE}" height="{_SIDE}" '
        f'alt="{escape(own["image_id"])}"><b>{escape(audit.name(own["label"]))} '
        f"{audit.found.own[row]:.0%}</b>"
        f'<span class="says">{escape(audit.name(audit.found.other[row]))} '
        f"{audit.found.of_other[row]:.0%}</span><br><small>{escape(own['image_id'])}</small></li>"
    )
