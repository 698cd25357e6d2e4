"""What the marked blocks in README.md and in docs/ may call."""

from rst_or_fin.embedding import case, ladder, mermaid, session, trace, verdict, witnesses

from docs.blocks.captures import captured, imported
from docs.blocks.causes import causes
from docs.blocks.conn_states import meanings, states, transitions, words
from docs.blocks.counters import counters, noise, reasons, uses
from docs.blocks.expectations import expected_values, pytest_options, script_grammar, steps_grammar
from docs.blocks.peers import peers
from docs.blocks.sections import by_theme, drawing, theme
from docs.blocks.tables import kernels, remedies, results, surprises

__all__ = [
    "by_theme",
    "captured",
    "case",
    "causes",
    "counters",
    "drawing",
    "expected_values",
    "imported",
    "kernels",
    "ladder",
    "meanings",
    "mermaid",
    "noise",
    "peers",
    "pytest_options",
    "reasons",
    "remedies",
    "results",
    "script_grammar",
    "session",
    "states",
    "steps_grammar",
    "surprises",
    "theme",
    "trace",
    "transitions",
    "uses",
    "verdict",
    "witnesses",
    "words",
]
