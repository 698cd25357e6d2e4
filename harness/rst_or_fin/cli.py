"""The command line: arguments, exit codes, wiring. No rules of its own."""

from __future__ import annotations

import argparse
import difflib
import os
import re
import select
import shlex
import signal
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import StrEnum
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from io import TextIOWrapper
from types import FrameType
from typing import TYPE_CHECKING, NoReturn, TextIO, TypeVar, cast

from rst_or_fin import __version__
from rst_or_fin.commands.progress import ERASE
from rst_or_fin.errors import (
    EXIT_AS_EXPECTED,
    EXIT_MISTAKE,
    EXIT_USAGE,
    MachineError,
    OldNameWarning,
    RstOrFinError,
    of_machine,
)
from rst_or_fin.escaping import EscapingStream, clipped, visible
from rst_or_fin.tcp.ending import Cause, Ending

if TYPE_CHECKING:
    from rst_or_fin.scenario.wire import RandomFaults

Word = TypeVar("Word", bound=StrEnum)

EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143
_MISTAKE_LEN = 300  # characters of an error's text that are shown: a line, not a screen

_FEW_WORDS = 8  # choices that are listed even where one of them is near

_COMMANDS = {
    "reproduce": ("play", "reproduce"),
    "run": ("play", "run"),
    "sweep": ("sweep", "sweep"),
    "matrix": ("matrix", "matrix"),
    "compare": ("compare", "compare"),
    "bisect": ("bisect", "bisect"),
    "test-kernel": ("test_kernel", "test_kernel"),
    "remedies": ("remedies", "remedies"),
    "judge": ("judge", "judge"),
    "import": ("import_capture", "import_capture"),
    "report": ("report", "report"),
    "list": ("explain", "list_scenarios"),
    "explain": ("explain", "explain"),
    "check": ("check", "check"),
    "new": ("check", "new"),
    "schema": ("check", "schema"),
    "help": ("help_pages", "help_page"),
    "kernels": ("kernels", "kernels_command"),
    "bench": ("bench", "bench"),
    "doctor": ("machine", "doctor"),
    "clean": ("machine", "clean"),
}

_OLD_COMMANDS = {"cures": "remedies"}

_EPILOG = """\
exit codes: 0 as expected, 1 an outcome differs, 2 wrong usage or input,
3 inconclusive, 4 this machine cannot run it (with the remedy),
70 a mistake in rst-or-fin itself, 130 interrupted, 143 terminated
"""


# What reads files alone works everywhere; the rest needs a Unix, and namespaces a Linux.
_ANYWHERE = (
    "judge",
    "report",
    "compare",
    "import",
    "list",
    "explain",
    "check",
    "new",
    "schema",
    "help",
    "doctor",
)
_UNWINDING = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)  # Windows has no SIGHUP


class _TerminatedError(BaseException):
    """SIGTERM or SIGHUP: unwinds as Ctrl-C does, so that everything is taken down."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. No control character is printed, whatever it prints."""
    before = sys.stdout, sys.stderr
    _take_any_text(sys.stdout)
    _take_any_text(sys.stderr)
    sys.stdout, sys.stderr = cast(
        "tuple[TextIO, TextIO]", (EscapingStream(sys.stdout), EscapingStream(sys.stderr, ERASE))
    )
    try:
        return _main(arguments)
    finally:
        sys.stdout, sys.stderr = before


def _main(arguments: Sequence[str] | None) -> int:
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args([*(_OLD_COMMANDS.get(word, word) for word in given[:1]), *given[1:]])
    options.command_line = ("rst-or-fin", *given)
    try:
        with _signals(), _old_names_shown():
            for word in set(given[:1]) & _OLD_COMMANDS.keys():
                warnings.warn(OldNameWarning(word, _OLD_COMMANDS[word]), stacklevel=1)
            _prepare(options)
            code: int = _command(options.command)(options)
            sys.stdout.flush()
            return code
    except RstOrFinError as error:
        return _told(error)
    except KeyboardInterrupt:
        _say("rst-or-fin: interrupted; everything it started is gone")
        return EXIT_INTERRUPTED
    except _TerminatedError:
        _say("rst-or-fin: terminated; everything it started is gone")
        return EXIT_TERMINATED
    except BrokenPipeError as error:
        if not _reader_left():
            return _mistaken(error, options.command_line)
        with suppress(OSError):  # the interpreter must not complain at its exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_AS_EXPECTED
    except Exception as error:  # noqa: BLE001 - a traceback's own exit code, 1, means that an outcome differs
        trouble = of_machine(error)
        return _told(trouble) if trouble else _mistaken(error, options.command_line)


@contextmanager
def _old_names_shown() -> Iterator[None]:
    """Show each use of an old name as a line of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("default", OldNameWarning)
        warnings.showwarning = lambda message, *_, **__: _say(f"rst-or-fin: {message}")
        yield


def _is_there(module: str) -> bool:
    """Return whether this Python has a module that only some systems have."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _take_any_text(stream: TextIO) -> None:
    """Escape what a stream's encoding lacks (a code page of Windows, ASCII), rather than fail."""
    if isinstance(stream, TextIOWrapper) and not stream.encoding.lower().startswith("utf"):
        stream.reconfigure(errors="backslashreplace")


def _prepare(options: argparse.Namespace) -> None:
    """Set the verbosity that -q and -v ask for, and check where reports go before anything starts."""
    if getattr(options, "quiet", False) or getattr(options, "verbose", False):
        from rst_or_fin.commands import console
        from rst_or_fin.commands.progress import Verbosity

        console.set_verbosity(Verbosity.QUIET if options.quiet else Verbosity.VERBOSE)
    if getattr(options, "html", None) or getattr(options, "junit", None):
        from rst_or_fin.commands.saved_reports import check_report_options

        check_report_options(options)


def _reader_left() -> bool:
    """Return whether the reader of our output is gone; where a system cannot say, assume so."""
    if not hasattr(select, "poll"):
        return True
    poll = select.poll()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # it may be no file
            poll.register(stream.fileno(), select.POLLOUT)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _told(error: RstOrFinError) -> int:
    _say(f"rst-or-fin: {error}")
    if error.remedy:
        _say(f"  remedy: {error.remedy}")
    return error.exit_code


def _say(line: str) -> None:
    """Print a complaint where possible: if it cannot be printed, the exit code must stay the same."""
    with suppress(OSError, ValueError):
        print(line, file=sys.stderr, flush=True)


def _mistaken(error: Exception, command_line: Sequence[str]) -> int:
    """Say in one line that this program is at fault, and where the details are."""
    what = visible(f"{type(error).__name__}: {error}")
    _say(f"rst-or-fin: a mistake in rst-or-fin itself: {clipped(what, _MISTAKE_LEN)}")
    _say(f"  remedy: please report it{_details(error, command_line)}")
    return EXIT_MISTAKE


def _details(error: Exception, command_line: Sequence[str]) -> str:
    """Write the details into a new file that only this user can read; return words that say where."""
    told = [
        f"rst-or-fin {__version__}, Python {sys.version}\n{visible(shlex.join(command_line))}\n",
        *traceback.format_exception(error),
    ]
    try:
        descriptor, path = tempfile.mkstemp(prefix="rst-or-fin-mistake-", suffix=".txt")  # O_EXCL, 0600
        with open(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(told)
    except OSError:
        return "; the details could not be written: run it again with TMPDIR where there is space"
    return f" with what is in {path}"


def _command(name: str) -> Callable[[argparse.Namespace], int]:
    """Import and return the command of that name, not earlier: `--help` must not load an SDK."""
    if name not in _ANYWHERE and not _is_there("fcntl"):
        raise MachineError(
            f"`{name}` needs Linux",
            f"go to a Linux, WSL 2 among them; {', '.join(n for n in _COMMANDS if n in _ANYWHERE)} work here",
        )
    module, function = _COMMANDS[name]
    found: Callable[[argparse.Namespace], int] = getattr(
        import_module(f"rst_or_fin.commands.{module}"), function
    )
    return found


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong, as every error here, and where the help is."""

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Refuse what a command does not know here: the parser above has other options, another help."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            near = difflib.get_close_matches(unknown[0].partition("=")[0], self._option_string_actions, n=2)
            meant = f" (did you mean {' or '.join(f'`{word}`' for word in near)}?)" if near else ""
            self.error(f"unrecognized arguments: {' '.join(unknown)}{meant}")
        return found, unknown

    def error(self, message: str) -> NoReturn:
        print(f"rst-or-fin: {visible(_nearest(message))}", file=sys.stderr)
        print(f"  remedy: `{self.prog} --help` shows what there is", file=sys.stderr)
        raise SystemExit(EXIT_USAGE)


def _nearest(message: str) -> str:
    """Replace a long list of choices in the message by the nearest word."""
    found = re.fullmatch(r"(.*: invalid choice: '(.*)') \(choose from (.*)\)", message, re.DOTALL)
    if found is None:
        return message
    words = [word.strip("' ") for word in found[3].split(",")]
    near = difflib.get_close_matches(found[2], words, n=1)
    known = f"; known: {', '.join(words)}" if len(words) <= _FEW_WORDS or not near else ""
    return found[1] + (f" (did you mean `{near[0]}`?)" if near else "") + known


@cache  # one process may run many commands: tests, and who embeds it
def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="rst-or-fin",
        description="Replay how gen_tcp ends a TCP connection, capture it, and tell RST from FIN.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"rst-or-fin {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    reproduce = commands.add_parser("reproduce", help="replay the published pair: one RST, one FIN")
    _add_play_options(reproduce)
    _add_strace(reproduce)
    _add_all(reproduce)

    run = commands.add_parser("run", help="replay scenarios, by name or by path")
    run.add_argument("scenarios", nargs="+", metavar="SCENARIO", help="a name (see `list`) or a .toml file")
    _add_play_options(run)
    _add_strace(run)
    _add_all(run)

    sweep = commands.add_parser("sweep", help="vary one parameter to find where the ending changes")
    sweep.add_argument("scenario", metavar="SCENARIO", help="a scenario that has [parameters]")
    sweep.add_argument("--vary", metavar="NAME", required=True, help="the parameter to vary")
    sweep.add_argument("--from", dest="low", type=int, metavar="A", required=True, help="its first value")
    sweep.add_argument("--to", dest="high", type=int, metavar="B", required=True, help="its last value")
    sweep.add_argument(
        "--points", type=_count, metavar="N", help="play N evenly spread values instead of bisecting"
    )
    _add_play_options(sweep)

    _add_matrix(commands.add_parser("matrix", help="replay scenarios at every combination of the axes"))

    compare = commands.add_parser("compare", help="show how stored runs differ, and whether that is known")
    compare.add_argument("runs", nargs="+", metavar="RUN", help="an evidence folder, or a folder of these")
    compare.add_argument("--format", choices=("text", "json", "markdown", "html"), default="text")
    compare.add_argument("--out", metavar="FILE", help="write to FILE instead of stdout")
    compare.add_argument(
        "--counters",
        choices=("close", "all"),
        default="close",
        help="all: also which of the kernel's other counters move in one place and not in another",
    )

    _add_bisect(commands.add_parser("bisect", help="find the first release whose outcome differs"))
    _add_test_kernel(
        commands.add_parser(
            "test-kernel", help="test a bzImage by scenarios: exit 0, 1 or 125, for git bisect"
        )
    )

    remedies = commands.add_parser(
        "remedies", help="show each remedy before and after: whether it helps, its cost"
    )
    remedies.add_argument(
        "scenarios",
        nargs="*",
        metavar="SCENARIO",
        help="scenarios with `remedy_for` (default: all there are)",
    )
    _add_play_options(remedies)
    remedies.set_defaults(repeat=10)  # one replay's time says little

    judge = commands.add_parser("judge", help="judge stored evidence again, or any capture; no Docker")
    judge.add_argument(
        "paths", nargs="+", metavar="FILE", help="an evidence folder, or capture files; - is standard input"
    )
    judge.add_argument("--json", action="store_true", help="print JSON")
    _add_all(judge)
    judge.add_argument(
        "--json-lines", action="store_true", help="for captures: one JSON object per connection and line"
    )
    _add_selection(judge)
    gathered = judge.add_argument_group("evidence gathered on a capture's closing host")
    gathered.add_argument(
        "--counters",
        nargs=2,
        metavar=("BEFORE", "AFTER"),
        help="output of nstat -az, or /proc/net/netstat and snmp",
    )
    gathered.add_argument("--trace", metavar="FILE", help="output of the tracepoint tcp:tcp_send_reset")
    gathered.add_argument("--sockets", metavar="FILE", help="output of ss -tn, from before the close")
    gathered.add_argument(
        "--closing-host", metavar="ADDRESS", help="the host they are from, where several reset"
    )
    judge.add_argument("--write", action="store_true", help="replace the folder's verdicts.jsonl")

    importing = commands.add_parser(
        "import", help="turn a connection of a capture into a scenario that replays it"
    )
    importing.add_argument("paths", nargs="+", metavar="FILE", help="capture files")
    importing.add_argument(
        "--connection",
        type=_count,
        metavar="N",
        help="the connection's number (`judge` lists them; default: the only one)",
    )
    importing.add_argument(
        "--out",
        metavar="FILE",
        help="the scenario to write (default: the first FILE's name with .scenario.toml)",
    )
    importing.add_argument(
        "--end",
        choices=("client", "server"),
        help="the end to play (default: the one that reset, or closed first)",
    )
    importing.add_argument(
        "--payload",
        action=argparse.BooleanOptionalAction,
        help="keep the captured data, or send as many other bytes (default: keep plain HTTP)",
    )

    report = commands.add_parser(
        "report", help="show evidence or a capture as a page, ladder, or test results"
    )
    report.add_argument("--last", action="store_true", help="the newest run, sweep or matrix in runs/")
    report.add_argument(
        "runs", nargs="*", metavar="RUN", help="an evidence folder, a folder of these, or capture files"
    )
    _add_selection(report)
    report.add_argument(
        "--format",
        metavar="FORMAT",
        choices=("html", "markdown", "text", "svg", "mermaid", "json", "junit", "pcapng", "packetdrill"),
        default="text",
        help="%(choices)s (default: text)",
    )
    report.add_argument("--out", metavar="FILE", help="write to FILE instead of stdout")
    _add_all(report)
    report.add_argument(
        "--replay",
        type=int,
        metavar="INDEX",
        help="the replay to show (text, svg, mermaid, packetdrill; default: the one that most needs a look)",
    )

    listing = commands.add_parser("list", help="list the scenarios")
    listing.add_argument(
        "words", nargs="*", metavar="WORD", help="only those whose name or claim contains it"
    )
    listing.add_argument("--theme", metavar="THEME", help="only those of one theme (`list` shows them)")
    listing.add_argument(
        "--ending",
        metavar="ENDING",
        help="only those that end like this on some axis: RST, FIN, 'FIN then RST', none",
    )
    listing.add_argument("--json", action="store_true", help="print JSON")

    explain = commands.add_parser("explain", help="show a scenario's claim, sources, session and expectation")
    explain.add_argument("scenario", metavar="SCENARIO", help="a name (see `list`) or a .toml file")

    check = commands.add_parser("check", help="say what is wrong with scenario files; nothing is started")
    check.add_argument("scenarios", nargs="+", metavar="FILE", help="a .toml file, or a scenario's name")

    new = commands.add_parser("new", help="write a scenario to start from, with comments")
    new.add_argument("name", metavar="NAME", help="the file is NAME.scenario.toml")

    commands.add_parser("schema", help="print the JSON schema of scenario files, for editors")

    topic = commands.add_parser("help", help="show a page in the terminal: scenarios, servers, ci, ...")
    topic.add_argument("topic", nargs="?", metavar="PAGE", help="the page (default: a list of the pages)")

    _add_kernels(
        commands.add_parser("kernels", help="list kernels that a node can boot, and make their images")
    )

    doctor = commands.add_parser(
        "doctor", help="say what works on this machine, and how to fix what does not"
    )
    doctor.add_argument("--json", action="store_true", help="print JSON")

    clean = commands.add_parser("clean", help="remove what killed runs left behind")
    clean.add_argument("--images", action="store_true", help="remove the images as well")

    bench = commands.add_parser("bench", help="measure cold start, warm replays per second, where time goes")
    bench.add_argument(
        "--repeat", type=_count, default=200, metavar="N", help="warm replays of each scenario"
    )
    bench.add_argument(
        "--captures",
        action="store_true",
        help="measure the judge on captures of up to a million segments instead",
    )
    _add_testbed_options(bench)
    return parser


def _add_selection(parser: argparse.ArgumentParser) -> None:
    """Add the options that select connections of a capture."""
    chosen = parser.add_argument_group("only these connections of a capture")
    chosen.add_argument("--connection", type=_count, metavar="N", help="with this number, in full")
    chosen.add_argument("--host", metavar="ADDRESS", help="with this address at either end")
    chosen.add_argument("--port", type=_port, metavar="N", help="with this port at either end")
    chosen.add_argument(
        "--ending", type=_one_of(Ending), metavar="ENDING", help="where an end ended like this: RST, FIN, ..."
    )
    chosen.add_argument(
        "--cause", type=_one_of(Cause), metavar="CAUSE", help="with this cause, proved or possible"
    )
    chosen.add_argument(
        "--between",
        nargs=2,
        metavar="TIME",
        help="between these times: 11:39:07 (UTC), or with a date in ISO 8601",
    )


def _one_of(words: type[Word]) -> Callable[[str], Word]:
    """Make an argument type for one of these words, in whatever case."""

    def parse(text: str) -> Word:
        for word in words:
            if word.lower() == text.lower():
                return word
        raise argparse.ArgumentTypeError(f"invalid choice {text!r} (choose from {', '.join(words)})")

    return parse


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < 1 << 16):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to 65535")
    return int(text)


def _add_matrix(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "scenarios", nargs="*", metavar="SCENARIO", help="names or .toml files (default: the published pair)"
    )
    parser.add_argument(
        "--runtime", choices=("auto", "docker", "local"), default="auto", help="see `run --help`"
    )
    parser.add_argument(
        "--kernel",
        type=_listed(),
        metavar="A,B",
        help="kernels: releases, series, `newest`, `default` (the default set), `host`, bzImage files",
    )
    parser.add_argument(
        "--otp", type=_listed(), metavar="A,B", help="Erlang/OTP releases (docker: default 27)"
    )
    parser.add_argument(
        "--backend", type=_listed("inet", "socket"), metavar="A,B", default=["inet"], help="default: inet"
    )
    parser.add_argument("--family", type=_listed("4", "6"), metavar="A,B", default=["4"], help="default: 4")
    parser.add_argument("--jobs", type=_count, metavar="N", help="testbeds at a time (default: one per core)")
    parser.add_argument(
        "--scheduler", metavar="ADDRESS", help="play on the Dask cluster of the scheduler at tcp://..."
    )
    parser.add_argument("--format", choices=("text", "markdown", "json"), default="text")
    _add_cell_options(parser, "runs/matrix")


def _add_test_kernel(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bzimage", metavar="BZIMAGE", help="a kernel built by `make bzImage`")
    parser.add_argument(
        "scenarios", nargs="+", metavar="SCENARIO", help="a name (see `list`) or a .toml file"
    )
    parser.add_argument("--otp", metavar="RELEASE", help="Erlang/OTP release of the node (default: 27)")
    parser.add_argument("--backend", choices=("inet", "socket"), default="inet", help="default: inet")
    parser.add_argument("--family", choices=("4", "6"), default="4", help="default: 4")


def _add_bisect(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("scenario", metavar="SCENARIO", help="a name (see `list`) or a .toml file")
    parser.add_argument("--from", dest="since", metavar="A", required=True, help="the release to start from")
    parser.add_argument(
        "--to", dest="until", metavar="B", required=True, help="a later release whose outcome differs"
    )
    parser.add_argument(
        "--axis", choices=("kernel", "otp"), default="kernel", help="the axis to search (default: kernel)"
    )
    parser.add_argument(
        "--kernel", metavar="NAME", help="the node's kernel, with --axis otp (default: the host's)"
    )
    parser.add_argument("--otp", metavar="RELEASE", help="Erlang/OTP release of the node (default: 27)")
    parser.add_argument("--backend", choices=("inet", "socket"), default="inet", help="default: inet")
    parser.add_argument("--family", choices=("4", "6"), default="4", help="default: 4")
    parser.add_argument(
        "--all", action="store_true", help="play every release in between, and list every change"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(jobs=1, scheduler=None)
    _add_cell_options(parser, "runs/bisect")


def _add_cell_options(parser: argparse.ArgumentParser, out: str) -> None:
    _add_wire(parser)
    parser.add_argument("--repeat", type=_count, default=1, metavar="N", help="play each cell N times")
    parser.add_argument(
        "--limit", type=_count, default=120, metavar="S", help="seconds a cell may take (default: 120)"
    )
    parser.add_argument("--again", action="store_true", help="play again what --out already holds")
    _add_reports(parser)
    _add_saying(parser)
    parser.add_argument("--out", metavar="DIR", default=out, help=f"where evidence goes (default: {out})")


def _listed(*choices: str) -> Callable[[str], list[str]]:
    """Make an argument type for a list, separated by commas, each item once."""

    def parse(text: str) -> list[str]:
        items = list(dict.fromkeys(item.strip() for item in text.split(",")))
        for item in items:
            if not item or (choices and item not in choices):
                known = f" (choose from {', '.join(choices)})" if choices else ""
                raise argparse.ArgumentTypeError(f"invalid choice {item!r} in {text!r}{known}")
        return items

    return parse


def _faults(text: str) -> RandomFaults:
    """Parse random faults, as `--wire` has them."""
    from rst_or_fin.agents.script import ScriptError
    from rst_or_fin.scenario.wire import parse_random

    try:
        return parse_random(text)
    except ScriptError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _add_wire(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--wire",
        type=_faults,
        metavar="FAULTS",
        help="random faults between the two hosts: 'loss=0.1 delay_ms=50 seed=7'"
        " (loss, duplicate, reorder, delay_ms, jitter_ms, seed)",
    )


def _add_play_options(parser: argparse.ArgumentParser) -> None:
    _add_testbed_options(parser)
    parser.add_argument("--repeat", type=_count, default=1, metavar="N", help="play each scenario N times")
    parser.add_argument(
        "--out", metavar="DIR", default="runs", help="where evidence folders go (default: runs)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    _add_reports(parser)
    _add_saying(parser)


def _add_reports(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--html", metavar="FILE", help="also write an HTML page of what was played")
    parser.add_argument("--junit", metavar="FILE", help="also write the outcomes as JUnit XML")


def _add_saying(parser: argparse.ArgumentParser) -> None:
    """Add the options for how much is printed besides the results."""
    how_much = parser.add_mutually_exclusive_group()
    how_much.add_argument(
        "-q", "--quiet", action="store_true", help="print one line per scenario, and no progress"
    )
    how_much.add_argument(
        "-v", "--verbose", action="store_true", help="print every replay, and the output of builds"
    )


def _add_all(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--all", dest="everything", action="store_true", help="show long traces and results in full"
    )


def _add_strace(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--strace", action="store_true", help="also record the tested socket's system calls (docker only)"
    )


def _add_testbed_options(parser: argparse.ArgumentParser) -> None:
    _add_wire(parser)
    parser.add_argument(
        "--runtime",
        choices=("auto", "docker", "local"),
        default="auto",
        help="where the two hosts live: containers, or network namespaces of this machine (default: auto)",
    )
    parser.add_argument(
        "--otp", metavar="RELEASE", help="Erlang/OTP release of the node (docker: default 27)"
    )
    parser.add_argument(
        "--backend", choices=("inet", "socket"), default="inet", help="what gen_tcp runs on (default: inet)"
    )
    parser.add_argument(
        "--family", choices=("4", "6"), default="4", help="IPv4 or IPv6 on the test network (default: 4)"
    )
    parser.add_argument(
        "--kernel",
        metavar="NAME",
        help="boot this kernel under the node: a release, a series, `newest`, or a bzImage (docker only)",
    )
    parser.set_defaults(strace=False)  # `_add_strace`, where a command has it


def _add_kernels(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="list what the configured Debian suites offer")
    listing.add_argument("--refresh", action="store_true", help="ask the package archive again")
    listing.add_argument("--json", action="store_true", help="print JSON")
    build = actions.add_parser("build", help="make node images with these kernels")
    build.add_argument(
        "kernels",
        nargs="*",
        metavar="KERNEL",
        help="releases, series or bzImage files (default: the default set)",
    )
    build.add_argument("--otp", metavar="RELEASE", help="Erlang/OTP release of the node (default: 27)")


def _count(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a count of 1 or more")
    return number


@contextmanager
def _signals() -> Iterator[None]:
    """Let the first SIGINT, SIGTERM or SIGHUP unwind the run; the next must not cut the clean-up short."""

    def unwind(number: int, frame: FrameType | None) -> NoReturn:
        for each in _UNWINDING:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt if number == signal.SIGINT else _TerminatedError

    before = {n: signal.signal(n, unwind) for n in _UNWINDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    sys.exit(main())
