-module(kernel_counters_tests).

-include_lib("eunit/include/eunit.hrl").

-define(SNMP, <<"Tcp: RtoAlgorithm MaxConn OutRsts InErrs\nTcp: 1 -1 17 0\nUdp: InDatagrams\nUdp: 5\n">>).

read(Content, Names) ->
    [{Found, kernel_counters:values(Content, Pattern)} || {Found, Pattern} <- kernel_counters:wanted(Content, Names)].

a_counter_is_read_from_its_column_test() ->
    ?assertEqual([{[<<"Tcp:OutRsts">>], [<<"17">>]}], read(?SNMP, [<<"Tcp:OutRsts">>])).

a_counter_may_be_negative_test() ->
    ?assertEqual([{[<<"Tcp:MaxConn">>], [<<"-1">>]}], read(?SNMP, [<<"Tcp:MaxConn">>])).

each_group_has_its_own_test() ->
    ?assertEqual([{[<<"Tcp:OutRsts">>], [<<"17">>]}, {[<<"Udp:InDatagrams">>], [<<"5">>]}],
                 read(?SNMP, [<<"Udp:InDatagrams">>, <<"Tcp:OutRsts">>])).

what_this_kernel_does_not_have_is_left_out_test() ->
    ?assertEqual([], read(?SNMP, [<<"TcpExt:TCPAbortOnClose">>, <<"Tcp:NoSuch">>])).
