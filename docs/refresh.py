"""Fill the marked blocks and draw the ladders from stored evidence; or tell what is not what it gives.

python docs/refresh.py                       write README.md's and docs/' blocks, and docs/ladders/
python docs/refresh.py --check               change nothing; exit code 1 where anything is stale
python docs/refresh.py --keep MATRIX.json    store what `rst-or-fin matrix` found as docs/data/NAME.json
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
from cogapp import Cog

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # this folder's own blocks, also where it is a copy

from rst_or_fin import embedding  # noqa: E402
from rst_or_fin.errors import RstOrFinError  # noqa: E402
from rst_or_fin.scenario.schema import schema  # noqa: E402

from docs import documented, stored  # noqa: E402

_LADDER = re.compile(r"ladders/([\w.-]+)\.svg")
_LADDERS = Path("docs/ladders")
_SCHEMA = Path("docs/scenario.schema.json")
_ABOUT_BLOCKS = Path("docs/embedding.md")  # shows the marks themselves, and so cannot be filled in


def main() -> int:
    """Refresh, check or store, as the command line says; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--keep", type=Path, metavar="MATRIX.json")
    parser.add_argument("--name", default="otp", help="what --keep stores it as (default: otp)")
    options = parser.parse_args()
    if options.keep is not None:
        kept = options.keep.resolve()
        os.chdir(ROOT)
        return stored.keep(kept, options.name)
    os.chdir(ROOT)  # the blocks' paths count from here
    pages = [*sorted(Path().glob("*.md")), *sorted(Path("docs").rglob("*.md"))]
    if options.check:
        return _report([*_stale(pages), *stored.contradictions(), *documented.faults(pages)])
    return _write(pages)


def _write(pages: list[Path]) -> int:
    code = _cog("-r", pages)
    for name, svg in _drawn(pages):
        (_LADDERS / f"{name}.svg").write_text(svg, encoding="utf-8")
    for left in _not_shown(pages):
        left.unlink()
    _SCHEMA.write_text(_schema(), encoding="utf-8")
    return code


def _stale(pages: list[Path]) -> Iterator[str]:
    if _cog("--check", pages):
        yield "blocks are not what the evidence gives (see above)"
    for name, svg in _drawn(pages):
        path = _LADDERS / f"{name}.svg"
        if not path.is_file() or path.read_text(encoding="utf-8") != svg:
            yield f"{path} is not what the evidence gives"
    yield from (f"{left} is shown by no page" for left in _not_shown(pages))
    if not _SCHEMA.is_file() or _SCHEMA.read_text(encoding="utf-8") != _schema():
        yield f"{_SCHEMA} is not what the code gives"


def _schema() -> str:
    """Return what `rst-or-fin schema` prints."""
    return msgspec.json.format(msgspec.json.encode(schema()), indent=2).decode() + "\n"


def _cog(mode: str, pages: list[Path]) -> int:
    """Run every page's blocks: `-r` replaces what they gave before, `--check` compares with it."""
    shown = ["--diff"] if mode == "--check" else []
    files = [str(page) for page in pages if page != _ABOUT_BLOCKS]
    code: int = Cog().main(
        ["cog", mode, *shown, "-P", "--verbosity=1", "-p", "from docs.blocks import *", *files]
    )
    return code


def _drawn(pages: list[Path]) -> Iterator[tuple[str, str]]:
    for name in _shown(pages):
        yield name, embedding.svg(Path("tests/golden/evidence") / name, name)


def _shown(pages: list[Path]) -> list[str]:
    return sorted({name for page in pages for name in _LADDER.findall(page.read_text(encoding="utf-8"))})


def _not_shown(pages: list[Path]) -> list[Path]:
    shown = _shown(pages)
    return [path for path in sorted(_LADDERS.glob("*.svg")) if path.stem not in shown]


def _report(faults: list[str]) -> int:
    for fault in faults:
        print(f"docs: {fault}", file=sys.stderr)
    if faults:
        print("  hint: `make docs` writes what the evidence gives; look at the difference", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (RstOrFinError, msgspec.DecodeError) as error:
        sys.exit(f"docs: {error}")
