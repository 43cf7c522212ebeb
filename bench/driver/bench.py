#!/usr/bin/env python3
"""Measures Heirloom and its peers on the same work, interleaved, and reports.

Every contender runs a scenario once, then every contender runs it again, and so on: whatever the
machine does meanwhile, it does to all of them.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import time

import contenders
import machine
import plots
import report

HERE = pathlib.Path(__file__).resolve().parent


def arguments():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("group", nargs="*", choices=[[], "restart", "messages", "tables", "savina"],
                        help="only these groups of scenarios")
    parser.add_argument("--peers", action="store_true", help="install the peers that Debian packages first")
    parser.add_argument("--filter", default="", help="only scenarios whose name contains this")
    parser.add_argument("--runs", type=int, help="runs a contender (default 5; quick: 3)")
    parser.add_argument("--quick", action="store_true", help="less work a run, under three minutes")
    parser.add_argument("--only", help="only this contender, to work on its figures")
    parser.add_argument("--against", type=pathlib.Path, help="an earlier report.json to compare with")
    return parser.parse_args()


def chosen(scenario, args):
    """By name and group; Savina's programs do not fit into three minutes unless asked for."""
    groups = args.group or ["restart", "messages", "tables"] + ([] if args.quick and not args.filter else ["savina"])
    return args.filter in scenario["name"] and bool(set(groups) & set(scenario["groups"]))


def calibrate(build):
    done = subprocess.run([build / "bench" / "tools" / "calibration", "--json"],
                          capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


class Progress:
    """One line on a terminal with the time left; nothing where nobody watches."""

    def __init__(self, total):
        self.total, self.done, self.start = total, 0, time.monotonic()

    def step(self, what):
        self.done += 1
        if not sys.stderr.isatty():
            return
        spent = time.monotonic() - self.start
        left = spent / self.done * (self.total - self.done)
        print(f"\r\033[K{self.done}/{self.total}, {left:.0f} s left: {what}", end="", file=sys.stderr, flush=True)

    def end(self):
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr)


def measure_row(scenario, workers, entrants, runs, quick, progress):
    """Interleaved runs of one scenario. A contender that fails or has nothing drops out."""
    taken = {c.name: [] for c in entrants}
    why = {}
    for _ in range(runs):
        for contender in entrants:
            progress.step(f"{scenario['name']}, {workers} workers, {contender.name}")
            if contender.name in why:
                continue
            try:
                taken[contender.name].append(contender.measure(scenario, workers, quick))
            except contenders.Absent:
                why[contender.name] = "no such benchmark" if contender.name == "heirloom" else ""
            except contenders.Failed as failure:
                why[contender.name] = f"failed: {failure}"
    for contender in entrants:
        result = {"scenario": scenario["name"], "workers": workers, "contender": contender.name,
                  "unit": scenario["unit"], "ns_per_op": None}
        if contender.name in why:
            if not why[contender.name]:
                continue
            result["why"] = why[contender.name]
        else:
            values = taken[contender.name]
            result |= {"ns_per_op": statistics.median(values), "min": min(values), "max": max(values),
                       "runs": len(values)}
        yield result


def main():
    args = arguments()
    described = {s["name"]: s for s in json.loads((HERE / "scenarios.json").read_text())}
    wanted = [s for s in described.values() if chosen(s, args)]
    if not wanted:
        sys.exit(f"no scenario is named *{args.filter}*")
    runs = args.runs or (3 if args.quick else 5)
    listed = [contenders.Heirloom(args.build), *contenders.peers(args.build)]
    entrants = [c for c in listed if c.installed() and args.only in (None, c.name)]

    outcome = {
        "machine": machine.describe(listed),
        "runs": runs,
        "quick": args.quick,
        "contenders": [{"name": c.name, "package": c.package, "installed": c.installed()} for c in listed],
        **calibrate(args.build),
        "results": [],
    }
    rows = [(s, w) for s in wanted for w in s["workers"]]
    progress = Progress(len(rows) * runs * len(entrants))
    for scenario, workers in rows:
        outcome["results"] += measure_row(scenario, workers, entrants, runs, args.quick, progress)
    progress.end()

    slower = report.slower(outcome, json.loads(args.against.read_text())) if args.against else []
    directory = args.build.parent / "bench"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "report.json").write_text(json.dumps(outcome, indent=1) + "\n")
    drawn = plots.draw(outcome, described, directory)
    (directory / "report.md").write_text(report.document(outcome, described, slower, drawn))

    for line in report.losses(outcome, described):
        print(f"behind: {line}")
    print(report.aligned(report.table(outcome, described)))
    for line in report.missing(outcome):
        print(f"missing: {line}")
    for line in slower:
        print(f"slower: {line}")
    if args.against and not slower:
        print(f"nothing became slower than {args.against} by more than the noise")
    print(f"written: {directory}/report.json, report.md" + "".join(f", {p.name}" for p in drawn))
    failed = [r for r in outcome["results"] if r["ns_per_op"] is None and r["why"].startswith("failed")]
    return 1 if any(r["contender"] == "heirloom" for r in failed) else 0


if __name__ == "__main__":
    sys.exit(main())
