%% Growth curves: the cost of one operation beside more and more of what it does not, or hardly, touch.
-module(bench_growth).
-export([processes/2, backlog/2, children/2, links/2]).

%% One of Count waiting processes after another is asked and answers.
processes(N, #{count := Count}) ->
    Pids = list_to_tuple([spawn(fun answer/0) || _ <- lists:seq(1, Count)]),
    {Ns, N} = bench_main:timed(fun() -> ask(Pids, Count, 0, N, 0) end),
    [exit(Pid, kill) || Pid <- tuple_to_list(Pids)],
    {Ns, N, "question", true}.

answer() -> receive {ask, From, J} -> From ! {answer, J}, answer() end.

ask(_, _, N, N, Right) -> Right;
ask(Pids, Count, J, N, Right) ->
    element(J * 7919 rem Count + 1, Pids) ! {ask, self(), J},
    receive {answer, J} -> ask(Pids, Count, J + 1, N, Right + 1) end.

%% A call by a process in whose mailbox Count messages wait. Off the heap, or each collection would copy them.
backlog(N, #{count := Count}) ->
    _ = process_flag(message_queue_data, off_heap),
    [self() ! not_now || _ <- lists:seq(1, Count)],
    Result = bench_supervisor:call(N, #{}),
    flush(),
    Result.

flush() -> receive not_now -> flush() after 0 -> ok end.

children(N, #{count := Count}) -> bench_supervisor:restart(N, #{siblings => Count - 1}).

%% A process that is linked to Count others starts one more by spawn_link and receives its end.
links(N, #{count := Count}) ->
    process_flag(trap_exit, true),
    Others = [spawn_link(fun() -> receive stop -> ok end end) || _ <- lists:seq(1, Count)],
    Result = bench_runtime:link_exit(N, #{}),
    [begin unlink(Pid), exit(Pid, kill) end || Pid <- Others],
    process_flag(trap_exit, false),
    Result.
