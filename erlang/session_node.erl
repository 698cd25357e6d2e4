%% The node's side of a replay: a process that stays, owns the sockets and evaluates a session's lines.
%%
%% One source file, run as an INTERPRETED escript, because neither a .beam (one does not load on every OTP
%% release) nor a compiler (the embedded OTP has none) can be counted on. Seen on OTP 23, 25, 27, 28, 29.
%% (escript drops a script's first line, hence a comment there; `erlc +warnings_as_errors` is clean as well.)
%%
%% Start, with the cookie in $HOME/.erlang.cookie (mode 0400) so that no process list shows it:
%%
%%   erl +S 1:1 +SDio 1 +A 1 +sbwt none +sbwtdio none +sbwtdcpu none -boot no_dot_erlang -noshell
%%       -hidden -name node@HOST -start_epmd false -erl_epmd_port PORT
%%       -kernel inet_dist_use_interface '{127,0,0,1}' -kernel dist_auto_connect never
%%       -kernel net_ticktime 100000 -run escript start -extra session_node.erl [--until-eof] [--wait-s N]
%%
%% `+sbwt..`: no thread waits by spinning; reading counters wakes a dirty I/O scheduler four times a play.
%% `dist_auto_connect never`: an answer to a controller that is gone must not make this node dial out.
%% `net_ticktime`: the controller sends no ticks. The node halts when its last link goes down, when nobody
%% has linked within --wait-s seconds (60), and, with --until-eof, when its standard input ends.
%%
%% What is said to the registered name `rst_or_fin` is described in harness/rst_or_fin/node/session.py.
%%
%% Besides OTP a session's lines may call, as a shell's commands:
%%   unread(Sock)             bytes unread in the kernel's receive buffer; the peer's FIN does not count
%%   await_unread(Sock, N)    the same, once there are at least N; error({unread_timeout, Have, N}) after 5 s
%%   await_received(Sock, N)  bytes received in all, once there are at least N
%%   await_read(Sock, N)      bytes that the runtime has read from the kernel, once there are at least N
%%   await_peer_fin(Sock)     ok once the kernel has the peer's FIN, read or not
%%   await_closed(Sock)       ok once the kernel's socket has sent its FIN or RST, whoever closed it
%% and whatever shell_default exports (flush/0, for one). None of them reads from the socket; of a socket that is
%% closed they say {error, closed}. They take gen_tcp's sockets, on either backend, and those of `socket`.
-module(session_node).
-mode(interpret).
-export([main/1]).

-define(NAME, rst_or_fin).
-define(WAIT_S, 60).             % for a controller to link, unless --wait-s says otherwise
-define(AWAIT_MS, 5000).         % how long await_* wait
-define(SPIN_US, 1000).          % how long they poll without sleeping: a response over one wire takes less
-define(TEXT_MAX, 8192).         % bytes of one printed result: a message must not need fragments (64 KB)
-define(CACHED_MAX, 64).         % parsed sessions remembered
-define(HEAP_WORDS, 20000).      % of the server and of each session
-define(WIDE_MAX, 64).           % elements of a tuple in which sockets are looked for
-define(PROC_MAX, 65536).        % bytes of /proc/net/netstat that are read: it has 4 to 6 thousand

-define(TCP, 6).                 % IPPROTO_TCP
-define(TCP_INFO, 11).
-define(TCP_ZEROCOPY_RECEIVE, 35).

-type text() :: binary().
-type ref() :: binary().
-type form() :: {Source :: text(), [erl_parse:abstract_expr()]}.
-type socket() :: inet:socket() | {'$inet', module(), term()} | {'$socket', reference()}.
-type endpoint() :: {text(), inet:port_number()}.
-type address() :: {inet:ip_address(), inet:port_number()}.
-type layout() :: [{file:filename(), [{[text()], Pattern :: tuple()}]}].
-type request() :: {From :: pid(), ref(), map()}.
-type play() :: none | #{pid := pid(), monitor := reference(), ref := ref(), from := pid(), forms := [form()],
                         close := pos_integer(), layout := layout(), index := pos_integer(),
                         held := [tuple()], output := iodata(), late := boolean(), live := boolean(),
                         timeout_ms := pos_integer(), said_ms := integer(), timer := reference()}.
-type facts() :: {State :: 1..12, Received :: non_neg_integer(), Unread :: non_neg_integer()}.
-type ends() :: {Local :: address(), Remote :: address()}.
-type reading() :: {FromNs :: integer(), ToNs :: integer(), #{text() => integer()}}.

%%% ---------------------------------------------------------------------------------------------------------
%%% Start and halt

-spec main([string()]) -> no_return().
main(Arguments) ->
    _ = [spawn(fun() -> halt_at_eof() end) || lists:member("--until-eof", Arguments)],
    %% Interpreted funs carry the whole script in their environment. As persistent terms they are literals,
    %% which neither a spawn copies nor a garbage collection walks.
    ok = persistent_term:put({?NAME, session}, fun() -> session() end),
    ok = persistent_term:put({?NAME, server}, fun() -> server() end),
    ok = persistent_term:put({?NAME, foreign}, fun(Called, Arguments) -> foreign(Called, Arguments) end),
    {Server, Monitor} = spawn_roomy(server),
    _ = erlang:send_after(wait_ms(Arguments), Server, nobody_came),
    receive
        {'DOWN', Monitor, process, Server, Reason} ->
            io:format(standard_error, "session_node: the server crashed: ~tp~n", [Reason]),
            erlang:halt(1)
    end.

%% A heap that a whole session fits into saves a fifth of its time.
-spec spawn_roomy(server | session) -> {pid(), reference()}.
spawn_roomy(Role) ->
    spawn_opt(persistent_term:get({?NAME, Role}), [monitor, {min_heap_size, ?HEAP_WORDS}]).

-spec wait_ms([string()]) -> pos_integer().
wait_ms(["--wait-s", Seconds | _]) -> list_to_integer(Seconds) * 1000;
wait_ms([_ | Arguments]) -> wait_ms(Arguments);
wait_ms([]) -> ?WAIT_S * 1000.

-spec halt_at_eof() -> no_return().
halt_at_eof() ->
    case io:get_line("") of
        eof -> halt_now(0);
        {error, _} -> halt_now(0);
        _ -> halt_at_eof()
    end.

-spec halt_now(0 | 1) -> no_return().
halt_now(Status) -> erlang:halt(Status, [{flush, false}]).

-spec halt_if_alone(0 | 1) -> ok.
halt_if_alone(Status) ->
    case nodes(connected) of
        [] -> halt_now(Status);
        _ -> ok
    end.

%%% ---------------------------------------------------------------------------------------------------------
%%% The server: control traffic, the clock of a line, and the group leader of the session it plays

-spec server() -> no_return().
server() ->
    ok = net_kernel:monitor_nodes(true, [{node_type, all}]),
    true = register(?NAME, self()),
    ?NAME = ets:new(?NAME, [named_table, public]),
    serve(none, queue:new(), none).

%% Play is what is being played, Queue what is to be played after it, Last the session that was played before
%% and stays, with its sockets, until it is forgotten or the next one begins.
-spec serve(play(), queue:queue(request()), none | {ref(), pid()}) -> no_return().
serve(Play, Queue, Last) ->
    receive
        {Pid, said, Index, Event} when Pid =:= map_get(pid, Play) ->
            serve(said(Event, Play#{index := Index + 1}), Queue, Last);
        {Pid, closing, States, Source} when Pid =:= map_get(pid, Play) ->
            #{ref := Ref, from := From, layout := Layout} = Play,
            Next = tell({closing, States, reading(Layout), Source, now_ns()}, with_sent(Play)),
            ok = flush_link(node(From)),
            Pid ! {?NAME, go, Ref},
            serve(Next, Queue, Last);
        {Pid, closed} when Pid =:= map_get(pid, Play) ->
            #{ref := Ref, layout := Layout} = Play,
            Next = hold({closed, reading(Layout)}, Play),
            Pid ! {?NAME, go, Ref},
            serve(Next, Queue, Last);
        {Pid, done, Listening} when Pid =:= map_get(pid, Play) ->
            #{ref := Ref, monitor := Monitor, timer := Timer} = Play,
            true = demonitor(Monitor, [flush]),
            _ = erlang:cancel_timer(Timer),
            _ = tell({done, Listening}, with_sent(Play)),
            next(Queue, {Ref, Pid});
        {'DOWN', _, process, Pid, Reason} when Pid =:= map_get(pid, Play) ->
            ok = clear_up(Pid),
            ok = report_death(Reason, Play),
            next(Queue, none);
        {io_request, From, ReplyAs, Request} ->
            {Reply, Chars} = io_reply(Request),
            From ! {io_reply, ReplyAs, Reply},
            serve(with_output(Chars, Play), Queue, Last);
        {From, Ref, {play, Settings}} when is_pid(From), Play =:= none ->
            next(queue:in({From, Ref, Settings}, Queue), Last);
        {From, Ref, {play, Settings}} when is_pid(From) ->
            serve(Play, queue:in({From, Ref, Settings}, Queue), Last);
        {From, Ref, {forget, Forgotten}} when is_pid(From) ->
            forget(From, Ref, Forgotten, Play, Queue, Last);
        {From, Ref, Command} when is_pid(From), is_binary(Ref) ->
            From ! answer(Ref, Command),
            serve(Play, Queue, Last);
        {nodedown, _, _} ->
            ok = halt_if_alone(0),
            serve(Play, Queue, Last);
        {overdue, Ref} when Ref =:= map_get(ref, Play) ->
            serve(overdue(Play), Queue, Last);
        nobody_came ->
            ok = halt_if_alone(1),
            serve(Play, Queue, Last);
        _ ->
            serve(Play, Queue, Last)
    end.

%% One timer for a whole play: when it fires, the line that is running may have begun only a moment ago.
-spec overdue(play()) -> play().
overdue(#{pid := Pid, timeout_ms := TimeoutMs, said_ms := SaidMs} = Play) ->
    case SaidMs + TimeoutMs - now_ms() of
        LeftMs when LeftMs > 0 ->
            Play#{timer := timer(LeftMs, Play)};
        _ ->
            true = exit(Pid, kill),
            Play#{late := true}
    end.

-spec timer(non_neg_integer(), #{ref := ref(), _ => _}) -> reference().
timer(Ms, #{ref := Ref}) -> erlang:send_after(Ms, self(), {overdue, Ref}).

-spec now_ms() -> integer().
now_ms() -> erlang:monotonic_time(millisecond).

%% The clock of the kernel, and so of a capture on it: erlang:system_time/1 may lag behind.
-spec now_ns() -> integer().
now_ns() -> os:system_time(nanosecond).

-spec answer(ref(), term()) -> tuple().
answer(Ref, ping) -> {Ref, pong, node_facts()};
answer(Ref, {counters, Names}) -> {Ref, counters, reading(layout(Names))};
answer(Ref, {sysctls, Names}) -> {Ref, sysctls, sysctls(Names)};
answer(Ref, _) -> {Ref, unknown_command}.

-spec forget(pid(), ref(), ref(), play(), queue:queue(request()), none | {ref(), pid()}) -> no_return().
forget(From, Ref, Forgotten, #{ref := Forgotten} = Play, Queue, none) ->
    #{pid := Pid, monitor := Monitor, timer := Timer} = Play,
    true = demonitor(Monitor, [flush]),
    _ = erlang:cancel_timer(Timer),
    ok = retire({Forgotten, Pid}),
    From ! {Ref, forgotten},
    next(Queue, none);
forget(From, Ref, Forgotten, Play, Queue, {Forgotten, _} = Last) ->
    ok = retire(Last),
    From ! {Ref, forgotten},
    serve(Play, Queue, none);
forget(From, Ref, Forgotten, Play, Queue, Last) ->
    From ! {Ref, forgotten},
    serve(Play, queue:filter(fun({_, Waiting, _}) -> Waiting =/= Forgotten end, Queue), Last).

-spec next(queue:queue(request()), none | {ref(), pid()}) -> no_return().
next(Queue, Last) ->
    case queue:out(Queue) of
        {empty, _} ->
            serve(none, Queue, Last);
        {{value, {From, Ref, Settings}}, Rest} ->
            ok = retire(Last),
            case begin_play(From, Ref, Settings) of
                {unparsable, LineNo, Text} ->
                    From ! {Ref, events, [{unparsable, LineNo, Text}]},
                    next(Rest, none);
                Play ->
                    serve(Play, Rest, none)
            end
    end.

-spec begin_play(pid(), ref(), map()) -> play() | {unparsable, non_neg_integer(), text()}.
begin_play(From, Ref, #{session := Text, bindings := Given, close_line := CloseLine, counters := Names,
                        line_timeout_ms := TimeoutMs, live := Live}) ->
    case cached(Text) of
        {ok, Forms} ->
            Length = length(Forms),
            Close = case CloseLine of 0 -> Length; _ -> CloseLine end,
            case {bindings(Given), Close =< Length} of
                {{ok, Bindings}, true} ->
                    {Pid, Monitor} = spawn_roomy(session),
                    true = group_leader(self(), Pid),
                    Layout = layout(Names),
                    true = ets:delete_all_objects(?NAME),
                    Begun = {begun, reading(Layout)},
                    Pid ! {?NAME, play, self(), Ref, Forms, Bindings, Close},
                    #{pid => Pid, monitor => Monitor, ref => Ref, from => From, forms => Forms, close => Close,
                      layout => Layout, index => 1, held => [Begun], output => [], late => false, live => Live,
                      timeout_ms => TimeoutMs, said_ms => now_ms(), timer => timer(TimeoutMs, #{ref => Ref})};
                {{ok, _}, false} ->
                    {unparsable, 0, text("the close line is ~w, but the session has ~w", [Close, Length])};
                {{error, Why}, _} ->
                    {unparsable, 0, Why}
            end;
        {error, LineNo, Why} ->
            {unparsable, LineNo, Why}
    end.

%% What happened in a play is told at once where somebody looks on. Otherwise speed matters more: events are held
%% until the close line, or the end, and told in one message. A line may halt the node: what was told has left.
-spec said(tuple(), play()) -> play().
said(Event, #{output := Output, live := Live, from := From} = Play) ->
    Next = hold(with_output_before(Event, Output), Play#{output := [], said_ms := now_ms()}),
    case Live of
        true ->
            Told = told(Next),
            ok = flush_link(node(From)),
            Told;
        false ->
            Next
    end.

-spec hold(tuple(), play()) -> play().
hold(Event, #{held := Held} = Play) -> Play#{held := [Event | Held]}.

-spec tell(tuple(), play()) -> play().
tell(Event, Play) -> told(hold(Event, Play)).

-spec told(play()) -> play().
told(#{from := From, ref := Ref, held := Held} = Play) ->
    From ! {Ref, events, lists:reverse(Held)},
    Play#{held := []}.

%% What a line wrote stands before its result, as in a shell.
-spec with_output_before(tuple(), iodata()) -> tuple().
with_output_before({line, Index, Source, Printed, DurationUs, StartNs, Bound}, [_ | _] = Output) ->
    {line, Index, Source, shortened(iolist_to_binary([Output, Printed])), DurationUs, StartNs, Bound};
with_output_before(Event, _) ->
    Event.

-spec report_death(term(), play()) -> ok.
report_death(Reason, #{forms := Forms, index := Index, close := Close, layout := Layout, output := Output,
                       late := Late, timer := Timer} = Play) ->
    _ = erlang:cancel_timer(Timer),
    {Source, _} = lists:nth(Index, Forms),
    Next = case Index of
               Close -> hold({closed, reading(Layout)}, with_sent(Play));
               _ -> with_sent(Play)
           end,
    _ = tell(case {Late, Reason} of
                 {true, killed} ->
                     {timed_out, Index, Source};
                 {_, {?NAME, crashed, Text}} ->
                     {crashed, Index, Source, shortened(iolist_to_binary([Output, Text]))};
                 _ ->
                     Text = text("** exited: ~tp", [Reason]),
                     {crashed, Index, Source, shortened(iolist_to_binary([Output, Text]))}
             end, Next),
    ok.

%% Ends a session that was played: its sockets with it, and every process that it left behind.
-spec retire(none | {ref(), pid()}) -> ok.
retire(none) -> ok;
retire({_, Pid}) ->
    ok = kill(Pid),
    clear_up(Pid).

-spec kill(pid()) -> ok.
kill(Pid) ->
    Monitor = monitor(process, Pid),
    true = exit(Pid, kill),
    receive {'DOWN', Monitor, process, Pid, _} -> ok end.

%% A dead owner's ports close a moment after it: their FIN or RST must not fall into the next session. Where
%% there are as many processes and ports as after the session before, there is nothing to look for.
-spec clear_up(pid()) -> ok.
clear_up(Pid) ->
    case {erlang:system_info(process_count), erlang:system_info(port_count)} =:= get(at_rest) of
        true ->
            ok;
        false ->
            Self = self(),
            ok = await_ports_closed(Pid, 1000),
            _ = [kill(P) || P <- processes(), process_info(P, group_leader) =:= {group_leader, Self}],
            _ = put(at_rest, {erlang:system_info(process_count), erlang:system_info(port_count)}),
            ok
    end.

-spec await_ports_closed(pid(), non_neg_integer()) -> ok.
await_ports_closed(Pid, Tries) ->
    case [P || P <- erlang:ports(), erlang:port_info(P, connected) =:= {connected, Pid}] of
        [_ | _] when Tries > 0 ->
            receive after 1 -> await_ports_closed(Pid, Tries - 1) end;
        _ ->
            ok
    end.

%% A session may halt the node with its next line: what was said so far has to be on the wire by then. A
%% port handles its signals in order, so an answer to port_info means that the messages before it are out.
-spec flush_link(node()) -> ok.
flush_link(Node) ->
    case lists:keyfind(Node, 1, erlang:system_info(dist_ctrl)) of
        {Node, Port} when is_port(Port) ->
            _ = erlang:port_info(Port, queue_size),
            ok;
        _ ->
            ok
    end.

-spec with_output(iodata(), play()) -> play().
with_output([], Play) -> Play;
with_output(_, none) -> none;
with_output(Chars, #{output := Output} = Play) ->
    case iolist_size(Output) > ?TEXT_MAX of
        true -> Play;
        false -> Play#{output := [Output, Chars]}
    end.

%% The output half of OTP's I/O protocol (stdlib's user's guide, "The Erlang I/O Protocol"); no input.
-spec io_reply(term()) -> {term(), iodata()}.
io_reply({put_chars, Encoding, Chars}) ->
    case unicode:characters_to_binary(Chars, Encoding) of
        Binary when is_binary(Binary) -> {ok, [Binary]};
        _ -> {{error, {no_translation, Encoding, unicode}}, []}
    end;
io_reply({put_chars, Encoding, Module, Function, Arguments}) ->
    try apply(Module, Function, Arguments) of
        Chars -> io_reply({put_chars, Encoding, Chars})
    catch
        _:_ -> {{error, Function}, []}
    end;
io_reply({requests, Requests}) ->
    lists:foldl(fun(Request, {_, Before}) ->
                        {Reply, Chars} = io_reply(Request),
                        {Reply, Before ++ Chars}
                end, {ok, []}, Requests);
io_reply(getopts) -> {[{binary, false}, {encoding, unicode}], []};
io_reply({setopts, _}) -> {ok, []};
io_reply(_) -> {{error, enotsup}, []}.

%%% ---------------------------------------------------------------------------------------------------------
%%% The session: evaluates line after line. Its mailbox belongs to the lines.

-spec session() -> no_return().
session() ->
    receive
        {?NAME, play, Server, Ref, Forms, Bindings, Close} ->
            ok = lines(Forms, 1, Bindings, {Server, Ref, Close}),
            Server ! {self(), done, [listening(L) || L <- listeners()]},
            receive after infinity -> ok end
    end.

-spec lines([form()], pos_integer(), erl_eval:binding_struct(), tuple()) -> ok.
lines([], _, _, _) -> ok;
lines([{Source, Exprs} | Forms], Index, Bindings, {Server, _, _} = Play) ->
    ok = before_line(Index, Source, Bindings, Play),
    StartNs = now_ns(),
    Start = erlang:monotonic_time(microsecond),
    case evaluate(Exprs, Bindings) of
        {value, Value, Next} ->
            End = erlang:monotonic_time(microsecond),
            ok = after_line(Index, Play),
            Bound = bound(Value, Bindings, Next),
            Server ! {self(), said, Index, {line, Index, Source, printed(Value), End - Start, StartNs, Bound}},
            lines(Forms, Index + 1, Next, Play);
        {crashed, Class, Reason, Stack} ->
            %% As a shell's evaluator, the process that crashed ends, and its sockets with it.
            exit({?NAME, crashed, error_text(Class, Reason, Stack)})
    end.

-spec before_line(pos_integer(), text(), erl_eval:binding_struct(), tuple()) -> ok.
before_line(Close, Source, Bindings, {Server, Ref, Close}) ->
    Server ! {self(), closing, socket_states(Bindings), Source},
    await_go(Ref);
before_line(_, _, _, _) ->
    ok.

-spec after_line(pos_integer(), tuple()) -> ok.
after_line(Close, {Server, Ref, Close}) ->
    Server ! {self(), closed},
    await_go(Ref);
after_line(_, _) ->
    ok.

-spec await_go(ref()) -> ok.
await_go(Ref) ->
    receive {?NAME, go, Ref} -> ok end.

-spec evaluate([erl_parse:abstract_expr()], erl_eval:binding_struct()) ->
          {value, term(), erl_eval:binding_struct()} | {crashed, atom(), term(), list()}.
evaluate(Exprs, Bindings) ->
    try
        erl_eval:exprs(Exprs, Bindings, {value, fun(Name, Arguments) -> command(Name, Arguments) end},
                       {value, persistent_term:get({?NAME, foreign})})
    catch
        Class:Reason:Stack -> {crashed, Class, Reason, Stack}
    end.

-spec command(atom(), [term()]) -> term().
command(unread, [Socket]) -> unread(Socket);
command(await_unread, [Socket, N]) -> await_unread(Socket, N);
command(await_received, [Socket, N]) -> await_received(Socket, N);
command(await_read, [Socket, N]) -> await_read(Socket, N);
command(await_peer_fin, [Socket]) -> await_peer_fin(Socket);
command(await_closed, [Socket]) -> await_closed(Socket);
command(Name, Arguments) -> apply(shell_default, Name, Arguments).

%% What a session calls of other modules, in whatever process. The bytes that it hands to a socket are counted
%% beforehand: what a close cuts off, or an exit, was handed over all the same.
-spec foreign({module(), atom()} | fun(), [term()]) -> term().
foreign({gen_tcp, send}, [Socket, Data]) ->
    ok = handed_over(Socket, Data),
    gen_tcp:send(Socket, Data);
foreign({socket, send}, [Socket, Data]) ->
    ok = handed_over(Socket, Data),
    socket:send(Socket, Data);
foreign({Module, Name}, Arguments) ->
    apply(Module, Name, Arguments);
foreign(Fun, Arguments) ->
    apply(Fun, Arguments).

-spec handed_over(term(), term()) -> ok.
handed_over(Socket, Data) ->
    try {ets:member(?NAME, Socket) orelse ends(Socket), iolist_size(Data)} of
        {unknown, _} ->
            ok;    % closed, or no socket at all
        {true, Size} ->
            _ = ets:update_counter(?NAME, Socket, Size),
            ok;
        {Ends, Size} ->
            _ = ets:update_counter(?NAME, Socket, Size, {Socket, 0, Ends}),
            ok
    catch
        error:_ -> ok    % the call itself says what is wrong with its arguments
    end.

-spec with_sent(play()) -> play().
with_sent(Play) ->
    case ets:tab2list(?NAME) of
        [] -> Play;
        Counted -> hold({sent, [#{local => endpoint(Local), remote => endpoint(Remote), bytes => Bytes}
                                || {_, Bytes, {Local, Remote}} <- Counted]}, Play)
    end.

%% Results and errors, as a shell prints them.
-spec printed(term()) -> text().
printed(Value) -> shortened(text("~tp", [Value])).

-spec error_text(atom(), term(), list()) -> text().
error_text(Class, Reason, Stack) ->
    Format = fun(Term, Column) -> io_lib:format("~." ++ integer_to_list(Column) ++ "tP", [Term, 30]) end,
    Trim = fun(Module, _, _) -> lists:member(Module, [erl_eval, escript, ?MODULE]) end,
    text("** ~ts", [erl_error:format_exception(4, Class, Reason, Stack, Trim, Format, unicode)]).

-spec text(string(), [term()]) -> text().
text(Format, Arguments) -> unicode:characters_to_binary(io_lib:format(Format, Arguments)).

-spec shortened(text()) -> text().
shortened(Text) when byte_size(Text) =< ?TEXT_MAX -> Text;
shortened(Text) ->
    Head = case unicode:characters_to_binary(binary_part(Text, 0, ?TEXT_MAX)) of
               {_, Whole, _} -> Whole;    % the cut went through a character
               Whole -> Whole
           end,
    <<Head/binary, (text("... (~w bytes in all)", [byte_size(Text)]))/binary>>.

%%% ---------------------------------------------------------------------------------------------------------
%%% Text to expressions: all of a session is parsed before any of it is evaluated

-spec cached(text()) -> {ok, [form()]} | {error, non_neg_integer(), text()}.
cached(Text) ->
    Cache = case get(parsed) of
                Old when is_map(Old), map_size(Old) < ?CACHED_MAX -> Old;
                _ -> #{}
            end,
    case Cache of
        #{Text := Parsed} ->
            Parsed;
        _ ->
            Parsed = parse(Text),
            _ = put(parsed, Cache#{Text => Parsed}),
            Parsed
    end.

-spec parse(text()) -> {ok, [form()]} | {error, non_neg_integer(), text()}.
parse(Text) ->
    case unicode:characters_to_list(Text) of
        Chars when is_list(Chars) -> forms(Chars, 1, []);
        _ -> {error, 0, <<"the session is not UTF-8">>}
    end.

-spec forms(string() | eof, pos_integer(), [form()]) -> {ok, [form()]} | {error, non_neg_integer(), text()}.
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

-spec finished([form()]) -> {ok, [form()]} | {error, non_neg_integer(), text()}.
finished([]) -> {error, 0, <<"the session has no expression">>};
finished(Forms) -> {ok, lists:reverse(Forms)}.

-spec next_tokens(string() | eof, pos_integer()) -> {done, term(), string() | eof}.
next_tokens(Chars, Line) ->
    case erl_scan:tokens([], Chars, Line, [return, text]) of
        {more, Continuation} -> erl_scan:tokens(Continuation, eof, Line, [return, text]);
        Done -> Done
    end.

-spec form([erl_scan:token()], [erl_scan:token()], string() | eof, pos_integer(), [form()]) ->
          {ok, [form()]} | {error, non_neg_integer(), text()}.
form(Code, Tokens, Rest, EndLine, Forms) ->
    case {erl_scan:category(lists:last(Code)), erl_parse:parse_exprs([without_text(T) || T <- Code])} of
        {dot, {ok, Exprs}} ->
            forms(Rest, EndLine, [{source(Tokens), Exprs} | Forms]);
        {dot, {error, {At, Module, Why}}} ->
            {error, line_of(At), text("~ts", [Module:format_error(Why)])};
        {_, _} ->
            {error, erl_scan:line(hd(Code)), <<"the last expression does not end with a dot">>}
    end.

%% The text of a token is wanted for the source of its expression, and nowhere else.
-spec without_text(erl_scan:token()) -> erl_scan:token().
without_text(Token) -> setelement(2, Token, erl_anno:new(erl_scan:line(Token))).

-spec is_layout(erl_scan:token()) -> boolean().
is_layout(Token) -> lists:member(erl_scan:category(Token), [white_space, comment]).

-spec source([erl_scan:token()]) -> text().
source(Tokens) ->
    Chars = [erl_scan:text(T) || T <- Tokens, erl_scan:category(T) =/= comment],
    Lines = [string:trim(L, trailing) || L <- string:split(Chars, "\n", all)],
    unicode:characters_to_binary(string:trim(lists:join("\n", [L || L <- Lines, not string:is_empty(L)]))).

-spec line_of(term()) -> non_neg_integer().
line_of({Line, _}) -> Line;
line_of(Line) when is_integer(Line) -> Line;
line_of(_) -> 0.

-spec bindings(#{text() => text()}) -> {ok, erl_eval:binding_struct()} | {error, text()}.
bindings(Given) -> bindings(maps:to_list(Given), erl_eval:new_bindings()).

-spec bindings([{text(), text()}], erl_eval:binding_struct()) ->
          {ok, erl_eval:binding_struct()} | {error, text()}.
bindings([], Bindings) -> {ok, Bindings};
bindings([{Name, Text} | Given], Bindings) ->
    case term(Text) of
        {ok, Term} -> bindings(Given, erl_eval:add_binding(binary_to_atom(Name, utf8), Term, Bindings));
        error -> {error, text("the value of ~ts is no Erlang term: ~ts", [Name, Text])}
    end.

-spec term(text()) -> {ok, term()} | error.
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

%%% ---------------------------------------------------------------------------------------------------------
%%% Bytes unread, as the kernel counts them

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

-spec await_unread(socket(), non_neg_integer()) -> non_neg_integer() | {error, closed}.
await_unread(Socket, N) ->
    await(fun() -> enough(unread(Socket), N) end, fun(Have) -> {unread_timeout, Have, N} end).

-spec await_received(socket(), non_neg_integer()) -> non_neg_integer() | {error, closed}.
await_received(Socket, N) ->
    await(fun() -> enough(of_facts(Socket, fun({_, Received, _}) -> Received end), N) end,
          fun(Have) -> {received_timeout, Have, N} end).

-spec await_read(socket(), non_neg_integer()) -> non_neg_integer() | {error, closed}.
await_read(Socket, N) ->
    await(fun() -> enough(of_facts(Socket, fun({_, Received, Unread}) -> Received - Unread end), N) end,
          fun(Have) -> {read_timeout, Have, N} end).

-spec of_facts(socket(), fun((facts()) -> Result)) -> Result | {error, closed}.
of_facts(Socket, Of) ->
    case facts(Socket) of
        closed -> {error, closed};
        Facts -> Of(Facts)
    end.

%% The kernel's own list tells: a port whose owner died stays for as long as its driver has something to send, and
%% a socket whose close has returned may still have its FIN before it.
-spec await_closed(socket()) -> ok.
await_closed(Socket) ->
    Ends = ends(Socket),
    await(fun() ->
                  case is_closed(Socket) andalso (Ends =:= unknown orelse has_left(listed(Ends))) of
                      true -> {ok, ok};
                      false -> {not_yet, ok}
                  end
          end, fun(_) -> closed_timeout end).

%% Whether the runtime has let go of the socket.
-spec is_closed(socket()) -> boolean().
is_closed(Port) when is_port(Port) -> erlang:port_info(Port) =:= undefined;
is_closed({'$inet', gen_tcp_socket, {Pid, _}}) -> not is_process_alive(Pid);
is_closed({'$socket', _} = Socket) -> socket:sockname(Socket) =:= {error, closed}.

%% Whether a socket that was closed has sent its FIN or RST: it is gone, or has nothing but an unacknowledged FIN,
%% which does not wait for the peer's window (a timer of kind 4 is that of the window probe: get_tcp4_sock, Linux
%% 6.12). FIN_WAIT1 4, FIN_WAIT2 5, LAST_ACK 9, CLOSING 11.
-spec has_left(none | {1..12, non_neg_integer(), non_neg_integer(), 0..4}) -> boolean().
has_left(none) -> true;
has_left({State, Unacked, _, Timer}) when State =:= 4; State =:= 9; State =:= 11 -> Unacked =< 1 andalso Timer =/= 4;
has_left({State, _, _, _}) -> lists:member(State, [5, 6, 7]).

-spec await_peer_fin(socket()) -> ok | {error, closed}.
await_peer_fin(Socket) ->
    await(fun() ->
                  case facts(Socket) of
                      closed -> {ok, {error, closed}};
                      {State, _, _} ->
                          case has_fin(State) of
                              true -> {ok, ok};
                              false -> {not_yet, State}
                          end
                  end
          end, fun(State) -> {peer_fin_timeout, {tcp_state, State}} end).

-spec enough(Have, non_neg_integer()) -> {ok | not_yet, Have} when Have :: non_neg_integer() | {error, closed}.
enough({error, closed}, _) -> {ok, {error, closed}};
enough(Have, N) when Have >= N -> {ok, Have};
enough(Have, _) -> {not_yet, Have}.

-spec await(fun(() -> {ok | not_yet, Result}), fun((Result) -> term())) -> Result.
await(Check, TooLate) -> await(Check, TooLate, erlang:monotonic_time(microsecond)).

-spec await(fun(() -> {ok | not_yet, Result}), fun((Result) -> term()), integer()) -> Result.
await(Check, TooLate, Start) ->
    case {Check(), erlang:monotonic_time(microsecond) - Start} of
        {{ok, Result}, _} ->
            Result;
        {{not_yet, Result}, WaitedUs} when WaitedUs > ?AWAIT_MS * 1000 ->
            error(TooLate(Result));
        {_, WaitedUs} when WaitedUs < ?SPIN_US ->
            true = erlang:yield(),
            await(Check, TooLate, Start);
        _ ->
            receive after 1 -> await(Check, TooLate, Start) end
    end.

%% A state in which the peer's FIN has arrived (RFC 9293 section 3.3.2; numbers of include/net/tcp_states.h):
%% TIME_WAIT 6, CLOSE 7, CLOSE_WAIT 8, LAST_ACK 9, CLOSING 11. A reset socket is in CLOSE as well.
-spec has_fin(1..12) -> boolean().
has_fin(State) -> lists:member(State, [6, 7, 8, 9, 11]).

-spec fin_len(1..12) -> 0 | 1.
fin_len(State) -> case has_fin(State) of true -> 1; false -> 0 end.

%% State, bytes received and bytes unread. The kernel counts the peer's FIN among the bytes received; a socket
%% in CLOSE was either reset, or has had the FIN. A socket may be closed at any moment, by its owner's death or
%% because it is active and the peer's FIN was read: it is `closed` then.
-spec facts(socket()) -> facts() | closed.
facts(Socket) ->
    case {tcp_info(Socket), read_count(Socket)} of
        {_, closed} ->
            closed;
        {unknown, Read} ->
            case ends(Socket) of
                unknown -> closed;
                Ends ->
                    {State, Unread} = state_and_unread(listed(Ends)),
                    {State, Read + Unread, Unread}
            end;
        {{State, Count}, Read} ->
            facts(Socket, State, Count, Read)
    end.

-spec facts(socket(), 1..12, non_neg_integer(), non_neg_integer()) -> facts().
facts(_, State, Count, Count) -> {State, Count, 0};
facts(Socket, State, Count, Read) ->
    case {State, unread_hint(Socket)} of
        {7, Unread} when Read + Unread =:= Count -> {State, Count, Unread};
        {_, unknown} ->
            Received = Count - fin_len(State),
            {State, Received, many_unread(Socket, State, Received - Read)};
        {_, Unread} -> {State, Count - fin_len(State), Unread}
    end.

%% What neither the runtime has read nor the hint tells. The socket backend counts what it read from the
%% kernel, but the inet driver's recv_oct what it delivered: with {packet, line}, or after a recv of a length
%% that timed out, part of the difference lies in the driver. The kernel's list is right, and slow.
-spec many_unread(socket(), 1..12, non_neg_integer()) -> non_neg_integer().
many_unread(_, _, 0) -> 0;
many_unread({_, _, _}, _, Rest) -> Rest;
many_unread({'$socket', _}, _, Rest) -> Rest;
many_unread(_, 7, Rest) -> Rest;
many_unread(Socket, _, Rest) ->
    case ends(Socket) of
        unknown -> Rest;
        Ends -> element(2, state_and_unread(listed(Ends)))
    end.

%% The kernel's own number of unread bytes, without the FIN: recv_skip_hint of TCP_ZEROCOPY_RECEIVE with no
%% memory to map (tcp_zerocopy_receive of Linux 5.11 and later). It is not told from a page (4096) on, nor
%% when nothing is unread after the peer's FIN.
-spec unread_hint(socket()) -> non_neg_integer() | unknown.
unread_hint(Socket) ->
    case raw_option(Socket, ?TCP_ZEROCOPY_RECEIVE, <<0:128>>) of
        <<_:12/binary, Hint:4/binary>> -> binary:decode_unsigned(Hint, erlang:system_info(endian));
        _ -> unknown
    end.

%% TCP_INFO (Linux 4.1 and later): the state in its first byte, tcpi_bytes_received at byte 128.
-spec tcp_info(socket()) -> {1..12, non_neg_integer()} | unknown.
tcp_info(Socket) ->
    case raw_option(Socket, ?TCP_INFO, 256) of
        <<State, _:127/binary, Received:8/binary, _/binary>> ->
            {State, binary:decode_unsigned(Received, erlang:system_info(endian))};
        _ ->
            unknown
    end.

%% On OTP 23, which has no socket:getopt_native/3, this call kills a socket of the socket backend.
-spec raw_option(socket(), pos_integer(), pos_integer() | binary()) -> binary() | unknown.
raw_option(Socket, Option, Spec) ->
    case {is_port(Socket) orelse erlang:function_exported(socket, getopt_native, 3), Socket} of
        {true, {'$socket', _}} ->
            case socket:getopt_native(Socket, {?TCP, Option}, Spec) of
                {ok, Value} -> Value;
                {error, _} -> unknown
            end;
        {true, _} ->
            case inet:getopts(Socket, [{raw, ?TCP, Option, Spec}]) of
                {ok, [{raw, ?TCP, Option, Value}]} -> Value;
                _ -> unknown
            end;
        {false, _} ->
            unknown
    end.

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

%% A socket's two ends; of one that was reset or closed, as they were when it was bound to a variable.
-spec ends(socket()) -> ends() | unknown.
ends(Socket) ->
    case {local(Socket), peer(Socket)} of
        {{ok, Local}, {ok, Remote}} -> {Local, Remote};
        {{ok, Local}, _} -> known(Socket, Local);
        _ -> known(Socket, unknown)
    end.

-spec known(socket(), address() | unknown) -> ends() | unknown.
known(Socket, Local) ->
    case {get({ends, Socket}), Local} of
        {undefined, _} -> unknown;
        {Ends, unknown} -> Ends;
        {{_, Remote}, _} -> {Local, Remote}
    end.

-spec local(socket()) -> {ok, address()} | error.
local({'$socket', _} = Socket) -> of_map(socket:sockname(Socket));
local(Socket) -> of_pair(inet:sockname(Socket)).

-spec peer(socket()) -> {ok, address()} | error.
peer({'$socket', _} = Socket) -> of_map(socket:peername(Socket));
peer(Socket) -> of_pair(inet:peername(Socket)).

-spec of_map({ok, map()} | {error, term()}) -> {ok, address()} | error.
of_map({ok, #{addr := Address, port := Port}}) -> of_pair({ok, {Address, Port}});
of_map(_) -> error.

-spec of_pair({ok, {inet:ip_address(), inet:port_number()}} | {error, term()}) -> {ok, address()} | error.
of_pair({ok, {Address, Port}}) when is_tuple(Address) -> {ok, {Address, Port}};
of_pair(_) -> error.

-spec state_and_unread(none | {1..12, non_neg_integer(), non_neg_integer(), 0..4}) -> {1..12, non_neg_integer()}.
state_and_unread(none) -> {7, 0};
state_and_unread({State, _, Queue, _}) -> {State, max(0, Queue - fin_len(State))}.

%% A socket's row in the kernel's own list: its state, bytes sent and not acknowledged, bytes received and not read
%% (both with the FIN), and the kind of its timer. A socket in CLOSE is in no list.
-spec listed(ends()) -> none | {1..12, non_neg_integer(), non_neg_integer(), 0..4}.
listed({{Address, _} = Local, Remote}) ->
    Path = case tuple_size(Address) of 4 -> "/proc/net/tcp"; 8 -> "/proc/net/tcp6" end,
    {ok, List} = file:read_file(Path),
    Row = iolist_to_binary([" ", hex(Local), " ", hex(Remote), " "]),
    case binary:split(List, Row) of
        [_, <<State:2/binary, " ", Unacked:8/binary, ":", Queue:8/binary, " ", Timer:2/binary, _/binary>>] ->
            {binary_to_integer(State, 16), binary_to_integer(Unacked, 16), binary_to_integer(Queue, 16),
             binary_to_integer(Timer, 16)};
        _ ->
            none
    end.

-spec hex({inet:ip_address(), inet:port_number()}) -> iolist().
hex({Address, Port}) ->
    Size = case tuple_size(Address) of 4 -> 8; 8 -> 16 end,
    Bytes = << <<N:Size>> || N <- tuple_to_list(Address) >>,
    [[io_lib:format("~8.16.0B", [Word]) || <<Word:32/native>> <= Bytes], io_lib:format(":~4.16.0B", [Port])].

%%% ---------------------------------------------------------------------------------------------------------
%%% Snapshots

-spec socket_states(erl_eval:binding_struct()) -> [map()].
socket_states(Bindings) ->
    Named = [Named || {Name, Value} <- erl_eval:bindings(Bindings), Named <- named(Name, Value)],
    {First, Rest} = lists:partition(fun({_, Name}) -> Name =:= <<"Sock">> end, Named),
    lists:append([socket_state(Socket, Name) || {Socket, Name} <- lists:ukeysort(1, First ++ Rest)]).

-spec socket_state(socket(), text()) -> [map()].
socket_state(Socket, Name) ->
    case {local(Socket), ends(Socket), facts_of_open(Socket)} of
        {{ok, _}, {Local, Remote}, {State, Received, Unread}} ->
            [#{name => Name, local => endpoint(Local), remote => endpoint(Remote),
               received => Received, unread => Unread, state => State}];
        _ ->
            []    % closed, listening, or never connected
    end.

-spec facts_of_open(socket()) -> facts() | closed.
facts_of_open(Socket) ->
    case ends(Socket) of
        unknown -> closed;
        _ -> facts(Socket)
    end.

%% The connected sockets that a line bound to variables, each with its ends. These are remembered: a socket that
%% was reset has no peer name any more, and one that is closed no name at all. A socket that the line returned
%% is remembered, too: the line may have bound it under no name of its own.
-spec bound(term(), erl_eval:binding_struct(), erl_eval:binding_struct()) -> [map()].
bound(Value, Before, After) ->
    Known = erl_eval:bindings(Before),
    Fresh = [Fresh || {Name, _} = Fresh <- erl_eval:bindings(After), not lists:keymember(Name, 1, Known)],
    _ = [remember(Socket) || {Socket, _} <- named('', Value)],
    lists:append([bound_socket(Socket, Name) || {Variable, Term} <- Fresh, {Socket, Name} <- named(Variable, Term)]).

-spec bound_socket(socket(), text()) -> [map()].
bound_socket(Socket, Name) ->
    case remember(Socket) of
        {Local, Remote} -> [#{name => Name, local => endpoint(Local), remote => endpoint(Remote)}];
        unknown -> remember_listener(Socket, Name)
    end.

-spec remember(socket()) -> ends() | unknown.
remember(Socket) ->
    case ends(Socket) of
        unknown -> unknown;
        Ends ->
            _ = put({ends, Socket}, Ends),
            Ends
    end.

%% A socket with a name of its own and no peer listens, or will.
-spec remember_listener(socket(), text()) -> [].
remember_listener(Socket, Name) ->
    _ = case local(Socket) of
            {ok, Local} -> put({listener, Socket}, {Name, Local});
            error -> ok
        end,
    [].

-spec listeners() -> [{socket(), {text(), address()}}].
listeners() -> [{Socket, Known} || {{listener, Socket}, Known} <- get()].

-spec listening({socket(), {text(), address()}}) -> map().
listening({Socket, {Name, Local}}) ->
    #{name => Name, local => endpoint(Local), closed => is_closed(Socket)}.

%% The sockets in a value, and what each of them is called: a variable's own by its name, those in its tuples and
%% lists by their place among them, unless there is only one.
-spec named(atom(), term()) -> [{socket(), text()}].
named(Variable, Value) ->
    Name = atom_to_binary(Variable, utf8),
    case sockets(Value) of
        [Socket] -> [{Socket, Name}];
        Sockets -> [{S, text("~ts[~w]", [Name, I])} || {S, I} <- lists:zip(Sockets, lists:seq(1, length(Sockets)))]
    end.

-spec sockets(term()) -> [socket()].
sockets({'$inet', gen_tcp_socket, _} = Socket) -> [Socket];
sockets({'$socket', _} = Socket) -> [Socket];
sockets(Port) when is_port(Port) ->
    case erlang:port_info(Port, name) of
        {name, "tcp_inet"} -> [Port];
        _ -> []
    end;
sockets(Tuple) when is_tuple(Tuple), tuple_size(Tuple) =< ?WIDE_MAX -> sockets(tuple_to_list(Tuple));
sockets([Value | Values]) when is_tuple(Value); is_port(Value); is_list(Value); is_atom(Value) ->
    sockets(Value) ++ sockets(Values);
sockets(_) -> [].

-spec endpoint(address()) -> endpoint().
endpoint({Address, Port}) -> {list_to_binary(inet:ntoa(Address)), Port}.

%% How to find each counter in /proc/net/netstat and /proc/net/snmp (a line of names, then one of numbers):
%% a pattern for each line, made once for each list of names, because an interpreted loop over the columns
%% is slow. A counter that this kernel does not have is left out.
-spec layout([text()]) -> layout().
layout(Names) ->
    case get({layout, Names}) of
        undefined ->
            Layout = [{Path, patterns(Path, Names)} || Path <- ["/proc/net/netstat", "/proc/net/snmp"]],
            _ = put({layout, Names}, [Wanted || {_, [_ | _]} = Wanted <- Layout]),
            layout(Names);
        Layout ->
            Layout
    end.

-spec patterns(file:filename(), [text()]) -> [{[text()], tuple()}].
patterns(Path, Names) ->
    {ok, Content} = file:read_file(Path),
    Lines = [string:lexemes(L, " ") || L <- binary:split(Content, <<"\n">>, [global])],
    Headers = [Line || {Line, Number} <- lists:zip(Lines, lists:seq(1, length(Lines))), Number rem 2 =:= 1],
    Wanted = [{Group, [<<Group/binary, Word/binary>> || Word <- Words]} || [Group | Words] <- Headers],
    [pattern(Group, All, Names) || {Group, All} <- Wanted, All -- Names =/= All].

-spec pattern(text(), [text()], [text()]) -> {[text()], tuple()}.
pattern(Group, All, Names) ->
    Columns = [case lists:member(N, Names) of true -> " ([-0-9]++)"; false -> " [-0-9]++" end || N <- All],
    {ok, Pattern} = re:compile(["^", Group, Columns, "$"], [multiline]),
    {[N || N <- All, lists:member(N, Names)], Pattern}.

%% The counters, and between which two moments they were read.
-spec reading(layout()) -> reading().
reading(Layout) ->
    FromNs = now_ns(),
    Counters = counters(Layout),
    {FromNs, now_ns(), Counters}.

-spec counters(layout()) -> #{text() => integer()}.
counters(Layout) -> maps:from_list(lists:append([numbers(Path, Patterns) || {Path, Patterns} <- Layout])).

-spec numbers(file:filename(), [{[text()], tuple()}]) -> [{text(), integer()}].
numbers(Path, Patterns) ->
    {ok, Content} = file:pread(opened(Path), 0, ?PROC_MAX),
    lists:append([begin
                      {match, Values} = re:run(Content, Pattern, [{capture, all_but_first, binary}]),
                      lists:zip(Names, lists:map(fun erlang:binary_to_integer/1, Values))
                  end || {Names, Pattern} <- Patterns]).

%% One read of a file that stays open takes a quarter of the time: each call crosses to an I/O thread.
-spec opened(file:filename()) -> file:fd().
opened(Path) ->
    case get({opened, Path}) of
        undefined ->
            {ok, File} = file:open(Path, [read, raw, binary]),
            _ = put({opened, Path}, File),
            File;
        File ->
            File
    end.

-spec sysctls([text()]) -> #{text() => text()}.
sysctls(Names) ->
    maps:from_list(lists:append([sysctl(Name) || Name <- Names])).

-spec sysctl(text()) -> [{text(), text()}].
sysctl(Name) ->
    case file:read_file(<<"/proc/sys/", (binary:replace(Name, <<".">>, <<"/">>, [global]))/binary>>) of
        {ok, Value} -> [{Name, string:trim(Value)}];
        {error, _} -> []
    end.

-spec node_facts() -> #{text() => text()}.
node_facts() ->
    #{<<"kernel.osrelease">> := Kernel, <<"kernel.version">> := Build} =
        sysctls([<<"kernel.osrelease">>, <<"kernel.version">>]),
    #{<<"otp">> => list_to_binary(erlang:system_info(otp_release)),
      <<"erts">> => list_to_binary(erlang:system_info(version)),
      <<"kernel">> => Kernel,
      <<"kernel_build">> => Build,
      <<"backend">> => atom_to_binary(application:get_env(kernel, inet_backend, inet), utf8)}.
