%% The session: a process that stays, owns the sockets and evaluates line after line. Its mailbox belongs to the lines.
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
-module(session_lines).

-export([play/0, command/2]).

-type play() :: {Server :: pid(), play_events:ref(), Close :: pos_integer()}.
-type times() :: {DurationUs :: integer(), StartNs :: integer()}.
-type bindings() :: erl_eval:binding_struct().
-type code() :: session_parser:code().

-spec play() -> no_return().
play() ->
    receive
        {play, Server, Ref, Forms, Bindings, Close} ->
            ok = lines(Forms, 1, Bindings, {Server, Ref, Close}),
            Server ! {self(), done, socket_names:listening()},
            receive after infinity -> ok end
    end.

-spec lines([session_parser:form()], pos_integer(), bindings(), play()) -> ok.
lines([], _, _, _) -> ok;
lines([{Source, Exprs} | Forms], Index, Bindings, Play) ->
    ok = before_line(Index, Source, Play),
    {Times, Value, Next} = timed(Exprs, Bindings),
    ok = after_line(Index, Play),
    ok = say(Index, Source, Times, printed(Exprs, Value), socket_names:bound(Value, Bindings, Next), Play),
    lines(Forms, Index + 1, Next, Play).

-spec say(pos_integer(), binary(), times(), binary(), [tuple()], play()) -> ok.
say(Index, Source, {DurationUs, StartNs}, Printed, Bound, {Server, _, _}) ->
    Server ! {self(), said, {line, Index, Source, Printed, DurationUs, StartNs, Bound}},
    ok.

-spec printed(code(), term()) -> binary().
printed({elixir, _, _}, Value) -> elixir_session:elixir_printed(Value);
printed(_, Value) -> session_text:printed(Value).

-spec before_line(pos_integer(), binary(), play()) -> ok.
before_line(Close, Source, {Server, Ref, Close}) ->
    Server ! {self(), closing, socket_names:states(), Source},
    await_go(Ref);
before_line(_, _, _) ->
    ok.

-spec after_line(pos_integer(), play()) -> ok.
after_line(Close, {Server, Ref, Close}) ->
    Server ! {self(), closed},
    await_go(Ref);
after_line(_, _) ->
    ok.

-spec await_go(play_events:ref()) -> ok.
await_go(Ref) ->
    receive {go, Ref} -> ok end.

-spec timed(code(), bindings()) -> {times(), Value :: term(), bindings()}.
timed(Exprs, Bindings) ->
    StartNs = os:system_time(nanosecond),
    Start = erlang:monotonic_time(microsecond),
    {Value, Next} = evaluate(Exprs, Bindings),
    {{erlang:monotonic_time(microsecond) - Start, StartNs}, Value, Next}.

%% As a shell's evaluator, a process of which a line crashed ends, and its sockets with it.
-spec evaluate(code(), bindings()) -> {Value :: term(), bindings()}.
evaluate({elixir, _, _} = Code, Bindings) -> elixir_session:elixir_evaluate(Code, Bindings);
evaluate(Exprs, Bindings) ->
    {Local, NonLocal} = session_node:role(handlers),
    try erl_eval:exprs(Exprs, Bindings, Local, NonLocal) of
        {value, Value, Next} -> {Value, Next}
    catch
        Class:Reason:Stack -> exit({session_lines, crashed, session_text:error_text(Class, Reason, Stack)})
    end.

%% What a line calls without a module.
-spec command(atom(), [term()]) -> term().
command(unread, [Socket]) -> socket_facts:unread(socket_names:tcp(Socket));
command(await_unread, [Socket, N]) -> socket_waits:await_unread(socket_names:tcp(Socket), N);
command(await_received, [Socket, N]) -> socket_waits:await_received(socket_names:tcp(Socket), N);
command(await_read, [Socket, N]) -> socket_waits:await_read(socket_names:tcp(Socket), N);
command(await_peer_fin, [Socket]) -> socket_waits:await_peer_fin(socket_names:tcp(Socket));
command(await_closed, [Socket]) -> socket_waits:await_closed(socket_names:tcp(Socket));
command(Name, Arguments) ->
    {module, _} = code:ensure_loaded(shell_default),
    case erlang:function_exported(shell_default, Name, length(Arguments)) of
        true -> apply(shell_default, Name, Arguments);
        %% Some releases' shell_default hands what it does not know to a shell, and there is none.
        false -> error({shell_undef, Name, length(Arguments), []})
    end.
