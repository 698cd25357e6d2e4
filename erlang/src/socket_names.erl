%% The sockets that a session's lines bind to variables: what they are called, and what is remembered of them in the
%% session's process dictionary. A socket that was reset has no peer name any more, and one that is closed no name.
-module(socket_names).

-export([bound/3, states/0, listening/0, ends/1, named/2, tcp/1]).

%% Elements of a tuple in which sockets are looked for.
-define(WIDE_MAX, 64).

-type socket() :: socket_facts:socket().
-type bindings() :: erl_eval:binding_struct().
-type name() :: binary().
-type ends() :: tcp_state:ends().
-type told() :: {name(), Local :: tcp_state:address(), Remote :: tcp_state:address()}.
-type state() :: {name(), Local :: tcp_state:address(), Remote :: tcp_state:address(),
                  Received :: non_neg_integer(), Unread :: non_neg_integer(), tcp_state:state()}.

%% The connected sockets that a line bound to variables, each with its ends. A socket that the line returned
%% is remembered, too: the line may have bound it under no name of its own.
-spec bound(term(), bindings(), bindings()) -> [told()].
bound(Value, Bindings, Bindings) ->
    ok = remember_value(Value),
    [];
bound(Value, Before, After) ->
    Fresh = erl_eval:bindings(After) -- erl_eval:bindings(Before),
    Named = [Named || {Variable, Term} <- Fresh, Named <- named(Variable, Term)],
    Bound = [Bound || {Socket, Name} <- Named, Bound <- bound(Socket, Name)],
    ok = remember_value(Value),
    Bound.

-spec remember_value(term()) -> ok.
remember_value(Value) when is_tuple(Value); is_list(Value); is_port(Value) ->
    _ = [remember(Socket) || Socket <- sockets(Value), get({ends, Socket}) =:= undefined],
    ok;
remember_value(_) ->
    ok.

-spec bound(socket(), name()) -> [told()].
bound(Socket, Name) ->
    _ = put(named, [{Socket, Name} | already_named()]),
    case remember(Socket) of
        {Local, Remote} -> [{Name, Local, Remote}];
        unknown -> remember_listener(Socket, Name)
    end.

-spec already_named() -> [{socket(), name()}].
already_named() ->
    case get(named) of
        undefined -> [];
        Named -> Named
    end.

-spec remember(socket()) -> ends() | unknown.
remember(Socket) ->
    case ends(Socket) of
        unknown -> unknown;
        Ends ->
            _ = put({ends, Socket}, Ends),
            Ends
    end.

%% A socket with a name of its own and no peer listens, or will.
-spec remember_listener(socket(), name()) -> [].
remember_listener(Socket, Name) ->
    case socket_facts:local(Socket) of
        {ok, Local} ->
            _ = put({listener, Socket}, {Name, Local}),
            [];
        error ->
            []
    end.

%% The sockets that listen, or did.
-spec listening() -> [{name(), tcp_state:address(), Closed :: boolean()}].
listening() ->
    [{Name, Local, socket_facts:is_closed(Socket)}
     || {{listener, Socket}, {Name, Local}} <- get()].

%% The connected sockets that have a name, each once, and what the kernel says of them. One that is called Sock (in Elixir sock) is
%% called so, whatever else it is called.
-spec states() -> [state()].
states() ->
    Named = lists:reverse(already_named()),
    [State || {Socket, Name} <- lists:ukeysort(1, preferred(Named)), State <- state(Socket, Name)].

-spec preferred([{socket(), name()}]) -> [{socket(), name()}].
preferred(Named) ->
    case [Each || {_, Name} = Each <- Named, Name =:= <<"Sock">> orelse Name =:= <<"sock">>] of
        [] -> Named;
        [Sock | _] -> [Sock | Named]
    end.

%% Nothing of a socket that is closed, that listens, or that was never connected.
-spec state(socket(), name()) -> [state()].
state(Socket, Name) ->
    case ends_of_open(Socket) of
        unknown -> [];
        {Local, Remote} = Ends ->
            case socket_facts:facts(Socket, Ends) of
                closed -> [];
                {State, Received, Unread} ->
                    [{Name, Local, Remote, Received, Unread, State}]
            end
    end.

%% A socket's two ends; of one that was reset or closed, as they were when it was bound to a variable.
-spec ends(socket()) -> ends() | unknown.
ends(Socket) ->
    case socket_facts:local(Socket) of
        {ok, Local} -> ends_from(Local, Socket);
        error -> remembered(Socket)
    end.

-spec ends_of_open(socket()) -> ends() | unknown.
ends_of_open(Socket) ->
    case socket_facts:local(Socket) of
        {ok, Local} -> ends_from(Local, Socket);
        error -> unknown
    end.

-spec ends_from(tcp_state:address(), socket()) -> ends() | unknown.
ends_from(Local, Socket) ->
    case socket_facts:peer(Socket) of
        {ok, Remote} ->
            {Local, Remote};
        error ->
            case remembered(Socket) of
                unknown -> unknown;
                {_, Remote} -> {Local, Remote}
            end
    end.

-spec remembered(socket()) -> ends() | unknown.
remembered(Socket) ->
    case get({ends, Socket}) of
        undefined -> unknown;
        Ends -> Ends
    end.

%% The sockets in a value, and what each of them is called: a variable's own by its name, those in its tuples and
%% lists by their place among them, unless there is only one.
-spec named(atom(), term()) -> [{socket(), name()}].
named(Variable, Value) ->
    Name = atom_to_binary(Variable, utf8),
    case sockets(Value) of
        [Socket] -> [{Socket, Name}];
        Sockets ->
            Places = lists:zip(Sockets, lists:seq(1, length(Sockets))),
            [{Socket, session_text:text("~ts[~w]", [Name, Place])} || {Socket, Place} <- Places]
    end.

%% The TCP socket below, of a socket of ssl; any other value is its own.
-spec tcp(term()) -> term().
tcp(Value) when is_tuple(Value), element(1, Value) =:= sslsocket ->
    case sockets(Value) of
        [Socket | _] -> Socket;
        [] -> Value
    end;
tcp(Value) ->
    Value.

-spec sockets(term()) -> [socket()].
sockets(Port) when is_port(Port) ->
    case erlang:port_info(Port, name) of
        {name, "tcp_inet"} -> [Port];
        _ -> []
    end;
sockets({'$inet', gen_tcp_socket, _} = Socket) -> [Socket];
sockets({'$socket', _} = Socket) -> [Socket];
sockets({ok, Value}) -> sockets(Value);
sockets(Tuple) when is_tuple(Tuple), tuple_size(Tuple) =< ?WIDE_MAX -> sockets(tuple_to_list(Tuple));
sockets([Value | Values]) when is_tuple(Value); is_port(Value); is_list(Value); is_atom(Value) ->
    sockets(Value) ++ sockets(Values);
sockets(_) -> [].
