"""The contenders: what stands in the build directory, and how one is asked to run a scenario once."""

import json
import re
import subprocess

LIMIT_SECONDS = 120    # for one run of one program; beyond it the run is reported as failed


class Failed(Exception):
    """The contender ran and crashed, hung, or gave a wrong answer."""


class Absent(Exception):
    """The contender has nothing of the kind."""


def _execute(command):
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_SECONDS)
    except subprocess.TimeoutExpired as late:
        raise Failed(f"took more than {LIMIT_SECONDS} s") from late


class Peer:
    """A program of bench/peers; `command` may hold {workers}."""

    def __init__(self, name, artifact, command, package):
        self.name, self.artifact, self.command, self.package = name, artifact, command, package

    def installed(self):
        return self.artifact.exists()

    def measure(self, scenario, workers, quick):
        words = [word.format(workers=workers) for word in self.command]
        words += ["--scenario", scenario["name"], "--workers", str(workers)]
        words += ["--n", str(scenario["quick_n" if quick else "n"])]
        done = _execute(words)
        if done.returncode == 3:
            raise Absent
        if done.returncode != 0:
            raise Failed((done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1])
        return json.loads(done.stdout.splitlines()[-1])["ns_per_op"]


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

    name, package = "heirloom", None

    def __init__(self, build):
        self._program_of = {}
        directory = build / "bench" / "heirloom"
        for program in sorted(directory.iterdir()) if directory.exists() else []:
            listing = _execute([program, "--benchmark_list_tests"])
            for benchmark in listing.stdout.split():
                self._program_of[benchmark] = program

    def installed(self):
        return True

    def _benchmark(self, scenario, workers):
        """Its name, to which Google Benchmark adds suffixes such as /real_time."""
        wanted = scenario["heirloom"].format(workers=workers)
        for benchmark in self._program_of:
            suffix = benchmark[len(wanted):]
            if benchmark.startswith(wanted) and re.fullmatch(
                r"(/(real_time|manual_time|process_time|iterations:\d+|min_time:[\d.]+))*", suffix
            ):
                return benchmark
        raise Absent

    def measure(self, scenario, workers, quick):
        benchmark = self._benchmark(scenario, workers)
        command = [self._program_of[benchmark], "--benchmark_format=json",
                   f"--benchmark_filter=^{re.escape(benchmark)}$"]
        if quick:
            command.append("--benchmark_min_time=0.1")
        done = _execute(command)
        if done.returncode != 0:
            raise Failed((done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1])
        result = json.loads(done.stdout)["benchmarks"][0]
        if result.get("error_occurred"):
            raise Failed(result.get("error_message", "wrong answer"))
        return self._per_operation(benchmark, result, scenario)

    @staticmethod
    def _per_operation(benchmark, result, scenario):
        """An iteration may be many operations; then the benchmark says how many a second."""
        if scenario["unit"] == "bytes":
            return result["bytes"]    # a counter of that name
        scale = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}[result["time_unit"]]
        real = result["real_time"] * scale
        if "items_per_second" not in result:
            return real
        # The rate counts the clock that the benchmark was told to use; we want the real one.
        by_real_time = re.search(r"/(real|manual)_time\b", benchmark)
        rated = real if by_real_time else result["cpu_time"] * scale
        operations = result["items_per_second"] * rated / 1e9
        return real / operations
