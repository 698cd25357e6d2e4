%% The output half of OTP's I/O protocol (stdlib's user's guide, "The Erlang I/O Protocol"); no input.
-module(session_io).

-export([reply/1]).

%% What to answer a request, and the characters that it wrote.
-spec reply(term()) -> {term(), iodata()}.
reply({put_chars, Encoding, Chars}) ->
    case unicode:characters_to_binary(Chars, Encoding) of
        Binary when is_binary(Binary) -> {ok, [Binary]};
        _ -> {{error, {no_translation, Encoding, unicode}}, []}
    end;
reply({put_chars, Encoding, Module, Function, Arguments}) ->
    try apply(Module, Function, Arguments) of
        Chars -> reply({put_chars, Encoding, Chars})
    catch
        _:_ -> {{error, Function}, []}
    end;
reply({requests, Requests}) ->
    lists:foldl(fun(Request, {_, Before}) ->
                        {Reply, Chars} = reply(Request),
                        {Reply, [Before, Chars]}
                end, {ok, []}, Requests);
reply(getopts) -> {[{binary, false}, {encoding, unicode}], []};
reply({setopts, _}) -> {ok, []};
reply(_) -> {{error, enotsup}, []}.
