-module(play_events_tests).

-include_lib("eunit/include/eunit.hrl").
-include("../src/play.hrl").

-define(REF, <<"1">>).

line(Printed) -> {line, 1, <<"a.">>, Printed, 0, 0, []}.

%% A play of the line `a.`, told to this process.
play() ->
    #play{session = self(), from = self(), ref = ?REF, forms = [{<<"a.">>, []}],
          timer = erlang:send_after(60000, self(), overdue)}.

told() -> receive {?REF, events, Events} -> Events after 0 -> none end.

with_counts(Test) ->
    ok = sent_bytes:new(),
    try Test() after ets:delete(sent_bytes) end.

a_line_is_held_until_more_is_told_test() ->
    Play = play_events:said(line(<<"ok">>), play()),
    ?assertEqual({[line(<<"ok">>)], 2, none}, {Play#play.held, Play#play.index, told()}).

a_line_is_told_at_once_where_somebody_looks_on_test() ->
    Play = play_events:said(line(<<"ok">>), (play())#play{live = true}),
    ?assertEqual({[], [line(<<"ok">>)]}, {Play#play.held, told()}).

what_is_held_is_told_in_its_order_test() ->
    Play = play_events:tell(second, play_events:said(line(<<"ok">>), play())),
    ?assertEqual({[], [line(<<"ok">>), second]}, {Play#play.held, told()}).

the_last_event_comes_after_all_others_test() ->
    ok = play_events:tell_last(last, (play())#play{held = [second, first]}),
    ?assertEqual([first, second, last], told()).

what_a_line_wrote_stands_before_its_result_test() ->
    Play = play_events:said(line(<<"ok">>), play_events:with_output("hello\n", play())),
    ?assertEqual({[line(<<"hello\nok">>)], []}, {Play#play.held, Play#play.output}).

nothing_is_written_where_nothing_is_played_test() ->
    ?assertEqual(#play{}, play_events:with_output("hello\n", #play{})).

more_output_than_is_kept_is_left_out_test() ->
    Full = play_events:with_output(lists:duplicate(9000, $x), play()),
    ?assertEqual(Full, play_events:with_output("y", Full)).

a_death_is_told_by_its_reason_test_() ->
    [?_assertEqual([Event], with_counts(fun() -> ok = play_events:report_death(Reason, Play), told() end))
     || {Reason, Play, Event} <-
            [{killed, (play())#play{late = true}, {timed_out, 1, <<"a.">>}},
             {{session_lines, crashed, <<"** error">>}, play(), {crashed, 1, <<"a.">>, <<"** error">>}},
             {killed, play(), {crashed, 1, <<"a.">>, <<"** exited: killed">>}}]].

a_session_that_dies_at_its_close_line_is_closed_test() ->
    Events = with_counts(fun() -> ok = play_events:report_death(killed, (play())#play{close = 1}), told() end),
    ?assertMatch([{closed, _}, {crashed, 1, <<"a.">>, _}], Events).

bytes_sent_are_told_where_they_changed_test() ->
    Sent = [{{{127, 0, 0, 1}, 1}, {{127, 0, 0, 1}, 2}, 18}],
    Play = with_counts(
        fun() ->
            true = ets:insert(sent_bytes, {socket, 18, {{{127, 0, 0, 1}, 1}, {{127, 0, 0, 1}, 2}}}),
            play_events:with_sent(play_events:with_sent(play()))
        end),
    ?assertEqual({[{sent, Sent}], Sent}, {Play#play.held, Play#play.sent}).
