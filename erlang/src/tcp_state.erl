%% What the kernel's numbers of a TCP socket mean. The states are those of include/net/tcp_states.h:
%% ESTABLISHED 1, SYN_SENT 2, SYN_RECV 3, FIN_WAIT1 4, FIN_WAIT2 5, TIME_WAIT 6, CLOSE 7, CLOSE_WAIT 8, LAST_ACK 9,
%% LISTEN 10, CLOSING 11.
-module(tcp_state).

-export([has_fin/1, fin_len/1, has_left/1, of_info/1, of_hint/1, row/2, state_and_unread/1]).
-export_type([state/0, address/0, ends/0, row/0]).

-type state() :: 1..12.
-type address() :: {inet:ip_address(), inet:port_number()}.
-type ends() :: {Local :: address(), Remote :: address()}.
-type row() :: {state(), Unacked :: non_neg_integer(), Queued :: non_neg_integer(), Timer :: 0..4}.

%% A state in which the peer's FIN has arrived (RFC 9293 section 3.3.2). A reset socket is in CLOSE as well.
-spec has_fin(state()) -> boolean().
has_fin(State) -> lists:member(State, [6, 7, 8, 9, 11]).

-spec fin_len(state()) -> 0 | 1.
fin_len(1) -> 0;
fin_len(State) ->
    case has_fin(State) of
        true -> 1;
        false -> 0
    end.

%% Whether a socket that was closed has sent its FIN or RST: it is gone, or has nothing but an unacknowledged FIN,
%% which does not wait for the peer's window (a timer of kind 4 is that of the window probe: get_tcp4_sock, Linux 6.12).
-spec has_left(none | row()) -> boolean().
has_left(none) -> true;
has_left({State, Unacked, _, Timer}) when State =:= 4; State =:= 9; State =:= 11 -> Unacked =< 1 andalso Timer =/= 4;
has_left({State, _, _, _}) -> lists:member(State, [5, 6, 7]).

%% TCP_INFO (Linux 4.1 and later): the state in its first byte, tcpi_bytes_received at byte 128.
-spec of_info(binary() | unknown) -> {state(), non_neg_integer()} | unknown.
of_info(<<State, _:127/binary, Received:64/native, _/binary>>) -> {State, Received};
of_info(_) -> unknown.

%% recv_skip_hint of TCP_ZEROCOPY_RECEIVE.
-spec of_hint(binary() | unknown) -> non_neg_integer() | unknown.
of_hint(<<_:12/binary, Hint:32/native>>) -> Hint;
of_hint(_) -> unknown.

%% A socket's row in /proc/net/tcp or tcp6: its state, bytes sent and not acknowledged, bytes received and not read
%% (both with the FIN), and the kind of its timer. A socket in CLOSE is in no list.
-spec row(binary(), ends()) -> none | row().
row(List, {Local, Remote}) ->
    Ends = iolist_to_binary([" ", hex(Local), " ", hex(Remote), " "]),
    case binary:split(List, Ends) of
        [_, <<State:2/binary, " ", Unacked:8/binary, ":", Queued:8/binary, " ", Timer:2/binary, _/binary>>] ->
            [S, U, Q, T] = [binary_to_integer(Hex, 16) || Hex <- [State, Unacked, Queued, Timer]],
            {S, U, Q, T};
        [List] ->
            none
    end.

-spec state_and_unread(none | row()) -> {state(), Unread :: non_neg_integer()}.
state_and_unread(none) -> {7, 0};
state_and_unread({State, _, Queued, _}) -> {State, max(0, Queued - fin_len(State))}.

-spec hex(address()) -> iolist().
hex({Address, Port}) ->
    Size = case tuple_size(Address) of 4 -> 8; 8 -> 16 end,
    Bytes = << <<N:Size>> || N <- tuple_to_list(Address) >>,
    [[io_lib:format("~8.16.0B", [Word]) || <<Word:32/native>> <= Bytes], io_lib:format(":~4.16.0B", [Port])].
