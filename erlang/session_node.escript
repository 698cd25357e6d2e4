%% Made by erlang/join.py of the modules in erlang/src/, where comments and specs are: change those.
%% (escript drops a script's first line, hence a comment there.)
-module(session_node).
-mode(interpret).
-export([main/1]).

%%% play.hrl

-record(play, {session = none,
               monitor,
               ref = none,
               from,
               forms = [],
               close = 0,
               index = 1,
               held = [],
               sent = [],
               output = [],
               late = false,
               live = false,
               timeout_ms = 0,
               said_ms = 0,
               timer}).

%%% control_server.erl

-define(NAME, rst_or_fin).
-define(PREPARED_MAX, 64).

serve() ->
    ok = net_kernel:monitor_nodes(true, [{node_type, all}]),
    true = register(?NAME, self()),
    ok = new(),
    serve(#play{}, queue:new(), none).
serve(#play{session = Session} = Play, Queue, Last) ->
    receive
        {Session, said, Event} ->
            serve(said(Event, Play), Queue, Last);
        {Session, closing, States, Source} ->
            serve(closing(States, Source, Play), Queue, Last);
        {Session, closed} ->
            serve(closed(Play), Queue, Last);
        {Session, done, Listening} ->
            next(Queue, done(Listening, Play));
        {From, Ref, Command} when is_pid(From), is_binary(Ref) ->
            obey(Command, From, Ref, Play, Queue, Last);
        {io_request, From, ReplyAs, Request} ->
            {Reply, Chars} = reply(Request),
            From ! {io_reply, ReplyAs, Reply},
            serve(with_output(Chars, Play), Queue, Last);
        {'DOWN', _, process, Session, Reason} ->
            ok = clear_up(Session),
            ok = report_death(Reason, Play),
            next(Queue, none);
        {overdue, Ref} when Ref =:= Play#play.ref ->
            serve(overdue(Play), Queue, Last);
        {nodedown, _, _} ->
            ok = halt_if_alone(0),
            serve(Play, Queue, Last);
        nobody_came ->
            ok = halt_if_alone(1),
            serve(Play, Queue, Last);
        _ ->
            serve(Play, Queue, Last)
    end.

closing(States, Source, #play{session = Session, ref = Ref} = Play) ->
    Event = {closing, States, reading(), Source, os:system_time(nanosecond)},
    Told = tell(Event, with_sent(Play)),
    Session ! {go, Ref},
    Told.

closed(#play{session = Session, ref = Ref, held = Held} = Play) ->
    Reading = reading(),
    Session ! {go, Ref},
    Play#play{held = [{closed, Reading} | Held]}.

done(Listening, #play{session = Session, monitor = Monitor, timer = Timer} = Play) ->
    true = demonitor(Monitor, [flush]),
    _ = erlang:cancel_timer(Timer),
    ok = tell_last({done, Listening}, with_sent(Play)),
    Session.

obey(Order, From, Ref, #play{session = none}, Queue, Last) when element(1, Order) =:= play ->
    ok = retire_last(Last),
    begin_next(Order, From, Ref, Queue);
obey(Order, From, Ref, Play, Queue, Last) when element(1, Order) =:= play ->
    serve(Play, queue:in({From, Ref, Order}, Queue), Last);
obey(Command, From, Ref, Play, Queue, Last) ->
    From ! answer(Command, Ref),
    serve(Play, Queue, Last).

answer(counters, Ref) -> {Ref, counters, whole_reading()};
answer({sysctls, Names}, Ref) -> {Ref, sysctls, sysctls(Names)};
answer(ping, Ref) ->
    ok = close_to_networks(),
    {Ref, pong, facts()};
answer(_, Ref) -> {Ref, unknown_command}.

next(Queue, Last) ->
    case queue:out(Queue) of
        {empty, _} ->
            serve(#play{}, Queue, Last);
        {{value, {From, Ref, Order}}, Rest} ->
            ok = retire_last(Last),
            begin_next(Order, From, Ref, Rest)
    end.

retire_last(none) -> ok;
retire_last(Session) -> retire(Session).

begin_next({play, Text, Given, CloseLine, TimeoutMs, Live}, From, Ref, Queue) ->
    case prepared({Text, Given, CloseLine}) of
        {ok, Forms, Bindings, Close} ->
            Begun = begun(Forms, Bindings, Close, Ref),
            serve(watched(Begun#play{from = From, live = Live}, TimeoutMs), Queue, none);
        {unparsable, LineNo, Why} ->
            From ! {Ref, events, [{unparsable, LineNo, Why}]},
            next(Queue, none)
    end.

begun(Forms, Bindings, Close, Ref) ->
    {Session, Monitor} = spawn_roomy(session),
    true = group_leader(self(), Session),
    ok = forget(),
    Begun = {begun, whole_reading()},
    Session ! {play, self(), Ref, Forms, Bindings, Close},
    #play{session = Session, monitor = Monitor, ref = Ref, forms = Forms, close = Close, held = [Begun]}.
prepared(Key) ->
    Cache = case get(prepared) of undefined -> #{}; Remembered -> Remembered end,
    case maps:get(Key, Cache, none) of
        none -> remembered(Key, Cache);
        Prepared -> Prepared
    end.

remembered(Key, Cache) when map_size(Cache) >= ?PREPARED_MAX -> remembered(Key, #{});
remembered({Text, Given, CloseLine} = Key, Cache) ->
    Prepared = prepare(Text, Given, CloseLine),
    _ = put(prepared, Cache#{Key => Prepared}),
    Prepared.

watched(#play{ref = Ref} = Play, TimeoutMs) ->
    Play#play{timeout_ms = TimeoutMs, said_ms = erlang:monotonic_time(millisecond), timer = clock(TimeoutMs, Ref)}.
overdue(#play{session = Session, ref = Ref, timeout_ms = TimeoutMs, said_ms = SaidMs} = Play) ->
    case SaidMs + TimeoutMs - erlang:monotonic_time(millisecond) of
        LeftMs when LeftMs > 0 ->
            Play#play{timer = clock(LeftMs, Ref)};
        _ ->
            true = exit(Session, kill),
            Play#play{late = true}
    end.

clock(Ms, Ref) -> erlang:send_after(Ms, self(), {overdue, Ref}).

%%% distribution_port.erl

-define(SOL_SOCKET, 1).
-define(SO_BINDTODEVICE, 25).
close_to_networks() ->
    Listening = [Socket || Field <- tuple_to_list(sys:get_state(net_kernel)), is_list(Field),
                           {listen, Socket, _, _, _} <- Field],
    _ = [bind_to_loopback(Socket) || Socket <- Listening],
    ok.

bind_to_loopback({'$inet', _, {_, Socket}}) ->
    socket:setopt_native(Socket, {?SOL_SOCKET, ?SO_BINDTODEVICE}, <<"lo", 0>>);
bind_to_loopback(Socket) ->
    inet:setopts(Socket, [{raw, ?SOL_SOCKET, ?SO_BINDTODEVICE, <<"lo", 0>>}]).

%%% elixir_session.erl

-define(HELPERS, rst_or_fin_session).
-define(AS_IEX, [{pretty, true}, {limit, 50}, {width, 80}]).

elixir_prepare(Text, Given, CloseLine) ->
    case is_elixir_there() of
        true ->
            ok = compile_helpers(),
            Named = maps:from_list([{underscored(Name), Value} || {Name, Value} <- maps:to_list(Given)]),
            prepared(elixir_forms(Text), Named, CloseLine);
        false ->
            {unparsable, 0, <<"this node has no Elixir, 1.14 or newer">>}
    end.

is_elixir_there() ->
    case application:ensure_all_started(elixir) of
        {ok, _} -> code:ensure_loaded('Elixir.Code') =/= error
                       andalso erlang:function_exported('Elixir.Code', eval_quoted_with_env, 3);
        {error, _} -> false
    end.

underscored(Name) -> 'Elixir.Macro':underscore(Name).
elixir_forms(Text) ->
    Placed = [{columns, true}, {token_metadata, true},
              {literal_encoder, fun(Literal, Meta) -> {ok, {'__block__', Meta, [Literal]}} end}],
    case {'Elixir.Code':string_to_quoted(Text, [{file, <<"session">>}]), 'Elixir.Code':string_to_quoted(Text, Placed)} of
        {{ok, {'__block__', _, []}}, _} ->
            {error, 0, <<"the session has no expression">>};
        {{ok, Quoted}, {ok, WithPlaces}} ->
            Lines = string:split(unicode:characters_to_list(Text), "\n", all),
            {ok, elixir_sources(in_sequence(Quoted), in_sequence(WithPlaces), Lines, {1, 1})};
        {{error, {Meta, Why, Token}}, _} ->
            {error, proplists:get_value(line, Meta, 0), elixir_fault(Why, Token)}
    end.

elixir_fault({Before, After}, Token) -> <<Before/binary, Token/binary, After/binary>>;
elixir_fault(Before, Token) -> <<Before/binary, Token/binary>>.

in_sequence({'__block__', _, [_, _ | _] = Quoted}) -> Quoted;
in_sequence(Quoted) -> [Quoted].
elixir_sources([], [], _, _) -> [];
elixir_sources([Quoted | Rest], [{_, Meta, _} | Places], Lines, Begin) ->
    End = case proplists:get_value(end_of_expression, Meta) of
              undefined -> {length(Lines) + 1, 1};
              Place -> {proplists:get_value(line, Place), proplists:get_value(column, Place)}
          end,
    {Line, Source} = without_comments(between(Begin, End, Lines), element(1, Begin)),
    [{Source, {elixir, Line, counting(Quoted)}} | elixir_sources(Rest, Places, Lines, End)].

between({Line, From}, {Line, To}, Lines) ->
    [lists:sublist(lists:nth(Line, Lines), From, To - From)];
between({Line, From}, End, Lines) ->
    [lists:nthtail(From - 1, lists:nth(Line, Lines)) | through(Line + 1, End, Lines)].

through(Line, {Line, To}, Lines) -> [lists:sublist(lists:nth(Line, Lines ++ [""]), To - 1)];
through(Line, End, Lines) -> [lists:nth(Line, Lines) | through(Line + 1, End, Lines)].

without_comments(Lines, Line) ->
    Left = lists:dropwhile(fun(Text) -> is_no_code(Text) end, Lines),
    Code = lists:reverse(lists:dropwhile(fun(Text) -> is_no_code(Text) end, lists:reverse(Left))),
    Source = string:trim(lists:join("\n", [string:trim(Text, trailing) || Text <- Code]), both, " \t\n;"),
    {Line + length(Lines) - length(Left), text("~ts", [Source])}.

is_no_code(Text) ->
    case string:trim(Text, leading, " \t;") of
        [] -> true;
        [$# | _] -> true;
        _ -> false
    end.
counting({'.', Meta, [gen_tcp, send]}) -> {'.', Meta, [?HELPERS, gen_tcp_send]};
counting({'.', Meta, [ssl, send]}) -> {'.', Meta, [?HELPERS, ssl_send]};
counting({'.', Meta, [socket, send]}) -> {'.', Meta, [?HELPERS, socket_send]};
counting(Quoted) when is_tuple(Quoted) -> list_to_tuple(counting(tuple_to_list(Quoted)));
counting([First | Rest]) -> [counting(First) | counting(Rest)];
counting(Quoted) -> Quoted.

compile_helpers() ->
    case erlang:module_loaded(?HELPERS) of
        true -> ok;
        false ->
            {ok, Module, Code} = compile:forms([helper(Form) || Form <- helper_forms()]),
            {module, Module} = code:load_binary(Module, "session", Code),
            ok
    end.

helper(Text) ->
    {ok, Tokens, _} = erl_scan:string(Text),
    {ok, Form} = erl_parse:parse_form(Tokens),
    Form.

helper_forms() ->
    Command = "(element(2, element(1, persistent_term:get({session_node, handlers}))))",
    Call = "(element(2, element(2, persistent_term:get({session_node, handlers}))))",
    ["-module(rst_or_fin_session).",
     "-export([unread/1, await_unread/2, await_received/2, await_read/2, await_peer_fin/1, await_closed/1, flush/0,"
     " gen_tcp_send/2, ssl_send/2, socket_send/2]).",
     "unread(Socket) -> " ++ Command ++ "(unread, [Socket]).",
     "await_unread(Socket, N) -> " ++ Command ++ "(await_unread, [Socket, N]).",
     "await_received(Socket, N) -> " ++ Command ++ "(await_received, [Socket, N]).",
     "await_read(Socket, N) -> " ++ Command ++ "(await_read, [Socket, N]).",
     "await_peer_fin(Socket) -> " ++ Command ++ "(await_peer_fin, [Socket]).",
     "await_closed(Socket) -> " ++ Command ++ "(await_closed, [Socket]).",
     "flush() -> receive Message -> 'Elixir.IO':inspect(Message), flush() after 0 -> ok end.",
     "gen_tcp_send(Socket, Data) -> " ++ Call ++ "({gen_tcp, send}, [Socket, Data]).",
     "ssl_send(Socket, Data) -> " ++ Call ++ "({ssl, send}, [Socket, Data]).",
     "socket_send(Socket, Data) -> " ++ Call ++ "({socket, send}, [Socket, Data])."].

elixir_evaluate({elixir, Line, Quoted}, Bindings) ->
    {Result, Told} = with_diagnostics(Quoted, erl_eval:bindings(Bindings)),
    case Result of
        {ok, Value, Next, Env} ->
            _ = put(elixir_env, Env),
            {Value, named_bindings(Next, Bindings)};
        {Class, Reason, Stack} ->
            exit({session_lines, crashed, elixir_error(Class, Reason, {Line, Stack, Told})})
    end.
with_diagnostics(Quoted, Binding) ->
    Env = elixir_env(),
    case erlang:function_exported('Elixir.Code', with_diagnostics, 2) of
        true -> 'Elixir.Code':with_diagnostics([{log, false}], fun() -> elixir_try(Quoted, Binding, Env) end);
        false -> {elixir_try(Quoted, Binding, Env), []}
    end.

elixir_env() ->
    case get(elixir_env) of
        undefined ->
            Import = {import, [{context, 'Elixir'}], [?HELPERS]},
            Empty = 'Elixir.Code':env_for_eval([{file, <<"session">>}]),
            {_, _, Env} = 'Elixir.Code':eval_quoted_with_env(Import, [], Empty),
            Env;
        Env ->
            Env
    end.

elixir_try(Quoted, Binding, Env) ->
    try 'Elixir.Code':eval_quoted_with_env(Quoted, Binding, Env) of
        {Value, Next, NextEnv} -> {ok, Value, Next, NextEnv}
    catch
        Class:Reason:Stack -> {Class, Reason, Stack}
    end.
named_bindings([{Name, Value} | Rest], Bindings) when is_atom(Name) ->
    named_bindings(Rest, erl_eval:add_binding(Name, Value, Bindings));
named_bindings([_ | Rest], Bindings) -> named_bindings(Rest, Bindings);
named_bindings([], Bindings) -> Bindings.

elixir_printed(Value) -> shortened('Elixir.Kernel':inspect(Value, ?AS_IEX)).
elixir_error(Class, Reason, {Line, Stack, Told}) ->
    Own = [Frame || Frame <- lists:takewhile(fun(Frame) -> element(1, Frame) =/= elixir end, Stack),
                    not lists:member(element(1, Frame), [erl_eval, elixir_eval, escript, ?HELPERS])],
    Banner = 'Elixir.Exception':format_banner(Class, Reason, Stack),
    Frames = [["\n    ", 'Elixir.Exception':format_stacktrace_entry(Frame)] || Frame <- Own],
    Said = [["\n    ", Message] || #{message := Message} <- Told],
    text("~ts~ts~ts\n    session:~w", [Banner, Said, Frames, Line]).

%%% kernel_counters.erl

-define(PROC_MAX, 16384).

reading() ->
    {Netstat, Snmp} = files(get(counter_files)),
    FromNs = os:system_time(nanosecond),
    {ok, One} = file:pread(Netstat, 0, ?PROC_MAX),
    {ok, Other} = file:pread(Snmp, 0, ?PROC_MAX),
    {FromNs, os:system_time(nanosecond), [One, Other]}.
whole_reading() ->
    Snmp6 = snmp6(get(snmp6_file)),
    {FromNs, ToNs, Files} = reading(),
    {FromNs, ToNs, Files ++ [Snmp6]}.
files(undefined) ->
    {ok, Netstat} = file:open("/proc/net/netstat", [read, raw, binary]),
    {ok, Snmp} = file:open("/proc/net/snmp", [read, raw, binary]),
    _ = put(counter_files, {Netstat, Snmp}),
    {Netstat, Snmp};
files(Files) ->
    Files.

snmp6(undefined) ->
    Opened = file:open("/proc/net/snmp6", [read, raw, binary]),
    _ = put(snmp6_file, Opened),
    snmp6(Opened);
snmp6({ok, File}) ->
    {ok, Content} = file:pread(File, 0, ?PROC_MAX),
    Content;
snmp6({error, enoent}) ->
    <<>>.

%%% node_facts.erl

facts() ->
    #{<<"kernel.osrelease">> := Kernel, <<"kernel.version">> := Build} =
        sysctls([<<"kernel.osrelease">>, <<"kernel.version">>]),
    #{<<"otp">> => list_to_binary(erlang:system_info(otp_release)),
      <<"erts">> => list_to_binary(erlang:system_info(version)),
      <<"kernel">> => Kernel,
      <<"kernel_build">> => Build,
      <<"backend">> => atom_to_binary(application:get_env(kernel, inet_backend, inet), utf8)}.
sysctls(Names) ->
    maps:from_list([{Name, Value} || Name <- Names, {ok, Value} <- [sysctl(Name)]]).

sysctl(Name) ->
    case file:read_file(<<"/proc/sys/", (binary:replace(Name, <<".">>, <<"/">>, [global]))/binary>>) of
        {ok, Value} -> {ok, string:trim(Value)};
        {error, Reason} -> {error, Reason}
    end.

%%% play_events.erl

-define(OUTPUT_MAX, 8192).

said(Event, #play{output = [], live = false, held = Held, index = Index} = Play) ->
    Play#play{held = [Event | Held], index = Index + 1, said_ms = erlang:monotonic_time(millisecond)};
said(Event, #play{output = Output, live = Live} = Play) ->
    Next = said(with_output_before(Event, Output), Play#play{output = [], live = false}),
    case Live of
        true -> told(Next#play{live = true});
        false -> Next
    end.
with_sent(#play{held = Held, sent = Told} = Play) ->
    case sent() of
        Told -> Play;
        Sent -> Play#play{held = [{sent, Sent} | Held], sent = Sent}
    end.

tell(Event, #play{held = Held} = Play) -> told(Play#play{held = [Event | Held]}).
tell_last(Event, #play{from = From, ref = Ref, held = Held}) ->
    From ! {Ref, events, lists:reverse(Held, [Event])},
    ok.

told(#play{from = From, ref = Ref, held = Held} = Play) ->
    From ! {Ref, events, lists:reverse(Held)},
    ok = flush_link(node(From)),
    Play#play{held = []}.
flush_link(Node) ->
    case lists:keyfind(Node, 1, erlang:system_info(dist_ctrl)) of
        {Node, Port} when is_port(Port) ->
            _ = erlang:port_info(Port, queue_size),
            ok;
        _ ->
            ok
    end.
with_output_before({line, Index, Source, Printed, DurationUs, StartNs, Bound}, [_ | _] = Output) ->
    {line, Index, Source, shortened(iolist_to_binary([Output, Printed])), DurationUs, StartNs, Bound};
with_output_before(Event, []) ->
    Event.

with_output([], Play) -> Play;
with_output(_, #play{session = none} = Play) -> Play;
with_output(Chars, #play{output = Output} = Play) ->
    case iolist_size(Output) > ?OUTPUT_MAX of
        true -> Play;
        false -> Play#play{output = [Output, Chars]}
    end.

report_death(Reason, #play{forms = Forms, index = Index, timer = Timer} = Play) ->
    _ = erlang:cancel_timer(Timer),
    {Source, _} = lists:nth(Index, Forms),
    tell_last(death(Reason, Source, Play), read_at_close(with_sent(Play))).
read_at_close(#play{index = Close, close = Close, held = Held} = Play) ->
    Play#play{held = [{closed, reading()} | Held]};
read_at_close(Play) ->
    Play.

death(killed, Source, #play{late = true, index = Index}) ->
    {timed_out, Index, Source};
death({session_lines, crashed, Text}, Source, #play{index = Index, output = Output}) ->
    {crashed, Index, Source, shortened(iolist_to_binary([Output, Text]))};
death(Reason, Source, #play{index = Index, output = Output}) ->
    Text = text("** exited: ~tp", [Reason]),
    {crashed, Index, Source, shortened(iolist_to_binary([Output, Text]))}.

%%% sent_bytes.erl

-define(COUNTED, sent_bytes).

new() ->
    ?COUNTED = ets:new(?COUNTED, [named_table, public]),
    ok.

forget() ->
    true = ets:delete_all_objects(?COUNTED),
    ok.
call({gen_tcp, send}, [Socket, Data]) ->
    ok = handed_over(Socket, Data),
    gen_tcp:send(Socket, Data);
call({socket, send}, [Socket, Data]) ->
    ok = handed_over(Socket, Data),
    socket:send(Socket, Data);
call({ssl, send}, [Socket, Data]) ->
    ok = handed_over(tcp(Socket), Data),
    ssl:send(Socket, Data);
call({Module, Name}, Arguments) ->
    apply(Module, Name, Arguments);
call(Fun, Arguments) ->
    apply(Fun, Arguments).

handed_over(Socket, Data) ->
    try counted(ets:member(?COUNTED, Socket) orelse ends(Socket), Socket, iolist_size(Data))
    catch
        error:_ -> ok
    end.

counted(unknown, _, _) ->
    ok;
counted(true, Socket, Size) ->
    _ = ets:update_counter(?COUNTED, Socket, Size),
    ok;
counted(Ends, Socket, Size) ->
    _ = ets:update_counter(?COUNTED, Socket, Size, {Socket, 0, Ends}),
    ok.
sent() ->
    [{Local, Remote, Bytes} || {_, Bytes, {Local, Remote}} <- ets:tab2list(?COUNTED)].

%%% session_end.erl

-define(PORT_TRIES, 1000).

retire(Session) ->
    ok = kill(Session),
    clear_up(Session).

kill(Pid) ->
    Monitor = monitor(process, Pid),
    true = exit(Pid, kill),
    receive {'DOWN', Monitor, process, Pid, _} -> ok end.
clear_up(Session) ->
    case {erlang:system_info(process_count), erlang:system_info(port_count)} =:= get(at_rest) of
        true ->
            ok;
        false ->
            Self = self(),
            ok = await_ports_closed(Session, ?PORT_TRIES),
            _ = [ok = kill(P) || P <- processes(), process_info(P, group_leader) =:= {group_leader, Self}],
            _ = put(at_rest, {erlang:system_info(process_count), erlang:system_info(port_count)}),
            ok
    end.

await_ports_closed(Owner, Tries) ->
    case [P || P <- erlang:ports(), erlang:port_info(P, connected) =:= {connected, Owner}] of
        [_ | _] when Tries > 0 ->
            receive after 1 -> await_ports_closed(Owner, Tries - 1) end;
        _ ->
            ok
    end.

%%% session_io.erl

reply({put_chars, Encoding, Chars}) ->
    case unicode:characters_to_binary(Chars, Encoding) of
        Binary when is_binary(Binary) -> {ok, [Binary]};
        _ -> {{error, {no_translation, Encoding, unicode}}, []}
    end;
reply({put_chars, Encoding, Module, Function, Arguments}) ->
    try apply(Module, Function, Arguments) of
        Chars -> reply({put_chars, Encoding, Chars})
    catch
        _:_ -> {{error, Function}, []}
    end;
reply({requests, Requests}) ->
    lists:foldl(fun(Request, {_, Before}) ->
                        {Reply, Chars} = reply(Request),
                        {Reply, [Before, Chars]}
                end, {ok, []}, Requests);
reply(getopts) -> {[{binary, false}, {encoding, unicode}], []};
reply({setopts, _}) -> {ok, []};
reply(_) -> {{error, enotsup}, []}.

%%% session_lines.erl

play() ->
    receive
        {play, Server, Ref, Forms, Bindings, Close} ->
            ok = lines(Forms, 1, Bindings, {Server, Ref, Close}),
            Server ! {self(), done, listening()},
            receive after infinity -> ok end
    end.

lines([], _, _, _) -> ok;
lines([{Source, Exprs} | Forms], Index, Bindings, Play) ->
    ok = before_line(Index, Source, Play),
    {Times, Value, Next} = timed(Exprs, Bindings),
    ok = after_line(Index, Play),
    ok = say(Index, Source, Times, printed(Exprs, Value), bound(Value, Bindings, Next), Play),
    lines(Forms, Index + 1, Next, Play).

say(Index, Source, {DurationUs, StartNs}, Printed, Bound, {Server, _, _}) ->
    Server ! {self(), said, {line, Index, Source, Printed, DurationUs, StartNs, Bound}},
    ok.

printed({elixir, _, _}, Value) -> elixir_printed(Value);
printed(_, Value) -> printed(Value).

before_line(Close, Source, {Server, Ref, Close}) ->
    Server ! {self(), closing, states(), Source},
    await_go(Ref);
before_line(_, _, _) ->
    ok.

after_line(Close, {Server, Ref, Close}) ->
    Server ! {self(), closed},
    await_go(Ref);
after_line(_, _) ->
    ok.

await_go(Ref) ->
    receive {go, Ref} -> ok end.

timed(Exprs, Bindings) ->
    StartNs = os:system_time(nanosecond),
    Start = erlang:monotonic_time(microsecond),
    {Value, Next} = evaluate(Exprs, Bindings),
    {{erlang:monotonic_time(microsecond) - Start, StartNs}, Value, Next}.
evaluate({elixir, _, _} = Code, Bindings) -> elixir_evaluate(Code, Bindings);
evaluate(Exprs, Bindings) ->
    {Local, NonLocal} = role(handlers),
    try erl_eval:exprs(Exprs, Bindings, Local, NonLocal) of
        {value, Value, Next} -> {Value, Next}
    catch
        Class:Reason:Stack -> exit({session_lines, crashed, error_text(Class, Reason, Stack)})
    end.
command(unread, [Socket]) -> unread(tcp(Socket));
command(await_unread, [Socket, N]) -> await_unread(tcp(Socket), N);
command(await_received, [Socket, N]) -> await_received(tcp(Socket), N);
command(await_read, [Socket, N]) -> await_read(tcp(Socket), N);
command(await_peer_fin, [Socket]) -> await_peer_fin(tcp(Socket));
command(await_closed, [Socket]) -> await_closed(tcp(Socket));
command(Name, Arguments) ->
    {module, _} = code:ensure_loaded(shell_default),
    case erlang:function_exported(shell_default, Name, length(Arguments)) of
        true -> apply(shell_default, Name, Arguments);
        false -> error({shell_undef, Name, length(Arguments), []})
    end.

%%% session_node.erl

-define(WAIT_S, 60).
-define(HEAP_WORDS, 20000).

main(Arguments) ->
    _ = [spawn(fun() -> halt_at_eof() end) || lists:member("--until-eof", Arguments)],
    ok = persistent_term:put({?MODULE, server}, fun() -> serve() end),
    ok = persistent_term:put({?MODULE, session}, fun() -> play() end),
    ok = persistent_term:put({?MODULE, handlers},
                             {{value, fun(Name, Given) -> command(Name, Given) end},
                              {value, fun(Called, Given) -> call(Called, Given) end}}),
    {Server, Monitor} = spawn_roomy(server),
    _ = erlang:send_after(wait_ms(Arguments), Server, nobody_came),
    receive
        {'DOWN', Monitor, process, Server, Reason} ->
            io:format(standard_error, "session_node: the server crashed: ~tp~n", [Reason]),
            erlang:halt(1)
    end.

role(Role) -> persistent_term:get({?MODULE, Role}).

spawn_roomy(Role) -> spawn_opt(role(Role), [monitor, {min_heap_size, ?HEAP_WORDS}]).

wait_ms(["--wait-s", Seconds | _]) -> list_to_integer(Seconds) * 1000;
wait_ms([_ | Arguments]) -> wait_ms(Arguments);
wait_ms([]) -> ?WAIT_S * 1000.

halt_at_eof() ->
    case io:get_line("") of
        eof -> halt_now(0);
        {error, _} -> halt_now(0);
        _ -> halt_at_eof()
    end.

halt_now(Status) -> erlang:halt(Status, [{flush, false}]).

halt_if_alone(Status) ->
    case nodes(connected) of
        [] -> halt_now(Status);
        _ -> ok
    end.

%%% session_parser.erl

prepare({elixir, Text}, Given, CloseLine) -> elixir_prepare(Text, Given, CloseLine);
prepare(Text, Given, CloseLine) -> prepared(parse(Text), Given, CloseLine).

prepared(Parsed, Given, CloseLine) ->
    case {Parsed, bindings(maps:to_list(Given), erl_eval:new_bindings())} of
        {{error, LineNo, Why}, _} -> {unparsable, LineNo, Why};
        {{ok, Forms}, {ok, Bindings}} -> closing_at(CloseLine, Forms, Bindings);
        {{ok, _}, {error, Why}} -> {unparsable, 0, Why}
    end.

closing_at(0, Forms, Bindings) ->
    {ok, Forms, Bindings, length(Forms)};
closing_at(CloseLine, Forms, Bindings) when CloseLine =< length(Forms) ->
    {ok, Forms, Bindings, CloseLine};
closing_at(CloseLine, Forms, _) ->
    {unparsable, 0, text("the close line is ~w, but the session has ~w", [CloseLine, length(Forms)])}.

parse(Text) ->
    case unicode:characters_to_list(Text) of
        Chars when is_list(Chars) -> forms(Chars, 1, []);
        _ -> {error, 0, <<"the session is not UTF-8">>}
    end.

forms(Chars, Line, Forms) ->
    case next_tokens(Chars, Line) of
        {done, {ok, Tokens, EndLine}, Rest} ->
            case [T || T <- Tokens, not is_layout(T)] of
                [] -> finished(Forms);
                Code -> form(Code, Tokens, Rest, EndLine, Forms)
            end;
        {done, {eof, _}, _} ->
            finished(Forms);
        {done, {error, {At, Module, Why}, _}, _} ->
            {error, line_of(At), text("~ts", [Module:format_error(Why)])}
    end.

finished([]) -> {error, 0, <<"the session has no expression">>};
finished(Forms) -> {ok, lists:reverse(Forms)}.

next_tokens(Chars, Line) ->
    case erl_scan:tokens([], Chars, Line, [return, text]) of
        {more, Continuation} -> erl_scan:tokens(Continuation, eof, Line, [return, text]);
        Done -> Done
    end.

form(Code, Tokens, Rest, EndLine, Forms) ->
    case {erl_scan:category(lists:last(Code)), erl_parse:parse_exprs([without_text(T) || T <- Code])} of
        {dot, {ok, Exprs}} ->
            forms(Rest, EndLine, [{source(Tokens), Exprs} | Forms]);
        {dot, {error, {At, Module, Why}}} ->
            {error, line_of(At), text("~ts", [Module:format_error(Why)])};
        {_, _} ->
            {error, erl_scan:line(hd(Code)), <<"the last expression does not end with a dot">>}
    end.
without_text(Token) -> setelement(2, Token, erl_anno:new(erl_scan:line(Token))).

is_layout(Token) -> lists:member(erl_scan:category(Token), [white_space, comment]).
source(Tokens) ->
    Chars = [erl_scan:text(T) || T <- Tokens, erl_scan:category(T) =/= comment],
    Lines = [string:trim(L, trailing) || L <- string:split(Chars, "\n", all)],
    text("~ts", [string:trim(lists:join("\n", [L || L <- Lines, not string:is_empty(L)]))]).

line_of({Line, _}) -> Line;
line_of(Line) when is_integer(Line) -> Line.

bindings([], Bindings) -> {ok, Bindings};
bindings([{Name, Text} | Given], Bindings) ->
    case term(Text) of
        {ok, Term} -> bindings(Given, erl_eval:add_binding(binary_to_atom(Name, utf8), Term, Bindings));
        error -> {error, text("the value of ~ts is no Erlang term: ~ts", [Name, Text])}
    end.

term(Text) ->
    case erl_scan:string(unicode:characters_to_list(Text) ++ ".") of
        {ok, Tokens, _} ->
            case erl_parse:parse_term(Tokens) of
                {ok, Term} -> {ok, Term};
                {error, _} -> error
            end;
        {error, _, _} ->
            error
    end.

%%% session_text.erl

-define(TEXT_MAX, 8192).
-define(NOT_ITS_OWN, [erl_eval, escript, session_lines, socket_waits, socket_facts, session_node]).

printed(ok) -> <<"ok">>;
printed(Value) -> shortened(text("~tp", [Value])).

error_text(Class, Reason, Stack) ->
    Format = fun(Term, Column) -> io_lib:format("~." ++ integer_to_list(Column) ++ "tP", [Term, 30]) end,
    Trim = fun(Module, _, _) -> lists:member(Module, ?NOT_ITS_OWN) end,
    text("** ~ts", [erl_error:format_exception(4, Class, Reason, Stack, Trim, Format, unicode)]).

text(Format, Arguments) ->
    Text = unicode:characters_to_binary(io_lib:format(Format, Arguments)),
    true = is_binary(Text),
    Text.

shortened(Text) when byte_size(Text) =< ?TEXT_MAX -> Text;
shortened(Text) ->
    Head = whole_characters(binary_part(Text, 0, ?TEXT_MAX)),
    <<Head/binary, (text("... (~w bytes in all)", [byte_size(Text)]))/binary>>.
whole_characters(Text) ->
    case unicode:characters_to_binary(Text) of
        {_, Whole, _} -> Whole;
        Whole -> Whole
    end.

%%% socket_facts.erl

-define(TCP, 6).
-define(TCP_INFO, 11).
-define(TCP_ZEROCOPY_RECEIVE, 35).
-define(COUNTS_RIGHT(Socket), (is_port(Socket) orelse element(1, Socket) =/= '$socket')).

facts(Socket, Ends) ->
    case {tcp_info(Socket), read_count(Socket)} of
        {_, closed} -> closed;
        {{State, Count}, Count} when ?COUNTS_RIGHT(Socket) -> {State, Count, 0};
        {{State, Count}, Read} -> with_unread(Socket, Ends, State, Count, Read);
        {unknown, Read} -> of_list(Ends, Read)
    end.

facts(Socket) -> facts(Socket, ends(Socket)).

with_unread(Socket, Ends, State, Count, Read) ->
    case {State, unread_hint(Socket)} of
        {7, Unread} when Read + Unread =:= Count -> {State, Count, Unread};
        {_, unknown} ->
            Received = Count - fin_len(State),
            {State, Received, many_unread(Socket, Ends, State, Received - Read)};
        {_, Unread} -> {State, Count - fin_len(State), Unread}
    end.

of_list(unknown, _) -> closed;
of_list(Ends, Read) ->
    {State, Unread} = state_and_unread(listed(Ends)),
    {State, Read + Unread, Unread}.
many_unread(Socket, _, _, 0) when ?COUNTS_RIGHT(Socket) -> 0;
many_unread(_, _, 7, Rest) -> max(0, Rest);
many_unread(_, unknown, _, Rest) -> max(0, Rest);
many_unread(_, Ends, _, _) -> element(2, state_and_unread(listed(Ends))).

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
unread_hint(Socket) -> of_hint(raw_option(Socket, ?TCP_ZEROCOPY_RECEIVE, <<0:128>>)).

tcp_info(Socket) -> of_info(raw_option(Socket, ?TCP_INFO, 256)).
raw_option(Port, Option, Spec) when is_port(Port) -> of_inet(Port, Option, Spec);
raw_option(Socket, Option, Spec) ->
    case {erlang:function_exported(socket, getopt_native, 3), Socket} of
        {false, _} -> unknown;
        {true, {'$socket', _}} -> of_socket(Socket, Option, Spec);
        {true, _} -> of_inet(Socket, Option, Spec)
    end.

of_inet(Socket, Option, Spec) ->
    case inet:getopts(Socket, [{raw, ?TCP, Option, Spec}]) of
        {ok, [{raw, ?TCP, Option, Value}]} -> Value;
        {ok, []} -> unknown;
        {error, _} -> unknown
    end.

of_socket(Socket, Option, Spec) ->
    case apply(socket, getopt_native, [Socket, {?TCP, Option}, Spec]) of
        {ok, Value} -> Value;
        {error, _} -> unknown
    end.
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

local({'$socket', _} = Socket) -> of_map(socket:sockname(Socket));
local(Socket) -> of_pair(inet:sockname(Socket)).

peer({'$socket', _} = Socket) -> of_map(socket:peername(Socket));
peer(Socket) -> of_pair(inet:peername(Socket)).

of_map({ok, #{addr := Address, port := Port}}) -> of_pair({ok, {Address, Port}});
of_map(_) -> error.

of_pair({ok, {Address, Port}}) when is_tuple(Address) -> {ok, {Address, Port}};
of_pair(_) -> error.
listed({{Address, _}, _} = Ends) ->
    Path = case tuple_size(Address) of 4 -> "/proc/net/tcp"; 8 -> "/proc/net/tcp6" end,
    {ok, List} = file:read_file(Path),
    row(List, Ends).
is_closed(Port) when is_port(Port) -> erlang:port_info(Port) =:= undefined;
is_closed({'$inet', gen_tcp_socket, {Pid, _}}) -> not is_process_alive(Pid);
is_closed({'$socket', _} = Socket) -> socket:sockname(Socket) =:= {error, closed}.

%%% socket_names.erl

-define(WIDE_MAX, 64).

bound(Value, Bindings, Bindings) ->
    ok = remember_value(Value),
    [];
bound(Value, Before, After) ->
    Fresh = erl_eval:bindings(After) -- erl_eval:bindings(Before),
    Named = [Named || {Variable, Term} <- Fresh, Named <- named(Variable, Term)],
    Bound = [Bound || {Socket, Name} <- Named, Bound <- bound(Socket, Name)],
    ok = remember_value(Value),
    Bound.

remember_value(Value) when is_tuple(Value); is_list(Value); is_port(Value) ->
    _ = [remember(Socket) || Socket <- sockets(Value), get({ends, Socket}) =:= undefined],
    ok;
remember_value(_) ->
    ok.

bound(Socket, Name) ->
    _ = put(named, [{Socket, Name} | already_named()]),
    case remember(Socket) of
        {Local, Remote} -> [{Name, Local, Remote}];
        unknown -> remember_listener(Socket, Name)
    end.

already_named() ->
    case get(named) of
        undefined -> [];
        Named -> Named
    end.

remember(Socket) ->
    case ends(Socket) of
        unknown -> unknown;
        Ends ->
            _ = put({ends, Socket}, Ends),
            Ends
    end.
remember_listener(Socket, Name) ->
    case local(Socket) of
        {ok, Local} ->
            _ = put({listener, Socket}, {Name, Local}),
            [];
        error ->
            []
    end.
listening() ->
    [{Name, Local, is_closed(Socket)}
     || {{listener, Socket}, {Name, Local}} <- get()].
states() ->
    Named = lists:reverse(already_named()),
    [State || {Socket, Name} <- lists:ukeysort(1, preferred(Named)), State <- state(Socket, Name)].

preferred(Named) ->
    case [Each || {_, Name} = Each <- Named, Name =:= <<"Sock">> orelse Name =:= <<"sock">>] of
        [] -> Named;
        [Sock | _] -> [Sock | Named]
    end.
state(Socket, Name) ->
    case ends_of_open(Socket) of
        unknown -> [];
        {Local, Remote} = Ends ->
            case facts(Socket, Ends) of
                closed -> [];
                {State, Received, Unread} ->
                    [{Name, Local, Remote, Received, Unread, State}]
            end
    end.
ends(Socket) ->
    case local(Socket) of
        {ok, Local} -> ends_from(Local, Socket);
        error -> remembered(Socket)
    end.

ends_of_open(Socket) ->
    case local(Socket) of
        {ok, Local} -> ends_from(Local, Socket);
        error -> unknown
    end.

ends_from(Local, Socket) ->
    case peer(Socket) of
        {ok, Remote} ->
            {Local, Remote};
        error ->
            case remembered(Socket) of
                unknown -> unknown;
                {_, Remote} -> {Local, Remote}
            end
    end.

remembered(Socket) ->
    case get({ends, Socket}) of
        undefined -> unknown;
        Ends -> Ends
    end.
named(Variable, Value) ->
    Name = atom_to_binary(Variable, utf8),
    case sockets(Value) of
        [Socket] -> [{Socket, Name}];
        Sockets ->
            Places = lists:zip(Sockets, lists:seq(1, length(Sockets))),
            [{Socket, text("~ts[~w]", [Name, Place])} || {Socket, Place} <- Places]
    end.
tcp(Value) when is_tuple(Value), element(1, Value) =:= sslsocket ->
    case sockets(Value) of
        [Socket | _] -> Socket;
        [] -> Value
    end;
tcp(Value) ->
    Value.

sockets(Port) when is_port(Port) ->
    case erlang:port_info(Port, name) of
        {name, "tcp_inet"} -> [Port];
        _ -> []
    end;
sockets({'$inet', gen_tcp_socket, _} = Socket) -> [Socket];
sockets({'$socket', _} = Socket) -> [Socket];
sockets({ok, Value}) -> sockets(Value);
sockets(Tuple) when is_tuple(Tuple), tuple_size(Tuple) =< ?WIDE_MAX -> sockets(tuple_to_list(Tuple));
sockets([Value | Values]) when is_tuple(Value); is_port(Value); is_list(Value); is_atom(Value) ->
    sockets(Value) ++ sockets(Values);
sockets(_) -> [].

%%% socket_waits.erl

-define(AWAIT_US, 5000000).
-define(SPIN_US, 1000).
-define(LONGEST_PAUSE_MS, 20).

await_unread(Socket, N) -> await({unread, N}, Socket).

await_received(Socket, N) -> await({received, N}, Socket).

await_read(Socket, N) -> await({read, N}, Socket).

await_peer_fin(Socket) -> await(peer_fin, Socket).

await_closed(Socket) -> await({closed, ends(Socket)}, Socket).

await(Wanted, Socket) -> await(Wanted, Socket, erlang:monotonic_time(microsecond)).

await(Wanted, Socket, Start) ->
    case look(Wanted, Socket) of
        {ok, Answer} -> Answer;
        {not_yet, Have} ->
            ok = pause(erlang:monotonic_time(microsecond) - Start, Wanted, Have),
            await(Wanted, Socket, Start)
    end.

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

look({unread, N}, Socket) ->
    enough(unread(Socket), N);
look({closed, Ends}, Socket) ->
    closed(is_closed(Socket), Ends);
look(Wanted, Socket) ->
    case facts(Socket) of
        closed -> {ok, {error, closed}};
        Facts -> of_facts(Wanted, Facts)
    end.

of_facts({received, N}, {_, Received, _}) -> enough(Received, N);
of_facts({read, N}, {_, Received, Unread}) -> enough(Received - Unread, N);
of_facts(peer_fin, {State, _, _}) ->
    case has_fin(State) of
        true -> {ok, ok};
        false -> {not_yet, State}
    end.

enough({error, closed}, _) -> {ok, {error, closed}};
enough(Have, N) when Have >= N -> {ok, Have};
enough(Have, _) -> {not_yet, Have}.
closed(false, _) -> {not_yet, ok};
closed(true, unknown) -> {ok, ok};
closed(true, Ends) ->
    case has_left(listed(Ends)) of
        true -> {ok, ok};
        false -> {not_yet, ok}
    end.

%%% tcp_state.erl

has_fin(State) -> lists:member(State, [6, 7, 8, 9, 11]).

fin_len(1) -> 0;
fin_len(State) ->
    case has_fin(State) of
        true -> 1;
        false -> 0
    end.
has_left(none) -> true;
has_left({State, Unacked, _, Timer}) when State =:= 4; State =:= 9; State =:= 11 -> Unacked =< 1 andalso Timer =/= 4;
has_left({State, _, _, _}) -> lists:member(State, [5, 6, 7]).
of_info(<<State, _:127/binary, Received:64/native, _/binary>>) -> {State, Received};
of_info(_) -> unknown.
of_hint(<<_:12/binary, Hint:32/native>>) -> Hint;
of_hint(_) -> unknown.
row(List, {Local, Remote}) ->
    Ends = iolist_to_binary([" ", hex(Local), " ", hex(Remote), " "]),
    case binary:split(List, Ends) of
        [_, <<State:2/binary, " ", Unacked:8/binary, ":", Queued:8/binary, " ", Timer:2/binary, _/binary>>] ->
            [S, U, Q, T] = [binary_to_integer(Hex, 16) || Hex <- [State, Unacked, Queued, Timer]],
            {S, U, Q, T};
        [List] ->
            none
    end.

state_and_unread(none) -> {7, 0};
state_and_unread({State, _, Queued, _}) -> {State, max(0, Queued - fin_len(State))}.

hex({Address, Port}) ->
    Size = case tuple_size(Address) of 4 -> 8; 8 -> 16 end,
    Bytes = << <<N:Size>> || N <- tuple_to_list(Address) >>,
    [[io_lib:format("~8.16.0B", [Word]) || <<Word:32/native>> <= Bytes], io_lib:format(":~4.16.0B", [Port])].
