"""Applications beyond Erlang's base: a node that has them, or one line that says what is missing."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rst_or_fin.engine import images

from tests.live.test_servers import RUNTIMES, runtime_at_hand  # noqa: F401
from tests.support.commands import Command, document

if TYPE_CHECKING:
    import docker

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
    if "is left out here: " in done.stderr:
        pytest.skip(done.stderr.splitlines()[0])
    assert document(done)["runs"][0]["outcome"] == "as expected"


@pytest.mark.docker
def test_a_release_that_lacks_the_application_is_left_out_with_one_line(
    command: Command, tmp_path: Path
) -> None:
    (tmp_path / "httpc.scenario.toml").write_text(HTTPC)
    done = command("run", "httpc.scenario.toml", "--runtime", "docker", "--otp", "28")
    assert "left out here: the image of OTP 28 has only Erlang's base, no inets" in done.stderr


MODULE = """\
-module(mylib).
-export([get/2]).
get(Server, Port) ->
    {ok, S} = gen_tcp:connect(Server, Port, [binary, {active, false}]),
    ok = gen_tcp:send(S, <<"GET / HTTP/1.1\\r\\n\\r\\n">>),
    timer:sleep(100),
    gen_tcp:close(S).
"""
MINE = """\
claim = "my own library closes with the answer unread"
sources = ["my code"]
session = "mylib:get(Server, Port)."
[node]
code = ["_build/*/ebin"]
[expect]
ending = "RST"
"""


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A module of a user's, compiled into the folder that MINE names."""
    if shutil.which("erlc") is None:
        pytest.skip("compiling a module needs erlc: apt-get install erlang-base")
    folder = tmp_path / "_build" / "mylib" / "ebin"
    folder.mkdir(parents=True)
    (tmp_path / "mylib.erl").write_text(MODULE)
    subprocess.run(["erlc", "-o", str(folder), str(tmp_path / "mylib.erl")], check=True, timeout=60)
    tmp_path.chmod(0o755)  # nobody reads it, in there
    return tmp_path


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_users_own_module_is_called_and_its_connection_judged(
    command: Command, library: Path, runtime: str
) -> None:
    (library / "mine.scenario.toml").write_text(MINE)
    otp = ["--otp", "system"] if runtime == "local" else []
    [run] = document(command("run", "mine.scenario.toml", "--runtime", runtime, *otp, "--json"))["runs"]
    assert (run["outcome"], run["replays"][0]["cause"]) == ("as expected", "unread data at close")


@contextmanager
def users_own(client: docker.DockerClient, which: str) -> Iterator[str]:
    """The name of an image that a user might have: one of the program's under another name."""
    name = "users-own/app:1"
    client.images.get(images.ensure(client, which)).tag(name)
    try:
        yield name
    finally:
        client.images.remove(name)


@pytest.mark.docker
def test_a_node_may_run_in_a_users_own_image(
    client: docker.DockerClient, command: Command, library: Path
) -> None:
    with users_own(client, "node:otp27") as image:
        (library / "mine.scenario.toml").write_text(MINE.replace("[expect]", f'image = "{image}"\n[expect]'))
        done = command("run", "mine.scenario.toml", "--runtime", "docker", "--json")
    [run] = document(done)["runs"]
    assert run["outcome"] == "as expected"


@pytest.mark.docker
def test_an_image_that_the_engine_lacks_is_one_line(command: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.scenario.toml").write_text(
        HTTPC.replace('applications = ["inets"]', 'image = "my/app:1"')
    )
    done = command("run", "mine.scenario.toml", "--runtime", "docker")
    assert (done.returncode, "the engine has no image 'my/app:1'" in done.stderr) == (2, True), done.stderr


@pytest.mark.docker
def test_an_image_without_erlang_is_one_line(
    client: docker.DockerClient, command: Command, tmp_path: Path
) -> None:
    with users_own(client, "base:trixie") as image:
        (tmp_path / "mine.scenario.toml").write_text(
            HTTPC.replace('applications = ["inets"]', f'image = "{image}"')
        )
        done = command("run", "mine.scenario.toml", "--runtime", "docker")
    assert (done.returncode, "erl: not found" in done.stderr) == (4, True), done.stderr


def test_a_pattern_that_finds_no_module_is_told_with_its_line(command: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.scenario.toml").write_text(MINE)
    done = command("run", "mine.scenario.toml")
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        2,
        'rst-or-fin: mine.scenario.toml:5: node.code[0]: "_build/*/ebin" names no folder with a compiled'
        " module (*.beam): build it first",
    )
