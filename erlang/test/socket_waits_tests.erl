-module(socket_waits_tests).

-include_lib("eunit/include/eunit.hrl").

%% State, bytes received, bytes unread: in CLOSE_WAIT (8) the peer's FIN has come, in ESTABLISHED (1) it has not.
-define(OPEN, {1, 485, 85}).
-define(HALF_CLOSED, {8, 485, 85}).

what_was_received_is_awaited_test_() ->
    [?_assertEqual(Found, socket_waits:of_facts({received, N}, ?OPEN))
     || {N, Found} <- [{485, {ok, 485}}, {484, {ok, 485}}, {486, {not_yet, 485}}]].

what_was_read_is_what_is_not_unread_test_() ->
    [?_assertEqual(Found, socket_waits:of_facts({read, N}, ?OPEN))
     || {N, Found} <- [{400, {ok, 400}}, {401, {not_yet, 400}}]].

the_peers_fin_is_awaited_by_the_state_test_() ->
    [?_assertEqual(Found, socket_waits:of_facts(peer_fin, Facts))
     || {Facts, Found} <- [{?HALF_CLOSED, {ok, ok}}, {?OPEN, {not_yet, 1}}]].

nothing_is_awaited_of_a_closed_socket_test() ->
    ?assertEqual({ok, {error, closed}}, socket_waits:enough({error, closed}, 1)).

a_socket_that_is_open_has_not_closed_test() ->
    ?assertEqual({not_yet, ok}, socket_waits:closed(false, unknown)).

a_closed_socket_of_unknown_ends_has_closed_test() ->
    ?assertEqual({ok, ok}, socket_waits:closed(true, unknown)).
