%% The counters of the node's network namespace: /proc/net/netstat and /proc/net/snmp as they are, with snmp6 where all
%% of them are wanted. Whoever asked finds his in them: an interpreted node would take longer for that than for all else
%% in a reading.
-module(kernel_counters).

-export([reading/0, whole_reading/0]).
-export_type([reading/0]).

%% Bytes of a file that are read: netstat has 4 to 6 thousand.
-define(PROC_MAX, 16384).

-type files() :: {file:fd(), file:fd()}.
-type reading() :: {FromNs :: integer(), ToNs :: integer(), Files :: [binary()]}.

%% Both files, and between which two moments of the kernel's clock (and so of a capture's; erlang:system_time/1 may lag
%% behind) they were read.
-spec reading() -> reading().
reading() ->
    {Netstat, Snmp} = files(get(counter_files)),
    FromNs = os:system_time(nanosecond),
    {ok, One} = file:pread(Netstat, 0, ?PROC_MAX),
    {ok, Other} = file:pread(Snmp, 0, ?PROC_MAX),
    {FromNs, os:system_time(nanosecond), [One, Other]}.

%% Every counter that there is. A kernel without IPv6 has no snmp6. Of its counters none is held against a moment: they
%% are read before the clock is.
-spec whole_reading() -> reading().
whole_reading() ->
    Snmp6 = snmp6(get(snmp6_file)),
    {FromNs, ToNs, Files} = reading(),
    {FromNs, ToNs, Files ++ [Snmp6]}.

%% One read of a file that stays open takes a quarter of the time: each call crosses to an I/O thread.
-spec files(undefined | files()) -> files().
files(undefined) ->
    {ok, Netstat} = file:open("/proc/net/netstat", [read, raw, binary]),
    {ok, Snmp} = file:open("/proc/net/snmp", [read, raw, binary]),
    _ = put(counter_files, {Netstat, Snmp}),
    {Netstat, Snmp};
files(Files) ->
    Files.

-spec snmp6(undefined | {ok, file:fd()} | {error, file:posix()}) -> binary().
snmp6(undefined) ->
    Opened = file:open("/proc/net/snmp6", [read, raw, binary]),
    _ = put(snmp6_file, Opened),
    snmp6(Opened);
snmp6({ok, File}) ->
    {ok, Content} = file:pread(File, 0, ?PROC_MAX),
    Content;
snmp6({error, enoent}) ->
    <<>>.
