%% The port at which the node's controller links: open until it has, then to nobody on any network.
-module(distribution_port).

-export([close_to_networks/0]).

-define(SOL_SOCKET, 1).
-define(SO_BINDTODEVICE, 25).

%% From here on the port takes connections over loopback alone, and the kernel refuses all others, although the node
%% listens on every address (a snapshot's node is told its own too late to choose one). Links that are up stay up.
%% Binding to a device needs no privilege since Linux 5.7 (sock_bindtoindex); where it is refused the cookie alone
%% keeps others out.
-spec close_to_networks() -> ok.
close_to_networks() ->
    Listening = [Socket || Field <- tuple_to_list(sys:get_state(net_kernel)), is_list(Field),
                           {listen, Socket, _, _, _} <- Field],
    _ = [bind_to_loopback(Socket) || Socket <- Listening],
    ok.

-spec bind_to_loopback(inet:socket() | {'$inet', module(), term()}) -> ok | {error, term()}.
bind_to_loopback({'$inet', _, {_, Socket}}) ->
    socket:setopt_native(Socket, {?SOL_SOCKET, ?SO_BINDTODEVICE}, <<"lo", 0>>);
bind_to_loopback(Socket) ->
    inet:setopts(Socket, [{raw, ?SOL_SOCKET, ?SO_BINDTODEVICE, <<"lo", 0>>}]).
