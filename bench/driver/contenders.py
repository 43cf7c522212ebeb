"""The contenders: what stands in the build directory, and how one is asked to run a scenario once."""

import json
import math
import os
import re
import signal
import subprocess

LIMIT_SECONDS = 60    # for one run of one program, setup included; beyond it the run is reported as failed


class Failed(Exception):
    """The contender ran and crashed, hung, or gave a wrong answer."""


class Absent(Exception):
    """The contender has nothing of the kind, or none of that size."""


def _execute(command, **environment):
    """In a session of its own: who hangs, or is interrupted, is ended with all that it has started."""
    try:
        program = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
                                   env={**os.environ, **environment}, start_new_session=True)
    except OSError as refused:
        raise Failed(f"cannot be started: {refused.strerror}") from refused
    with program:
        try:
            out, err = program.communicate(timeout=LIMIT_SECONDS)
        except subprocess.TimeoutExpired as late:
            raise Failed(f"took more than {LIMIT_SECONDS} s") from late
        finally:
            if program.returncode is None:
                os.killpg(program.pid, signal.SIGKILL)
    return subprocess.CompletedProcess(command, program.returncode, out, err)


def _last_words(done):
    return (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1][:120]


def _figures(read, unit):
    """What `read` makes of an answer, if it is one: numbers, above zero unless memory may as well have shrunk."""
    try:
        values = [float(value) for value in read()]
    except (ValueError, KeyError, IndexError, TypeError) as odd:
        raise Failed("said nothing that can be read") from odd
    for value in values:
        if not math.isfinite(value) or (value <= 0 and unit != "bytes"):
            raise Failed(f"says it took {value}")
    return values


class Peer:
    """A program of bench/peers; `command` may hold {workers}."""

    def __init__(self, name, artifact, command, package):
        self.name, self.artifact, self.command, self.package = name, artifact, command, package
        self._scenarios = None

    def installed(self):
        return self.artifact.exists()

    def has(self, scenario, workers):
        """Asked once: which scenarios it knows, parameters apart. One that cannot even say so is asked for all, and fails."""
        del workers
        if scenario.get("alone"):
            return False
        if self._scenarios is None:
            try:
                listing = _execute([word.format(workers=1) for word in self.command] + ["--list", "all"])
                self._scenarios = set(listing.stdout.split()) if listing.returncode == 0 else ()
            except Failed:
                self._scenarios = ()
        bare = "/".join(part for part in scenario["name"].split("/") if ":" not in part)
        return self._scenarios == () or bare in self._scenarios

    def measure(self, scenario, workers, n):
        """The figure of a run, in a list."""
        words = [word.format(workers=workers) for word in self.command]
        words += ["--scenario", scenario["name"], "--workers", str(workers), "--n", str(n)]
        done = _execute(words)
        if done.returncode == 3:
            raise Absent
        if done.returncode != 0:
            raise Failed("wrong answer" if '"check": false' in done.stdout else _last_words(done))

        def read():
            answer = json.loads(done.stdout.splitlines()[-1])
            if answer["check"] is not True:
                raise Failed("wrong answer")
            return [answer["ns_per_op"]]
        return _figures(read, scenario["unit"])


def peers(build):
    programs = build / "bench" / "peers" / "bin"
    beams = programs / "erlang"
    erlang = ["erl", "-noinput", "+P", "4194304", "+S", "{workers}:{workers}", "+sbt", "db",
              "+sbwt", "very_long", "-pa", str(beams), "-s", "bench_main", "main", "-extra"]
    listed = [Peer("erlang", beams / "bench_main.beam", erlang, "erlang-base")]
    for name, program, package in [
        ("go", "peer_go", "golang-go"),
        ("caf", "peer_caf", "libcaf-dev"),
        ("boost.fiber", "peer_fiber", "libboost-fiber1.81-dev"),
        ("tbb", "peer_tbb", "libtbb-dev"),
        ("libcuckoo", "peer_libcuckoo", "libcuckoo-dev"),
    ]:
        listed.append(Peer(name, programs / program, [str(programs / program)], package))
    return listed


class Heirloom:
    """Google Benchmark programs; which one holds a benchmark is asked once."""

    package = None

    def __init__(self, build, name="heirloom"):
        self.name = name
        self._program_of = {}
        directory = build / "bench" / "heirloom"
        for program in sorted(directory.iterdir()) if directory.exists() else []:
            try:
                listing = _execute([program, "--benchmark_list_tests"])
            except Failed:
                continue    # its benchmarks are missing, and measure() says so
            for benchmark in listing.stdout.split():
                self._program_of[benchmark] = program

    def installed(self):
        return True

    def has(self, scenario, workers):
        """A benchmark of ours that is gone is an error, not a gap: measure() says so."""
        del scenario, workers
        return True

    def _wanted(self, scenario, workers):
        return scenario["heirloom"].format(workers=workers)

    def _benchmark(self, scenario, workers):
        """Its name, to which Google Benchmark adds suffixes such as /real_time."""
        wanted = self._wanted(scenario, workers)
        for benchmark in self._program_of:
            suffix = benchmark[len(wanted):]
            if benchmark.startswith(wanted) and re.fullmatch(
                r"(/(real_time|manual_time|process_time|iterations:\d+|min_time:[\d.]+))*", suffix
            ):
                return benchmark
        raise Failed(f"there is no benchmark {wanted}")

    def measure(self, scenario, workers, n):
        """The figure of a run; those of several, where a program makes them after one setup."""
        # One batch of as many operations as everybody does, after a tenth of it to warm up.
        operations = {"HEIRLOOM_BENCH_N": str(n)}
        wanted = self._wanted(scenario, workers)
        program = self._program_of[self._benchmark(scenario, workers)]
        # The number of operations is part of some names.
        done = _execute([program, "--benchmark_format=json", "--benchmark_min_time=0.001",
                         f"--benchmark_filter=^{re.escape(wanted)}(/(manual_time|iterations:[0-9]+))*$"], **operations)
        if done.returncode != 0:
            raise Failed(_last_words(done))

        def read():
            result = json.loads(done.stdout)["benchmarks"][0]
            if result.get("error_occurred"):
                raise Failed(result.get("error_message", "wrong answer"))
            runs = [value for name, value in sorted(result.items()) if re.fullmatch(r"run_\d+", name)]
            return runs or [self._value(result, scenario["unit"])]
        return _figures(read, scenario["unit"])

    @staticmethod
    def _value(result, unit):
        """An iteration may be many operations; then the benchmark says how many a second, by the clock it was told to use."""
        if unit == "bytes":
            return result["bytes"]    # a counter of that name
        scale = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}[result["time_unit"]]
        real = result["real_time"] * scale
        if "items_per_second" in result:
            real = 1e9 / result["items_per_second"]    # all of ours keep the real time
        return real / {"ns": 1, "ms": 1e6}[unit]


class Alternative(Heirloom):
    """What a program would do without us, measured inside our programs: a benchmark whose name ends in /<name> where ours
    ends in /heirloom."""

    def has(self, scenario, workers):
        return scenario["heirloom"].endswith("/heirloom")

    def _wanted(self, scenario, workers):
        return super()._wanted(scenario, workers).removesuffix("heirloom") + self.name


def everybody(build):
    """Heirloom first."""
    # std::map under a shared mutex, for ordered tables.
    return [Heirloom(build), *peers(build), Alternative(build, "locked_map")]
