-module(socket_names_tests).

-include_lib("eunit/include/eunit.hrl").

names(Value) -> [Name || {_, Name} <- socket_names:named('Sock', Value)].

with_sockets(Test) ->
    {ok, One} = gen_tcp:listen(0, []),
    {ok, Other} = gen_tcp:listen(0, []),
    try Test(One, Other)
    after
        ok = gen_tcp:close(One),
        ok = gen_tcp:close(Other)
    end.

a_socket_has_its_variables_name_test() ->
    ?assertEqual([<<"Sock">>], with_sockets(fun(One, _) -> names(One) end)).

one_in_a_tuple_has_it_too_test() ->
    ?assertEqual([<<"Sock">>], with_sockets(fun(One, _) -> names({ok, One}) end)).

several_have_their_places_test() ->
    ?assertEqual([<<"Sock[1]">>, <<"Sock[2]">>], with_sockets(fun(One, Other) -> names([One, {ok, Other}]) end)).

what_holds_no_socket_has_no_name_test_() ->
    [?_assertEqual([], names(Value)) || Value <- [ok, 1, "text", {a, b}, <<"x">>, [1 | 2]]].
