%% Commands of a session's lines that wait until the kernel says something of a socket, for five seconds at most.
-module(socket_waits).

-export([await_unread/2, await_received/2, await_read/2, await_peer_fin/1, await_closed/1]).
%% For its tests.
-export([of_facts/2, enough/2, closed/2]).

-define(AWAIT_US, 5000000).

%% How long they poll without sleeping: a response over one wire takes less.
-define(SPIN_US, 1000).

%% After that they pause for a 32nd of the time that has passed, from 1 ms to 20: each look costs a third of one.
-define(LONGEST_PAUSE_MS, 20).

-type socket() :: socket_facts:socket().
-type count() :: non_neg_integer() | {error, closed}.
-type wanted() :: {unread | received | read, non_neg_integer()} | peer_fin | {closed, tcp_state:ends() | unknown}.
-type found() :: {ok, Answer :: term()} | {not_yet, Have :: term()}.

-spec await_unread(socket(), non_neg_integer()) -> count().
await_unread(Socket, N) -> await({unread, N}, Socket).

-spec await_received(socket(), non_neg_integer()) -> count().
await_received(Socket, N) -> await({received, N}, Socket).

-spec await_read(socket(), non_neg_integer()) -> count().
await_read(Socket, N) -> await({read, N}, Socket).

-spec await_peer_fin(socket()) -> ok | {error, closed}.
await_peer_fin(Socket) -> await(peer_fin, Socket).

-spec await_closed(socket()) -> ok.
await_closed(Socket) -> await({closed, socket_names:ends(Socket)}, Socket).

-spec await(wanted(), socket()) -> term().
await(Wanted, Socket) -> await(Wanted, Socket, erlang:monotonic_time(microsecond)).

-spec await(wanted(), socket(), integer()) -> term().
await(Wanted, Socket, Start) ->
    case look(Wanted, Socket) of
        {ok, Answer} -> Answer;
        {not_yet, Have} ->
            ok = pause(erlang:monotonic_time(microsecond) - Start, Wanted, Have),
            await(Wanted, Socket, Start)
    end.

-spec pause(integer(), wanted(), term()) -> ok.
pause(WaitedUs, _, _) when WaitedUs < ?SPIN_US ->
    true = erlang:yield(),
    ok;
pause(WaitedUs, _, _) when WaitedUs =< ?AWAIT_US ->
    receive after erlang:min(1 + WaitedUs div 32000, ?LONGEST_PAUSE_MS) -> ok end;
pause(_, {unread, N}, Have) -> error({unread_timeout, Have, N});
pause(_, {received, N}, Have) -> error({received_timeout, Have, N});
pause(_, {read, N}, Have) -> error({read_timeout, Have, N});
pause(_, peer_fin, State) -> error({peer_fin_timeout, {tcp_state, State}});
pause(_, {closed, _}, _) -> error(closed_timeout).

-spec look(wanted(), socket()) -> found().
look({unread, N}, Socket) ->
    enough(socket_facts:unread(Socket), N);
look({closed, Ends}, Socket) ->
    closed(socket_facts:is_closed(Socket), Ends);
look(Wanted, Socket) ->
    case socket_facts:facts(Socket) of
        closed -> {ok, {error, closed}};
        Facts -> of_facts(Wanted, Facts)
    end.

-spec of_facts({received | read, non_neg_integer()} | peer_fin, socket_facts:facts()) -> found().
of_facts({received, N}, {_, Received, _}) -> enough(Received, N);
of_facts({read, N}, {_, Received, Unread}) -> enough(Received - Unread, N);
of_facts(peer_fin, {State, _, _}) ->
    case tcp_state:has_fin(State) of
        true -> {ok, ok};
        false -> {not_yet, State}
    end.

-spec enough(count(), non_neg_integer()) -> {ok | not_yet, count()}.
enough({error, closed}, _) -> {ok, {error, closed}};
enough(Have, N) when Have >= N -> {ok, Have};
enough(Have, _) -> {not_yet, Have}.

%% The kernel's own list tells: a port whose owner died stays for as long as its driver has something to send, and
%% a socket whose close has returned may still have its FIN before it.
-spec closed(boolean(), tcp_state:ends() | unknown) -> {ok | not_yet, ok}.
closed(false, _) -> {not_yet, ok};
closed(true, unknown) -> {ok, ok};
closed(true, Ends) ->
    case tcp_state:has_left(socket_facts:listed(Ends)) of
        true -> {ok, ok};
        false -> {not_yet, ok}
    end.
