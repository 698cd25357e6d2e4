%% The control server: what a controller says to `rst_or_fin`, one play after another, and the clock of a line. It is
%% the group leader of the session that it plays.
-module(control_server).

-include("play.hrl").

-export([serve/0]).

-define(NAME, rst_or_fin).

%% How many prepared sessions are remembered.
-define(PREPARED_MAX, 64).

-type ref() :: play_events:ref().
-type play() :: play_events:play().
-type order() :: {play, Session :: binary(), Given :: #{binary() => binary()}, CloseLine :: non_neg_integer(),
                  TimeoutMs :: pos_integer(), Live :: boolean()}.
-type waiting() :: queue:queue({From :: pid(), ref(), order()}).
-type last() :: none | pid().

-spec serve() -> no_return().
serve() ->
    ok = net_kernel:monitor_nodes(true, [{node_type, all}]),
    true = register(?NAME, self()),
    ok = sent_bytes:new(),
    serve(#play{}, queue:new(), none).

%% Play is what is being played, Queue what is to be played after it, Last the session that was played before
%% and stays, with its sockets, until the next one begins. What comes most often comes first, for interpreted clauses
%% are tried one by one.
-spec serve(play(), waiting(), last()) -> no_return().
serve(#play{session = Session} = Play, Queue, Last) ->
    receive
        {Session, said, Event} ->
            serve(play_events:said(Event, Play), Queue, Last);
        {Session, closing, States, Source} ->
            serve(closing(States, Source, Play), Queue, Last);
        {Session, closed} ->
            serve(closed(Play), Queue, Last);
        {Session, done, Listening} ->
            next(Queue, done(Listening, Play));
        {From, Ref, Command} when is_pid(From), is_binary(Ref) ->
            obey(Command, From, Ref, Play, Queue, Last);
        {io_request, From, ReplyAs, Request} ->
            {Reply, Chars} = session_io:reply(Request),
            From ! {io_reply, ReplyAs, Reply},
            serve(play_events:with_output(Chars, Play), Queue, Last);
        {'DOWN', _, process, Session, Reason} ->
            ok = session_end:clear_up(Session),
            ok = play_events:report_death(Reason, Play),
            next(Queue, none);
        {overdue, Ref} when Ref =:= Play#play.ref ->
            serve(overdue(Play), Queue, Last);
        {nodedown, _, _} ->
            ok = session_node:halt_if_alone(0),
            serve(Play, Queue, Last);
        nobody_came ->
            ok = session_node:halt_if_alone(1),
            serve(Play, Queue, Last);
        _ ->
            %% A node that came up, the clock of a play that is over, the death of a session that was ended; and a
            %% session's lines may send to anybody what they like.
            serve(Play, Queue, Last)
    end.

-spec closing([tuple()], binary(), play()) -> play().
closing(States, Source, #play{session = Session, ref = Ref} = Play) ->
    Event = {closing, States, kernel_counters:reading(), Source, os:system_time(nanosecond)},
    Told = play_events:tell(Event, play_events:with_sent(Play)),
    Session ! {go, Ref},
    Told.

-spec closed(play()) -> play().
closed(#play{session = Session, ref = Ref, held = Held} = Play) ->
    Reading = kernel_counters:reading(),
    Session ! {go, Ref},
    Play#play{held = [{closed, Reading} | Held]}.

-spec done([tuple()], play()) -> pid().
done(Listening, #play{session = Session, monitor = Monitor, timer = Timer} = Play) ->
    true = demonitor(Monitor, [flush]),
    _ = erlang:cancel_timer(Timer),
    ok = play_events:tell_last({done, Listening}, play_events:with_sent(Play)),
    Session.

-spec obey(term(), pid(), ref(), play(), waiting(), last()) -> no_return().
obey(Order, From, Ref, #play{session = none}, Queue, Last) when element(1, Order) =:= play ->
    ok = retire_last(Last),
    begin_next(Order, From, Ref, Queue);
obey(Order, From, Ref, Play, Queue, Last) when element(1, Order) =:= play ->
    serve(Play, queue:in({From, Ref, Order}, Queue), Last);
obey(Command, From, Ref, Play, Queue, Last) ->
    From ! answer(Command, Ref),
    serve(Play, Queue, Last).

-spec answer(term(), ref()) -> tuple().
answer(counters, Ref) -> {Ref, counters, kernel_counters:whole_reading()};
answer({sysctls, Names}, Ref) -> {Ref, sysctls, node_facts:sysctls(Names)};
answer(ping, Ref) ->
    ok = distribution_port:close_to_networks(),
    {Ref, pong, node_facts:facts()};
answer(_, Ref) -> {Ref, unknown_command}.

-spec next(waiting(), last()) -> no_return().
next(Queue, Last) ->
    case queue:out(Queue) of
        {empty, _} ->
            serve(#play{}, Queue, Last);
        {{value, {From, Ref, Order}}, Rest} ->
            ok = retire_last(Last),
            begin_next(Order, From, Ref, Rest)
    end.

-spec retire_last(last()) -> ok.
retire_last(none) -> ok;
retire_last(Session) -> session_end:retire(Session).

-spec begin_next(order(), pid(), ref(), waiting()) -> no_return().
begin_next({play, Text, Given, CloseLine, TimeoutMs, Live}, From, Ref, Queue) ->
    case prepared({Text, Given, CloseLine}) of
        {ok, Forms, Bindings, Close} ->
            Begun = begun(Forms, Bindings, Close, Ref),
            serve(watched(Begun#play{from = From, live = Live}, TimeoutMs), Queue, none);
        {unparsable, LineNo, Why} ->
            From ! {Ref, events, [{unparsable, LineNo, Why}]},
            next(Queue, none)
    end.

-spec begun([session_parser:form()], erl_eval:binding_struct(), pos_integer(), ref()) -> play().
begun(Forms, Bindings, Close, Ref) ->
    {Session, Monitor} = session_node:spawn_roomy(session),
    true = group_leader(self(), Session),
    ok = sent_bytes:forget(),
    Begun = {begun, kernel_counters:whole_reading()},
    Session ! {play, self(), Ref, Forms, Bindings, Close},
    #play{session = Session, monitor = Monitor, ref = Ref, forms = Forms, close = Close, held = [Begun]}.

%% A session that is played again with the same bindings is parsed once.
-spec prepared({binary(), #{binary() => binary()}, non_neg_integer()}) -> session_parser:prepared().
prepared(Key) ->
    Cache = case get(prepared) of undefined -> #{}; Remembered -> Remembered end,
    case maps:get(Key, Cache, none) of
        none -> remembered(Key, Cache);
        Prepared -> Prepared
    end.

-spec remembered({binary(), #{binary() => binary()}, non_neg_integer()}, map()) -> session_parser:prepared().
remembered(Key, Cache) when map_size(Cache) >= ?PREPARED_MAX -> remembered(Key, #{});
remembered({Text, Given, CloseLine} = Key, Cache) ->
    Prepared = session_parser:prepare(Text, Given, CloseLine),
    _ = put(prepared, Cache#{Key => Prepared}),
    Prepared.

-spec watched(play(), pos_integer()) -> play().
watched(#play{ref = Ref} = Play, TimeoutMs) ->
    Play#play{timeout_ms = TimeoutMs, said_ms = erlang:monotonic_time(millisecond), timer = clock(TimeoutMs, Ref)}.

%% One timer for a whole play: when it fires, the line that is running may have begun only a moment ago.
-spec overdue(play()) -> play().
overdue(#play{session = Session, ref = Ref, timeout_ms = TimeoutMs, said_ms = SaidMs} = Play) ->
    case SaidMs + TimeoutMs - erlang:monotonic_time(millisecond) of
        LeftMs when LeftMs > 0 ->
            Play#play{timer = clock(LeftMs, Ref)};
        _ ->
            true = exit(Session, kill),
            Play#play{late = true}
    end.

-spec clock(non_neg_integer(), ref()) -> reference().
clock(Ms, Ref) -> erlang:send_after(Ms, self(), {overdue, Ref}).
