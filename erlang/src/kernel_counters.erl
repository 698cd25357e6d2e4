%% The counters of the node's network namespace, out of /proc/net/netstat and /proc/net/snmp.
%%
%% Both files have a line of names, then one of numbers, for each group. Where each wanted counter stands is found out
%% once for each list of names and kept as a pattern: an interpreted loop over the columns would be slow.
-module(kernel_counters).

-export([layout/1, reading/1, wanted/2, values/2]).
-export_type([layout/0, reading/0, wanted/0]).

%% Bytes of a file that are read: netstat has 4 to 6 thousand.
-define(PROC_MAX, 65536).

-type name() :: binary().
-type wanted() :: {[name()], Pattern :: tuple()}.
-type layout() :: [{file:fd(), [wanted()]}].
-type reading() :: {FromNs :: integer(), ToNs :: integer(), [{[name()], Values :: [binary()]}]}.

%% How to find these counters. One that this kernel does not have is left out.
-spec layout([name()]) -> layout().
layout(Names) ->
    case get({layout, Names}) of
        undefined ->
            Files = [opened(Path) || Path <- ["/proc/net/netstat", "/proc/net/snmp"]],
            Layout = [{File, Wanted} || File <- Files, [_ | _] = Wanted <- [wanted(content(File), Names)]],
            _ = put({layout, Names}, Layout),
            Layout;
        Layout ->
            Layout
    end.

%% The counters as text, each group with its names, and between which two moments of the kernel's clock (and so of a
%% capture's; erlang:system_time/1 may lag behind) they were read.
-spec reading(layout()) -> reading().
reading(Layout) ->
    FromNs = os:system_time(nanosecond),
    Read = [{content(File), Wanted} || {File, Wanted} <- Layout],
    ToNs = os:system_time(nanosecond),
    {FromNs, ToNs, [{Names, values(Content, Pattern)} || {Content, Wanted} <- Read, {Names, Pattern} <- Wanted]}.

%% One read of a file that stays open takes a quarter of the time: each call crosses to an I/O thread.
-spec opened(file:filename()) -> file:fd().
opened(Path) ->
    case get({opened, Path}) of
        undefined ->
            {ok, File} = file:open(Path, [read, raw, binary]),
            _ = put({opened, Path}, File),
            File;
        File ->
            File
    end.

-spec content(file:fd()) -> binary().
content(File) ->
    {ok, Content} = file:pread(File, 0, ?PROC_MAX),
    Content.

%% For each group that has some of these counters, their names and a pattern of its line of numbers.
-spec wanted(binary(), [name()]) -> [wanted()].
wanted(Content, Names) ->
    Lines = [string:lexemes(Line, " ") || Line <- binary:split(Content, <<"\n">>, [global, trim])],
    Groups = [{Group, [<<Group/binary, Word/binary>> || Word <- Words]} || [Group | Words] <- headers(Lines)],
    [pattern(Group, All, Names) || {Group, All} <- Groups, All -- Names =/= All].

-spec headers([Line]) -> [Line].
headers([Header, _ | Lines]) -> [Header | headers(Lines)];
headers([]) -> [].

-spec pattern(binary(), [name()], [name()]) -> wanted().
pattern(Group, All, Names) ->
    Columns = [case lists:member(N, Names) of true -> " ([-0-9]++)"; false -> " [-0-9]++" end || N <- All],
    {ok, Pattern} = re:compile(["^", Group, Columns, "$"], [multiline]),
    {[N || N <- All, lists:member(N, Names)], Pattern}.

-spec values(binary(), tuple()) -> [binary()].
values(Content, Pattern) ->
    {match, Values} = re:run(Content, Pattern, [{capture, all_but_first, binary}]),
    Values.
