"""The scripted peer as a client: every line on its stdin makes one connection, which its script opens.

All else is as in `scripted`; `peer` in what it says is its own end.
"""

from __future__ import annotations

from collections.abc import Sequence

from .scripted import play


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the peer with these arguments (default: the command line's); return the exit status."""
    return play("scripted-client", arguments)


if __name__ == "__main__":
    raise SystemExit(main())
