"""strace's text sorted into the lives of sockets: pieces put together, descriptors used again."""

from __future__ import annotations

from dataclasses import replace

from rst_or_fin.evidence.strace import Recording, SystemCall, closing, plain
from rst_or_fin.tcp.segment import Endpoint
from rst_or_fin.verdict.judge import judge

from tests.support.cases import ABORT, ABORT_ON_CLOSE, WHOLE, replay, report
from tests.support.segments import connection

HERE, THERE = Endpoint("198.18.0.3", 40000), Endpoint("198.18.0.4", 80)
PAIR = "<TCP:[198.18.0.3:40000->198.18.0.4:80]>"
# As strace 6.13 wrote it of OTP 27, shortened.
LIFE = f"""\
18 100.000001 connect(21<TCP:[2464878]>, {{sa_family=AF_INET, sin_port=htons(80)}}, 16) = -1 EINPROGRESS
18 100.000002 read(9</etc/hosts>, "secret", 6) = 6
18 100.000003 writev(21{PAIR}, [{{iov_base="GET / HTTP/1.1\\r\\n\\r\\n", iov_len=18}}], 1) = 18
18 100.000004 close(21{PAIR}) = 0
"""


def recorded(text: str) -> Recording:
    recording = Recording()
    recording.feed(text)
    return recording


def taken(text: str, local: Endpoint = HERE, remote: Endpoint = THERE) -> list[str]:
    return [call.text.partition("(")[0] for call in recorded(text).take(local, remote)]


def test_a_life_goes_from_connect_to_close() -> None:
    assert taken(LIFE) == ["connect", "writev", "close"]


def test_a_call_has_its_time_and_its_thread() -> None:
    call = recorded(LIFE).take(HERE, THERE)[-1]
    assert (call.t_ns, call.thread) == (100_000_004_000, 18)


def test_a_line_that_is_fed_in_pieces_is_one_line() -> None:
    recording = Recording()
    for character in LIFE:
        recording.feed(character)
    assert recording.take(HERE, THERE) == recorded(LIFE).take(HERE, THERE)


def test_a_call_in_two_pieces_is_one_that_began_with_the_first() -> None:
    text = (
        f"18 1.000001 recvfrom(21{PAIR},  <unfinished ...>\n"
        "19 1.000002 close(7<TCP:[99]>) = 0\n"
        '18 1.000003 <... recvfrom resumed>"HTTP", 1460, 0, NULL, NULL) = 4\n'
    )
    [call] = recorded(text).take(HERE, THERE)
    assert (call.t_ns, plain(call)) == (1_000_001_000, 'recvfrom(21, "HTTP", 1460, 0, NULL, NULL) = 4')


def test_the_end_of_a_call_whose_beginning_is_missing_is_passed_over() -> None:
    assert taken("18 1.000003 <... close resumed>) = 0\n" + LIFE) == ["connect", "writev", "close"]


def test_a_descriptor_used_again_is_another_socket() -> None:
    other = LIFE.replace(":40000->", ":40001->").replace("writev", "sendto")
    recording = recorded(LIFE + other)
    assert [
        [call.text.partition("(")[0] for call in recording.take(replace_port(port), THERE)]
        for port in (40001, 40000)
    ] == [["connect", "sendto", "close"], ["connect", "writev", "close"]]


def replace_port(port: int) -> Endpoint:
    return Endpoint(HERE.address, port)


def test_a_closed_socket_is_given_out_once() -> None:
    recording = recorded(LIFE)
    recording.take(HERE, THERE)
    assert recording.take(HERE, THERE) == ()


def test_a_socket_that_is_still_open_is_given_as_far_as_it_got() -> None:
    assert taken(LIFE.rpartition("18 100.000004")[0]) == ["connect", "writev"]


def test_an_accepted_socket_begins_with_its_accept() -> None:
    text = (
        f"18 1.000001 accept4(17<TCP:[0.0.0.0:8080]>, {{}}, [16], SOCK_CLOEXEC) = 21{PAIR}\n"
        f"18 1.000002 close(21{PAIR}) = 0\n"
    )
    assert taken(text) == ["accept4", "close"]


def test_ipv6_is_told_by_its_own_notation() -> None:
    text = "18 1.000001 close(21<TCPv6:[[fd00::3]:40000->[fd00::4]:80]>) = 0\n"
    assert taken(text, Endpoint("fd00::3", 40000), Endpoint("fd00::4", 80)) == ["close"]


def test_a_socket_that_was_bound_first_is_known_by_its_port_and_where_it_connects() -> None:
    text = LIFE.replace(PAIR, "<TCP:[0.0.0.0:40000]>").replace(
        "htons(80)}", 'htons(80), sin_addr=inet_addr("198.18.0.4")}'
    )
    assert (taken(text), taken(text, remote=Endpoint("198.18.0.5", 80))) == (
        ["connect", "writev", "close"],
        [],
    )


def test_what_is_no_socket_is_not_kept() -> None:
    assert not any("secret" in call.text for call in recorded(LIFE).take(HERE, THERE))


def calls(*texts: str) -> tuple[SystemCall, ...]:
    return tuple(SystemCall(t_ns=0, thread=1, text=text) for text in texts)


def test_the_end_of_a_socket_is_told_without_what_its_descriptor_is() -> None:
    assert closing(calls(f"writev(21{PAIR}, [], 0) = 0", f"close(21{PAIR}) = 0")) == "close(21) = 0"


def test_a_shutdown_and_a_linger_belong_to_the_end() -> None:
    found = closing(
        calls(
            "setsockopt(21<TCP:[9]>, SOL_SOCKET, SO_LINGER, {l_onoff=1, l_linger=0}, 8) = 0",
            "setsockopt(21<TCP:[9]>, SOL_TCP, TCP_NODELAY, [1], 4) = 0",
            f"shutdown(21{PAIR}, SHUT_WR) = 0",
            f"close(21{PAIR}) = 0",
        )
    )
    assert found == (
        "setsockopt(21, SOL_SOCKET, SO_LINGER, {l_onoff=1, l_linger=0}, 8) = 0, "
        "then shutdown(21, SHUT_WR) = 0, then close(21) = 0"
    )


def test_a_process_that_died_closed_nothing_itself() -> None:
    assert closing(calls(f"writev(21{PAIR}, [], 0) = 0")).startswith("none: the kernel closed")


ABORTED = connection(ABORT)


def test_the_system_call_is_a_witness_that_cannot_tell() -> None:
    told = replace(replay(raised=ABORT_ON_CLOSE), system_calls=calls(f"close(21{PAIR}) = 0"))
    witnesses = judge(ABORTED, capture=WHOLE, report=report(ABORTED, told)).witnesses
    assert [(w.says, w.agrees) for w in witnesses if w.name == "the system call"] == [("close(21) = 0", None)]


def test_where_nobody_asked_there_is_no_such_witness() -> None:
    told = report(ABORTED, replay(raised=ABORT_ON_CLOSE))
    witnesses = judge(ABORTED, capture=WHOLE, report=told).witnesses
    assert "the system call" not in {w.name for w in witnesses}
