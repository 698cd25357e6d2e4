"""What differs between runs, as one HTML page that needs nothing else and runs no script."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from rst_or_fin.analysis.compare import Findings
from rst_or_fin.analysis.counters import CounterDifferences
from rst_or_fin.escaping import on_one_line
from rst_or_fin.report import counter_moves, differences, html_template


def render(found: Findings, moves: Sequence[CounterDifferences] | None = None) -> str:
    """Render the page: autoescape is on, and control characters in whatever is put into it are shown."""
    return html_template.fill_in(
        "differences.html.j2",
        css=Markup(html_template.source("page.css")),
        headline=differences.headline(found),
        differences=[
            {
                "name": difference.scenario.name,
                "claim": on_one_line(difference.scenario.claim),
                "depends": differences.depends(difference),
                "unexplained": difference.unexplained,
                "wheres": [behaviour.where for behaviour in difference.behaviours],
                "rows": list(differences.table(difference)),
                "evidence": [[run.source for run in behaviour.runs] for behaviour in difference.behaviours],
            }
            for difference in found.differences
        ],
        rest=list(differences.remainder(found)),
        counters={"title": counter_moves.TITLE, "heads": counter_moves.HEADS},
        moves=[
            {
                "name": each.scenario,
                "rows": list(counter_moves.rows(each)),
                "rest": list(counter_moves.rest(each)),
            }
            for each in counter_moves.telling(moves or ())
        ],
        conclusion=[] if moves is None else list(counter_moves.conclusion(moves)),
        tones={"RST": "rst", "FIN then RST": "rst", "FIN": "fin"},
    )
