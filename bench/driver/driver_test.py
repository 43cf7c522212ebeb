#!/usr/bin/env python3
"""The driver, with contenders that are made up: what it says must follow from what they said. Programs: programs_test.py."""

import io
import json
import pathlib
import tempfile
import unittest

import budget
import contenders
import machine
import measuring
import plots
import progress
import report
import scenarios
import summary


def scenario(name, **more):
    return {"name": name, "groups": ["messages"], "title": name, "unit": "ns", "workers": [1], "n": 1000, "heirloom": name,
            **more}


def result(name, contender, *values, workers=1):
    return measuring.record((name, workers, contender), scenario(name), False, list(values))


def failed(name, contender, why):
    return measuring.record((name, 1, contender), scenario(name), False, [], f"failed: {why}")


def outcome(*results, installed=("heirloom", "go"), floors=None, **more):
    return {
        "machine": {"processor": "P", "cores": "2 virtual threads", "kernel": "6", "compiler": "c++ 12", "load_before": 0.1},
        "commit": "abc", "versions": {}, "quick": False, "interrupted": False, "seconds": 7, "floors": floors or {}, "floors_made_of": {n: "units" for n in floors or {}},
        "units": {"load_l1": 1.2}, "results": list(results), "left_out": [],
        "contenders": [{"name": n, "package": f"{n}-package", "installed": n in installed} for n in ("heirloom", "go", "caf")],
        **more,
    }


class Contender:
    """Takes its figures from a list, and writes down that it was asked."""

    package = None

    def __init__(self, name, log, figures):
        self.name, self.log, self.figures = name, log, list(figures)

    def has(self, scenario, workers):
        return True

    def measure(self, scenario, workers, n):
        self.log.append((self.name, scenario["name"], workers))
        figure = self.figures.pop(0)
        if isinstance(figure, BaseException):
            raise figure
        return figure if isinstance(figure, list) else [figure]


class Clock:
    def __init__(self):
        self.now = 0

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
    def isatty(self):
        return True


def measure(rows, entrants, runs, seconds=None, clock=Clock(), quick=False):
    """All passes; the results."""
    measurement = measuring.Measurement(rows, entrants, quick)
    watched = progress.Progress(measurement.steps * runs, io.StringIO(), clock)
    for _ in measurement.passes(runs, watched, seconds, clock):
        pass
    return measurement.results


class TheScenarios(unittest.TestCase):
    known = scenarios.load()

    def test_have_names_of_their_own_and_known_groups(self):
        self.assertEqual(len(self.known), len(json.loads(scenarios.FILE.read_text())))
        for s in self.known.values():
            self.assertTrue(s["groups"] and set(s["groups"]) <= set(scenarios.GROUPS), s["name"])
            self.assertGreater(s["n"], 0, s["name"])

    def test_refer_only_to_scenarios_there_are(self):
        for s in self.known.values():
            for other in (s.get("as_cheap_as"), s.get("times_as_fast", {}).get("as")):
                self.assertTrue(other is None or other in self.known, s["name"])

    def test_are_saved_as_they_stand(self):
        with tempfile.TemporaryDirectory() as held:
            copy = pathlib.Path(held) / "scenarios.json"
            scenarios.save(self.known, copy)
            self.assertEqual(copy.read_text(), scenarios.FILE.read_text())

    def test_hold_the_classics(self):
        for classic in ("thread_ring", "counting", "fork_join_throughput", "fork_join_create", "big", "chameneos", "banking",
                        "concurrent_dictionary", "dining_philosophers", "sieve"):
            self.assertIn(f"savina/{classic}", self.known)

    def test_hold_the_growth_curves_from_end_to_end(self):
        ends = {"processes": (1, 10**6), "backlog": (1, 10**6), "children": (1, 10**5), "links": (1, 10**5),
                "rows, lookup": (10**3, 10**7), "rows, insert over": (10**3, 10**7)}
        points = {}
        for s in self.known.values():
            points.setdefault(s.get("curve"), []).append(s.get("at"))
        del points[None]
        self.assertEqual({curve: (min(at), max(at)) for curve, at in points.items()}, ends)
        for curve, at in points.items():
            self.assertEqual(sorted(at), [min(at) * 10**i for i in range(len(at))], curve)

    def test_are_chosen_by_group_and_by_text(self):
        names = lambda *args: {s["name"] for s in scenarios.chosen(self.known, *args)}
        self.assertEqual(names([], "", False), set(self.known))
        self.assertEqual({n.split("/")[0] for n in names(["savina"], "", False)}, {"savina"})
        self.assertEqual(names(["restart"], "rest_for", False), set())
        self.assertEqual(names(["savina"], "sieve", False), {"savina/sieve"})
        self.assertEqual(names([], "no such thing", False), set())

    def test_of_every_group_are_in_a_quick_run_but_no_slow_one(self):
        quick = scenarios.chosen(self.known, [], "", True)
        self.assertEqual({g for s in quick for g in s["groups"]}, set(scenarios.GROUPS))
        self.assertFalse([s for s in quick if s.get("slow")])

    def test_take_turns_by_group_where_time_may_run_out(self):
        quick = scenarios.chosen(self.known, [], "", True)
        turns = scenarios.in_turn(quick)
        self.assertEqual(sorted(s["name"] for s in turns), sorted(s["name"] for s in quick))
        self.assertEqual({s["groups"][0] for s in turns[:len(scenarios.GROUPS)]}, set(scenarios.GROUPS))

    def test_may_have_a_bar_for_each_number_of_workers(self):
        s = scenario("a", must={"1": 30, "2": 40})
        self.assertEqual([scenarios.must(s, 1), scenarios.must(s, 2)], [30, 40])
        self.assertEqual(scenarios.must(scenario("a", must=7), 2), 7)

    def test_take_their_floor_from_the_machine(self):
        floors = {"a": 10, "growth/links": 5, "growth/links/count:10": 6}
        self.assertEqual(scenarios.floor(scenario("a"), 2, floors), 10)
        self.assertEqual(scenarios.floor(scenario("a", spreads=True), 2, floors), 5)
        self.assertEqual(scenarios.floor(scenario("growth/links/count:1", curve="links", at=1), 1, floors), 5)
        self.assertEqual(scenarios.floor(scenario("growth/links/count:10", curve="links", at=10), 1, floors), 6)
        self.assertEqual(scenarios.floor(scenario("a", floor=4096), 1, floors), 4096)
        self.assertIsNone(scenarios.floor(scenario("b"), 1, floors))


class TheBudget(unittest.TestCase):
    def test_gives_every_run_enough_work_and_nobody_too_much(self):
        for costs, n in (([100, 100], 1_000_000),    # 0.1 s for both
                         ([10, 100], 2_000_000),     # 20 ms for the fastest
                         ([10, 1000], 500_000),      # 0.4 s for the slowest are enough
                         ([1, 10_000], 5_000_000)):  # but 5 ms for the fastest have to be
            self.assertEqual(budget.operations(costs), n, costs)

    def test_changes_what_costs_say_and_no_sizes(self):
        known = {s["name"]: s for s in (scenario("a"), scenario("same", n=1_000_000), scenario("large", size=True),
                                        scenario("unknown"))}
        results = [result(name, "go", 100) for name in ("a", "same", "large")]
        self.assertEqual(budget.chosen(known, results), {"a": 1_000_000})


class Measuring(unittest.TestCase):
    rows = [(scenario("x"), 1), (scenario("y"), 2)]

    def test_takes_turns(self):
        log = []
        measure(self.rows, [Contender("A", log, [1] * 4), Contender("B", log, [1] * 4)], 2)
        once = [("A", "x", 1), ("B", "x", 1), ("A", "y", 2), ("B", "y", 2)]
        self.assertEqual(log, once + once)

    def test_gives_the_median_and_the_range(self):
        [got] = measure(self.rows[:1], [Contender("A", [], [5, 9, 4])], 3)
        self.assertEqual({k: got[k] for k in ("scenario", "contender", "ns_per_op", "min", "max", "runs", "unit")},
                         {"scenario": "x", "contender": "A", "ns_per_op": 5, "min": 4, "max": 9, "runs": 3, "unit": "ns"})

    def test_asks_everybody_for_the_same_work_and_in_a_quick_run_for_a_fifth(self):
        for quick, n in ((False, 1000), (True, 200)):
            asked = []
            entrants = [Contender(name, [], []) for name in "AB"]
            for c in entrants:
                c.measure = lambda scenario, workers, n: asked.append(n) or [1.0]
            got = measure(self.rows[:1], entrants, 2, quick=quick)
            self.assertEqual((asked, [r["operations"] for r in got]), ([n] * 4, [n, n]))

    def test_takes_the_runs_that_were_made_after_one_setup(self):
        log = []
        [got] = measure(self.rows[:1], [Contender("A", log, [[5, 9, 4], [1, 2, 3]])], 4)
        self.assertEqual((len(log), got["runs"], got["min"], got["max"]), (2, 6, 1, 9))

    def test_says_who_failed_and_asks_no_more(self):
        log = []
        entrants = [Contender("A", log, [7, contenders.Failed("wrong answer")]), Contender("B", log, [1, 1, 1])]
        got = {r["contender"]: r for r in measure(self.rows[:1], entrants, 3)}
        self.assertIsNone(got["A"]["ns_per_op"])
        self.assertEqual(got["A"]["why"], "failed: wrong answer")
        self.assertEqual(got["B"]["runs"], 3)
        self.assertEqual(len(log), 5)

    def test_leaves_out_who_has_nothing_of_that_size(self):
        self.assertEqual(measure(self.rows[:1], [Contender("A", [], [contenders.Absent(), 1])], 2), [])

    def test_makes_only_the_passes_there_is_time_for(self):
        for seconds, runs in ((100, [3, 3]), (45, [2, 2]), (25, [1, 1]), (5, [1])):
            clock = Clock()
            entrants = [Contender("A", [], range(1, 7))]
            takes_ten = lambda *args, was=entrants[0].measure: (setattr(clock, "now", clock.now + 10), was(*args))[1]
            entrants[0].measure = takes_ten
            got = measure(self.rows, entrants, 3, seconds, clock)
            self.assertEqual([r["runs"] for r in got], runs, f"in {seconds} s")
            self.assertEqual(report.left_out(self.rows, got), ["y on 2"] if seconds == 5 else [])

    def test_that_is_interrupted_keeps_what_it_has(self):
        measurement = measuring.Measurement(self.rows, [Contender("A", [], [1, 2, 3, KeyboardInterrupt()])], False)
        with self.assertRaises(KeyboardInterrupt):
            for _ in measurement.passes(3, progress.Progress(measurement.steps * 3, io.StringIO())):
                pass
        self.assertEqual([(r["scenario"], r["runs"]) for r in measurement.results], [("x", 2), ("y", 1)])


class TheProgressLine(unittest.TestCase):
    steps = [("x", 1, "A"), ("y", 1, "A")] * 2

    def test_says_how_much_time_is_left(self):
        clock, terminal = Clock(), Terminal()
        watched = progress.Progress(self.steps, terminal, clock)
        lines = []
        for step, takes in zip(self.steps, (2, 10, 2, 10)):
            watched.begin(step)
            lines.append(terminal.getvalue().split("\033[K")[-1])
            clock.now += takes
            watched.end()
        self.assertEqual(lines, ["0/4, 0 s left: x 1 A", "1/4, 6 s left: y 1 A",
                                 "2/4, 12 s left: x 1 A", "3/4, 10 s left: y 1 A"])
        self.assertEqual(watched.seconds_left(), 0)

    def test_comes_once_a_minute_where_nobody_watches(self):
        clock, log = Clock(), io.StringIO()
        watched = progress.Progress(self.steps, log, clock)
        for step, takes in zip(self.steps, (40, 30, 20, 50)):
            watched.begin(step)
            clock.now += takes
            watched.end()
        watched.close()
        self.assertEqual(log.getvalue(), "2/4, 70 s left: x 1 A\n")

    def test_notices_a_step_that_was_not_planned(self):
        with self.assertRaises(AssertionError):
            progress.Progress(self.steps, io.StringIO()).begin(("z", 1, "A"))


class TheReport(unittest.TestCase):
    known = {s["name"]: s for s in (scenario("a", must=50, aims=20), scenario("b"), scenario("wide", spreads=True))}

    def line(self, rows, title):
        return dict(zip(rows[0], next(r for r in rows if r[0] == title)))

    def test_shows_each_contender_the_ratio_the_floor_and_the_bars(self):
        rows = report.table(outcome(result("a", "heirloom", 9, 10, 11), result("a", "go", 20), floors={"a": 8}), self.known)
        self.assertEqual(self.line(rows, "a"), {
            "scenario": "a", "workers": "1", "heirloom": "10.0 ±10%", "go": "20.0", "caf": "missing",
            "ratio to best peer": "0.50 (go)", "floor": "8.00", "must": "50.0", "aims at": "20.0"})

    def test_never_counts_a_missing_or_failed_peer_as_slower(self):
        got = outcome(result("a", "heirloom", 10), failed("a", "go", "took more than 120 s"))
        row = self.line(report.table(got, self.known), "a")
        self.assertEqual((row["ratio to best peer"], row["go"], row["caf"]), ("-", "failed", "missing"))
        self.assertEqual(report.missing(got), ["caf is not installed (Debian: caf-package)"])
        self.assertEqual(report.standing(got), "Of 0 rows that a peer can do as well, Heirloom comes first in 0.")
        self.assertIn("- a on 1 worker: go failed: took more than 120 s", report.document(got, self.known, [], []))

    def test_says_first_where_heirloom_loses_the_worst_first(self):
        got = outcome(result("a", "heirloom", 60), result("a", "go", 40), result("b", "heirloom", 1), result("b", "go", 2),
                      result("wide", "heirloom", 7, 10, 11), result("wide", "go", 2, 5, 9))
        self.assertEqual([line for _, line in report.beaten(got, self.known)],
                         ["wide on 1 worker: 10.0, go 5.00: 2.00 times as much, but their runs overlap",
                          "a on 1 worker: 60.0, go 40.0: 1.50 times as much"])
        self.assertEqual(report.missed(got, self.known), ["a on 1 worker: 60.0, must be 50.0"])
        top = report.document(got, self.known, [], []).split("| scenario |")[0]
        self.assertIn("Of 3 rows that a peer can do as well, Heirloom comes first in 1.", top)
        self.assertIn("1.50 times as much", top)
        self.assertNotIn("b on 1 worker", top)

    def test_says_that_heirloom_failed(self):
        got = outcome(failed("a", "go", "hung"), failed("b", "heirloom", "wrong answer"))
        self.assertEqual(report.failures(got, self.known),
                         ["b on 1 worker: heirloom failed: wrong answer", "a on 1 worker: go failed: hung"])

    def test_says_how_many_runs_there_were(self):
        self.assertEqual(report.runs_made(outcome(result("a", "go", 1, 2), result("b", "go", 1, 2))), "2 interleaved runs")
        self.assertEqual(report.runs_made(outcome(result("a", "go", 1, 2), result("b", "go", 1))), "1 to 2 interleaved runs")

    def test_holds_two_workers_against_one(self):
        pair = lambda name, one, two: outcome(result(name, "heirloom", one), result(name, "heirloom", two, workers=2))
        self.assertEqual(report.missed(pair("b", 100, 105), self.known), [])
        self.assertEqual(report.missed(pair("b", 100, 150), self.known),
                         ["b on 2 workers: 1.50 times what one worker takes, may be 1.10"])
        self.assertEqual(report.missed(pair("wide", 100, 55), self.known), [])
        self.assertEqual(report.missed(pair("wide", 100, 80), self.known),
                         ["wide on 2 workers: 1.25 times as fast as on one worker, must be 1.8"])

    def test_holds_one_scenario_against_another(self):
        known = {s["name"]: s for s in (scenario("a"), scenario("same", as_cheap_as="a"),
                                        scenario("fast", times_as_fast={"as": "a", "times": 1.8}))}
        missed = lambda same, fast: report.missed(outcome(result("a", "heirloom", 100), result("same", "heirloom", same),
                                                          result("fast", "heirloom", fast)), known)
        self.assertEqual(missed(120, 50), [])
        self.assertEqual(missed(200, 80), ["same on 1 worker: 2.00 times what a takes, must cost the same",
                                           "fast on 1 worker: 1.25 times as fast as a, must be 1.8"])


class AgainstAnEarlierReport(unittest.TestCase):
    def slower(self, before, after):
        return report.slower(outcome(result("a", "heirloom", *after)), outcome(result("a", "heirloom", *before)))

    def test_what_is_slower_by_more_than_the_noise_is_named(self):
        [line] = self.slower((95, 100, 105), (118, 120, 122))
        self.assertEqual(line, "heirloom: a on 1: 100 -> 120 (1.20 times)")

    def test_noise_is_not(self):
        self.assertEqual(self.slower((95, 100, 119), (118, 120, 122)), [])    # the ranges meet
        self.assertEqual(self.slower((99, 100, 101), (102, 103, 104)), [])    # less than 5 %
        self.assertEqual(self.slower((118, 120, 122), (95, 100, 105)), [])    # it is faster
        self.assertEqual(self.slower((100,), (120,)), [])                     # nobody knows the noise of one run
        self.assertEqual(len(self.slower((100,), (140,))), 1)

    def test_another_machine_is_named(self):
        earlier = outcome(result("a", "heirloom", 10))
        now = outcome(result("a", "heirloom", 10))
        self.assertEqual(report.comparison(now, earlier), ["nothing became slower by more than the noise"])
        now["machine"]["processor"] = "Q"
        self.assertEqual(report.comparison(now, earlier)[0], "another processor: P, now Q")

    def test_rows_that_only_one_of_them_has_are_counted(self):
        now = outcome(result("a", "heirloom", 10), result("b", "heirloom", 10))
        self.assertEqual(report.comparison(now, outcome(result("a", "heirloom", 10)))[0], "only 1 of 2 rows are in both")


def contrast(colour, ground):
    def luminance(text):
        parts = [int(text[i:i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    lighter, darker = sorted((luminance(colour), luminance(ground)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


class ThePlots(unittest.TestCase):
    def test_every_colour_stands_out_from_a_light_and_a_dark_ground(self):
        for name, colour in {**plots.COLOURS, "ink": plots.INK}.items():
            for ground in ("#ffffff", "#0d1117"):
                self.assertGreaterEqual(contrast(colour, ground), 3, f"{name} on {ground}")

    def test_every_contender_has_a_colour(self):
        self.assertEqual({c.name for c in contenders.everybody(pathlib.Path("nowhere"))}, set(plots.COLOURS))

    def test_split_what_is_too_much_for_one_picture(self):
        few = [(("ets/a/rows:10", 1), {}), (("runtime/b", 2), {})]
        self.assertEqual(plots._parts("tables", few), {"tables": few})
        many = [((f"ets/{i}/rows:{rows}", workers), {}) for i in range(8) for rows in (10, 20) for workers in (1, 2)]
        parts = plots._parts("tables", many)
        self.assertEqual({name: len(part) for name, part in parts.items()}, {"tables_rows_10": 16, "tables_rows_20": 16})
        parts = plots._parts("messages", [((f"runtime/{i}", workers), {}) for i in range(20) for workers in (1, 2)])
        self.assertEqual({name: len(part) for name, part in parts.items()},
                         {"messages_workers_1": 20, "messages_workers_2": 20})

    def test_draw_bars_and_curves_without_a_ground(self):
        try:
            import matplotlib  # noqa: F401
        except ImportError:
            self.skipTest("Matplotlib is not installed")
        known = {s["name"]: s for s in (scenario("a"), *[scenario(f"growth/links/count:{at}", groups=["growth"], curve="links", at=at)
                                                         for at in (1, 10, 100)])}
        results = [result("a", "heirloom", 1, 2, 3), result("a", "go", 2)]
        results += [result(f"growth/links/count:{at}", "heirloom", 5 * at) for at in (1, 10, 100)]
        with tempfile.TemporaryDirectory() as held:
            files = plots.draw(outcome(*results, floors={"a": 1, "growth/links": 2}), known, pathlib.Path(held))
            self.assertEqual([f.name for f in files], ["messages.svg", "growth_links.svg"])
            for file in files:
                text = file.read_text()
                self.assertIn("heirloom", text)
                self.assertNotIn("#ffffff", text)
                self.assertNotRegex(text, r"fill: (white|black|#000000)")
            self.assertIn(plots.COLOURS["go"], files[0].read_text())


class TheReadme(unittest.TestCase):
    def test_shows_what_the_kept_reports_say(self):
        readme = (summary.ROOT / "README.md").read_text()
        self.assertEqual(readme, summary.with_summary(readme), "run bench/driver/summary.py")

    def test_names_the_machine_of_a_kept_report(self):
        for path in summary.RESULTS.glob("*/report.json"):
            self.assertEqual(path.parent.name, machine.name(json.loads(path.read_text())["machine"]))

    def test_table_comes_from_a_report(self):
        with tempfile.TemporaryDirectory() as held:
            kept = pathlib.Path(held) / "p" / "report.json"
            kept.parent.mkdir()
            kept.write_text(json.dumps(outcome(
                result("savina/sieve", "heirloom", 10, 11, 12), result("savina/sieve", "go", 22),
                result("savina/sieve", "heirloom", 30, workers=2), result("savina/sieve", "go", 20, workers=2),
                result("savina/gone", "go", 20))))
            text = summary.with_summary(f"above {summary.BEGIN} typed by hand {summary.END} below", pathlib.Path(held))
        self.assertNotIn("typed by hand", text)
        self.assertIn("| sieve, a candidate |  | 11.0 ±9% | 22.0 go | 0.50 | 30.0 | 20.0 go | **1.50** |", text)
        self.assertIn("Of 2 rows that a peer can do as well, Heirloom comes first in 1. It is behind in 1, and", text)
        self.assertTrue(text.startswith("above ") and text.endswith(" below"))


if __name__ == "__main__":
    unittest.main()
