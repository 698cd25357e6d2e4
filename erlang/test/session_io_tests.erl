-module(session_io_tests).

-include_lib("eunit/include/eunit.hrl").

written(Request) ->
    {Reply, Chars} = session_io:reply(Request),
    {Reply, iolist_to_binary(Chars)}.

characters_are_written_test() ->
    ?assertEqual({ok, <<"ż"/utf8>>}, written({put_chars, unicode, "ż"})).

a_call_gives_characters_test() ->
    ?assertEqual({ok, <<"hello\n">>}, written({put_chars, unicode, io_lib, format, ["~s~n", [hello]]})).

requests_are_written_in_their_order_test() ->
    ?assertEqual({ok, <<"ab">>}, written({requests, [{put_chars, unicode, "a"}, {put_chars, unicode, "b"}]})).

a_call_that_fails_writes_nothing_test() ->
    ?assertEqual({{error, format}, <<>>}, written({put_chars, unicode, io_lib, format, ["~s", []]})).

there_is_no_input_test() ->
    ?assertEqual({{error, enotsup}, <<>>}, written({get_line, unicode, ""})).
