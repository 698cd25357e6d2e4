"""A client behind nginx: see `proxy`."""

from __future__ import annotations

from collections.abc import Sequence

from .proxy import run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; return its exit status."""
    return run("nginx-proxy", arguments)


if __name__ == "__main__":
    raise SystemExit(main())
