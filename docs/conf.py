"""Sphinx: Markdown in, a site that asks nothing of other servers out. `make docs` builds it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from docs import generate
from orchestrator.version import __version__

project = "An ensemble of image classifiers"
release = __version__
author = "the project's authors"
extensions = ["myst_parser"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = project
html_static_path = ["_static"]
html_css_files = ["docs.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
myst_heading_anchors = 3
smartquotes = False  # two dashes begin an option


def fill(app, page, source):
    """Generated parts, from the code as it is now."""
    source[0] = generate.filled(source[0])


def setup(app):
    app.connect("source-read", fill)
    return {"parallel_read_safe": True}
