"""What the marked blocks in README.md and in docs/ may call."""

from docs.blocks.peers import peers
from docs.blocks.sections import by_theme, drawing, theme
from docs.blocks.tables import cures, kernels, results, surprises
from harness.blocks import case, ladder, mermaid, session, trace, verdict, witnesses

__all__ = [
    "by_theme",
    "case",
    "cures",
    "drawing",
    "kernels",
    "ladder",
    "mermaid",
    "peers",
    "results",
    "session",
    "surprises",
    "theme",
    "trace",
    "verdict",
    "witnesses",
]
