%% Evaluated in the node before its own program starts. It waits for that, warms it up, so that a clone's first session
%% takes no longer than its second, says so, and then waits to be told the cookie and gen_tcp's backend.
%% No connection is made here, not even over loopback: TCP's secrets would be the same in all clones.
spawn(fun() ->
    Await = fun(Await) ->
        case whereis(rst_or_fin) of
            undefined -> timer:sleep(20), Await(Await);
            _ -> ok
        end
    end,
    ok = Await(Await),
    Modules = [gen_tcp, inet, inet_db, inet_tcp, inet6_tcp, prim_inet, gen_tcp_socket, socket, prim_socket,
               inet_tcp_dist, dist_util, erl_eval, erl_scan, erl_parse, erl_error, io_lib_pretty, shell_default, c],
    _ = [code:ensure_loaded(Module) || Module <- Modules],
    Play = {play, <<"{ok, Two} = {ok, 1 + 1}.\nTwo.">>, #{<<"Port">> => <<"80">>}, 0, 20000, false},
    Played = fun(Played, Ref) ->
        receive
            {Ref, events, Events} ->
                case lists:keymember(done, 1, Events) of
                    true -> ok;
                    false -> Played(Played, Ref)
                end
        after 20000 ->
            io:format(standard_error, "the first session did not end~n", []),
            erlang:halt(1)
        end
    end,
    %% Twice: a session is ended when the next one begins.
    _ = [begin rst_or_fin ! {self(), Ref, Play}, ok = Played(Played, Ref) end || Ref <- [<<"first">>, <<"second">>]],
    Told = open_port({spawn_executable, "/bin/cat"}, [{args, ["/tmp/told"]}, {line, 4096}]),
    ok = file:write_file("/tmp/said", "ready\n"),
    Line = fun() -> receive {Told, {data, {eol, Text}}} -> list_to_atom(Text) end end,
    true = erlang:set_cookie(node(), Line()),
    Backend = Line(),
    ok = application:set_env(kernel, inet_backend, Backend),
    ok = persistent_term:put({kernel, inet_backend}, Backend),
    ok = file:write_file("/tmp/said", "told\n")
end).
