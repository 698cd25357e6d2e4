-module(elixir_session_tests).

-include_lib("eunit/include/eunit.hrl").

%% Nothing is tried where this machine has no Elixir.
elixir_test_() ->
    case session_parser:prepare({elixir, <<":ok">>}, #{}, 0) of
        {unparsable, 0, <<"this node has no Elixir", _/binary>>} -> [];
        _ -> {setup, fun handlers/0, [sources(), lines(), faults(), names(), kept(), printed(), counted(), crashes()]}
    end.

handlers() ->
    ok = persistent_term:put({session_node, handlers},
                             {{value, fun(Name, Given) -> {Name, Given} end},
                              {value, fun(Called, Given) -> {Called, Given} end}}).

prepared(Text) -> prepared(Text, #{}).

prepared(Text, Given) ->
    {ok, Forms, Bindings, _} = session_parser:prepare({elixir, unicode:characters_to_binary(Text)}, Given, 0),
    {Forms, Bindings}.

source(Text) -> [Source || {Source, _} <- element(1, prepared(Text))].

%% What the last line of a session printed.
said(Text) ->
    {Forms, Bindings} = prepared(Text),
    {_, Value} = lists:foldl(fun({_, Code}, {Before, _}) ->
                                     {Value, After} = elixir_session:elixir_evaluate(Code, Before),
                                     {After, Value}
                             end, {Bindings, none}, Forms),
    elixir_session:elixir_printed(Value).

%% What is told of a session that crashes.
crash(Text) ->
    {_, Monitor} = spawn_monitor(fun() -> said(Text) end),
    receive {'DOWN', Monitor, process, _, {session_lines, crashed, Told}} -> Told after 5000 -> nothing end.

sources() ->
    [{"each expression is a line, also two on one",
      ?_assertEqual([<<"x = 1">>, <<"y = x">>, <<":ok">>], source("x = 1; y = x\n:ok\n"))},
     {"an expression may take several lines",
      ?_assertEqual([<<"[1]\n|> Enum.map(fn x ->\n  x\nend)">>, <<"(1 + 2)">>],
                    source("[1]\n|> Enum.map(fn x ->\n  x\nend)\n(1 + 2)"))},
     {"comments before and after are no part of it",
      ?_assertEqual([<<"x = 1">>, <<"\"# no comment\"">>], source("# one\n\nx = 1\n# two\n\"# no comment\"\n# three\n"))},
     {"text is Unicode", ?_assertEqual([unicode:characters_to_binary("\"żółw\""), <<":b">>], source("\"żółw\"; :b"))}].

lines() ->
    {Forms, _} = prepared("# one\nx = 1\n\ny =\n  2\n"),
    ?_assertEqual([2, 4], [Line || {_, {elixir, Line, _}} <- Forms]).

faults() ->
    [?_assertMatch({unparsable, Line, Why}, session_parser:prepare({elixir, Text}, #{}, Close))
     || {Line, Text, Close, Why} <- [{0, <<"# nothing">>, 0, <<"the session has no expression">>},
                                     {2, <<"x = 1\nx = 3 4">>, 0, <<"syntax error before: \"4\"">>},
                                     {0, <<":ok">>, 2, <<"the close line is 2, but the session has 1">>}]]
        ++ [?_assertMatch({unparsable, _, <<"missing terminator: )", _/binary>>},
                          session_parser:prepare({elixir, <<"x = (\n">>}, #{}, 0))].

names() ->
    {_, Bindings} = prepared(":ok", #{<<"Server">> => <<"{127,0,0,1}">>, <<"CaCerts">> => <<"[]">>}),
    ?_assertEqual([{ca_certs, []}, {server, {127, 0, 0, 1}}], lists:sort(erl_eval:bindings(Bindings))).

kept() ->
    [{"variables", ?_assertEqual(<<"3">>, said("x = 1\nx = x + 1\nx + 1"))},
     {"aliases and imports", ?_assertEqual(<<"\"A\"">>, said("alias String, as: S\nimport Enum\nmap([\"a\"], &S.upcase/1) |> hd()"))}].

printed() ->
    [?_assertEqual(Printed, said(Text)) || {Text, Printed} <- [{":ok", <<":ok">>},
                                                               {"{:error, :closed}", <<"{:error, :closed}">>},
                                                               {"\"GET\"", <<"\"GET\"">>},
                                                               {"String", <<"String">>}]].

counted() ->
    [{"what the session's commands are is known without a module",
      ?_assertEqual(<<"{:await_unread, [:s, 3]}">>, said("await_unread(:s, 3)"))},
     {"what is sent is counted", ?_assertEqual(<<"{{:gen_tcp, :send}, [:s, \"x\"]}">>, said(":s |> :gen_tcp.send(\"x\")"))},
     {"also over TLS", ?_assertEqual(<<"{{:ssl, :send}, [:s, \"x\"]}">>, said("f = &:ssl.send/2\nf.(:s, \"x\")"))}].

crashes() ->
    [{"an error has the line of its expression",
      ?_assertEqual(<<"** (MatchError) no match of right hand side value: 3\n    session:3">>, crash("x = 3\n\n4 = x"))},
     {"an exit is told", ?_assertEqual(<<"** (exit) :boom\n    session:1">>, crash("exit(:boom)"))},
     {"what is not defined is named", ?_assertMatch({_, _}, binary:match(crash("foo(3)"), <<"undefined function foo/1">>))},
     {"what it called is told, and not what evaluates it",
      ?_assertMatch({{_, _}, nomatch}, begin Told = crash("String.upcase(3)"),
                                             {binary:match(Told, <<"String.upcase(3, :default)">>),
                                              binary:match(Told, <<"erl_eval">>)} end)}].
