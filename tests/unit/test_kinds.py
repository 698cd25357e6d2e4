"""What each kind of peer can be told is one table: the programs, the starter and the model all go by it."""

from __future__ import annotations

import errno

import pytest
from rst_or_fin.agents import command_line
from rst_or_fin.agents.kinds import ABOUT, ENDS, ERRNOS, OPTIONS, RESERVED, Option, ends, flag
from rst_or_fin.scenario import peers
from rst_or_fin.scenario.model import Server

PLACE = peers.Addresses(own="192.0.2.1", spare="192.0.2.2", node="192.0.2.3")
EACH_OPTION = [(kind, name) for kind in OPTIONS for name in OPTIONS[kind]]
NUMBERS = [(kind, name) for kind, name in EACH_OPTION if OPTIONS[kind][name].type is int]


_TEXTS = {"script": "expect S", "steps": "request"}


def some_value(option: Option) -> int | bool | str:
    """A value of the option that is not its default."""
    if option.type is str:
        return option.choices[0] if option.choices else _TEXTS[option.grammar]
    return True if option.type is bool else option.most


def test_every_kind_that_a_scenario_can_name_has_its_options_and_ends() -> None:
    assert set(peers.KINDS) == set(OPTIONS) == set(ENDS) == set(ABOUT)


def test_no_option_bears_the_name_of_a_programs_own() -> None:
    assert not {name for _, name in EACH_OPTION} & set(RESERVED)


def test_only_a_peer_without_a_kernel_of_its_own_sees_no_errno() -> None:
    without = {"scripted", "scripted-client", "nginx-proxy", "haproxy-proxy"}
    assert {kind for kind in OPTIONS if "ECONNRESET" not in ends(kind)} == without


def test_the_errnos_are_the_systems_own() -> None:
    assert set(ERRNOS) <= set(errno.errorcode.values())


@pytest.mark.parametrize(("kind", "name"), EACH_OPTION)
def test_what_an_option_excludes_excludes_it(kind: str, name: str) -> None:
    options = OPTIONS[kind]
    assert all(name in options[other].excludes for other in options[name].excludes)


@pytest.mark.parametrize(("kind", "name"), EACH_OPTION)
def test_the_program_takes_the_option_as_the_scenario_gives_it(kind: str, name: str) -> None:
    value = some_value(OPTIONS[kind][name])
    required: dict[str, int | str | bool] = {"script": "expect S"} if kind.startswith("scripted") else {}
    arguments = peers.arguments(Server(kind=kind, options={**required, name: value}), PLACE)
    program = command_line.parser(kind, "", 80)
    program.add_argument("--target")
    assert getattr(command_line.parse(program, kind, arguments), name) == value


@pytest.mark.parametrize(("kind", "name"), NUMBERS)
def test_the_program_refuses_what_is_out_of_range(
    kind: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    most = OPTIONS[kind][name].most
    with pytest.raises(SystemExit):
        command_line.parser(kind, "", 80).parse_args([f"{flag(name)}={most + 1}"])
    assert f"argument {flag(name)}: '{most + 1}' is not a whole number" in capsys.readouterr().err
