%% Processes and messages.
-module(bench_runtime).
-export([ping_pong/2, ring/2, spawn_exit/2, spawn_monitor/2, fan_in/2, skynet/2, idle/2]).

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

%% 4 senders, one receiver.
fan_in(N, _) ->
    Each = N div 4,
    Main = self(),
    {Receiver, Ref} =
        spawn_opt(fun() -> receive start -> Main ! {sum, receive_sum(4 * Each, 0)} end end,
                  [monitor, {message_queue_data, off_heap}, {min_heap_size, 100000}]),
    Senders = [spawn_link(fun() -> receive start -> send_all(Receiver, Each) end end)
               || _ <- lists:seq(1, 4)],
    {Ns, Sum} = bench_main:timed(fun() ->
                                         Receiver ! start,
                                         [S ! start || S <- Senders],
                                         receive {sum, Total} -> Total end
                                 end),
    erlang:demonitor(Ref, [flush]),
    {Ns, 4 * Each, "message", Sum =:= 4 * (Each * (Each + 1) div 2)}.

send_all(_, 0) -> ok;
send_all(To, N) -> To ! {add, N}, send_all(To, N - 1).

receive_sum(0, Sum) -> Sum;
receive_sum(N, Sum) -> receive {add, X} -> receive_sum(N - 1, Sum + X) end.

%% N leaves under a tree of ten children each; the sum of their numbers comes back up.
skynet(N, _) ->
    {Ns, {Sum, Processes}} =
        bench_main:timed(fun() ->
                                 Main = self(),
                                 spawn_link(fun() -> skynet_node(Main, 0, N) end),
                                 receive {sum, S, P} -> {S, P} end
                         end),
    {Ns, Processes, "process", Sum =:= N * (N - 1) div 2}.

skynet_node(Parent, Number, 1) -> Parent ! {sum, Number, 1};
skynet_node(Parent, Number, Size) ->
    Self = self(),
    %% The last part takes what ten does not divide, so that every size has an answer.
    Part = max(1, Size div 10),
    Children = skynet_children(Self, Number, Size, Part, 0),
    skynet_gather(Parent, Children, 0, 1).

skynet_children(_, _, 0, _, Children) -> Children;
skynet_children(Self, Number, Left, Part, Children) ->
    Size = case Children of 9 -> Left; _ -> min(Part, Left) end,
    spawn(fun() -> skynet_node(Self, Number, Size) end),
    skynet_children(Self, Number + Size, Left - Size, Part, Children + 1).

skynet_gather(Parent, 0, Sum, Processes) -> Parent ! {sum, Sum, Processes};
skynet_gather(Parent, Children, Sum, Processes) ->
    receive {sum, S, P} -> skynet_gather(Parent, Children - 1, Sum + S, Processes + P) end.

%% Bytes, not nanoseconds: what a waiting process keeps.
idle(N, _) ->
    erlang:garbage_collect(),
    Before = erlang:memory(total),
    Pids = [spawn(fun() -> receive stop -> ok end end) || _ <- lists:seq(1, N)],
    After = erlang:memory(total) - 16 * N,    % less the list of pids itself
    Alive = length([P || P <- Pids, is_process_alive(P)]),
    [P ! stop || P <- Pids],
    {After - Before, N, "bytes", Alive =:= N}.
