"""Finds calls without a module that no node knows: mostly a session's words with a slip in them. Pure.

A session's line can call so what session_lines.erl lists at its head, what shell_default exports, and the
functions of `erlang` that are imported by themselves (erl_internal:bif/2): here those of all of OTP 23 to 29.
Funs are called by a variable, which is no atom.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from rst_or_fin.scenario.erlang_lines import Expression, Kind
from rst_or_fin.scenario.erlang_syntax import UNSETTLED, SessionProblem

SESSION_WORDS = ("unread", "await_unread", "await_received", "await_read", "await_peer_fin", "await_closed")

_SHELL = """
bi bt c cd clean_history erlangrc flush h hcb help ht i ia iaa ib iba ibc ibd ibe ic ih ii il im ini inq ip
ipb iq ir ist iv l lc lm ls m memory mm module_info nc ni nl nregs pid pwd q regs uptime xm y
"""

_IMPORTED = """
abs alias apply atom_to_binary atom_to_list binary_part binary_to_atom binary_to_existing_atom
binary_to_float binary_to_integer binary_to_list binary_to_term bit_size bitstring_to_list byte_size ceil
check_old_code check_process_code date delete_module demonitor disconnect_node element erase error exit
float float_to_binary float_to_list floor garbage_collect get get_keys group_leader halt hd
integer_to_binary integer_to_list iolist_size iolist_to_binary is_alive is_atom is_binary is_bitstring
is_boolean is_float is_function is_integer is_list is_map is_map_key is_number is_pid is_port
is_process_alive is_record is_reference is_tuple length link list_to_atom list_to_binary list_to_bitstring
list_to_existing_atom list_to_float list_to_integer list_to_pid list_to_port list_to_ref list_to_tuple
load_module make_ref map_get map_size max min module_loaded monitor monitor_node node nodes now open_port
pid_to_list port_close port_command port_connect port_control port_to_list pre_loaded process_flag
process_info processes purge_module put ref_to_list register registered round self setelement size spawn
spawn_link spawn_monitor spawn_opt spawn_request spawn_request_abandon split_binary statistics
term_to_binary term_to_iovec throw time tl trunc tuple_size tuple_to_list unalias unlink unregister whereis
"""

KNOWN = frozenset((*SESSION_WORDS, *_SHELL.split(), *_IMPORTED.split()))


def unknown_calls(expression: Expression) -> Iterator[SessionProblem]:
    """Yield a problem for each call of a name that means nothing without its module."""
    tokens = expression.tokens
    if any(token.text in UNSETTLED for token in tokens):
        return
    for index, token in enumerate(tokens[:-1]):
        if token.kind is not Kind.ATOM or tokens[index + 1].text != "(":
            continue
        if index and tokens[index - 1].text in (":", "#", "?"):
            continue
        name = token.text.strip("'")
        if name not in KNOWN:
            yield SessionProblem(
                line=token.line, why=f"line {token.line} of the Erlang session {_unknown(name)}"
            )


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name[:60], KNOWN, n=1, cutoff=0.75)
    meant = f" (did you mean `{near[0]}`?)" if near else ": name its module, as in `gen_tcp:close(Sock)`"
    return f"calls `{name[:60]}`, which a session does not know{meant}"
