%% Says how erl_scan and erl_parse split a session, one answer a line: the text comes as a line of base64.
%%
%%     ok 1-1 2-4              the lines on which each expression begins and on which its dot stands
%%     scan 3 | parse 3        it cannot be read (erl_scan) or makes no sense (erl_parse), on that line
%%     dotless 3-4             the last expression, which begins and ends there, has no dot
-mode(interpret).
main(_) ->
    ok = io:setopts([{encoding, latin1}]),
    serve().

serve() ->
    case io:get_line("") of
        eof -> halt(0);
        Line ->
            Text = base64:decode(string:trim(Line)),
            io:format("~s~n", [answer(unicode:characters_to_list(Text), 1, [])]),
            serve()
    end.

answer(Chars, Line, Found) ->
    case tokens(Chars, Line) of
        {done, {ok, Tokens, EndLine}, Rest} -> expression(Tokens, EndLine, Rest, Found);
        {done, {eof, _}, _} -> ["ok" | lists:reverse(Found)];
        {done, {error, {At, _, _}, _}, _} -> io_lib:format("scan ~w", [At])
    end.

expression(Tokens, EndLine, Rest, Found) ->
    First = erl_scan:line(hd(Tokens)),
    Last = lists:last(Tokens),
    case {erl_scan:category(Last), erl_parse:parse_exprs(Tokens)} of
        {dot, {ok, _}} ->
            answer(Rest, EndLine, [io_lib:format(" ~w-~w", [First, erl_scan:line(Last)]) | Found]);
        {dot, {error, {At, _, _}}} -> io_lib:format("parse ~w", [At]);
        {_, _} -> io_lib:format("dotless ~w-~w", [First, erl_scan:line(Last)])
    end.

tokens(Chars, Line) ->
    case erl_scan:tokens([], Chars, Line) of
        {more, Continuation} -> erl_scan:tokens(Continuation, eof, Line);
        Done -> Done
    end.
