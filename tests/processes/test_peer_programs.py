"""What each kind of peer's own program refuses."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from rst_or_fin.agents.kinds import OPTIONS, flag
from rst_or_fin.scenario import peers


def started(kind: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The kind's own program, with arguments that end it before it opens anything."""
    return subprocess.run(
        [sys.executable, "-m", f"rst_or_fin.{peers.KINDS[kind].module}", "--bind", "192.0.2.1", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _needed(kind: str) -> tuple[str, ...]:
    script: tuple[str, ...] = ("--script=expect S",) if kind.startswith("scripted") else ()
    if kind.startswith("scripted") or kind.endswith("proxy"):
        script += ("--clean-offloads=192.0.2.1",)
    return (*script, "--target=192.0.2.3") if peers.KINDS[kind].connects else script


@pytest.mark.parametrize("kind", OPTIONS)
def test_a_program_takes_no_abbreviation(kind: str) -> None:
    name = max(OPTIONS[kind], key=len)
    done = started(kind, f"{flag(name)[:-1]}=1", *_needed(kind))
    assert (done.returncode, "unrecognized arguments" in done.stderr) == (2, True)


def test_a_program_takes_no_options_that_exclude_each_other() -> None:
    done = started("origin", "--body-bytes=5", "--response-bytes=500")
    assert done.stderr.endswith("--body-bytes and --response-bytes exclude each other\n")


# A server that has OpenSSL's key log written, and says only then in its own log that it was asked.
_SECRETIVE = """
import os, sys
with open(os.environ["SSLKEYLOGFILE"], "w") as file:
    file.write("CLIENT_RANDOM 00 11\\n")
sys.stderr.write("asked\\n")
sys.stderr.flush()
sys.stdin.read()
"""
_SERVING = """
import sys, tempfile
from rst_or_fin.agents import server_log, tls
with tempfile.TemporaryDirectory() as folder:
    def read(line):
        return server_log.Listening() if line == "asked" else None
    secrets = tls.KeyLog(folder, server_log._say)
    server_log.serve([sys.executable, "-c", sys.argv[1]], read, "192.0.2.1", 8080, secrets)
"""


def test_a_servers_secrets_are_told_before_what_its_log_says_next() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _SERVING, _SECRETIVE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        said = [json.loads(program.stdout.readline()) for _ in range(2)]
        program.stdin.close()
    assert said == [
        {"event": "secrets", "lines": ["CLIENT_RANDOM 00 11"]},
        {"event": "listening", "address": "192.0.2.1", "port": 8080},
    ]
