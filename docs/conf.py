"""The site: Sphinx reads the Markdown that GitHub shows. No network at build, none when it is read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from rst_or_fin import __version__
from rst_or_fin.report.ladder_svg import STYLE
from sphinx.application import Sphinx

project = "RST or FIN"
author = "the authors of RST or FIN"
release = __version__
extensions = ["myst_parser"]
exclude_patterns = ["blocks", "data"]
myst_heading_anchors = 3
highlight_language = "none"
nitpicky = True

html_theme = "furo"
html_title = "RST or FIN"
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_theme_options = {"navigation_with_keys": True}

_LIGHT, _DARK = re.findall(r"--paper:.*?--mark:[^;]+;", STYLE, re.DOTALL)
_STYLE = f"""
.main, .content {{ min-width: 0; }}
.content:has(.ladder-frame, table) {{ width: 72em; max-width: 100%; }}
article :is(h1, h2, h3, p, ul, ol, blockquote, .highlight) {{ max-width: 50rem; }}
.ladder-frame {{ overflow-x: auto; margin: 1rem 0 1.5rem; border: 1px solid var(--color-background-border);
  border-radius: 8px; }}
.ladder-frame svg {{ display: block; min-width: 940px; width: 100%; height: auto; }}
body[data-theme="light"] .ladder {{ {_LIGHT} }}
body[data-theme="dark"] .ladder {{ {_DARK} }}
table.docutils {{ font-size: .9rem; }}
table.docutils td:first-child a {{ white-space: nowrap; }}
table.docutils td, table.docutils th {{ padding: .2rem .5rem; }}
pre {{ line-height: 1.35; }}
"""


def setup(app: Sphinx) -> None:
    """Connect what the pages need to Sphinx's events."""
    app.connect("doctree-resolved", _inline_ladders)
    app.connect("html-page-context", _lay_out, priority=900)  # after the theme has had its say


def _inline_ladders(app: Sphinx, doctree: nodes.document, name: str) -> None:
    """Inline the drawings: their text can be selected, and they follow the page's light and dark."""
    for image in list(doctree.findall(nodes.image)):
        if "ladders/" in image["uri"]:
            svg = (Path(app.srcdir) / image["uri"]).read_text(encoding="utf-8")
            frame = f'<div class="ladder-frame" tabindex="0">{svg}</div>'
            image.replace_self(nodes.raw("", frame, format="html"))


def _lay_out(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Add our style; where a drawing or a wide table needs the room, leave out the table of contents."""
    context["metatags"] = context.get("metatags", "") + f"<style>{_STYLE}</style>"
    if "ladder-frame" in context.get("body", "") or page == "results":
        context["furo_hide_toc"] = True
