"""Applications beyond Erlang's base: a node that has them, or one line that says what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.live.test_servers import RUNTIMES, runtime_at_hand  # noqa: F401
from tests.support.commands import Command, document

HTTPC = """\
claim = "httpc keeps its connection, and closes it with everything read when its client stops"
sources = ["httpc(3)"]
close_line = 3
session = '''
{ok, _} = application:ensure_all_started(inets).
{ok, {{_, 200, _}, _, _}} = httpc:request(get, {"http://" ++ inet:ntoa(Server) ++ "/", []},
                                          [{ssl, [{verify, verify_none}]}], []).
application:stop(inets).
'''
[node]
applications = ["inets"]
[server.options]
body_bytes = 1000
[expect]
ending = "FIN"
lost = 0
"""


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_librarys_connection_is_judged_without_being_bound(
    command: Command, tmp_path: Path, runtime: str
) -> None:
    (tmp_path / "httpc.scenario.toml").write_text(HTTPC)
    done = command("run", "httpc.scenario.toml", "--runtime", runtime, "--json")
    if "apt-get install erlang-inets" in done.stderr:
        pytest.skip(done.stderr.splitlines()[0])
    assert document(done)["runs"][0]["outcome"] == "as expected"


@pytest.mark.docker
def test_a_release_that_lacks_the_application_is_left_out_with_one_line(
    command: Command, tmp_path: Path
) -> None:
    (tmp_path / "httpc.scenario.toml").write_text(HTTPC)
    done = command("run", "httpc.scenario.toml", "--runtime", "docker", "--otp", "28")
    assert "left out here: OTP 28's image has none but Erlang's base, no inets" in done.stderr
