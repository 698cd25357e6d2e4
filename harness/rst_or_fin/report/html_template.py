"""Fills in the templates of the report's pages: text is escaped, and its control characters are shown.

What all pages share, and nothing of what is on one of them. Pure.
"""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from rst_or_fin.escaping import visible_lines


def fill_in(template: str, **values: object) -> str:
    """Render one of the templates in `page`."""
    return _environment().get_template(template).render(values)


def source(name: str) -> str:
    """Return a file of `page` as it is: CSS and a script are not templates."""
    environment = _environment()
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]


@cache  # and with it the templates that it has compiled, which takes longer than to fill them in
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("rst_or_fin.report", "page"), autoescape=True, undefined=StrictUndefined
    )
    environment.finalize = _shown
    return environment


def _shown(value: object) -> object:
    """Show markup as it is, and text without control characters; everything on the page passes here."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return "\n".join(visible_lines(value))
