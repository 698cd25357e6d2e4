%% The end of a session that was played: its sockets end with it, and every process that it left behind.
-module(session_end).

-export([retire/1, clear_up/1]).

-define(PORT_TRIES, 1000).

-spec retire(pid()) -> ok.
retire(Session) ->
    ok = kill(Session),
    clear_up(Session).

-spec kill(pid()) -> ok.
kill(Pid) ->
    Monitor = monitor(process, Pid),
    true = exit(Pid, kill),
    receive {'DOWN', Monitor, process, Pid, _} -> ok end.

%% A dead owner's ports close a moment after it: their FIN or RST must not fall into the next session. Where
%% there are as many processes and ports as after the session before, there is nothing to look for.
-spec clear_up(pid()) -> ok.
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

-spec await_ports_closed(pid(), non_neg_integer()) -> ok.
await_ports_closed(Owner, Tries) ->
    case [P || P <- erlang:ports(), erlang:port_info(P, connected) =:= {connected, Owner}] of
        [_ | _] when Tries > 0 ->
            receive after 1 -> await_ports_closed(Owner, Tries - 1) end;
        _ ->
            ok
    end.
