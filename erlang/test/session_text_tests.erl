-module(session_text_tests).

-include_lib("eunit/include/eunit.hrl").

results_are_printed_as_a_shell_prints_them_test_() ->
    [?_assertEqual(Printed, session_text:printed(Value))
     || {Value, Printed} <- [{ok, <<"ok">>}, {"text", <<"\"text\"">>}, {{ok, <<"b">>}, <<"{ok,<<\"b\">>}">>}]].

a_long_text_is_cut_and_says_so_test() ->
    ?assertMatch(<<_:8192/binary, "... (20000 bytes in all)">>, session_text:shortened(binary:copy(<<"x">>, 20000))).

a_cut_goes_through_no_character_test() ->
    Cut = session_text:shortened(<<"x", (binary:copy(<<"ż"/utf8>>, 5000))/binary>>),
    ?assert(is_list(unicode:characters_to_list(Cut))).

an_error_is_told_as_a_shell_tells_it_test() ->
    ?assertEqual(<<"** exception error: no match of right hand side value 2">>,
                 session_text:error_text(error, {badmatch, 2}, [])).
