%% gen_server and supervisor. A restart is measured from the kill to the first answered call: what a
%% client feels. The client polls the name and yields: a sleep would be longer than the restart, and
%% polling without a yield would keep the supervisor from running. init/1 serves both behaviours.
-module(bench_supervisor).
-behaviour(gen_server).
-export([call/2, cast/2, call_server_to_server/2, start_stop/2, restart/2, restart_all/2, restart_rest/2,
         start_children/2, shutdown/2]).
-export([init/1, handle_call/3, handle_cast/2, start_server/1]).

call(N, _) ->
    {ok, Server} = gen_server:start_link(?MODULE, server, []),
    {Ns, Last} = bench_main:timed(fun() -> calls(Server, N, 0) end),
    gen_server:stop(Server),
    {Ns, N, "call", Last =:= N}.

calls(_, 0, Last) -> Last;
calls(Server, N, _) -> calls(Server, N - 1, gen_server:call(Server, increment)).

%% Until the last of them has been handled.
cast(N, _) ->
    {ok, Server} = gen_server:start_link(?MODULE, server, []),
    {Ns, Last} = bench_main:timed(fun() -> casts(Server, N), gen_server:call(Server, increment) end),
    gen_server:stop(Server),
    {Ns, N, "cast", Last =:= N + 1}.

casts(_, 0) -> ok;
casts(Server, N) -> gen_server:cast(Server, add), casts(Server, N - 1).

call_server_to_server(N, _) ->
    {ok, Asker} = gen_server:start_link(?MODULE, server, []),
    {ok, Asked} = gen_server:start_link(?MODULE, server, []),
    {Ns, Last} = bench_main:timed(fun() -> gen_server:call(Asker, {call, Asked, N}, infinity) end),
    gen_server:stop(Asker),
    gen_server:stop(Asked),
    {Ns, N, "call", Last =:= N}.

start_stop(N, _) ->
    {Ns, Right} = bench_main:timed(fun() -> starts_and_stops(N, 0) end),
    {Ns, N, "server", Right =:= N}.

starts_and_stops(0, Right) -> Right;
starts_and_stops(N, Right) ->
    {ok, Server} = gen_server:start_link(?MODULE, server, []),
    ok = gen_server:stop(Server),
    starts_and_stops(N - 1, Right + case is_process_alive(Server) of true -> 0; false -> 1 end).

%% N children, one at a time, each with a specification and an id of its own; then down again.
start_children(N, _) ->
    {Up, _, Right} = tree(N),
    {Up, N, "child", Right}.
shutdown(N, _) ->
    {_, Down, Right} = tree(N),
    {Down, N, "child", Right}.

tree(N) ->
    {ok, Sup} = supervisor:start_link(?MODULE, {sup, one_for_one, 0}),
    {Up, ok} = bench_main:timed(fun() -> start_children_from(1, N, Sup) end),
    Active = proplists:get_value(active, supervisor:count_children(Sup)),
    {Down, ok} = bench_main:timed(fun() -> stop(Sup) end),
    {Up, Down, Active =:= N}.

start_children_from(I, N, _) when I > N -> ok;
start_children_from(I, N, Sup) ->
    {ok, _} = supervisor:start_child(Sup, #{id => I, start => {gen_server, start_link, [?MODULE, server, []]}}),
    start_children_from(I + 1, N, Sup).

stop(Sup) ->
    unlink(Sup),
    Ref = monitor(process, Sup),
    exit(Sup, shutdown),
    receive {'DOWN', Ref, _, _, _} -> ok end.

restart(N, Parameters) -> kills(N, one_for_one, 1 + maps:get(siblings, Parameters, 0)).
restart_all(N, #{children := Children}) -> kills(N, one_for_all, Children).
restart_rest(N, #{children := Children}) -> kills(N, rest_for_one, Children).

%% A supervisor walks the list of its restarts within the period, at least a second, at each restart. So that the list
%% stays short there is a fresh one every so many kills, while the clock stands, unless starting it takes longer than that.
kills(N, Strategy, Children) ->
    error_logger:tty(false),
    _ = logger:set_primary_config(level, none),
    kills(N, Strategy, Children, max(100, Children), 0, 0).

kills(0, _, _, _, Ns, Right) -> {Ns, Right, "restart", true};
kills(Left, Strategy, Children, Most, Before, Right) ->
    Now = min(Left, Most),
    {ok, Sup} = supervisor:start_link(?MODULE, {sup, Strategy, Children}),
    {Ns, ok} = bench_main:timed(fun() -> kill_and_call(Now) end),
    stop(Sup),
    kills(Left - Now, Strategy, Children, Most, Before + Ns, Right + Now).

kill_and_call(0) -> ok;
kill_and_call(N) ->
    Victim = whereis(victim),
    exit(Victim, kill),
    1 = first_answer(Victim),
    kill_and_call(N - 1).

%% Counts from one again: the answer proves it is a new incarnation.
first_answer(Old) ->
    case whereis(victim) of
        Unready when Unready =:= Old; Unready =:= undefined ->
            erlang:yield(),
            first_answer(Old);
        New ->
            try gen_server:call(New, increment)
            catch exit:_ -> first_answer(Old)
            end
    end.

start_server(Name) -> gen_server:start_link({local, Name}, ?MODULE, server, []).

init(server) -> {ok, 0};
init({sup, Strategy, 0}) -> {ok, {#{strategy => Strategy, intensity => 1, period => 1}, []}};
init({sup, Strategy, Children}) ->
    Names = [victim | [list_to_atom("sibling_" ++ integer_to_list(I))
                       || I <- lists:seq(2, Children)]],
    {ok, {#{strategy => Strategy, intensity => 1000000, period => 1},
          [#{id => Name, start => {?MODULE, start_server, [Name]}, shutdown => brutal_kill}
           || Name <- Names]}}.

handle_call(increment, _, Count) -> {reply, Count + 1, Count + 1};
handle_call({call, Other, Times}, _, Count) -> {reply, calls(Other, Times, 0), Count}.
handle_cast(add, Count) -> {noreply, Count + 1}.
