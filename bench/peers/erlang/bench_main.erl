%% Erlang/OTP as a contender. Written to win, so:
%%   +S W:W      one scheduler a worker asked for;
%%   +sbt db     schedulers bound to cores, where the system allows it;
%%   +sbwt very_long  schedulers spin before they sleep, so that no hand-over pays a futex;
%%   message_queue_data off_heap for the receiver of a fan-in;
%%   read_concurrency and write_concurrency for tables that several processes use, neither for a table of one process;
%%   a fresh supervisor now and then, because one walks its list of recent restarts at each restart;
%%   reports off, where Heirloom's are made and thrown away;
%%   all measured code compiled by the JIT (no shell, no funs from an evaluator).
%%   +P          room for the million processes of skynet.
%% Start it as: erl -noinput +P 4194304 +S W:W +sbt db +sbwt very_long -pa DIR -s bench_main main
%%                  -extra --scenario S --n N --workers W
%% It prints one line of JSON. The scenarios are defined in bench/peers/README.md.
-module(bench_main).
-export([main/0, timed/1]).

main() ->
    try
        Options = options(init:get_plain_arguments()),
        maps:is_key("--list", Options) andalso list(),
        Scenario = maps:get("--scenario", Options),
        N = list_to_integer(maps:get("--n", Options)),
        {Nanoseconds, Operations, Unit, Check} = run(Scenario, N),
        io:format("{\"scenario\": \"~s\", \"contender\": \"erlang\", \"ns_per_op\": ~.3f, "
                  "\"unit\": \"~s\", \"check\": ~s}~n",
                  [Scenario, Nanoseconds / Operations, Unit, atom_to_list(Check)]),
        halt(case Check of true -> 0; false -> 1 end)
    catch
        throw:unknown -> halt(3);
        Class:Reason:Stack ->
            io:format(standard_error, "~p:~p ~p~n", [Class, Reason, Stack]),
            halt(1)
    end.

layers() ->
    #{"runtime" => bench_runtime, "ets" => bench_ets, "supervisor" => bench_supervisor,
      "savina" => bench_savina, "growth" => bench_growth}.

%% Every exported function of two arguments, behaviours' callbacks apart, is a scenario.
list() ->
    [io:format("~s/~s~n", [Layer, Name])
     || {Layer, Module} <- maps:to_list(layers()),
        {Name, 2} <- Module:module_info(exports), Name =/= handle_cast],
    halt(0).

options([Key, Value | Rest]) -> maps:put(Key, Value, options(Rest));
options([]) -> #{}.

%% Each scenario runs in a process of its own with a heap that need not grow while it is measured.
run(Scenario, N) ->
    [Layer | Rest] = string:split(Scenario, "/", all),
    {Names, Parameters} = lists:splitwith(fun(Part) -> not lists:member($:, Part) end, Rest),
    Module = case layers() of
                 #{Layer := Known} -> Known;
                 _ -> throw(unknown)
             end,
    Name = list_to_atom(lists:flatten(lists:join("_", Names))),
    Values = maps:from_list([begin
                                 [Key, Value] = string:split(Part, ":"),
                                 {list_to_atom(Key), value(Value)}
                             end || Part <- Parameters]),
    _ = code:ensure_loaded(Module),
    erlang:function_exported(Module, Name, 2) orelse throw(unknown),
    Main = self(),
    {Pid, Ref} = spawn_opt(fun() ->
                                   sets_up_enough(Name, Values) orelse Module:Name(max(1, N div 10), Values),
                                   erlang:garbage_collect(),
                                   Main ! {self(), Module:Name(N, Values)}
                           end,
                           [monitor, {min_heap_size, 100000}]),
    receive
        {Pid, Result} -> Result;
        {'DOWN', Ref, process, Pid, Reason} -> error(Reason)
    end.

%% Making a hundred thousand of something takes longer than measuring it, and warms up by itself. Nothing goes before memory
%% is weighed: what a first time has touched would seem to cost nothing.
sets_up_enough(Name, Values) ->
    Name =:= idle orelse Name =:= million
        orelse lists:any(fun(Count) -> is_integer(Count) andalso Count >= 100000 end, maps:values(Values)).

value(Text) ->
    try list_to_integer(Text) catch error:badarg -> list_to_atom(Text) end.

%% Nanoseconds that Fun takes, and what it returned.
timed(Fun) ->
    Start = erlang:monotonic_time(nanosecond),
    Result = Fun(),
    {erlang:monotonic_time(nanosecond) - Start, Result}.
