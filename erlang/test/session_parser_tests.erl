-module(session_parser_tests).

-include_lib("eunit/include/eunit.hrl").

sources(Text) ->
    {ok, Forms} = session_parser:parse(unicode:characters_to_binary(Text)),
    [Source || {Source, _} <- Forms].

a_session_is_split_at_its_dots_test() ->
    ?assertEqual([<<"X = 1.">>, <<"X + 1.">>], sources("X = 1.\nX + 1.\n")).

a_dot_in_a_string_ends_nothing_test() ->
    ?assertEqual([<<"\"a. b\".">>], sources("\"a. b\".\n")).

comments_and_the_lines_that_they_leave_are_left_out_test() ->
    ?assertEqual([<<"X = [1,\n  2].">>], sources("% before\nX = [1,   % one\n  % none\n  2]. % after\n\n% last")).

text_is_unicode_test() ->
    ?assertEqual([unicode:characters_to_binary("length(\"żółw\").")], sources("length(\"żółw\").")).

expressions_under_one_dot_belong_together_test() ->
    {ok, [{_, Exprs}]} = session_parser:parse(<<"X = 1, X + 1.">>),
    ?assertEqual(2, length(Exprs)).

what_does_not_parse_is_told_with_its_line_test_() ->
    [?_assertMatch({error, Line, Why}, session_parser:parse(Text))
     || {Line, Text, Why} <- [{2, <<"ok.\nfoo()).">>, <<"syntax error before: ')'">>},
                              {3, <<"ok.\n\nX = 1">>, <<"the last expression does not end with a dot">>},
                              {0, <<"% nothing">>, <<"the session has no expression">>},
                              {0, <<255>>, <<"the session is not UTF-8">>}]].

an_unfinished_string_is_told_with_the_line_it_begins_on_test() ->
    ?assertMatch({error, 2, <<"unterminated string", _/binary>>}, session_parser:parse(<<"ok.\n\"unfinished.">>)).

bindings_are_erlang_terms_test() ->
    {ok, _, Bindings, _} = session_parser:prepare(<<"ok.">>, #{<<"Server">> => <<"{127,0,0,1}">>}, 0),
    ?assertEqual([{'Server', {127, 0, 0, 1}}], erl_eval:bindings(Bindings)).

what_is_no_term_binds_nothing_test_() ->
    [?_assertMatch({unparsable, 0, <<"the value of Port is no Erlang term: ", _/binary>>},
                   session_parser:prepare(<<"ok.">>, #{<<"Port">> => Text}, 0))
     || Text <- [<<"f()">>, <<"{">>, <<"\"">>]].

the_last_line_closes_unless_another_is_named_test_() ->
    [?_assertMatch({ok, _, _, Close}, session_parser:prepare(<<"a.\nb.\nc.">>, #{}, Line))
     || {Line, Close} <- [{0, 3}, {1, 1}, {3, 3}]].

a_close_line_that_is_none_is_told_test() ->
    ?assertEqual({unparsable, 0, <<"the close line is 4, but the session has 3">>},
                 session_parser:prepare(<<"a.\nb.\nc.">>, #{}, 4)).
