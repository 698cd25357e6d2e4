%% Text to expressions: all of a session is parsed before any of it is evaluated.
-module(session_parser).

-export([prepare/3, prepared/3, parse/1]).
-export_type([form/0, code/0, prepared/0]).

-type code() :: [erl_parse:abstract_expr()] | {elixir, Line :: pos_integer(), Quoted :: term()}.
-type form() :: {Source :: binary(), code()}.
-type prepared() :: {ok, [form()], erl_eval:binding_struct(), Close :: pos_integer()}
                  | {unparsable, LineNo :: non_neg_integer(), Why :: binary()}.
-type fault() :: {error, LineNo :: non_neg_integer(), Why :: binary()}.

%% A session's expressions, the bindings that it begins with, and which expression closes (0: the last one).
-spec prepare(binary() | {elixir, binary()}, #{binary() => binary()}, non_neg_integer()) -> prepared().
prepare({elixir, Text}, Given, CloseLine) -> elixir_session:elixir_prepare(Text, Given, CloseLine);
prepare(Text, Given, CloseLine) -> prepared(parse(Text), Given, CloseLine).

-spec prepared({ok, [form()]} | fault(), #{binary() => binary()}, non_neg_integer()) -> prepared().
prepared(Parsed, Given, CloseLine) ->
    case {Parsed, bindings(maps:to_list(Given), erl_eval:new_bindings())} of
        {{error, LineNo, Why}, _} -> {unparsable, LineNo, Why};
        {{ok, Forms}, {ok, Bindings}} -> closing_at(CloseLine, Forms, Bindings);
        {{ok, _}, {error, Why}} -> {unparsable, 0, Why}
    end.

-spec closing_at(non_neg_integer(), [form()], erl_eval:binding_struct()) -> prepared().
closing_at(0, Forms, Bindings) ->
    {ok, Forms, Bindings, length(Forms)};
closing_at(CloseLine, Forms, Bindings) when CloseLine =< length(Forms) ->
    {ok, Forms, Bindings, CloseLine};
closing_at(CloseLine, Forms, _) ->
    {unparsable, 0, session_text:text("the close line is ~w, but the session has ~w", [CloseLine, length(Forms)])}.

-spec parse(binary()) -> {ok, [form()]} | fault().
parse(Text) ->
    case unicode:characters_to_list(Text) of
        Chars when is_list(Chars) -> forms(Chars, 1, []);
        _ -> {error, 0, <<"the session is not UTF-8">>}
    end.

-spec forms(string() | eof, pos_integer(), [form()]) -> {ok, [form()]} | fault().
forms(Chars, Line, Forms) ->
    case next_tokens(Chars, Line) of
        {done, {ok, Tokens, EndLine}, Rest} ->
            case [T || T <- Tokens, not is_layout(T)] of
                [] -> finished(Forms);
                Code -> form(Code, Tokens, Rest, EndLine, Forms)
            end;
        {done, {eof, _}, _} ->
            finished(Forms);
        {done, {error, {At, Module, Why}, _}, _} ->
            {error, line_of(At), session_text:text("~ts", [Module:format_error(Why)])}
    end.

-spec finished([form()]) -> {ok, [form()]} | fault().
finished([]) -> {error, 0, <<"the session has no expression">>};
finished(Forms) -> {ok, lists:reverse(Forms)}.

-spec next_tokens(string() | eof, pos_integer()) -> {done, term(), string() | eof}.
next_tokens(Chars, Line) ->
    case erl_scan:tokens([], Chars, Line, [return, text]) of
        {more, Continuation} -> erl_scan:tokens(Continuation, eof, Line, [return, text]);
        Done -> Done
    end.

-spec form([erl_scan:token()], [erl_scan:token()], string() | eof, pos_integer(), [form()]) ->
          {ok, [form()]} | fault().
form(Code, Tokens, Rest, EndLine, Forms) ->
    case {erl_scan:category(lists:last(Code)), erl_parse:parse_exprs([without_text(T) || T <- Code])} of
        {dot, {ok, Exprs}} ->
            forms(Rest, EndLine, [{source(Tokens), Exprs} | Forms]);
        {dot, {error, {At, Module, Why}}} ->
            {error, line_of(At), session_text:text("~ts", [Module:format_error(Why)])};
        {_, _} ->
            {error, erl_scan:line(hd(Code)), <<"the last expression does not end with a dot">>}
    end.

%% The text of a token is wanted for the source of its expression, and nowhere else.
-spec without_text(erl_scan:token()) -> erl_scan:token().
without_text(Token) -> setelement(2, Token, erl_anno:new(erl_scan:line(Token))).

-spec is_layout(erl_scan:token()) -> boolean().
is_layout(Token) -> lists:member(erl_scan:category(Token), [white_space, comment]).

%% An expression as it was written, without its comments and the lines that they leave empty.
-spec source([erl_scan:token()]) -> binary().
source(Tokens) ->
    Chars = [erl_scan:text(T) || T <- Tokens, erl_scan:category(T) =/= comment],
    Lines = [string:trim(L, trailing) || L <- string:split(Chars, "\n", all)],
    session_text:text("~ts", [string:trim(lists:join("\n", [L || L <- Lines, not string:is_empty(L)]))]).

-spec line_of(term()) -> non_neg_integer().
line_of({Line, _}) -> Line;
line_of(Line) when is_integer(Line) -> Line.

-spec bindings([{binary(), binary()}], erl_eval:binding_struct()) ->
          {ok, erl_eval:binding_struct()} | {error, binary()}.
bindings([], Bindings) -> {ok, Bindings};
bindings([{Name, Text} | Given], Bindings) ->
    case term(Text) of
        {ok, Term} -> bindings(Given, erl_eval:add_binding(binary_to_atom(Name, utf8), Term, Bindings));
        error -> {error, session_text:text("the value of ~ts is no Erlang term: ~ts", [Name, Text])}
    end.

-spec term(binary()) -> {ok, term()} | error.
term(Text) ->
    case erl_scan:string(unicode:characters_to_list(Text) ++ ".") of
        {ok, Tokens, _} ->
            case erl_parse:parse_term(Tokens) of
                {ok, Term} -> {ok, Term};
                {error, _} -> error
            end;
        {error, _, _} ->
            error
    end.
