"""Checks what our pages tell a reader to type: parses every command, and runs the harmless ones."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from cogapp import Cog
from markdown_it import MarkdownIt
from markdown_it.token import Token
from rst_or_fin import cli
from rst_or_fin.scenario import check
from rst_or_fin.storage import scenario_files

_PROGRAM = "rst-or-fin"
_STARTS = (f"{_PROGRAM} ", "make ", "cog ")
_SHELL = ("", "sh", "bash", "console")
# Those that read what is stored and touch neither Docker nor a namespace, with the exit codes that are right.
_HARMLESS = {
    "list": {0},
    "explain": {0},
    "judge": {0},
    "report": {0},
    "import": {0},
    "compare": {0, 1},
    "doctor": {0, 4},
    "check": {0},
    "new": {0},
    "schema": {0},
    "help": {0},
}
_PLACEHOLDER = re.compile(r"[A-Z]+(\.\.\.)?|\[.*|.*\]|\.\.\.")


def faults(pages: list[Path]) -> Iterator[str]:
    """Yield what in our pages does not parse, names no scenario or target, or fails."""
    runnable: dict[str, Path] = {}
    article = ""
    for page in pages:
        tokens = MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8"))
        yield from (f"{page}: {fault}" for fault in _wrong_examples(tokens))
        article += "".join(_fences(tokens, "markdown"))
        for line, whole in _commands(tokens):
            words = shlex.split(line, comments=True)
            fault = _fault(words)
            if fault:
                yield f"{page}: `{line}`: {fault}"
            elif whole and (words[0] == "cog" or words[1] in _HARMLESS):
                runnable.setdefault(shlex.join(words), page)
    with _sandbox(article):
        for line, page in runnable.items():
            program, *words = shlex.split(line)
            code, said = _run(program, words)
            if code not in _HARMLESS.get(words[0], {0}):
                yield f"{page}: `{line}` ends with exit code {code}: {said.strip()[-300:]}"


def _wrong_examples(tokens: list[Token]) -> Iterator[str]:
    """Yield whole scenarios and Python that would not be accepted."""
    for text in _fences(tokens, "toml"):
        if "claim =" in text:
            for problem in check.problems(text, "example.scenario.toml"):
                yield f"an example of a scenario is none: {problem.told('example.scenario.toml')}"
    for text in _fences(tokens, "python"):
        try:
            compile(text, "example.py", "exec")
        except SyntaxError as error:
            yield f"an example is no Python: {error}"


def _fences(tokens: list[Token], *kinds: str) -> list[str]:
    return [token.content for token in tokens if token.type == "fence" and token.info.strip() in kinds]


def _commands(tokens: list[Token]) -> Iterator[tuple[str, bool]]:
    """Yield every command in the page; True where it is a line of a block, which a reader may paste."""
    for text in _fences(tokens, *_SHELL):
        for line in text.replace("\\\n", " ").splitlines():
            bare = line.strip().removeprefix("$ ").removeprefix(".venv/bin/")
            if bare.startswith(_STARTS):
                yield re.split(r" [|>] ", bare)[0], True
    for token in _flat(tokens):
        if token.type == "code_inline" and token.content.startswith(_STARTS):
            yield token.content, False


def _flat(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from _flat(token.children or [])


def _fault(words: list[str]) -> str:
    """Return why this cannot be typed, or ""."""
    if words[0] == "make":
        makefile = Path("Makefile").read_text(encoding="utf-8")
        known = re.findall(r"^([a-z-]+):", makefile, re.MULTILINE)
        unknown = [word for word in words[1:] if "=" not in word and word not in known]
        return f"there is no `make {unknown[0]}`" if unknown else ""
    if words[0] != _PROGRAM:
        return ""
    if len(words) == 2:
        words = [*words, "--help"]  # a command that is only named
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            options = cli._parser().parse_args(words[1:])
    except SystemExit as end:
        return said.getvalue().strip().splitlines()[0] if end.code else ""
    names = getattr(options, "scenarios", None) or [getattr(options, "scenario", None)]
    unknown = [name for name in names if name and not _known(name)]
    return f"there is no scenario {unknown[0]}" if unknown else ""


def _known(name: str) -> bool:
    return name.endswith(".toml") or name in scenario_files.names() or bool(_PLACEHOLDER.fullmatch(name))


@contextlib.contextmanager
def _sandbox(article: str) -> Iterator[None]:
    """Make a folder with what our pages speak of: evidence, a run, a capture, a scenario, an article."""
    root = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="rst-or-fin-docs-") as name:
        place = Path(name)
        stored = shutil.copytree(root / "tests/golden/evidence", place / "tests/golden/evidence")
        run = stored / "close-with-unread-response"
        shutil.copytree(run, place / "runs/FOLDER")
        shutil.copy(run / "capture.pcap", place / "dump.pcap")
        (place / "my.scenario.toml").write_text(scenario_files.find("recv-then-close").text, encoding="utf-8")
        (place / "article.md").write_text(article, encoding="utf-8")
        with contextlib.chdir(place):
            yield


def _run(program: str, words: list[str]) -> tuple[int | str | None, str]:
    """Run it in this process; what it printed comes back with the exit code."""
    entry: Callable[[], int] = (
        (lambda: int(Cog().main(["cog", *words]))) if program == "cog" else lambda: cli.main(words)
    )
    said = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            code: int | str | None = entry()
        except SystemExit as end:
            code = end.code
        said.flush()
    said.seek(0)
    return code, said.read()
