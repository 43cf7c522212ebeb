%% Processes and messages.
-module(bench_runtime).
-export([ping_pong/2, ring/2, spawn_exit/2, spawn_monitor/2, link_exit/2, fan_in/2, pairs/2, skynet/2, fork_join/2,
         yield/2, timer_arm_cancel/2, whereis/2, idle/2, million/2]).

ping_pong(N, _) ->
    Echo = spawn_link(fun echo/0),
    {Ns, N} = bench_main:timed(fun() -> pings(Echo, N, 0) end),
    unlink(Echo),
    exit(Echo, kill),
    {Ns, N, "round trip", true}.

echo() -> receive {ping, From} -> From ! pong, echo() end.

pings(_, 0, Pongs) -> Pongs;
pings(Echo, N, Pongs) ->
    Echo ! {ping, self()},
    receive pong -> pings(Echo, N - 1, Pongs + 1) end.

%% 1000 processes; one token makes N hops.
ring(N, _) ->
    Size = 1000,
    Main = self(),
    First = spawn_link(fun() -> ring_first(Main) end),
    Last = lists:foldl(fun(_, Next) -> spawn_link(fun() -> ring_member(Next, Main) end) end,
                       First, lists:seq(2, Size)),
    First ! {next, Last},
    {Ns, Left} = bench_main:timed(fun() -> First ! N, receive {done, L} -> L end end),
    {Ns, N, "hop", Left =:= 0}.

ring_first(Main) -> receive {next, Next} -> ring_member(Next, Main) end.

ring_member(_, Main) when Main =:= undefined -> ok;
ring_member(Next, Main) ->
    receive
        0 -> Main ! {done, 0}, ring_member(Next, Main);
        Hops -> Next ! Hops - 1, ring_member(Next, Main)
    end.

%% Batches of 100: the last of a batch to end says so.
spawn_exit(N, _) ->
    Batches = max(1, N div 100),
    Ended = atomics:new(1, []),
    Main = self(),
    Child = fun() ->
                    case atomics:add_get(Ended, 1, 1) rem 100 of
                        0 -> Main ! batch;
                        _ -> ok
                    end
            end,
    {Ns, ok} = bench_main:timed(fun() -> spawn_batches(Batches, Child) end),
    {Ns, Batches * 100, "process", atomics:get(Ended, 1) =:= Batches * 100}.

spawn_batches(0, _) -> ok;
spawn_batches(Batches, Child) ->
    spawn_some(100, Child),
    receive batch -> spawn_batches(Batches - 1, Child) end.

spawn_some(0, _) -> ok;
spawn_some(N, Child) -> spawn(Child), spawn_some(N - 1, Child).

spawn_monitor(N, _) ->
    {Ns, N} = bench_main:timed(fun() -> spawn_and_wait(N, 0) end),
    {Ns, N, "process", true}.

spawn_and_wait(0, Downs) -> Downs;
spawn_and_wait(N, Downs) ->
    {_, Ref} = erlang:spawn_monitor(fun() -> ok end),
    receive {'DOWN', Ref, process, _, normal} -> spawn_and_wait(N - 1, Downs + 1) end.

link_exit(N, _) ->
    process_flag(trap_exit, true),
    {Ns, N} = bench_main:timed(fun() -> link_and_wait(N, 0) end),
    {Ns, N, "process", true}.

link_and_wait(0, Ends) -> Ends;
link_and_wait(N, Ends) ->
    Pid = spawn_link(fun() -> ok end),
    receive {'EXIT', Pid, normal} -> link_and_wait(N - 1, Ends + 1) end.

%% Several senders, one receiver.
fan_in(N, Parameters) ->
    Count = maps:get(senders, Parameters, 4),
    Each = N div Count,
    Main = self(),
    {Receiver, Ref} =
        spawn_opt(fun() -> receive start -> Main ! {sum, receive_sum(Count * Each, 0)} end end,
                  [monitor, {message_queue_data, off_heap}, {min_heap_size, 100000}]),
    Senders = [spawn_link(fun() -> receive start -> send_all(Receiver, Each) end end)
               || _ <- lists:seq(1, Count)],
    {Ns, Sum} = bench_main:timed(fun() ->
                                         Receiver ! start,
                                         [S ! start || S <- Senders],
                                         receive {sum, Total} -> Total end
                                 end),
    erlang:demonitor(Ref, [flush]),
    {Ns, Count * Each, "message", Sum =:= Count * (Each * (Each + 1) div 2)}.

send_all(_, 0) -> ok;
send_all(To, N) -> To ! {add, N}, send_all(To, N - 1).

receive_sum(0, Sum) -> Sum;
receive_sum(N, Sum) -> receive {add, X} -> receive_sum(N - 1, Sum + X) end.

%% N leaves under a tree of ten children each; the sum of their numbers comes back up.
skynet(N, _) -> tree(N, fun(Number) -> Number end, N * (N - 1) div 2).

%% The same with leaves that compute for some microseconds.
fork_join(N, _) ->
    tree(N, fun computed/1, lists:sum([computed(Number) || Number <- lists:seq(0, N - 1)])).

computed(Number) -> computed(Number, 2000).
computed(X, 0) -> X;
computed(X, Left) ->
    %% (X * 1103515245 + 12345) mod 2^31 in two halves: the whole product would be a big number.
    High = ((X bsr 16) * 1103515245) band 16#7fff,
    Low = (X band 16#ffff) * 1103515245,
    computed(((High bsl 16) + Low + 12345) band 16#7fffffff, Left - 1).

tree(N, Leaf, Expected) ->
    {Ns, {Sum, Processes}} =
        bench_main:timed(fun() ->
                                 Main = self(),
                                 spawn_link(fun() -> skynet_node(Main, Leaf, 0, N) end),
                                 receive {sum, S, P} -> {S, P} end
                         end),
    {Ns, Processes, "process", Sum =:= Expected}.

skynet_node(Parent, Leaf, Number, 1) -> Parent ! {sum, Leaf(Number), 1};
skynet_node(Parent, Leaf, Number, Size) ->
    Self = self(),
    %% The last part takes what ten does not divide, so that every size has an answer.
    Part = max(1, Size div 10),
    Children = skynet_children(Self, Leaf, Number, Size, Part, 0),
    skynet_gather(Parent, Children, 0, 1).

skynet_children(_, _, _, 0, _, Children) -> Children;
skynet_children(Self, Leaf, Number, Left, Part, Children) ->
    Size = case Children of 9 -> Left; _ -> min(Part, Left) end,
    spawn(fun() -> skynet_node(Self, Leaf, Number, Size) end),
    skynet_children(Self, Leaf, Number + Size, Left - Size, Part, Children + 1).

skynet_gather(Parent, 0, Sum, Processes) -> Parent ! {sum, Sum, Processes};
skynet_gather(Parent, Children, Sum, Processes) ->
    receive {sum, S, P} -> skynet_gather(Parent, Children - 1, Sum + S, Processes + P) end.

%% 64 independent pairs.
pairs(N, _) ->
    Each = N div 64,
    Main = self(),
    Pingers = [begin
                   Echo = spawn_link(fun echo/0),
                   spawn_link(fun() ->
                                      receive start -> ok end,
                                      Main ! {pongs, pings(Echo, Each, 0)}
                              end)
               end || _ <- lists:seq(1, 64)],
    {Ns, Pongs} = bench_main:timed(fun() ->
                                           [P ! start || P <- Pingers],
                                           lists:sum([receive {pongs, C} -> C end || _ <- Pingers])
                                   end),
    {Ns, 64 * Each, "round trip", Pongs =:= 64 * Each}.

%% Eight processes that do nothing else.
yield(N, _) ->
    Each = N div 8,
    Main = self(),
    Pids = [spawn_link(fun() -> receive start -> ok end, Main ! {yields, yields(Each, 0)} end)
            || _ <- lists:seq(1, 8)],
    {Ns, Sum} = bench_main:timed(fun() ->
                                         [P ! start || P <- Pids],
                                         lists:sum([receive {yields, C} -> C end || _ <- Pids])
                                 end),
    {Ns, 8 * Each, "yield", Sum =:= 8 * Each}.

yields(0, Done) -> Done;
yields(N, Done) -> erlang:yield(), yields(N - 1, Done + 1).

timer_arm_cancel(N, _) ->
    {Ns, N} = bench_main:timed(fun() -> timers(N, 0) end),
    {Ns, N, "timer", true}.

timers(0, Cancelled) -> Cancelled;
timers(N, Cancelled) ->
    Left = erlang:cancel_timer(erlang:send_after(3600000, self(), start)),
    timers(N - 1, Cancelled + case is_integer(Left) of true -> 1; false -> 0 end).

whereis(N, _) ->
    register(found, self()),
    {Ns, N} = bench_main:timed(fun() -> finds(N, 0) end),
    unregister(found),
    {Ns, N, "lookup", true}.

finds(0, Found) -> Found;
finds(N, Found) ->
    finds(N - 1, Found + case erlang:whereis(found) of undefined -> 0; _ -> 1 end).

%% Bytes of N processes that are alive at once and have each answered one message.
million(N, _) ->
    erlang:garbage_collect(),
    Before = erlang:memory(total),
    Pids = [spawn(fun() -> receive {ask, From} -> From ! answer end, receive stop -> ok end end)
            || _ <- lists:seq(1, N)],
    [P ! {ask, self()} || P <- Pids],
    [receive answer -> ok end || _ <- Pids],
    After = erlang:memory(total) - 16 * N,    % less the list of pids itself
    Alive = length([P || P <- Pids, is_process_alive(P)]),
    [P ! stop || P <- Pids],
    {After - Before, 1, "bytes", Alive =:= N}.

%% Bytes, not nanoseconds: what a waiting process keeps.
idle(N, _) ->
    erlang:garbage_collect(),
    Before = erlang:memory(total),
    Pids = [spawn(fun() -> receive stop -> ok end end) || _ <- lists:seq(1, N)],
    After = erlang:memory(total) - 16 * N,    % less the list of pids itself
    Alive = length([P || P <- Pids, is_process_alive(P)]),
    [P ! stop || P <- Pids],
    {After - Before, N, "bytes", Alive =:= N}.
