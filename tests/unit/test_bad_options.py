"""A command that is typed wrong: one line and a hint, exit code 2, nothing started."""

from __future__ import annotations

import pytest
from rst_or_fin.cli import main

RUN = ["run", "recv-then-close"]
SWEEP = ["sweep", "recv-10-of-485", "--vary", "Read", "--from", "1", "--to", "9"]
BISECT = ["bisect", "recv-then-close", "--from", "1", "--to", "2"]

# What is typed, and what has to be said of it.
# fmt: off
CASES: dict[str, tuple[list[str], str]] = {
    "no command": ([], "the following arguments are required: COMMAND"),
    "a command's letters changed": (["rnu"], "invalid choice: 'rnu' (did you mean `run`?)"),
    "no command's name": (["frobnicate"], "invalid choice: 'frobnicate'"),
    "no scenario": (["run"], "the following arguments are required: SCENARIO"),
    "no file to judge": (["judge"], "the following arguments are required: FILE"),
    "nothing to compare": (["compare"], "the following arguments are required: RUN"),
    "an unknown option": ([*RUN, "--frob"], "unrecognized arguments: --frob"),
    "a runtime that is nearly one": ([*RUN, "--runtime", "dokcer"], "did you mean `docker`?"),
    "a runtime that is none": ([*RUN, "--runtime", "podman"], "known: auto, docker, local"),
    "a backend that is none": ([*RUN, "--backend", "inets"], "did you mean `inet`?"),
    "a family that is none": ([*RUN, "--family", "5"], "known: 4, 6"),
    "no replay": ([*RUN, "--repeat", "0"], "'0' is not a count of 1 or more"),
    "less than none": ([*RUN, "--repeat", "-3"], "'-3' is not a count of 1 or more"),
    "a word for a count": ([*RUN, "--repeat", "many"], "'many' is not a count of 1 or more"),
    "a fraction for a count": ([*RUN, "--repeat", "1.5"], "'1.5' is not a count of 1 or more"),
    "other digits for a count": ([*RUN, "--repeat", "٣"], "is not a count of 1 or more"),
    "an option without its value": ([*RUN, "--otp"], "argument --otp: expected one argument"),
    "quiet and verbose": ([*RUN, "-q", "-v"], "not allowed with argument -q/--quiet"),
    "a page into a folder that is none": ([*RUN, "--html", "no/a.html"], "there is no folder no"),
    "a page in a folder's place": ([*RUN, "--html", "."], ". is a folder"),
    "results into a folder that is none": ([*RUN, "--junit", "no/a.xml"], "there is no folder no"),
    "a sweep without its parameter": (SWEEP[:2], "arguments are required: --vary, --from, --to"),
    "a sweep of words": ([*SWEEP[:5], "a", *SWEEP[6:]], "invalid int value: 'a'"),
    "a sweep of what is no parameter": ([*SWEEP[:3], "Size", *SWEEP[4:]], "has no parameter 'Size'"),
    "a sweep backwards": ([*SWEEP[:5], "9", "--to", "1"], "there is nothing between 9 and 1"),
    "a sweep of one value": ([*SWEEP[:5], "9", "--to", "9"], "there is nothing between 9 and 9"),
    "a sweep of no points": ([*SWEEP, "--points", "0"], "'0' is not a count of 1 or more"),
    "an axis that is none": ([*BISECT, "--axis", "backend"], "known: kernel, otp"),
    "a matrix of a backend that is none": (["matrix", "--backend", "inet,sock"], "invalid choice 'sock'"),
    "a matrix of nothing between commas": (["matrix", "--otp", "27,,28"], "invalid choice ''"),
    "a matrix of no testbeds": (["matrix", "--jobs", "0"], "'0' is not a count of 1 or more"),
    "a matrix that takes one scenario twice": (
        ["matrix", "recv-then-close", "recv-then-close", "--runtime", "local"], "two scenarios are called"
    ),
    "a remedy that is none": (["remedies", "close-with-unread-response"], "response is not a remedy"),
    "a report's format that is nearly one": (["report", "x", "--format", "htm"], "did you mean `html`?"),
    "a replay that is no number": (["report", "x", "--replay", "first"], "invalid int value: 'first'"),
    "a report of nothing": (["report"], "no run is named"),
    "a report of what is not there": (["report", "nowhere"], "nowhere: there is no such folder"),
    "a report of the last of nothing": (["report", "--last", "nowhere"], "there is no folder nowhere"),
    "a comparison of what is not there": (["compare", "nowhere"], "nowhere: there is no such folder"),
    "a capture that is not there": (["judge", "nowhere.pcap"], "nowhere.pcap: no such file"),
    "a theme that is none": (["list", "--theme", "opera"], "no scenario has the theme 'opera'"),
    "an ending that is none": (["list", "--ending", "BANG"], "there is no ending 'BANG'"),
    "words that no scenario has": (["list", "xylophone"], "no scenario matches all of that"),
    "a scenario that is none": (["explain", "recv-than-close"], "no scenario is called 'recv-than-close'"),
    "a page that is none": (["help", "opera"], "there is no page 'opera'"),
    "an action that is none": (["kernels", "bild"], "did you mean `build`?"),
    "no action": (["kernels"], "the following arguments are required: ACTION"),
}
# fmt: on


@pytest.mark.parametrize("what", CASES)
def test_a_wrong_command_is_one_line_with_a_hint(
    what: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    command, says = CASES[what]
    monkeypatch.chdir(str(tmp_path))
    try:
        code: object = main(command)
    except SystemExit as end:
        code = end.code
    said = capsys.readouterr()
    lines = said.err.splitlines()
    assert (code, said.out, says in lines[0], len(lines) <= 2) == (2, "", True, True), said


def test_an_option_with_a_slip_is_told_by_its_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "recv-then-close", "--opt", "25"])
    assert capsys.readouterr().err.splitlines() == [
        "rst-or-fin: unrecognized arguments: --opt 25 (did you mean `--out` or `--otp`?)",
        "  hint: see `rst-or-fin run --help`",
    ]
