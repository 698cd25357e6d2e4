%% The counters of the node's network namespace: /proc/net/netstat and /proc/net/snmp as they are. Whoever asked finds
%% the ones he wants in them: an interpreted node would take longer for that than for all else in a reading.
-module(kernel_counters).

-export([reading/0]).
-export_type([reading/0]).

%% Bytes of a file that are read: netstat has 4 to 6 thousand.
-define(PROC_MAX, 16384).

-type reading() :: {FromNs :: integer(), ToNs :: integer(), Files :: [binary()]}.

%% Both files, and between which two moments of the kernel's clock (and so of a capture's; erlang:system_time/1 may lag
%% behind) they were read.
-spec reading() -> reading().
reading() ->
    FromNs = os:system_time(nanosecond),
    Netstat = content(netstat, "/proc/net/netstat"),
    Snmp = content(snmp, "/proc/net/snmp"),
    {FromNs, os:system_time(nanosecond), [Netstat, Snmp]}.

%% One read of a file that stays open takes a quarter of the time: each call crosses to an I/O thread.
-spec content(netstat | snmp, file:filename()) -> binary().
content(Name, Path) ->
    case get(Name) of
        undefined ->
            {ok, File} = file:open(Path, [read, raw, binary]),
            _ = put(Name, File),
            content(Name, Path);
        File ->
            {ok, Content} = file:pread(File, 0, ?PROC_MAX),
            Content
    end.
