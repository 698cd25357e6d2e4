"""Sessions in Elixir: played where there is one, else left out with one line; errors have their lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.live.test_servers import RUNTIMES, runtime_at_hand  # noqa: F401
from tests.support.commands import Command, document
from tests.support.needs import skip_or_fail

SESSION = """\
claim = "mine"
sources = ["me"]
language = "elixir"
session = '''
# It begins on the second line.
{:ok, sock} = :gen_tcp.connect(server, port, active: false)
%s
:gen_tcp.close(sock)
'''
[expect]
ending = "FIN"
returns = ":ok"
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    return tmp_path / "mine.scenario.toml"


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_session_in_elixir_is_played_and_judged(command: Command, mine: Path, runtime: str) -> None:
    mine.write_text(SESSION % "x = 1")
    done = command("run", mine.name, "--runtime", runtime, "--json")
    if "is left out here: " in done.stderr:
        skip_or_fail(done.stderr.splitlines()[0])
    [run] = document(done)["runs"]
    assert run["outcome"] == "as expected"


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_what_does_not_parse_is_one_line_with_the_files_place(
    command: Command, mine: Path, runtime: str
) -> None:
    mine.write_text(SESSION % "x = 3 4")
    done = command("run", mine.name, "--runtime", runtime)
    if "is left out here: " in done.stderr:
        skip_or_fail(done.stderr.splitlines()[0])
    why = 'mine.scenario.toml:7: line 3 of the session does not parse: syntax error before: "4"'
    assert (done.returncode, why in done.stderr) == (2, True)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_line_that_crashes_is_told_as_iex_tells_it(command: Command, mine: Path, runtime: str) -> None:
    mine.write_text(SESSION % "{:error, _} = {:ok, sock}")
    done = command("run", mine.name, "--runtime", runtime, "--json")
    if "is left out here: " in done.stderr:
        skip_or_fail(done.stderr.splitlines()[0])
    [replay] = document(done)["runs"][0]["replays"]
    assert "(MatchError) no match of right hand side value: {:ok, #Port<" in replay["doubts"][0]


@pytest.mark.docker
@pytest.mark.parametrize(
    ("otp", "why"),
    [
        ("23", "the Elixir in the image of OTP 23 is older than 1.14"),
        ("28", "the image of OTP 28 has only Erlang's base, no elixir"),
    ],
)
def test_a_release_without_elixir_is_left_out_with_one_line(
    command: Command, mine: Path, otp: str, why: str
) -> None:
    mine.write_text(SESSION % "x = 1")
    done = command("run", mine.name, "--runtime", "docker", "--otp", otp)
    assert f"left out here: {why}" in done.stderr
