%% What the node says of itself and of its kernel.
-module(node_facts).

-export([facts/0, sysctls/1]).

-spec facts() -> #{binary() => binary()}.
facts() ->
    #{<<"kernel.osrelease">> := Kernel, <<"kernel.version">> := Build} =
        sysctls([<<"kernel.osrelease">>, <<"kernel.version">>]),
    #{<<"otp">> => list_to_binary(erlang:system_info(otp_release)),
      <<"erts">> => list_to_binary(erlang:system_info(version)),
      <<"kernel">> => Kernel,
      <<"kernel_build">> => Build,
      <<"backend">> => atom_to_binary(application:get_env(kernel, inet_backend, inet), utf8)}.

%% Those of these sysctls that the kernel has.
-spec sysctls([binary()]) -> #{binary() => binary()}.
sysctls(Names) ->
    maps:from_list([{Name, Value} || Name <- Names, {ok, Value} <- [sysctl(Name)]]).

-spec sysctl(binary()) -> {ok, binary()} | {error, file:posix()}.
sysctl(Name) ->
    case file:read_file(<<"/proc/sys/", (binary:replace(Name, <<".">>, <<"/">>, [global]))/binary>>) of
        {ok, Value} -> {ok, string:trim(Value)};
        {error, Reason} -> {error, Reason}
    end.
