%% What happens in a play, as events, from when they happen until they are told to the controller.
%%
%% They are told at once where somebody looks on. Otherwise speed matters more: events are held until the close line,
%% or the end, and told in one message. A line may halt the node: what was told has left.
-module(play_events).

-include("play.hrl").

-export([said/2, with_sent/1, tell/2, tell_last/2, report_death/2, with_output/2]).
-export_type([ref/0, play/0]).

%% About how many bytes of what a line writes are kept.
-define(OUTPUT_MAX, 8192).

-type ref() :: binary().
-type play() :: #play{}.

%% A line returned.
-spec said(tuple(), play()) -> play().
said(Event, #play{output = [], live = false, held = Held, index = Index} = Play) ->
    Play#play{held = [Event | Held], index = Index + 1, said_ms = erlang:monotonic_time(millisecond)};
said(Event, #play{output = Output, live = Live} = Play) ->
    Next = said(with_output_before(Event, Output), Play#play{output = [], live = false}),
    case Live of
        true -> told(Next#play{live = true});
        false -> Next
    end.

%% What was sent so far, where that is not what was told before.
-spec with_sent(play()) -> play().
with_sent(#play{held = Held, sent = Told} = Play) ->
    case sent_bytes:sent() of
        Told -> Play;
        Sent -> Play#play{held = [{sent, Sent} | Held], sent = Sent}
    end.

-spec tell(tuple(), play()) -> play().
tell(Event, #play{held = Held} = Play) -> told(Play#play{held = [Event | Held]}).

%% What ends a play needs not be on the wire before anything else happens.
-spec tell_last(tuple(), play()) -> ok.
tell_last(Event, #play{from = From, ref = Ref, held = Held}) ->
    From ! {Ref, events, lists:reverse(Held, [Event])},
    ok.

-spec told(play()) -> play().
told(#play{from = From, ref = Ref, held = Held} = Play) ->
    From ! {Ref, events, lists:reverse(Held)},
    ok = flush_link(node(From)),
    Play#play{held = []}.

%% A session may halt the node with its next line: what was said so far has to be on the wire by then. A
%% port handles its signals in order, so an answer to port_info means that the messages before it are out.
-spec flush_link(node()) -> ok.
flush_link(Node) ->
    case lists:keyfind(Node, 1, erlang:system_info(dist_ctrl)) of
        {Node, Port} when is_port(Port) ->
            _ = erlang:port_info(Port, queue_size),
            ok;
        _ ->
            ok
    end.

%% What a line wrote stands before its result, as in a shell.
-spec with_output_before(tuple(), iodata()) -> tuple().
with_output_before({line, Index, Source, Printed, DurationUs, StartNs, Bound}, [_ | _] = Output) ->
    {line, Index, Source, session_text:shortened(iolist_to_binary([Output, Printed])), DurationUs, StartNs, Bound};
with_output_before(Event, []) ->
    Event.

-spec with_output(iodata(), play()) -> play().
with_output([], Play) -> Play;
with_output(_, #play{session = none} = Play) -> Play;
with_output(Chars, #play{output = Output} = Play) ->
    case iolist_size(Output) > ?OUTPUT_MAX of
        true -> Play;
        false -> Play#play{output = [Output, Chars]}
    end.

-spec report_death(term(), play()) -> ok.
report_death(Reason, #play{forms = Forms, index = Index, timer = Timer} = Play) ->
    _ = erlang:cancel_timer(Timer),
    {Source, _} = lists:nth(Index, Forms),
    tell_last(death(Reason, Source, Play), read_at_close(with_sent(Play))).

%% A session that died at its close line has closed what it had.
-spec read_at_close(play()) -> play().
read_at_close(#play{index = Close, close = Close, held = Held} = Play) ->
    Play#play{held = [{closed, kernel_counters:reading()} | Held]};
read_at_close(Play) ->
    Play.

-spec death(term(), binary(), play()) -> tuple().
death(killed, Source, #play{late = true, index = Index}) ->
    {timed_out, Index, Source};
death({session_lines, crashed, Text}, Source, #play{index = Index, output = Output}) ->
    {crashed, Index, Source, session_text:shortened(iolist_to_binary([Output, Text]))};
death(Reason, Source, #play{index = Index, output = Output}) ->
    Text = session_text:text("** exited: ~tp", [Reason]),
    {crashed, Index, Source, session_text:shortened(iolist_to_binary([Output, Text]))}.
