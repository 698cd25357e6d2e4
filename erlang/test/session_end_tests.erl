-module(session_end_tests).

-include_lib("eunit/include/eunit.hrl").

waiting() -> spawn(fun() -> receive never -> ok end end).

a_session_that_is_retired_is_gone_test() ->
    Session = waiting(),
    ok = session_end:retire(Session),
    ?assertNot(is_process_alive(Session)).

its_ports_are_closed_by_then_test() ->
    Self = self(),
    Session = spawn(fun() -> Self ! open_port({spawn, "cat"}, []), receive never -> ok end end),
    Port = receive Opened when is_port(Opened) -> Opened end,
    ok = session_end:retire(Session),
    ?assertEqual(undefined, erlang:port_info(Port)).

processes_that_it_left_behind_are_ended_test() ->
    Left = waiting(),
    true = group_leader(self(), Left),
    ok = session_end:retire(waiting()),
    ?assertNot(is_process_alive(Left)).

processes_of_others_stay_test() ->
    Other = waiting(),
    ok = session_end:retire(waiting()),
    ?assert(is_process_alive(Other)),
    true = exit(Other, kill).
