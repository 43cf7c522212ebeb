%% Tables: P processes on one set of R rows, keys (J * 7919) rem R. A table that one process writes
%% is protected and its writer is the owner; one that several write is public.
-module(bench_ets).
-export([lookup/2, insert/2, update_counter/2]).

lookup(N, #{rows := Rows, processes := P}) ->
    Table = table(Rows, [protected, {read_concurrency, P > 1}]),
    shared(Table, P, N, Rows, fun lookups/5, "lookup").

insert(N, #{rows := Rows, processes := P}) ->
    Table = table(Rows, access(P)),
    shared(Table, P, N, Rows, fun inserts/5, "insert").

update_counter(N, #{rows := Rows, processes := P}) ->
    Table = table(Rows, access(P)),
    {Ns, Total, _, _} = shared(Table, P, N, Rows, fun updates/5, "update", keep),
    %% Row K began as K; every update added one.
    Sum = ets:foldl(fun({_, V}, Acc) -> Acc + V end, 0, Table),
    ets:delete(Table),
    {Ns, Total, "update", Sum =:= Rows * (Rows - 1) div 2 + Total}.

access(1) -> [protected];
access(_) -> [public, {write_concurrency, true}].

table(Rows, Options) ->
    Table = ets:new(bench, [set | Options]),
    [ets:insert(Table, {K, K}) || K <- lists:seq(0, Rows - 1)],
    Table.

shared(Table, P, N, Rows, Work, Unit) ->
    Result = shared(Table, P, N, Rows, Work, Unit, keep),
    ets:delete(Table),
    Result.

%% One process works itself, so that the owner's writes are the owner's.
shared(Table, 1, N, Rows, Work, Unit, keep) ->
    {Ns, Sum} = bench_main:timed(fun() -> Work(Table, 0, N, Rows, 0) end),
    {Ns, N, Unit, Sum =:= 0};
shared(Table, P, N, Rows, Work, Unit, keep) ->
    Each = N div P,
    Main = self(),
    Workers = [spawn_link(fun() ->
                                  receive start -> ok end,
                                  Main ! {sum, Work(Table, 0, Each, Rows, 0)}
                          end) || _ <- lists:seq(1, P)],
    {Ns, Sums} = bench_main:timed(fun() ->
                                          [W ! start || W <- Workers],
                                          [receive {sum, S} -> S end || _ <- Workers]
                                  end),
    {Ns, Each * P, Unit, lists:sum(Sums) =:= 0}.

lookups(_, N, N, _, Sum) -> Sum;
lookups(Table, J, N, Rows, Sum) ->
    Key = (J * 7919) rem Rows,
    [{_, Value}] = ets:lookup(Table, Key),
    lookups(Table, J + 1, N, Rows, Sum + Value - Key).

inserts(_, N, N, _, Sum) -> Sum;
inserts(Table, J, N, Rows, Sum) ->
    Key = (J * 7919) rem Rows,
    true = ets:insert(Table, {Key, Key}),
    inserts(Table, J + 1, N, Rows, Sum).

updates(_, N, N, _, Sum) -> Sum;
updates(Table, J, N, Rows, Sum) ->
    _ = ets:update_counter(Table, (J * 7919) rem Rows, 1),
    updates(Table, J + 1, N, Rows, Sum).
