-module(tcp_state_tests).

-include_lib("eunit/include/eunit.hrl").

-define(LOCAL, {{127, 0, 0, 1}, 45678}).
-define(REMOTE, {{198, 18, 0, 4}, 80}).
-define(HEAD, "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n").

%% A row as Linux prints it on a little-endian machine; the words of an address are in the machine's own order.
list(State, Unacked, Queued, Timer) ->
    Row = io_lib:format("   0: ~s:B26E ~s:0050 ~2.16.0B ~8.16.0B:~8.16.0B ~2.16.0B:00000000 00000000 0 0 1\n",
                        [word(<<127, 0, 0, 1>>), word(<<198, 18, 0, 4>>), State, Unacked, Queued, Timer]),
    iolist_to_binary([?HEAD, Row]).

word(<<Word:32/native>>) -> io_lib:format("~8.16.0B", [Word]).

a_row_is_found_by_its_ends_test() ->
    ?assertEqual({8, 0, 486, 0}, tcp_state:row(list(8, 0, 486, 0), {?LOCAL, ?REMOTE})).

a_row_of_other_ends_is_not_ours_test() ->
    ?assertEqual(none, tcp_state:row(list(1, 0, 0, 0), {?LOCAL, {{198, 18, 0, 4}, 81}})).

a_row_of_ipv6_is_found_test() ->
    Address = {16#2001, 2, 0, 0, 0, 0, 0, 3},
    Hex = [word(Word) || Word <- [<<16#2001:16, 2:16>>, <<0:32>>, <<0:32>>, <<3:32>>]],
    List = iolist_to_binary([?HEAD, "   0: ", Hex, ":0050 ", Hex, ":0051 01 00000000:0000000A 00:00000000\n"]),
    ?assertEqual({1, 0, 10, 0}, tcp_state:row(List, {{Address, 80}, {Address, 81}})).

the_peers_fin_is_no_unread_byte_test_() ->
    [?_assertEqual({State, Unread}, tcp_state:state_and_unread({State, 0, Queued, 0}))
     || {State, Queued, Unread} <- [{1, 485, 485}, {8, 486, 485}, {8, 1, 0}, {11, 0, 0}]].

what_is_in_no_list_is_closed_test() ->
    ?assertEqual({7, 0}, tcp_state:state_and_unread(none)).

the_peers_fin_has_come_in_these_states_test() ->
    ?assertEqual([6, 7, 8, 9, 11], [State || State <- lists:seq(1, 12), tcp_state:has_fin(State)]).

a_fin_counts_as_one_byte_test() ->
    ?assertEqual([0, 1], [tcp_state:fin_len(State) || State <- [1, 8]]).

a_fin_that_waits_behind_data_has_not_left_test_() ->
    [?_assertEqual(Left, tcp_state:has_left(Row))
     || {Row, Left} <- [{none, true}, {{4, 1, 0, 1}, true}, {{4, 2, 0, 1}, false}, {{4, 1, 0, 4}, false},
                        {{9, 0, 0, 0}, true}, {{5, 0, 0, 0}, true}, {{6, 0, 0, 0}, true}, {{1, 0, 0, 0}, false}]].

tcp_info_has_the_state_and_the_bytes_received_test() ->
    ?assertEqual({8, 486}, tcp_state:of_info(<<8, 0:(127 * 8), 486:64/native, 0:(16 * 8)>>)).

an_old_kernels_tcp_info_is_too_short_test() ->
    ?assertEqual(unknown, tcp_state:of_info(<<1, 0:(103 * 8)>>)).

the_hint_is_the_fourth_word_test() ->
    ?assertEqual(485, tcp_state:of_hint(<<0:96, 485:32/native>>)).

what_the_kernel_did_not_tell_is_unknown_test() ->
    ?assertEqual({unknown, unknown}, {tcp_state:of_info(unknown), tcp_state:of_hint(unknown)}).
