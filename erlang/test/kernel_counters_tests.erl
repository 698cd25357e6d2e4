-module(kernel_counters_tests).

-include_lib("eunit/include/eunit.hrl").

a_reading_is_of_netstat_and_snmp_test() ->
    {_, _, Files} = kernel_counters:reading(),
    ?assertMatch([<<"TcpExt: ", _/binary>>, <<"Ip: ", _/binary>>], Files).

it_was_made_between_its_two_times_test() ->
    Before = os:system_time(nanosecond),
    {FromNs, ToNs, _} = kernel_counters:reading(),
    After = os:system_time(nanosecond),
    ?assertEqual([Before, FromNs, ToNs, After], lists:sort([Before, FromNs, ToNs, After])).

a_whole_reading_has_snmp6_too_which_is_empty_without_ipv6_test() ->
    {_, _, [_, _, Snmp6]} = kernel_counters:whole_reading(),
    ?assert(Snmp6 =:= <<>> orelse binary:match(Snmp6, <<"Ip6InReceives">>) =/= nomatch).

files_stay_open_test() ->
    _ = kernel_counters:reading(),
    Files = get(counter_files),
    _ = kernel_counters:reading(),
    ?assertEqual(Files, get(counter_files)).
