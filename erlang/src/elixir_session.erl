%% Sessions in Elixir: all of one is parsed before any of it is evaluated, and its lines are printed as IEx prints them.
%%
%% Elixir's variables are kept as erl_eval's bindings, under the names that they have; imports and aliases live in an
%% environment of the session's process. What is predefined for Erlang (Server, CaCerts) is called as Elixir calls its
%% variables (server, ca_certs). What a session calls without a module (see session_lines) is imported from a module
%% that is compiled for it; so is what is counted (see sent_bytes): Elixir's evaluator shows nobody the calls it makes.
-module(elixir_session).

-export([elixir_prepare/3, elixir_evaluate/2, elixir_printed/1, elixir_error/3]).

-define(HELPERS, rst_or_fin_session).
%% What IEx takes where nothing is configured and no terminal is there.
-define(AS_IEX, [{pretty, true}, {limit, 50}, {width, 80}]).

-type quoted() :: term().
-type form() :: {elixir, Line :: pos_integer(), quoted()}.
-type bindings() :: erl_eval:binding_struct().
-type at() :: {Line :: pos_integer(), Column :: pos_integer()}.

-spec elixir_prepare(binary(), #{binary() => binary()}, non_neg_integer()) -> session_parser:prepared().
elixir_prepare(Text, Given, CloseLine) ->
    case is_elixir_there() of
        true ->
            ok = compile_helpers(),
            Named = maps:from_list([{underscored(Name), Value} || {Name, Value} <- maps:to_list(Given)]),
            session_parser:prepared(elixir_forms(Text), Named, CloseLine);
        false ->
            {unparsable, 0, <<"this node has no Elixir, 1.14 or newer">>}
    end.

-spec is_elixir_there() -> boolean().
is_elixir_there() ->
    case application:ensure_all_started(elixir) of
        {ok, _} -> code:ensure_loaded('Elixir.Code') =/= error
                       andalso erlang:function_exported('Elixir.Code', eval_quoted_with_env, 3);
        {error, _} -> false
    end.

-spec underscored(binary()) -> binary().
underscored(Name) -> 'Elixir.Macro':underscore(Name).

%% Each expression with the line that it begins on, and its source.
-spec elixir_forms(binary()) -> {ok, [{binary(), form()}]} | {error, non_neg_integer(), binary()}.
elixir_forms(Text) ->
    Placed = [{columns, true}, {token_metadata, true},
              {literal_encoder, fun(Literal, Meta) -> {ok, {'__block__', Meta, [Literal]}} end}],
    case {'Elixir.Code':string_to_quoted(Text, [{file, <<"session">>}]), 'Elixir.Code':string_to_quoted(Text, Placed)} of
        {{ok, {'__block__', _, []}}, _} ->
            {error, 0, <<"the session has no expression">>};
        {{ok, Quoted}, {ok, WithPlaces}} ->
            Lines = string:split(unicode:characters_to_list(Text), "\n", all),
            {ok, elixir_sources(in_sequence(Quoted), in_sequence(WithPlaces), Lines, {1, 1})};
        {{error, {Meta, Why, Token}}, _} ->
            {error, proplists:get_value(line, Meta, 0), elixir_fault(Why, Token)}
    end.

-spec elixir_fault(binary() | {binary(), binary()}, binary()) -> binary().
elixir_fault({Before, After}, Token) -> <<Before/binary, Token/binary, After/binary>>;
elixir_fault(Before, Token) -> <<Before/binary, Token/binary>>.

-spec in_sequence(quoted()) -> [quoted()].
in_sequence({'__block__', _, [_, _ | _] = Quoted}) -> Quoted;
in_sequence(Quoted) -> [Quoted].

%% An expression's source begins where the one before it ended, but for comments.
-spec elixir_sources([quoted()], [quoted()], [string()], at()) -> [{binary(), form()}].
elixir_sources([], [], _, _) -> [];
elixir_sources([Quoted | Rest], [{_, Meta, _} | Places], Lines, Begin) ->
    End = case proplists:get_value(end_of_expression, Meta) of
              undefined -> {length(Lines) + 1, 1};
              Place -> {proplists:get_value(line, Place), proplists:get_value(column, Place)}
          end,
    {Line, Source} = without_comments(between(Begin, End, Lines), element(1, Begin)),
    [{Source, {elixir, Line, counting(Quoted)}} | elixir_sources(Rest, Places, Lines, End)].

-spec between(at(), at(), [string()]) -> [string()].
between({Line, From}, {Line, To}, Lines) ->
    [lists:sublist(lists:nth(Line, Lines), From, To - From)];
between({Line, From}, End, Lines) ->
    [lists:nthtail(From - 1, lists:nth(Line, Lines)) | through(Line + 1, End, Lines)].

-spec through(pos_integer(), at(), [string()]) -> [string()].
through(Line, {Line, To}, Lines) -> [lists:sublist(lists:nth(Line, Lines ++ [""]), To - 1)];
through(Line, End, Lines) -> [lists:nth(Line, Lines) | through(Line + 1, End, Lines)].

-spec without_comments([string()], pos_integer()) -> {pos_integer(), binary()}.
without_comments(Lines, Line) ->
    Left = lists:dropwhile(fun(Text) -> is_no_code(Text) end, Lines),
    Code = lists:reverse(lists:dropwhile(fun(Text) -> is_no_code(Text) end, lists:reverse(Left))),
    Source = string:trim(lists:join("\n", [string:trim(Text, trailing) || Text <- Code]), both, " \t\n;"),
    {Line + length(Lines) - length(Left), session_text:text("~ts", [Source])}.

-spec is_no_code(string()) -> boolean().
is_no_code(Text) ->
    case string:trim(Text, leading, " \t;") of
        [] -> true;
        [$# | _] -> true;
        _ -> false
    end.

%% The same with the calls that send, and what is captured of them, going by the helpers.
-spec counting(quoted()) -> quoted().
counting({'.', Meta, [gen_tcp, send]}) -> {'.', Meta, [?HELPERS, gen_tcp_send]};
counting({'.', Meta, [ssl, send]}) -> {'.', Meta, [?HELPERS, ssl_send]};
counting({'.', Meta, [socket, send]}) -> {'.', Meta, [?HELPERS, socket_send]};
counting(Quoted) when is_tuple(Quoted) -> list_to_tuple(counting(tuple_to_list(Quoted)));
counting([First | Rest]) -> [counting(First) | counting(Rest)];
counting(Quoted) -> Quoted.

-spec compile_helpers() -> ok.
compile_helpers() ->
    case erlang:module_loaded(?HELPERS) of
        true -> ok;
        false ->
            {ok, Module, Code} = compile:forms([helper(Form) || Form <- helper_forms()]),
            {module, Module} = code:load_binary(Module, "session", Code),
            ok
    end.

-spec helper(string()) -> erl_parse:abstract_form().
helper(Text) ->
    {ok, Tokens, _} = erl_scan:string(Text),
    {ok, Form} = erl_parse:parse_form(Tokens),
    Form.

-spec helper_forms() -> [string()].
helper_forms() ->
    Command = "(element(2, element(1, persistent_term:get({session_node, handlers}))))",
    Call = "(element(2, element(2, persistent_term:get({session_node, handlers}))))",
    ["-module(rst_or_fin_session).",
     "-export([unread/1, await_unread/2, await_received/2, await_read/2, await_peer_fin/1, await_closed/1, flush/0,"
     " gen_tcp_send/2, ssl_send/2, socket_send/2]).",
     "unread(Socket) -> " ++ Command ++ "(unread, [Socket]).",
     "await_unread(Socket, N) -> " ++ Command ++ "(await_unread, [Socket, N]).",
     "await_received(Socket, N) -> " ++ Command ++ "(await_received, [Socket, N]).",
     "await_read(Socket, N) -> " ++ Command ++ "(await_read, [Socket, N]).",
     "await_peer_fin(Socket) -> " ++ Command ++ "(await_peer_fin, [Socket]).",
     "await_closed(Socket) -> " ++ Command ++ "(await_closed, [Socket]).",
     "flush() -> receive Message -> 'Elixir.IO':inspect(Message), flush() after 0 -> ok end.",
     "gen_tcp_send(Socket, Data) -> " ++ Call ++ "({gen_tcp, send}, [Socket, Data]).",
     "ssl_send(Socket, Data) -> " ++ Call ++ "({ssl, send}, [Socket, Data]).",
     "socket_send(Socket, Data) -> " ++ Call ++ "({socket, send}, [Socket, Data])."].

-spec elixir_evaluate(form(), bindings()) -> {Value :: term(), bindings()}.
elixir_evaluate({elixir, Line, Quoted}, Bindings) ->
    {Result, Told} = with_diagnostics(Quoted, erl_eval:bindings(Bindings)),
    case Result of
        {ok, Value, Next, Env} ->
            _ = put(elixir_env, Env),
            {Value, named_bindings(Next, Bindings)};
        {Class, Reason, Stack} ->
            exit({session_lines, crashed, elixir_error(Class, Reason, {Line, Stack, Told})})
    end.

%% What the compiler says beside its exception, which from Elixir 1.15 on is next to nothing.
-spec with_diagnostics(quoted(), [{atom(), term()}]) -> {tuple(), [map()]}.
with_diagnostics(Quoted, Binding) ->
    Env = elixir_env(),
    case erlang:function_exported('Elixir.Code', with_diagnostics, 2) of
        true -> 'Elixir.Code':with_diagnostics([{log, false}], fun() -> elixir_try(Quoted, Binding, Env) end);
        false -> {elixir_try(Quoted, Binding, Env), []}
    end.

-spec elixir_env() -> term().
elixir_env() ->
    case get(elixir_env) of
        undefined ->
            Import = {import, [{context, 'Elixir'}], [?HELPERS]},
            Empty = 'Elixir.Code':env_for_eval([{file, <<"session">>}]),
            {_, _, Env} = 'Elixir.Code':eval_quoted_with_env(Import, [], Empty),
            Env;
        Env ->
            Env
    end.

-spec elixir_try(quoted(), [{atom(), term()}], term()) -> tuple().
elixir_try(Quoted, Binding, Env) ->
    try 'Elixir.Code':eval_quoted_with_env(Quoted, Binding, Env) of
        {Value, Next, NextEnv} -> {ok, Value, Next, NextEnv}
    catch
        Class:Reason:Stack -> {Class, Reason, Stack}
    end.

%% Those that a macro made for itself have no plain name, and are left out.
-spec named_bindings([{term(), term()}], bindings()) -> bindings().
named_bindings([{Name, Value} | Rest], Bindings) when is_atom(Name) ->
    named_bindings(Rest, erl_eval:add_binding(Name, Value, Bindings));
named_bindings([_ | Rest], Bindings) -> named_bindings(Rest, Bindings);
named_bindings([], Bindings) -> Bindings.

-spec elixir_printed(term()) -> binary().
elixir_printed(Value) -> session_text:shortened('Elixir.Kernel':inspect(Value, ?AS_IEX)).

%% As IEx tells it: without what stands between the line and what it called, and with the line.
-spec elixir_error(error | exit | throw, term(), {pos_integer(), list(), [map()]}) -> binary().
elixir_error(Class, Reason, {Line, Stack, Told}) ->
    Own = [Frame || Frame <- lists:takewhile(fun(Frame) -> element(1, Frame) =/= elixir end, Stack),
                    not lists:member(element(1, Frame), [erl_eval, elixir_eval, escript, ?HELPERS])],
    Banner = 'Elixir.Exception':format_banner(Class, Reason, Stack),
    Frames = [["\n    ", 'Elixir.Exception':format_stacktrace_entry(Frame)] || Frame <- Own],
    Said = [["\n    ", Message] || #{message := Message} <- Told],
    session_text:text("~ts~ts~ts\n    session:~w", [Banner, Said, Frames, Line]).
