"""The command line: which commands there are, signals, exit codes. No rules of its own."""

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
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from io import TextIOWrapper
from types import FrameType
from typing import Any, NamedTuple, NoReturn, TextIO, cast

from rst_or_fin import __version__
from rst_or_fin.commands.progress import ERASE
from rst_or_fin.errors import (
    EXIT_AS_EXPECTED,
    EXIT_INTERNAL,
    EXIT_USAGE,
    MachineError,
    OldNameWarning,
    RstOrFinError,
    of_machine,
)
from rst_or_fin.escaping import EscapingStream, clipped, visible

EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143
_ERROR_LEN = 300  # characters of an error's text that are shown: a line, not a screen

_FEW_WORDS = 8  # choices that are listed even where one of them is near


class _Command(NamedTuple):
    """One command: `play.run` is `run` in commands/play.py, which has `run_options` beside it.

    `anywhere`: it only reads files, so it needs no Unix.
    """

    function: str
    help: str
    anywhere: bool = False


_COMMANDS = {
    "reproduce": _Command("play.reproduce", "replay the published pair: one RST, one FIN"),
    "run": _Command("play.run", "replay scenarios, by name or by path"),
    "sweep": _Command("sweep.sweep", "vary one parameter to find where the ending changes"),
    "matrix": _Command("matrix.matrix", "replay scenarios at every combination of the axes"),
    "compare": _Command(
        "compare.compare", "show how stored runs differ, and which differences are known", anywhere=True
    ),
    "bisect": _Command("bisect.bisect", "find the first release whose outcome differs"),
    "test-kernel": _Command(
        "test_kernel.test_kernel", "test a bzImage with scenarios; exits 0, 1 or 125 for `git bisect run`"
    ),
    "remedies": _Command(
        "remedies.remedies", "compare each remedy with its case: does it help, what does it cost"
    ),
    "judge": _Command("judge.judge", "judge stored evidence again, or any capture; no Docker", anywhere=True),
    "import": _Command(
        "import_capture.import_capture",
        "turn a connection of a capture into a scenario that replays it",
        anywhere=True,
    ),
    "report": _Command(
        "report.report", "show evidence or a capture as a page, ladder, or test results", anywhere=True
    ),
    "list": _Command("explain.list_scenarios", "list the scenarios", anywhere=True),
    "explain": _Command(
        "explain.explain", "show a scenario's claim, sources, session and expectation", anywhere=True
    ),
    "check": _Command(
        "check.check", "say what is wrong with scenario files; nothing is started", anywhere=True
    ),
    "new": _Command("check.new", "write a scenario to start from, with comments", anywhere=True),
    "schema": _Command("check.schema", "print the JSON schema of scenario files, for editors", anywhere=True),
    "help": _Command(
        "help_pages.help_page", "show a page in the terminal: scenarios, servers, ci, ...", anywhere=True
    ),
    "kernels": _Command(
        "kernels.kernels_command", "list kernels that a node can boot, and make their images"
    ),
    "doctor": _Command(
        "machine.doctor", "say what works on this machine, and how to fix what does not", anywhere=True
    ),
    "clean": _Command("machine.clean", "remove what killed runs left behind"),
    "bench": _Command("bench.bench", "measure cold start, warm replays per second, and where the time goes"),
}

_OLD_COMMANDS = {"cures": "remedies"}

_EPILOG = """\
exit codes: 0 as expected, 1 an outcome differs, 2 wrong usage or input,
3 inconclusive, 4 this machine cannot run it (with a hint),
70 an internal error, 130 interrupted, 143 terminated
"""

_UNWINDING = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)  # Windows has no SIGHUP


class _TerminatedError(BaseException):
    """SIGTERM or SIGHUP arrived. Unwinds as Ctrl-C does, so that everything is taken down."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. Control characters in the output are escaped."""
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
    command_line = ("rst-or-fin", *given)
    try:
        with _signals(), _old_names_shown():
            code = _run(given, command_line)
            sys.stdout.flush()
            return code
    except RstOrFinError as error:
        return _print_error(error)
    except KeyboardInterrupt:
        _say("rst-or-fin: interrupted; everything it started is gone")
        return EXIT_INTERRUPTED
    except _TerminatedError:
        _say("rst-or-fin: terminated; everything it started is gone")
        return EXIT_TERMINATED
    except BrokenPipeError as error:
        if not _reader_left():
            return _internal_error(error, command_line)
        with suppress(OSError):  # the interpreter must not complain at its exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_AS_EXPECTED
    except Exception as error:  # noqa: BLE001 - a traceback's own exit code, 1, means that an outcome differs
        trouble = of_machine(error)
        return _print_error(trouble) if trouble else _internal_error(error, command_line)


def _run(given: Sequence[str], command_line: tuple[str, ...]) -> int:
    options = _parser().parse_args([*(_OLD_COMMANDS.get(word, word) for word in given[:1]), *given[1:]])
    options.command_line = command_line
    for word in set(given[:1]) & _OLD_COMMANDS.keys():
        warnings.warn(OldNameWarning(word, _OLD_COMMANDS[word]), stacklevel=1)
    _prepare(options)
    command: Callable[[argparse.Namespace], int] = _imported(_COMMANDS[options.command].function)
    return command(options)


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
    if options.quiet or options.verbose:
        from rst_or_fin.commands import console
        from rst_or_fin.commands.progress import Verbosity

        console.set_verbosity(Verbosity.QUIET if options.quiet else Verbosity.VERBOSE)
    if options.html or options.junit:
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


def _print_error(error: RstOrFinError) -> int:
    _say(f"rst-or-fin: {error}")
    if error.hint:
        _say(f"  hint: {error.hint}")
    return error.exit_code


def _say(line: str) -> None:
    """Print a line to stderr if possible; if not, the exit code must stay the same."""
    with suppress(OSError, ValueError):
        print(line, file=sys.stderr, flush=True)


def _internal_error(error: Exception, command_line: Sequence[str]) -> int:
    """Report an error of this program in one line, and where the details are."""
    what = visible(f"{type(error).__name__}: {error}")
    _say(f"rst-or-fin: internal error: {clipped(what, _ERROR_LEN)}")
    _say(f"  hint: please report it{_details(error, command_line)}")
    return EXIT_INTERNAL


def _details(error: Exception, command_line: Sequence[str]) -> str:
    """Write the details to a new file that only this user can read; return words that name it."""
    lines = [
        f"rst-or-fin {__version__}, Python {sys.version}\n{visible(shlex.join(command_line))}\n",
        *traceback.format_exception(error),
    ]
    try:
        descriptor, path = tempfile.mkstemp(prefix="rst-or-fin-error-", suffix=".txt")  # O_EXCL, 0600
        with open(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(lines)
    except OSError:
        return "; the details could not be written: run it again with TMPDIR where there is space"
    return f" with what is in {path}"


def _imported(function: str) -> Callable[..., Any]:
    """Import a command's function; not before the command is chosen, since it may load an SDK."""
    module, _, name = function.partition(".")
    found: Callable[..., Any] = getattr(import_module(f"rst_or_fin.commands.{module}"), name)
    return found


class _Parser(argparse.ArgumentParser):
    """Reports usage errors in one line, like every other error, and points to --help."""

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Reject unknown options in the command's own parser, whose --help lists the right ones."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            near = difflib.get_close_matches(unknown[0].partition("=")[0], self._option_string_actions, n=2)
            meant = f" (did you mean {' or '.join(f'`{word}`' for word in near)}?)" if near else ""
            self.error(f"unrecognized arguments: {' '.join(unknown)}{meant}")
        return found, unknown

    def error(self, message: str) -> NoReturn:
        print(f"rst-or-fin: {visible(_nearest(message))}", file=sys.stderr)
        print(f"  hint: see `{self.prog} --help`", file=sys.stderr)
        raise SystemExit(EXIT_USAGE)


class _CommandParser(_Parser):
    """Parses the options of one command, which are added once the command is chosen."""

    waiting_for = ""  # the command whose options are still to be added

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Add the options first. Raises MachineError if the command needs a Unix, and this is none."""
        if self.waiting_for:
            _check_system(self.waiting_for)
            _imported(f"{_COMMANDS[self.waiting_for].function}_options")(self)
            self.waiting_for = ""
        return super().parse_known_args(args, namespace)


def _check_system(name: str) -> None:
    if not _COMMANDS[name].anywhere and not _is_there("fcntl"):
        others = ", ".join(other for other, command in _COMMANDS.items() if command.anywhere)
        raise MachineError(f"`{name}` needs Linux", f"run it on Linux (WSL 2 will do); {others} work here")


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
    parser.set_defaults(quiet=False, verbose=False, html=None, junit=None)  # of commands without these
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", parser_class=_CommandParser
    )
    for name, command in _COMMANDS.items():
        commands.add_parser(name, help=command.help).waiting_for = name
    return parser


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
