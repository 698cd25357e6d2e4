%% A socket's ends, and what lies unread in it, as the kernel counts. It may be gen_tcp's, on either backend, or one of
%% `socket`. Nothing here reads from it.
-module(socket_facts).

-export([facts/1, facts/2, unread/1, local/1, peer/1, listed/1, is_closed/1]).
-export_type([socket/0, facts/0]).

-define(TCP, 6).
-define(TCP_INFO, 11).
-define(TCP_ZEROCOPY_RECEIVE, 35).
%% The socket module counts as read what was only peeked at.
-define(COUNTS_RIGHT(Socket), (is_port(Socket) orelse element(1, Socket) =/= '$socket')).

-type socket() :: inet:socket() | {'$inet', module(), term()} | socket:socket().
-type facts() :: {tcp_state:state(), Received :: non_neg_integer(), Unread :: non_neg_integer()}.
-type ends() :: tcp_state:ends() | unknown.

%% State, bytes received and bytes unread, of a socket whose ends were found out before (unknown, if they were not).
%% The kernel counts the peer's FIN among the bytes received; a socket in CLOSE was either reset, or has had the FIN. A
%% socket may be closed at any moment, by its owner's death or because it is active and the peer's FIN was read: it is
%% `closed` then.
-spec facts(socket(), ends()) -> facts() | closed.
facts(Socket, Ends) ->
    case {tcp_info(Socket), read_count(Socket)} of
        {_, closed} -> closed;
        {{State, Count}, Count} when ?COUNTS_RIGHT(Socket) -> {State, Count, 0};
        {{State, Count}, Read} -> with_unread(Socket, Ends, State, Count, Read);
        {unknown, Read} -> of_list(Ends, Read)
    end.

-spec facts(socket()) -> facts() | closed.
facts(Socket) -> facts(Socket, socket_names:ends(Socket)).

-spec with_unread(socket(), ends(), tcp_state:state(), non_neg_integer(), non_neg_integer()) -> facts().
with_unread(Socket, Ends, State, Count, Read) ->
    case {State, unread_hint(Socket)} of
        {7, Unread} when Read + Unread =:= Count -> {State, Count, Unread};
        {_, unknown} ->
            Received = Count - tcp_state:fin_len(State),
            {State, Received, many_unread(Socket, Ends, State, Received - Read)};
        {_, Unread} -> {State, Count - tcp_state:fin_len(State), Unread}
    end.

-spec of_list(ends(), non_neg_integer()) -> facts() | closed.
of_list(unknown, _) -> closed;
of_list(Ends, Read) ->
    {State, Unread} = tcp_state:state_and_unread(listed(Ends)),
    {State, Read + Unread, Unread}.

%% What neither the runtime has read nor the hint tells. Its counts are no more than a sign that there is something: the
%% inet driver's recv_oct is what it delivered (with {packet, line}, or after a recv of a length that timed out, part
%% of the difference lies in the driver), and the socket backend of OTP 29 counts twice what ssl reads. The kernel's
%% list is right, and slow.
-spec many_unread(socket(), ends(), tcp_state:state(), integer()) -> non_neg_integer().
many_unread(Socket, _, _, 0) when ?COUNTS_RIGHT(Socket) -> 0;
many_unread(_, _, 7, Rest) -> max(0, Rest);
many_unread(_, unknown, _, Rest) -> max(0, Rest);
many_unread(_, Ends, _, _) -> element(2, tcp_state:state_and_unread(listed(Ends))).

-spec unread(socket()) -> non_neg_integer() | {error, closed}.
unread(Socket) ->
    case unread_hint(Socket) of
        unknown ->
            case facts(Socket) of
                {_, _, Unread} -> Unread;
                closed -> {error, closed}
            end;
        Unread ->
            Unread
    end.

%% The kernel's own number of unread bytes, without the FIN, of a socket with no memory to map (tcp_zerocopy_receive of
%% Linux 5.11 and later). It is not told from a page (4096) on, nor when nothing is unread after the peer's FIN.
-spec unread_hint(socket()) -> non_neg_integer() | unknown.
unread_hint(Socket) -> tcp_state:of_hint(raw_option(Socket, ?TCP_ZEROCOPY_RECEIVE, <<0:128>>)).

-spec tcp_info(socket()) -> {tcp_state:state(), non_neg_integer()} | unknown.
tcp_info(Socket) -> tcp_state:of_info(raw_option(Socket, ?TCP_INFO, 256)).

%% On OTP 23, which has no socket:getopt_native/3, inet:getopts/2 kills a socket of the socket backend.
-spec raw_option(socket(), pos_integer(), pos_integer() | binary()) -> binary() | unknown.
raw_option(Port, Option, Spec) when is_port(Port) -> of_inet(Port, Option, Spec);
raw_option(Socket, Option, Spec) ->
    case {erlang:function_exported(socket, getopt_native, 3), Socket} of
        {false, _} -> unknown;
        {true, {'$socket', _}} -> of_socket(Socket, Option, Spec);
        {true, _} -> of_inet(Socket, Option, Spec)
    end.

-spec of_inet(socket(), pos_integer(), pos_integer() | binary()) -> binary() | unknown.
of_inet(Socket, Option, Spec) ->
    case inet:getopts(Socket, [{raw, ?TCP, Option, Spec}]) of
        {ok, [{raw, ?TCP, Option, Value}]} -> Value;
        {ok, []} -> unknown;
        {error, _} -> unknown
    end.

-spec of_socket(socket(), pos_integer(), pos_integer() | binary()) -> binary() | unknown.
of_socket(Socket, Option, Spec) ->
    case apply(socket, getopt_native, [Socket, {?TCP, Option}, Spec]) of
        {ok, Value} -> Value;
        {error, _} -> unknown
    end.

%% OTP 23 has a list of counters, and of a closed socket there is {error, closed}: socket:info/1's spec knows neither.
-dialyzer({no_match, read_count/1}).
-spec read_count(socket()) -> non_neg_integer() | closed.
read_count({'$socket', _} = Socket) ->
    case socket:info(Socket) of
        #{counters := #{read_byte := Read}} -> Read;
        #{counters := Counters} -> proplists:get_value(read_byte, Counters, 0);
        _ -> closed
    end;
read_count(Socket) ->
    case inet:getstat(Socket, [recv_oct]) of
        {ok, [{recv_oct, Read}]} -> Read;
        {error, _} -> closed
    end.

-spec local(socket()) -> {ok, tcp_state:address()} | error.
local({'$socket', _} = Socket) -> of_map(socket:sockname(Socket));
local(Socket) -> of_pair(inet:sockname(Socket)).

-spec peer(socket()) -> {ok, tcp_state:address()} | error.
peer({'$socket', _} = Socket) -> of_map(socket:peername(Socket));
peer(Socket) -> of_pair(inet:peername(Socket)).

-spec of_map({ok, map()} | {error, term()}) -> {ok, tcp_state:address()} | error.
of_map({ok, #{addr := Address, port := Port}}) -> of_pair({ok, {Address, Port}});
of_map(_) -> error.

-spec of_pair({ok, term()} | {error, term()}) -> {ok, tcp_state:address()} | error.
of_pair({ok, {Address, Port}}) when is_tuple(Address) -> {ok, {Address, Port}};
of_pair(_) -> error.

%% A socket's row in the kernel's own list.
-spec listed(tcp_state:ends()) -> none | tcp_state:row().
listed({{Address, _}, _} = Ends) ->
    Path = case tuple_size(Address) of 4 -> "/proc/net/tcp"; 8 -> "/proc/net/tcp6" end,
    {ok, List} = file:read_file(Path),
    tcp_state:row(List, Ends).

%% Whether the runtime has let go of the socket.
-spec is_closed(socket()) -> boolean().
is_closed(Port) when is_port(Port) -> erlang:port_info(Port) =:= undefined;
is_closed({'$inet', gen_tcp_socket, {Pid, _}}) -> not is_process_alive(Pid);
is_closed({'$socket', _} = Socket) -> socket:sockname(Socket) =:= {error, closed}.
