%% Tables: P processes on one set of R rows, keys (J * 7919) rem R. A table that one process writes
%% is protected and its writer is the owner, unless access:public is asked for; one that several write is public.
-module(bench_ets).
-export([lookup/2, lookup_miss/2, lookup_zipf/2, lookup_text/2, lookup_wide/2, visit_wide/2, insert/2, insert_text/2, insert_new_delete/2, update_counter/2,
         update_counter_one_key/2, mixed_90_10/2, select_scan/2, first_next/2,
         ordered_lookup/2, ordered_insert_over/2, ordered_range_100/2]).

lookup(N, #{rows := Rows, processes := P}) ->
    Table = table(Rows, [protected, {read_concurrency, P > 1}]),
    shared(Table, P, N, Rows, fun lookups/5, "lookup").

insert(N, #{rows := Rows, processes := P} = Parameters) ->
    Table = table(Rows, access(Parameters)),
    shared(Table, P, N, Rows, fun inserts/5, "insert").

update_counter(N, #{rows := Rows, processes := P} = Parameters) ->
    Table = table(Rows, access(Parameters)),
    {Ns, Total, _, _} = shared(Table, P, N, Rows, fun updates/5, "update", keep),
    %% Row K began as K; every update added one.
    Sum = ets:foldl(fun({_, V}, Acc) -> Acc + V end, 0, Table),
    ets:delete(Table),
    {Ns, Total, "update", Sum =:= Rows * (Rows - 1) div 2 + Total}.

lookup_miss(N, #{rows := Rows, processes := P}) ->
    Table = table(Rows, [protected, {read_concurrency, P > 1}]),
    shared(Table, P, N, Rows, fun misses/5, "lookup").

%% 65,536 ranks of a Zipf distribution, drawn before the clock starts.
lookup_zipf(N, #{rows := Rows, processes := P}) ->
    Ranks = zipf(Rows),
    Table = table(Rows, [protected, {read_concurrency, P > 1}]),
    Work = fun(T, J, Last, _, Sum) -> zipf_lookups(T, Ranks, J, Last, Sum) end,
    shared(Table, P, N, Rows, Work, "lookup").

zipf(Rows) ->
    {Cumulated, Sum} = lists:mapfoldl(fun(I, Before) ->
                                              After = Before + math:pow(I, -0.99),
                                              {After, After}
                                      end, 0.0, lists:seq(1, Rows)),
    Bounds = list_to_tuple(Cumulated),
    {Ranks, _} = lists:mapfoldl(fun(_, X) ->
                                        Y = xorshift(X),
                                        {rank(Bounds, (Y bsr 11) / 9007199254740992.0 * Sum, 0, Rows), Y}
                                end, 88172645463325252, lists:seq(1, 65536)),
    list_to_tuple(Ranks).

xorshift(X0) ->
    X1 = X0 bxor ((X0 bsl 13) band 16#ffffffffffffffff),
    X2 = X1 bxor (X1 bsr 7),
    X2 bxor ((X2 bsl 17) band 16#ffffffffffffffff).

%% The first whose bound is not below At.
rank(_, _, First, First) -> First;
rank(Bounds, At, First, End) ->
    Middle = (First + End) div 2,
    case element(Middle + 1, Bounds) < At of
        true -> rank(Bounds, At, Middle + 1, End);
        false -> rank(Bounds, At, First, Middle)
    end.

%% Keys of 24 bytes.
lookup_text(N, #{rows := Rows, processes := P}) ->
    {Table, Keys} = texts(Rows, [protected, {read_concurrency, P > 1}]),
    Work = fun(T, J, Last, R, Sum) -> text_lookups(T, Keys, J, Last, R, Sum) end,
    shared(Table, P, N, Rows, Work, "lookup").

insert_text(N, #{rows := Rows, processes := 1}) ->
    {Table, Keys} = texts(Rows, [protected]),
    Work = fun(T, J, Last, R, Sum) -> text_inserts(T, Keys, J, Last, R, Sum) end,
    shared(Table, 1, N, Rows, Work, "insert").

texts(Rows, Options) ->
    Keys = list_to_tuple([iolist_to_binary(io_lib:format("key of 24 bytes, ~7..0b", [K]))
                          || K <- lists:seq(0, Rows - 1)]),
    {filled(ets:new(bench, [set | Options]), Rows, fun(K) -> {element(K + 1, Keys), K} end), Keys}.

%% Values of 200 bytes, held off the row as Erlang holds binaries of that size. A lookup refers to one, whether all of it is
%% wanted or a part.
lookup_wide(N, #{rows := Rows, processes := P}) ->
    Table = filled(ets:new(bench, [set, protected, {read_concurrency, P > 1}]), Rows, fun(K) -> {K, <<K:64, 0:1536>>} end),
    shared(Table, P, N, Rows, fun wide_lookups/5, "lookup").
visit_wide(N, Parameters) -> lookup_wide(N, Parameters).

insert_new_delete(N, #{rows := Rows, processes := P} = Parameters) ->
    Table = table(Rows, access(Parameters)),
    shared(Table, P, N, Rows, fun new_and_deleted/5, "pair").

update_counter_one_key(N, #{rows := Rows, processes := P} = Parameters) ->
    Table = table(Rows, access(Parameters)),
    {Ns, Total, _, _} = shared(Table, P, N, Rows, fun updates_of_one/5, "update", keep),
    [{1, Value}] = ets:lookup(Table, 1),
    ets:delete(Table),
    {Ns, Total, "update", Value =:= Total + 1}.

mixed_90_10(N, #{rows := Rows, processes := P} = Parameters) ->
    Table = table(Rows, [{read_concurrency, P > 1} | access(Parameters)]),
    shared(Table, P, N, Rows, fun mixed/5, "operation").

%% All rows, by each process, as often as makes N.
select_scan(N, #{rows := Rows, processes := P}) ->
    Table = table(Rows, [protected, {read_concurrency, P > 1}]),
    Spec = [{{'_', '$1'}, [{'>=', '$1', 0}], [true]}],
    scans(Table, P, N, Rows, fun() -> ets:select_count(Table, Spec) end).
first_next(N, #{rows := Rows, processes := P}) ->
    Table = table(Rows, [protected, {read_concurrency, P > 1}]),
    scans(Table, P, N, Rows, fun() -> walk(Table, ets:first(Table), 0) end).

scans(Table, P, N, Rows, Scan) ->
    Times = max(1, N div P div Rows),
    Work = fun(_, _, _, _, _) -> lists:sum([Scan() - Rows || _ <- lists:seq(1, Times)]) end,
    {Ns, _, Unit, Right} = shared(Table, P, N, Rows, Work, "row"),
    {Ns, P * Times * Rows, Unit, Right}.

walk(_, '$end_of_table', Seen) -> Seen;
walk(Table, Key, Seen) -> walk(Table, ets:next(Table, Key), Seen + 1).

ordered_lookup(N, #{rows := Rows, processes := P}) ->
    shared(ordered(Rows, P), P, N, Rows, fun lookups/5, "lookup").
ordered_insert_over(N, #{rows := Rows, processes := P}) ->
    shared(ordered(Rows, P), P, N, Rows, fun inserts/5, "insert").
ordered_range_100(N, #{rows := Rows, processes := P}) ->
    shared(ordered(Rows, P), P, N, Rows, fun ranges/5, "row").

ordered(Rows, P) ->
    filled(ets:new(bench, [ordered_set, public, {read_concurrency, P > 1}, {write_concurrency, P > 1}]), Rows,
           fun(K) -> {K, K} end).

access(#{access := public, processes := 1}) -> [public];
access(#{processes := 1}) -> [protected];
access(_) -> [public, {write_concurrency, true}].

table(Rows, Options) -> filled(ets:new(bench, [set | Options]), Rows, fun(K) -> {K, K} end).

%% Row(0), Row(1), ..., a thousand at a time.
filled(Table, Rows, Row) -> filled(Table, 0, Rows, Row).
filled(Table, Rows, Rows, _) -> Table;
filled(Table, From, Rows, Row) ->
    To = min(Rows, From + 1000),
    true = ets:insert(Table, [Row(K) || K <- lists:seq(From, To - 1)]),
    filled(Table, To, Rows, Row).

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

text_inserts(_, _, N, N, _, Sum) -> Sum;
text_inserts(Table, Keys, J, N, Rows, Sum) ->
    K = (J * 7919) rem Rows,
    true = ets:insert(Table, {element(K + 1, Keys), K}),
    text_inserts(Table, Keys, J + 1, N, Rows, Sum).

zipf_lookups(_, _, N, N, Sum) -> Sum;
zipf_lookups(Table, Ranks, J, N, Sum) ->
    Key = element(1 + J band 16#ffff, Ranks),
    [{_, Value}] = ets:lookup(Table, Key),
    zipf_lookups(Table, Ranks, J + 1, N, Sum + Value - Key).

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
