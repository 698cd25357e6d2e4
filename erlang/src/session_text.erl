%% Results and errors as text, as a shell prints them.
-module(session_text).

-export([printed/1, error_text/3, text/2, shortened/1]).

%% Bytes of one printed result: a message must not need fragments (64 KB).
-define(TEXT_MAX, 8192).

%% What stands between a session's line and what it called.
-define(NOT_ITS_OWN, [erl_eval, escript, session_lines, socket_waits, socket_facts, session_node]).

-spec printed(term()) -> binary().
printed(ok) -> <<"ok">>;
printed(Value) -> shortened(text("~tp", [Value])).

-spec error_text(error | exit | throw, term(), list()) -> binary().
error_text(Class, Reason, Stack) ->
    Format = fun(Term, Column) -> io_lib:format("~." ++ integer_to_list(Column) ++ "tP", [Term, 30]) end,
    Trim = fun(Module, _, _) -> lists:member(Module, ?NOT_ITS_OWN) end,
    text("** ~ts", [erl_error:format_exception(4, Class, Reason, Stack, Trim, Format, unicode)]).

-spec text(string(), [term()]) -> binary().
text(Format, Arguments) ->
    Text = unicode:characters_to_binary(io_lib:format(Format, Arguments)),
    true = is_binary(Text),
    Text.

-spec shortened(binary()) -> binary().
shortened(Text) when byte_size(Text) =< ?TEXT_MAX -> Text;
shortened(Text) ->
    Head = whole_characters(binary_part(Text, 0, ?TEXT_MAX)),
    <<Head/binary, (text("... (~w bytes in all)", [byte_size(Text)]))/binary>>.

%% The text without the half of a character at its end.
-spec whole_characters(binary()) -> binary().
whole_characters(Text) ->
    case unicode:characters_to_binary(Text) of
        {_, Whole, _} -> Whole;
        Whole -> Whole
    end.
