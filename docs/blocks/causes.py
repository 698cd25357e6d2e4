"""The table of causes, as a reader wants it."""

from __future__ import annotations

from rst_or_fin.tcp.causes import BY_CAUSE, reasons_of

from docs.blocks.words import table


def causes() -> str:
    """List every cause with its proof, its disproof, and what the closing host's kernel says of it."""
    rows = [
        [
            f"`{row.cause}`",
            row.means,
            row.proof,
            row.disproof,
            ", ".join(f"`{reason}`" for reason in reasons_of(row.cause)),
        ]
        for row in BY_CAUSE.values()
    ]
    return table(("cause", "what happened", "proof", "disproof", "reason of `tcp:tcp_send_reset`"), rows)
