%% Savina's classics (Imam and Sarkar, AGERE 2014), with the sizes in bench/peers/README.md.
-module(bench_savina).
-export([thread_ring/2, counting/2, fork_join_throughput/2, fork_join_create/2, big/2,
         chameneos/2, banking/2, concurrent_dictionary/2, dining_philosophers/2, sieve/2]).

%% 100 actors pass a token N times; who holds it at the end is known beforehand.
thread_ring(N, _) ->
    Size = 100,
    Main = self(),
    First = spawn_link(fun() -> receive {next, Next} -> ring(0, Next, Main) end end),
    Second = lists:foldl(fun(Id, Next) -> spawn_link(fun() -> ring(Id, Next, Main) end) end,
                         First, lists:seq(Size - 1, 1, -1)),
    First ! {next, Second},
    {Ns, Holder} = bench_main:timed(fun() -> First ! N, receive {holder, Id} -> Id end end),
    {Ns, N, "hop", Holder =:= N rem Size}.

ring(Id, Next, Main) ->
    receive
        0 -> Main ! {holder, Id};
        Left -> Next ! Left - 1
    end,
    ring(Id, Next, Main).

%% One actor sends N increments to another and then asks for the sum.
counting(N, _) ->
    Main = self(),
    Counter = spawn_opt(fun() -> count(0) end, [link, {message_queue_data, off_heap}]),
    {Ns, Count} = bench_main:timed(fun() ->
                                           spawn_link(fun() -> increments(Counter, N, Main) end),
                                           receive {count, C} -> C end
                                   end),
    {Ns, N, "message", Count =:= N}.

increments(Counter, 0, Main) -> Counter ! {retrieve, Main};
increments(Counter, N, Main) -> Counter ! increment, increments(Counter, N - 1, Main).

count(C) ->
    receive
        increment -> count(C + 1);
        {retrieve, To} -> To ! {count, C}
    end.

%% 60 actors get N div 60 messages each, round robin.
fork_join_throughput(N, _) ->
    Actors = 60,
    Each = N div Actors,
    Main = self(),
    Pids = [spawn_opt(fun() -> throughput(Each, Main) end,
                      [link, {message_queue_data, off_heap}]) || _ <- lists:seq(1, Actors)],
    {Ns, Total} = bench_main:timed(fun() ->
                                           rounds(Each, Pids),
                                           lists:sum([receive {handled, H} -> H end || _ <- Pids])
                                   end),
    {Ns, Each * Actors, "message", Total =:= Each * Actors}.

rounds(0, _) -> ok;
rounds(Left, Pids) -> tell_all(Pids), rounds(Left - 1, Pids).

tell_all([]) -> ok;
tell_all([Pid | Rest]) -> Pid ! 1, tell_all(Rest).

throughput(Each, Main) -> Main ! {handled, throughput_sum(Each, 0)}.
throughput_sum(0, Sum) -> Sum;
throughput_sum(Left, Sum) -> receive X -> throughput_sum(Left - 1, Sum + X) end.

%% N actors, one message each.
fork_join_create(N, _) ->
    Main = self(),
    {Ns, Total} = bench_main:timed(fun() ->
                                           create(N, Main),
                                           receive_done(N, 0)
                                   end),
    {Ns, N, "actor", Total =:= N}.

create(0, _) -> ok;
create(N, Main) ->
    Pid = spawn(fun() -> receive X -> Main ! {done, X} end end),
    Pid ! 1,
    create(N - 1, Main).

receive_done(0, Sum) -> Sum;
receive_done(N, Sum) -> receive {done, X} -> receive_done(N - 1, Sum + X) end.

%% 120 actors, each pings one at random, waits for the pong, and goes on.
big(N, _) ->
    Actors = 120,
    Each = N div Actors,
    Main = self(),
    Pids = [spawn_link(fun() -> big_actor(I, Each, Main) end) || I <- lists:seq(1, Actors)],
    All = list_to_tuple(Pids),
    {Ns, Pongs} = bench_main:timed(
                    fun() ->
                            [P ! {all, All} || P <- Pids],
                            lists:sum([receive {pongs, C} -> C end || _ <- Pids])
                    end),
    [P ! stop || P <- Pids],
    {Ns, Each * Actors, "ping", Pongs =:= Each * Actors}.

big_actor(I, Each, Main) ->
    receive
        {all, All} ->
            big_ping(All, I, Each, 0, Main)
    end.

big_ping(All, _, 0, Pongs, Main) ->
    Main ! {pongs, Pongs},
    big_serve(All);
big_ping(All, Random, Left, Pongs, Main) ->
    Next = next_random(Random),
    element(1 + Next rem tuple_size(All), All) ! {ping, self()},
    big_wait(All, Next, Left, Pongs, Main).

big_wait(All, Random, Left, Pongs, Main) ->
    receive
        {ping, From} -> From ! pong, big_wait(All, Random, Left, Pongs, Main);
        pong -> big_ping(All, Random, Left - 1, Pongs + 1, Main)
    end.

big_serve(All) ->
    receive
        {ping, From} -> From ! pong, big_serve(All);
        stop -> ok
    end.

%% The generator every contender uses.
next_random(X) -> (X * 1103515245 + 12345) band 16#7fffffff.

%% 100 creatures meet N times at one mall.
chameneos(N, _) ->
    Creatures = 100,
    Main = self(),
    {Ns, Meetings} = bench_main:timed(
                       fun() ->
                               Mall = spawn_link(fun() -> mall(N, Creatures, none, Main) end),
                               [spawn_link(fun() -> creature(Mall, I rem 3, 0) end)
                                || I <- lists:seq(1, Creatures)],
                               receive {meetings, M} -> M end
                       end),
    {Ns, N, "meeting", Meetings =:= 2 * N}.

mall(0, Creatures, Waiting, Main) ->
    case Waiting of
        none -> ok;
        {First, _} -> First ! stop
    end,
    mall_close(Creatures, 0, Main);
mall(Left, Creatures, none, Main) ->
    receive {meet, Who, Colour} -> mall(Left, Creatures, {Who, Colour}, Main) end;
mall(Left, Creatures, {First, FirstColour}, Main) ->
    receive
        {meet, Second, Colour} ->
            First ! {met, Colour},
            Second ! {met, FirstColour},
            mall(Left - 1, Creatures, none, Main)
    end.

mall_close(0, Sum, Main) -> Main ! {meetings, Sum};
mall_close(Creatures, Sum, Main) ->
    receive
        {meet, Who, _} -> Who ! stop, mall_close(Creatures, Sum, Main);
        {count, Meetings} -> mall_close(Creatures - 1, Sum + Meetings, Main)
    end.

creature(Mall, Colour, Meetings) ->
    Mall ! {meet, self(), Colour},
    receive
        {met, Other} -> creature(Mall, complement(Colour, Other), Meetings + 1);
        stop -> Mall ! {count, Meetings}
    end.

complement(Colour, Colour) -> Colour;
complement(A, B) -> 3 - A - B.

%% 1000 accounts; a debit waits until the other account has answered the credit.
banking(N, _) ->
    Accounts = 1000,
    Teller = self(),
    Pids = [spawn_link(fun() -> account(1000000) end) || _ <- lists:seq(1, Accounts)],
    All = list_to_tuple(Pids),
    {Ns, Done} = bench_main:timed(fun() -> transfers(All, Teller, N, 7919), replies(N, 0) end),
    Balance = lists:sum([begin P ! {balance, self()}, receive {balance, B} -> B end end
                         || P <- Pids]),
    [P ! stop || P <- Pids],
    {Ns, N, "transfer", Done =:= N andalso Balance =:= Accounts * 1000000}.

%% From the lower to the higher account: a circle of waiting accounts cannot come about.
transfers(_, _, 0, _) -> ok;
transfers(All, Teller, Left, Random) ->
    R1 = next_random(Random),
    R2 = next_random(R1),
    Size = tuple_size(All),
    From = (R1 div 65536) rem (Size - 1),
    To = From + 1 + (R2 div 65536) rem (Size - 1 - From),
    element(From + 1, All) ! {debit, element(To + 1, All), 1, Teller},
    transfers(All, Teller, Left - 1, R2).

replies(0, Done) -> Done;
replies(N, Done) -> receive done -> replies(N - 1, Done + 1) end.

account(Balance) ->
    receive
        {credit, From, Amount} ->
            From ! credited,
            account(Balance + Amount);
        {debit, To, Amount, Teller} ->
            To ! {credit, self(), Amount},
            receive credited -> Teller ! done end,
            account(Balance - Amount);
        {balance, From} ->
            From ! {balance, Balance},
            account(Balance);
        stop -> ok
    end.

%% 20 workers, one dictionary actor, one write in ten.
concurrent_dictionary(N, _) ->
    Workers = 20,
    Each = N div Workers,
    Main = self(),
    Dictionary = spawn_link(fun() -> dictionary(#{}) end),
    Pids = [spawn_link(fun() -> receive start -> Main ! {answers, ask(Dictionary, I, Each, 0)} end
                       end) || I <- lists:seq(1, Workers)],
    {Ns, Answers} = bench_main:timed(
                      fun() ->
                              [P ! start || P <- Pids],
                              lists:sum([receive {answers, A} -> A end || _ <- Pids])
                      end),
    Dictionary ! stop,
    {Ns, Each * Workers, "operation", Answers =:= Each * Workers}.

dictionary(Map) ->
    receive
        {write, Key, Value, From} -> From ! {value, Value}, dictionary(Map#{Key => Value});
        {read, Key, From} -> From ! {value, maps:get(Key, Map, 0)}, dictionary(Map);
        stop -> ok
    end.

ask(_, _, 0, Answers) -> Answers;
ask(Dictionary, Random, Left, Answers) ->
    Next = next_random(Random),
    Key = (Next div 65536) rem 512,
    case Left rem 10 of
        0 -> Dictionary ! {write, Key, Left, self()};
        _ -> Dictionary ! {read, Key, self()}
    end,
    receive {value, _} -> ask(Dictionary, Next, Left - 1, Answers + 1) end.

%% 20 philosophers; the arbitrator denies who lacks a fork, and whoever is denied asks again.
dining_philosophers(N, _) ->
    Seats = 20,
    Each = N div Seats,
    Main = self(),
    {Ns, Meals} = bench_main:timed(
                    fun() ->
                            Free = list_to_tuple([true || _ <- lists:seq(1, Seats)]),
                            Arbitrator = spawn_link(fun() -> arbitrate(Free) end),
                            [spawn_link(fun() -> dine(Arbitrator, Seat, Each, 0, Main) end)
                             || Seat <- lists:seq(1, Seats)],
                            Sum = lists:sum([receive {meals, M} -> M end
                                             || _ <- lists:seq(1, Seats)]),
                            Arbitrator ! stop,
                            Sum
                    end),
    {Ns, Each * Seats, "meal", Meals =:= Each * Seats}.

arbitrate(Free) ->
    receive
        {hungry, Seat, From} ->
            Other = other_fork(Seat, Free),
            case element(Seat, Free) andalso element(Other, Free) of
                true ->
                    From ! eat,
                    arbitrate(setelement(Seat, setelement(Other, Free, false), false));
                false ->
                    From ! denied,
                    arbitrate(Free)
            end;
        {done, Seat} ->
            arbitrate(setelement(Seat, setelement(other_fork(Seat, Free), Free, true), true));
        stop -> ok
    end.

other_fork(Seat, Free) -> 1 + Seat rem tuple_size(Free).

dine(_, _, 0, Meals, Main) -> Main ! {meals, Meals};
dine(Arbitrator, Seat, Left, Meals, Main) ->
    Arbitrator ! {hungry, Seat, self()},
    receive
        eat ->
            Arbitrator ! {done, Seat},
            dine(Arbitrator, Seat, Left - 1, Meals + 1, Main);
        denied ->
            dine(Arbitrator, Seat, Left, Meals, Main)
    end.

%% The odd numbers up to N run through a chain of filters that hold 1000 primes each.
sieve(N, _) ->
    Main = self(),
    {Ns, Primes} = bench_main:timed(
                     fun() ->
                             First = spawn_filter(2, Main),
                             candidates(3, N, First),
                             receive {primes, P} -> P end
                     end),
    {Ns, (N - 1) div 2, "candidate", Primes =:= prime_count(N)}.

candidates(X, N, First) when X > N -> First ! done;
candidates(X, N, First) -> First ! X, candidates(X + 2, N, First).

%% Divisors, ascending, are what candidates are tried against; Recent primes, newest first, join
%% them only once a candidate is so large that it needs them.
filter(Divisors, Recent, Count, Next, Main) ->
    receive
        done when Next =:= none -> Main ! {primes, Count};
        done -> Next ! {done_after, Count};
        {done_after, Before} when Next =:= none -> Main ! {primes, Before + Count};
        {done_after, Before} -> Next ! {done_after, Before + Count};
        X -> candidate(X, Divisors, Recent, Count, Next, Main)
    end.

candidate(X, Divisors, Recent, Count, Next, Main) ->
    case divided(X, Divisors) of
        true -> filter(Divisors, Recent, Count, Next, Main);
        unknown when Recent =/= [] ->
            candidate(X, Divisors ++ lists:reverse(Recent), [], Count, Next, Main);
        _ when Count < 1000 -> filter(Divisors, [X | Recent], Count + 1, Next, Main);
        _ when Next =:= none -> filter(Divisors, Recent, Count, spawn_filter(X, Main), Main);
        _ -> Next ! X, filter(Divisors, Recent, Count, Next, Main)
    end.

spawn_filter(Prime, Main) ->
    spawn_opt(fun() -> filter([Prime], [], 1, none, Main) end,
              [link, {message_queue_data, off_heap}]).

divided(X, [P | _]) when P * P > X -> false;
divided(X, [P | _]) when X rem P =:= 0 -> true;
divided(X, [_ | Rest]) -> divided(X, Rest);
divided(_, []) -> unknown.

%% The answer by other means: trial division over the odd numbers.
prime_count(N) when N < 2 -> 0;
prime_count(N) -> 1 + length([X || X <- lists:seq(3, N, 2), is_prime(X, 3)]).
is_prime(X, D) when D * D > X -> true;
is_prime(X, D) when X rem D =:= 0 -> false;
is_prime(X, D) -> is_prime(X, D + 2).
