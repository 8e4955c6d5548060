"""The page: its sections in order, through the template. Nothing in it asks for anything elsewhere."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from ensembles.scores import metrics
from orchestrator.errors import counted
from orchestrator.printable import printable, printable_lines
from orchestrator.report.blocks import Section
from orchestrator.report.material import Material
from orchestrator.report.sections import (
    choice,
    classes,
    cost,
    curves,
    folds,
    labels,
    members,
    photographs,
    reliability,
    searches,
    settings,
    standings,
)

NAME = "report.html"
MOST_BYTES = 5_000_000


def page(run: Material) -> str:
    """The whole HTML document, the same for the same run."""
    pictures = photographs.Pictures(run.paths, run.thumbnails)
    sections = [
        standings.section(run),
        choice.section(run),
        curves.section(run),
        searches.section(run),
        classes.confusion(run),
        classes.f1_by_class(run),
        members.worth(run),
        members.correlation(run),
        reliability.section(run),
        cost.section(run),
        folds.section(run),
        photographs.hardest_section(run, pictures),
        labels.section(run, pictures),
        settings.section(run),
    ]
    return document(run.name, facts_of(run), sections)


def document(title: str, facts: list[tuple[str, str]], sections: list[Section]) -> str:
    """Sections as an HTML page; all their texts are escaped, what is `Markup` is not."""
    return _template().render(title=title, facts=facts, sections=sections)


def facts_of(run: Material) -> list[tuple[str, str]]:
    """(what, figure) for the head of the page."""
    facts = []
    if run.record and run.record.estimate and run.vote:
        for name in dict.fromkeys((run.metric, *metrics.REPORTED)):
            value = run.record.estimate.get(name)
            error = run.record.estimate["standard_error"].get(name)
            if value is not None:
                shown = f"{value:.3f}" + ("" if error is None else f" ± {error:.3f}")
                facts.append((f"{metrics.title(name)} of {run.vote}", shown))
    facts.append(("members", str(sum(row["kind"] == "member" for row in run.rows))))
    if run.oof:
        facts.append(("photographs", f"{len(run.labels):,}"))
        facts.append(("classes", str(len(run.classes))))
        facts.append(("folds", str(len(set(run.first.fold.tolist())))))
    units = sum(len(own) for own in run.units.values())
    if units:
        facts.append(("trained", counted(units, "unit")))
    return facts


@cache
def _template() -> jinja2.Template:
    folder = Path(__file__).parent / "templates"
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.filters["lines"] = lambda value: Markup(escape(printable_lines(value)))
    environment.globals |= {
        "style": Markup((folder / "style.css").read_text()),
        "script": Markup((folder / "page.js").read_text()),
    }
    return environment.get_template("page.html")


def _shown(value: object) -> object:
    """Control codes of names written out; markup and numbers as they are."""
    return value if isinstance(value, Markup | int | float) else printable(str(value))
