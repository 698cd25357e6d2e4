%% The node's program: it starts the control server, and halts when nobody needs the node any more.
%%
%% It runs as ONE INTERPRETED escript, erlang/session_node.escript, which erlang/join.py makes of this folder's modules:
%% neither a .beam (one does not load on every release) nor a compiler (the embedded OTP has none) can be counted on.
%% Seen on OTP 23, 25, 27, 28, 29. Compiled, the node would need 0.6 ms of CPU a replay instead of 1.6, but a warm replay
%% in containers is only 1.2 times as fast then (OTP 27, in pairs: the driver takes longer than the node): no reason for
%% a second way.
%%
%% What the joining asks of these modules: no function of one has the name and arity of another's, no macro of one the
%% name of another's, comments stand on lines of their own, and what is handed out as a fun is `fun() -> f() end`
%% (erl_eval knows no `fun f/0`).
%%
%% What interpreting asks of what runs in every play: erl_eval runs erl_lint for every key of a map in a pattern and for
%% every fun that is made, and compares all variables after every argument. So there: tuples and records, no funs, short
%% functions of few variables. (Seen in stdlib's erl_eval.erl, OTP 28: match_map, fun_used_bindings, merge_bindings.)
%%
%% Start, with the cookie in $HOME/.erlang.cookie (mode 0400) so that no process list shows it:
%%
%%   erl +S 1:1 +SDio 1 +A 1 +sbwt none +sbwtdio none +sbwtdcpu none -boot no_dot_erlang -noshell
%%       -hidden -name node@HOST -start_epmd false -erl_epmd_port PORT
%%       -kernel inet_dist_use_interface '{127,0,0,1}' -kernel dist_auto_connect never
%%       -kernel net_ticktime 100000 -run escript start -extra session_node.escript [--until-eof] [--wait-s N]
%%
%% `+sbwt..`: no thread waits by spinning; reading counters wakes a dirty I/O scheduler with every file.
%% `dist_auto_connect never`: an answer to a controller that is gone must not make this node dial out.
%% `net_ticktime`: the controller sends no ticks. The node halts when its last link goes down, when nobody
%% has linked within --wait-s seconds (60), and, with --until-eof, when its standard input ends.
%%
%% What is said to the registered name `rst_or_fin` is described in harness/rst_or_fin/node/session.py.
-module(session_node).

%% The server never returns.
-dialyzer({no_return, main/1}).

-export([main/1, role/1, spawn_roomy/1, halt_if_alone/1]).

%% How long to wait for a controller to link, unless --wait-s says otherwise.
-define(WAIT_S, 60).

%% The heap of the server and of each session, in words. One that a whole session fits into saves a fifth of its time.
-define(HEAP_WORDS, 20000).

-spec main([string()]) -> no_return().
main(Arguments) ->
    _ = [spawn(fun() -> halt_at_eof() end) || lists:member("--until-eof", Arguments)],
    %% Interpreted funs carry the whole script in their environment. As persistent terms they are literals,
    %% which neither a spawn copies nor a garbage collection walks.
    ok = persistent_term:put({?MODULE, server}, fun() -> control_server:serve() end),
    ok = persistent_term:put({?MODULE, session}, fun() -> session_lines:play() end),
    ok = persistent_term:put({?MODULE, handlers},
                             {{value, fun(Name, Given) -> session_lines:command(Name, Given) end},
                              {value, fun(Called, Given) -> sent_bytes:call(Called, Given) end}}),
    {Server, Monitor} = spawn_roomy(server),
    _ = erlang:send_after(wait_ms(Arguments), Server, nobody_came),
    receive
        {'DOWN', Monitor, process, Server, Reason} ->
            io:format(standard_error, "session_node: the server crashed: ~tp~n", [Reason]),
            erlang:halt(1)
    end.

-spec role(server | session) -> fun(() -> no_return());
          (handlers) -> {{value, fun((atom(), [term()]) -> term())}, {value, fun((term(), [term()]) -> term())}}.
role(Role) -> persistent_term:get({?MODULE, Role}).

-spec spawn_roomy(server | session) -> {pid(), reference()}.
spawn_roomy(Role) -> spawn_opt(role(Role), [monitor, {min_heap_size, ?HEAP_WORDS}]).

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
