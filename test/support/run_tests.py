#!/usr/bin/env python3
"""Runs a build's CTest entries and counts test cases, not programs.

A GoogleTest program is one CTest entry; its JSON report says which cases it held. A program that
crashes, hangs or fails without naming a case (a leak found at exit, say) counts as one failure of
its own. The last line is `N passed, M failed`; the exit status is 0 only if nothing failed.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import xml.etree.ElementTree


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path, help="the build directory")
    parser.add_argument("--gaps", action="store_true", help="also the cases of test/support/known_gaps.txt")
    parser.add_argument("--filter", help="only cases whose name contains this")
    parser.add_argument("--label", help="only entries with this CTest label")
    parser.add_argument("--programs", nargs="+", help="only these CTest entries")
    parser.add_argument("--seeds", type=int, help="seeds for every test that explores schedules")
    parser.add_argument("--seed", type=int, help="replay this seed alone, with its trace")
    parser.add_argument("--seconds", type=int, help="how long each stress test lasts")
    return parser.parse_args()


def entries(build):
    """Every CTest entry's name and labels."""
    listing = subprocess.run(
        ["ctest", "--test-dir", build, "--show-only=json-v1"], capture_output=True, check=True
    )
    for test in json.loads(listing.stdout)["tests"]:
        properties = {p["name"]: p["value"] for p in test.get("properties", [])}
        yield test["name"], properties.get("LABELS", [])


def chosen(args):
    """The entries to run. A filter speaks of cases, which only GoogleTest programs have inside."""
    for name, labels in entries(args.build):
        if args.label and args.label not in labels:
            continue
        if args.programs and name not in args.programs:
            continue
        if args.filter and "gtest" not in labels and args.filter not in name:
            continue
        yield name


def known_gaps():
    """Cases written ahead of what they test, each with the reason it cannot hold yet."""
    lines = pathlib.Path(__file__).with_name("known_gaps.txt").read_text().splitlines()
    return [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]


def with_symbols(environment):
    """Clang's sanitizers name functions with a program that Debian packs elsewhere; addr2line is always there."""
    if found := shutil.which("addr2line"):
        for name in "ASAN_OPTIONS", "TSAN_OPTIONS":
            environment[name] = f"external_symbolizer_path={found}:{environment.get(name, '')}"


def run(args, names, reports):
    environment = dict(os.environ)
    with_symbols(environment)
    wanted = f"*{args.filter}*" if args.filter else "*"
    gaps = [] if args.gaps else [case for case, _ in known_gaps()]
    environment["GTEST_FILTER"] = wanted + ("-" + ":".join(gaps) if gaps else "")
    if args.seeds:
        environment["HEIRLOOM_SEEDS"] = str(args.seeds)
    if args.seconds:
        environment["HEIRLOOM_STRESS_SECONDS"] = str(args.seconds)
    if args.seed is not None:
        environment["HEIRLOOM_SEED"] = str(args.seed)
    environment["HEIRLOOM_FIGURES"] = str(reports / "figures.txt")
    command = ["ctest", "--test-dir", args.build, "--output-on-failure", "--progress"]
    if args.seed is not None:
        command += ["--verbose"]
    command += ["--parallel", str(os.cpu_count() or 2), "--output-junit", reports / "ctest.xml"]
    command += ["-R", "^(" + "|".join(names) + ")$"]
    # For programs that set no limit of their own; a stress program may hold many storms.
    command += ["--timeout", str(600 + 60 * (args.seconds or 0))]
    return subprocess.run(command, env=environment).returncode


def outcomes(reports):
    """Each entry that ran, and whether CTest saw it succeed."""
    for case in xml.etree.ElementTree.parse(reports / "ctest.xml").iter("testcase"):
        yield case.get("name"), case.get("status") == "run"


def cases(report):
    """The cases that ran in one GoogleTest report: name, and what failed in it."""
    for suite in json.loads(report.read_text())["testsuites"]:
        for case in suite["testsuite"]:
            if case["status"] == "RUN" and case.get("result") == "COMPLETED":
                yield f"{suite['name']}.{case['name']}", [f["failure"] for f in case.get("failures", [])]


def described(name, failures):
    """A failed case with the beginning of what it said, so that the end of a long log is enough to begin with."""
    said = "\n".join(failures).splitlines()[:20]
    return "\n    ".join([name, *said])


def count(reports):
    passed, failures = 0, []
    for name, succeeded in outcomes(reports):
        report = reports / f"{name}.json"
        inside = list(cases(report)) if report.exists() else []
        failed = [described(f"{name}: {case}", said) for case, said in inside if said]
        passed += len(inside) - len(failed)
        if report.exists():
            if not succeeded and not failed:
                failed = [f"{name}: failed outside its cases"]
        elif succeeded:
            passed += 1
        else:
            failed = [f"{name}: failed, crashed or hung before it could report"]
        failures += failed
    return passed, failures


def main():
    args = arguments()
    reports = (args.build / "test-reports").resolve()
    reports.mkdir(exist_ok=True)
    for old in reports.iterdir():
        old.unlink()
    names = list(chosen(args))
    if not names:
        print("no test has that label or name", file=sys.stderr)
        print("0 passed, 1 failed")
        return 1
    status = run(args, names, reports)
    passed, failures = count(reports)
    figures = reports / "figures.txt"
    if figures.exists():
        print(figures.read_text(), end="")
    if args.filter and passed + len(failures) == 0:
        failures = [f"no case is named *{args.filter}*"]
    for failure in failures:
        print(f"FAILED {failure}")
    if status != 0 and not failures:
        failures = ["ctest itself failed"]
    if not args.gaps:
        for case, reason in known_gaps():
            print(f"known gap, not run: {case}: {reason}")
    print(f"{passed} passed, {len(failures)} failed", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
