%% How many bytes a session has handed to each connected socket, counted in a table as they are handed over: what a
%% close cuts off, or an exit, was handed over all the same.
-module(sent_bytes).

-export([new/0, forget/0, call/2, sent/0]).

-define(COUNTED, sent_bytes).

-spec new() -> ok.
new() ->
    ?COUNTED = ets:new(?COUNTED, [named_table, public]),
    ok.

-spec forget() -> ok.
forget() ->
    true = ets:delete_all_objects(?COUNTED),
    ok.

%% What a session calls of other modules, in whatever process.
-spec call({module(), atom()} | fun(), [term()]) -> term().
call({gen_tcp, send}, [Socket, Data]) ->
    ok = handed_over(Socket, Data),
    gen_tcp:send(Socket, Data);
call({socket, send}, [Socket, Data]) ->
    ok = handed_over(Socket, Data),
    socket:send(Socket, Data);
call({ssl, send}, [Socket, Data]) ->
    ok = handed_over(socket_names:tcp(Socket), Data),
    ssl:send(Socket, Data);
call({Module, Name}, Arguments) ->
    apply(Module, Name, Arguments);
call(Fun, Arguments) ->
    apply(Fun, Arguments).

-spec handed_over(term(), term()) -> ok.
handed_over(Socket, Data) ->
    try counted(ets:member(?COUNTED, Socket) orelse socket_names:ends(Socket), Socket, iolist_size(Data))
    catch
        %% The call itself says what is wrong with its arguments.
        error:_ -> ok
    end.

-spec counted(true | tcp_state:ends() | unknown, term(), non_neg_integer()) -> ok.
counted(unknown, _, _) ->
    %% Closed, or no socket at all.
    ok;
counted(true, Socket, Size) ->
    _ = ets:update_counter(?COUNTED, Socket, Size),
    ok;
counted(Ends, Socket, Size) ->
    _ = ets:update_counter(?COUNTED, Socket, Size, {Socket, 0, Ends}),
    ok.

%% The bytes that each socket was handed so far.
-spec sent() -> [{Local :: tcp_state:address(), Remote :: tcp_state:address(), Bytes :: non_neg_integer()}].
sent() ->
    [{Local, Remote, Bytes} || {_, Bytes, {Local, Remote}} <- ets:tab2list(?COUNTED)].
