%% gen_server and supervisor. A restart is measured from the kill to the first answered call: what a
%% client feels. The client polls the name and yields: a sleep would be longer than the restart, and
%% polling without a yield would keep the supervisor from running. init/1 serves both behaviours.
-module(bench_supervisor).
-behaviour(gen_server).
-export([call/2, restart/2, restart_all/2]).
-export([init/1, handle_call/3, handle_cast/2, start_server/1]).

call(N, _) ->
    {ok, Server} = gen_server:start_link(?MODULE, server, []),
    {Ns, Last} = bench_main:timed(fun() -> calls(Server, N, 0) end),
    gen_server:stop(Server),
    {Ns, N, "call", Last =:= N}.

calls(_, 0, Last) -> Last;
calls(Server, N, _) -> calls(Server, N - 1, gen_server:call(Server, increment)).

restart(N, Parameters) -> kills(N, one_for_one, 1 + maps:get(siblings, Parameters, 0)).
restart_all(N, #{children := Children}) -> kills(N, one_for_all, Children).

kills(N, Strategy, Children) ->
    error_logger:tty(false),
    _ = logger:set_primary_config(level, none),
    {ok, Sup} = supervisor:start_link(?MODULE, {sup, Strategy, Children}),
    {Ns, Answers} = bench_main:timed(fun() -> kill_and_call(N, Children, 0) end),
    unlink(Sup),
    Ref = monitor(process, Sup),
    exit(Sup, shutdown),
    receive {'DOWN', Ref, _, _, _} -> ok end,
    {Ns, N, "restart", Answers =:= N}.

kill_and_call(0, _, Answers) -> Answers;
kill_and_call(N, Children, Answers) ->
    Victim = whereis(victim),
    exit(Victim, kill),
    1 = first_answer(Victim),
    kill_and_call(N - 1, Children, Answers + 1).

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
init({sup, Strategy, Children}) ->
    Names = [victim | [list_to_atom("sibling_" ++ integer_to_list(I))
                       || I <- lists:seq(2, Children)]],
    {ok, {#{strategy => Strategy, intensity => 1000000, period => 1},
          [#{id => Name, start => {?MODULE, start_server, [Name]}, shutdown => brutal_kill}
           || Name <- Names]}}.

handle_call(increment, _, Count) -> {reply, Count + 1, Count + 1}.
handle_cast(_, Count) -> {noreply, Count}.
