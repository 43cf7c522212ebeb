#!/usr/bin/env python3
"""Measures Heirloom and its peers on the same work, interleaved, and reports."""

import argparse
import json
import pathlib
import signal
import subprocess
import sys
import time

import contenders
import machine
import measuring
import plots
import progress
import report
import scenarios
import summary

CALIBRATION_SECONDS = 300    # beyond it there are no floors
QUICK_SECONDS = 160    # from the start to the last run; drawing needs some of the three minutes


def arguments(words=None):
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("group", nargs="*", help=f"only these groups of scenarios: {', '.join(scenarios.GROUPS)}")
    parser.add_argument("--peers", action="store_true", help="install the peers that Debian packages first")
    parser.add_argument("--filter", default="", help="only scenarios whose name contains this")
    parser.add_argument("--runs", type=int, help="runs a contender (default 5; quick: as many as there is time for, at most 3)")
    parser.add_argument("--quick", action="store_true",
                        help="all groups in under three minutes: less work a run, and not what takes seconds to set up")
    parser.add_argument("--only", help="only this contender, to work on its figures")
    parser.add_argument("--against", type=pathlib.Path, help="an earlier report.json to compare with")
    parser.add_argument("--keep", action="store_true",
                        help="keep the report in bench/results, under this machine's name, and write README's table from it")
    args = parser.parse_args(words)
    unknown = [g for g in args.group if g not in scenarios.GROUPS]
    if unknown:
        parser.error(f"no group is called {unknown[0]}; there are {', '.join(scenarios.GROUPS)}")
    if args.runs is not None and args.runs < 1:
        parser.error("--runs needs a number from 1 on")
    if args.keep and (args.group or args.filter or args.only):
        parser.error("--keep is for a run of everything: what is kept is what README shows")
    return args


def calibrate(build, quick):
    """Units and floors; a machine on which that fails has none, and is said to."""
    nothing = {"units": {}, "floors": {}, "floors_made_of": {}}
    try:
        done = subprocess.run([build / "bench" / "tools" / "calibration", "--json", *(["--quick"] if quick else [])],
                              capture_output=True, text=True, check=True, timeout=CALIBRATION_SECONDS)
        return nothing | json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as failure:
        return nothing | {"calibration_failed": str(failure)}


def run(args, checkpoint):
    """Everything that goes into report.json. It is handed to `checkpoint` after each pass but the last."""
    begun = time.monotonic()
    wanted = scenarios.chosen(scenarios.load(), args.group, args.filter, args.quick)
    if not wanted:
        sys.exit(f"no scenario is named *{args.filter}*" + (" or all of them are left out of a quick run" if args.quick else ""))
    listed = contenders.everybody(args.build)
    entrants = [c for c in listed if c.installed() and args.only in (None, c.name)]
    described = machine.describe(listed)    # before we load it ourselves
    units = calibrate(args.build, args.quick or args.filter != "")    # for a part a rough one will do
    runs = args.runs or (3 if args.quick else 5)
    rows = [(s, w) for s in (scenarios.in_turn(wanted) if args.quick else wanted) for w in s["workers"]]
    measurement = measuring.Measurement(rows, entrants, args.quick)
    watched = progress.Progress(measurement.steps * runs)
    limit = begun + QUICK_SECONDS - time.monotonic() if args.quick and not args.runs else None
    order = {s["name"]: i for i, s in enumerate(wanted)}

    def outcome(interrupted=False):
        results = sorted(measurement.results, key=lambda r: order[r["scenario"]])
        return {
            **described,
            "quick": args.quick,
            "interrupted": interrupted,
            "seconds": round(time.monotonic() - begun),
            "left_out": report.left_out(rows, results),
            "contenders": [{"name": c.name, "package": c.package, "installed": c.installed()} for c in listed],
            **units,
            "results": results,
        }
    try:
        for done in measurement.passes(runs, watched, limit):
            if done < runs:
                checkpoint(outcome())
    except KeyboardInterrupt:
        return outcome(interrupted=True)
    finally:
        watched.close()
    return outcome()


def write(outcome, known, compared, directory, draw=True):
    """report.json, report.md and the plots; the files written. What was measured is safe before anything is drawn."""
    directory.mkdir(parents=True, exist_ok=True)
    data, text = directory / "report.json", directory / "report.md"
    data.write_text(json.dumps(outcome, indent=1) + "\n")
    text.write_text(report.document(outcome, known, compared, []))
    if not draw:
        return [data, text]
    for old in directory.glob("*.svg"):
        old.unlink()
    drawn = plots.draw(outcome, known, directory)
    text.write_text(report.document(outcome, known, compared, drawn))
    return [data, text, *drawn]


def main():
    args = arguments()
    for ending in (signal.SIGTERM, signal.SIGHUP):    # as Ctrl-C: what was measured is reported
        signal.signal(ending, signal.default_int_handler)
    known = scenarios.load()
    earlier = json.loads(args.against.read_text()) if args.against else None    # before it is written over
    here = args.build.parent / "bench"
    outcome = run(args, lambda so_far: write(so_far, known, [], here, draw=False))
    compared = report.comparison(outcome, earlier) if earlier else []
    files = write(outcome, known, compared, here)
    said = {"failed": report.failures(outcome, known), "behind": [line for _, line in report.beaten(outcome, known)],
            "missed": report.missed(outcome, known)}
    for what, lines in said.items():
        for line in lines:
            print(f"{what}: {line}")
    print(report.aligned(report.table(outcome, known)))
    for line in report.missing(outcome):
        print(f"missing: {line}")
    for line in compared:
        print(f"against {args.against}: {line}")
    if args.keep and outcome["interrupted"] and outcome["left_out"]:
        print("not kept: it was interrupted before everything had been measured once")
    elif args.keep:
        files += write(outcome, known, compared, summary.RESULTS / machine.name(outcome["machine"]))
        summary.write_readme()
    print("written:", ", ".join(str(f) for f in files))
    failed = [r for r in outcome["results"] if r["contender"] == "heirloom" and r["ns_per_op"] is None]
    return 130 if outcome["interrupted"] else 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
