-module(node_facts_tests).

-include_lib("eunit/include/eunit.hrl").

sysctls_are_read_without_their_line_ends_test() ->
    {ok, Text} = file:read_file("/proc/sys/kernel/osrelease"),
    ?assertEqual(#{<<"kernel.osrelease">> => string:trim(Text)}, node_facts:sysctls([<<"kernel.osrelease">>])).

a_sysctl_that_the_kernel_lacks_is_left_out_test() ->
    ?assertEqual(#{}, node_facts:sysctls([<<"net.ipv4.no_such">>])).

the_backend_is_inet_unless_it_was_chosen_test() ->
    ?assertMatch(#{<<"backend">> := <<"inet">>}, node_facts:facts()).
