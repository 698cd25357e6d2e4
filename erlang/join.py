"""Join erlang/src/ into erlang/session_node.escript, the script that a node without a compiler interprets.

python erlang/join.py            write the script
python erlang/join.py --check    change nothing; exit code 1 where the script is not what the modules give
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
SCRIPT = FOLDER / "session_node.escript"
_HEAD = """\
%% Made by erlang/join.py of the modules in erlang/src/, where comments and specs are: change those.
%% (escript drops a script's first line, hence a comment there.)
-module(session_node).
-mode(interpret).
-export([main/1]).
"""
# What concerns a module alone, or nobody who only runs it. It ends with the first dot at a line's end.
_LEFT_OUT = re.compile(
    r"^-(?:module|include|export|export_type|type|spec|dialyzer)\b.*?\.\n", re.MULTILINE | re.DOTALL
)
_FIELD_TYPES = re.compile(r" :: [^,{}]*(?=,\n|}\)\.\n)")
_COMMENTS = re.compile(r"^\s*%.*\n", re.MULTILINE)
_EMPTY_LINES = re.compile(r"\n{3,}")


def joined(files: dict[str, str]) -> str:
    """Return one module with the functions of them all: a call to another module is a local one there."""
    modules = "|".join(name.removesuffix(".erl") for name in files if name.endswith(".erl"))
    call = re.compile(rf"\b(?:{modules}):(?=[a-z])")
    parts = [f"%%% {name}\n\n{_code(call.sub('', text))}" for name, text in files.items()]
    return "\n".join([_HEAD, *parts])


def _code(text: str) -> str:
    for left_out in (_COMMENTS, _FIELD_TYPES, _LEFT_OUT):
        text = left_out.sub("", text)
    return _EMPTY_LINES.sub("\n\n", text).strip() + "\n"


def main() -> int:
    """Write the script, or check it with --check; return the exit status."""
    paths = sorted((FOLDER / "src").glob("*.?rl"), key=lambda path: (path.suffix != ".hrl", path.stem))
    script = joined({path.name: path.read_text(encoding="utf-8") for path in paths})
    if "--check" not in sys.argv[1:]:
        SCRIPT.write_text(script, encoding="utf-8")
    elif SCRIPT.read_text(encoding="utf-8") != script:
        print(
            "erlang/session_node.escript is not what erlang/src/ gives: run python erlang/join.py",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
