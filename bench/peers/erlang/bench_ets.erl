%% Tables: P processes on one set of R rows, keys (J * 7919) rem R. A table that one process writes
%% is protected and its writer is the owner; one that several write is public.
-module(bench_ets).
-export([lookup/2, lookup_miss/2, lookup_text/2, lookup_wide/2, insert/2, insert_new_delete/2, update_counter/2,
         update_counter_one_key/2, mixed_90_10/2, select_scan/2, first_next/2,
         ordered_lookup/2, ordered_insert_over/2, ordered_range_100/2]).

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

lookup_miss(N, #{rows := Rows, processes := P}) ->
    Table = table(Rows, [protected, {read_concurrency, P > 1}]),
    shared(Table, P, N, Rows, fun misses/5, "lookup").

%% Keys of 24 bytes.
lookup_text(N, #{rows := Rows, processes := P}) ->
    Keys = list_to_tuple([iolist_to_binary(io_lib:format("key of 24 bytes, ~7..0b", [K]))
                          || K <- lists:seq(0, Rows - 1)]),
    Table = ets:new(bench, [set, protected, {read_concurrency, P > 1}]),
    [ets:insert(Table, {element(K + 1, Keys), K}) || K <- lists:seq(0, Rows - 1)],
    Work = fun(T, J, Last, R, Sum) -> text_lookups(T, Keys, J, Last, R, Sum) end,
    shared(Table, P, N, Rows, Work, "lookup").

%% Values of 200 bytes, held off the row as Erlang holds binaries of that size.
lookup_wide(N, #{rows := Rows, processes := P}) ->
    Table = ets:new(bench, [set, protected, {read_concurrency, P > 1}]),
    [ets:insert(Table, {K, <<K:64, 0:1536>>}) || K <- lists:seq(0, Rows - 1)],
    shared(Table, P, N, Rows, fun wide_lookups/5, "lookup").

insert_new_delete(N, #{rows := Rows, processes := P}) ->
    Table = table(Rows, access(P)),
    shared(Table, P, N, Rows, fun new_and_deleted/5, "pair").

update_counter_one_key(N, #{rows := Rows, processes := P}) ->
    Table = table(Rows, access(P)),
    {Ns, Total, _, _} = shared(Table, P, N, Rows, fun updates_of_one/5, "update", keep),
    [{1, Value}] = ets:lookup(Table, 1),
    ets:delete(Table),
    {Ns, Total, "update", Value =:= Total + 1}.

mixed_90_10(N, #{rows := Rows, processes := P}) ->
    Table = table(Rows, [{read_concurrency, P > 1} | access(P)]),
    shared(Table, P, N, Rows, fun mixed/5, "operation").

%% All rows, as often as makes N.
select_scan(N, #{rows := Rows}) ->
    Table = table(Rows, [protected]),
    Spec = [{{'_', '$1'}, [{'>=', '$1', 0}], [true]}],
    scans(Table, N, Rows, fun() -> ets:select_count(Table, Spec) end).
first_next(N, #{rows := Rows}) ->
    Table = table(Rows, [protected]),
    scans(Table, N, Rows, fun() -> walk(Table, ets:first(Table), 0) end).

scans(Table, N, Rows, Scan) ->
    Times = max(1, N div Rows),
    {Ns, Seen} = bench_main:timed(fun() -> lists:sum([Scan() || _ <- lists:seq(1, Times)]) end),
    ets:delete(Table),
    {Ns, Times * Rows, "row", Seen =:= Times * Rows}.

walk(_, '$end_of_table', Seen) -> Seen;
walk(Table, Key, Seen) -> walk(Table, ets:next(Table, Key), Seen + 1).

ordered_lookup(N, #{rows := Rows, processes := P}) ->
    shared(ordered(Rows, P), P, N, Rows, fun lookups/5, "lookup").
ordered_insert_over(N, #{rows := Rows, processes := P}) ->
    shared(ordered(Rows, P), P, N, Rows, fun inserts/5, "insert").
ordered_range_100(N, #{rows := Rows, processes := P}) ->
    shared(ordered(Rows, P), P, N, Rows, fun ranges/5, "row").

ordered(Rows, P) ->
    Table = ets:new(bench, [ordered_set, public, {read_concurrency, P > 1}, {write_concurrency, P > 1}]),
    [ets:insert(Table, {K, K}) || K <- lists:seq(0, Rows - 1)],
    Table.

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

misses(_, N, N, _, Sum) -> Sum;
misses(Table, J, N, Rows, Sum) ->
    misses(Table, J + 1, N, Rows, Sum + length(ets:lookup(Table, -1 - (J * 7919) rem Rows))).

text_lookups(_, _, N, N, _, Sum) -> Sum;
text_lookups(Table, Keys, J, N, Rows, Sum) ->
    K = (J * 7919) rem Rows,
    [{_, Value}] = ets:lookup(Table, element(K + 1, Keys)),
    text_lookups(Table, Keys, J + 1, N, Rows, Sum + Value - K).

wide_lookups(_, N, N, _, Sum) -> Sum;
wide_lookups(Table, J, N, Rows, Sum) ->
    Key = (J * 7919) rem Rows,
    [{_, <<Value:64, _/binary>>}] = ets:lookup(Table, Key),
    wide_lookups(Table, J + 1, N, Rows, Sum + Value - Key).

%% Keys of its own for each process.
new_and_deleted(Table, J, N, Rows, Sum) ->
    new_and_deleted(Table, J, N, Rows, Sum, (1 + erlang:unique_integer([positive])) * Rows).
new_and_deleted(_, N, N, _, Sum, _) -> Sum;
new_and_deleted(Table, J, N, Rows, Sum, From) ->
    Key = From + (J * 7919) rem Rows,
    true = ets:insert_new(Table, {Key, Key}),
    true = ets:delete(Table, Key),
    new_and_deleted(Table, J + 1, N, Rows, Sum, From).

updates_of_one(_, N, N, _, Sum) -> Sum;
updates_of_one(Table, J, N, Rows, Sum) ->
    _ = ets:update_counter(Table, 1, 1),
    updates_of_one(Table, J + 1, N, Rows, Sum).

mixed(_, N, N, _, Sum) -> Sum;
mixed(Table, J, N, Rows, Sum) ->
    Key = (J * 7919) rem Rows,
    case J rem 10 of
        0 ->
            true = ets:insert(Table, {Key, Key}),
            mixed(Table, J + 1, N, Rows, Sum);
        _ ->
            [{_, Value}] = ets:lookup(Table, Key),
            mixed(Table, J + 1, N, Rows, Sum + Value - Key)
    end.

%% A hundred rows in order at every hundredth step, so that a figure is per row.
ranges(_, N, N, _, Sum) -> Sum;
ranges(Table, J, N, Rows, Sum) when J rem 100 =/= 0 -> ranges(Table, J + 1, N, Rows, Sum);
ranges(Table, J, N, Rows, Sum) ->
    From = (J * 7919) rem (Rows - 100),
    ranges(Table, J + 1, N, Rows, Sum + length(range(Table, From, From + 100)) - 100).

%% By steps: select/2 with guards on the key would look at every row of the table.
range(Table, Key, To) when is_integer(Key), Key < To ->
    ets:lookup(Table, Key) ++ range(Table, ets:next(Table, Key), To);
range(_, _, _) -> [].
