#!/usr/bin/env python3
"""Applies each deliberate fault of mutants.txt to a copy of the sources; the tests must catch every one.

A mutant is caught when it does not compile or a test program fails, crashes or hangs. Survivors are
the next tests to write. The copy and its build live in build/mutation, so a second run is quick.
The last line is `N passed, M failed`, a survivor being a failure.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
COPY = ROOT / "build" / "mutation" / "source"
BUILD = ROOT / "build" / "mutation" / "build"
LIST = pathlib.Path(__file__).with_name("mutants.txt")
# Which programs shall catch a fault, by where it is, the quickest first. Those of a layer above are not asked: a fault that
# only they notice lacks a test. Storms are not meant to find what a test should.
RUNTIME = ["runtime_deterministic_test", "runtime_parts", "runtime_conformance", "runtime_unit"]
CATCHERS = {
    "runtime/": RUNTIME,
    "ets/": ["ets_unit", "ets_handover", "ets_conformance"],
    "supervisor/": ["supervisor_kit", "supervisor_conformance"],
}


class Mutant:
    def __init__(self, title, file, old, new):
        self.title, self.file, self.old, self.new = title, file, old, new

    def catchers(self):
        return next(names for place, names in CATCHERS.items() if self.file.startswith(place))

    def problem(self):
        """Why it cannot be applied; empty if it can."""
        path = ROOT / self.file
        if not path.exists():
            return f"there is no {self.file}"
        count = path.read_text().count(self.old)
        return "" if count == 1 else f"its text stands {count} times in {self.file}"


def mutants():
    title = file = old = None
    part, lines = None, []
    for line in LIST.read_text().splitlines(keepends=True):
        if part is None:
            if line.startswith("== "):
                title = line[3:].strip()
            elif line.startswith("<<<<"):
                part, lines = "old", []
            elif line.strip() and not line.startswith("#"):
                file = line.strip()
        elif line.startswith("====") and part == "old":
            part, old, lines = "new", "".join(lines)[:-1], []
        elif line.startswith(">>>>"):
            yield Mutant(title, file, old, "".join(lines)[:-1])
            part = None
        else:
            lines.append(line)


def copy_sources():
    """The working tree's files, with their times, so that only what changed is built again."""
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True, text=True,
    ).stdout.split("\0")
    for name in filter(None, names):
        source, target = ROOT / name, COPY / name
        if not source.is_file():
            continue
        if target.exists() and target.read_bytes() == source.read_bytes():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def build(jobs, targets):
    if not (BUILD / "build.ninja").exists():
        subprocess.run(
            ["cmake", "-S", COPY, "-B", BUILD, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug",
             "-DCMAKE_CXX_FLAGS_DEBUG=-O1 -g0", "-DHEIRLOOM_DEBUG_CHECKS=ON", "-DHEIRLOOM_BENCH=OFF"],
            check=True, stdout=subprocess.DEVNULL,
        )
    command = ["cmake", "--build", BUILD, "--parallel", str(jobs), "--target", *targets]
    result = subprocess.run(command, capture_output=True, text=True)
    return "" if result.returncode == 0 else result.stdout


def caught_by(names, limit):
    environment = dict(os.environ, HEIRLOOM_SEEDS="100", GTEST_BRIEF="1", GTEST_FAIL_FAST="1")
    for name in names:
        program = next(BUILD.glob(f"test/*/{name}"))
        try:
            done = subprocess.run([program], env=environment, capture_output=True, timeout=limit)
        except subprocess.TimeoutExpired:
            return f"{program.name} (hangs)"
        if done.returncode != 0:
            text = done.stdout.decode(errors="replace")
            cases = [line for line in text.splitlines() if line.startswith("[  FAILED  ]")]
            return f"{program.name}: {cases[0][13:].split(' ')[0] if cases else 'crashes'}"
    return ""


def caught(mutant, args):
    """By whom; empty if by nobody. One program is built at a time: most faults fall to the first."""
    for name in mutant.catchers():
        if build(args.jobs, [name]):
            return "the compiler"
        if by := caught_by([name], args.limit):
            return by
    return ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only whether every mutant still applies")
    parser.add_argument("--filter", default="", help="only mutants whose title or file contains this")
    parser.add_argument("--limit", type=int, default=120, help="seconds a test program may take")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 2)
    args = parser.parse_args()
    chosen = [m for m in mutants() if args.filter in m.title or args.filter in m.file]
    stale = [f"{m.title}: {m.problem()}" for m in chosen if m.problem()]
    for line in stale:
        print(f"STALE {line}")
    if args.check:
        print(f"{len(chosen) - len(stale)} passed, {len(stale)} failed")
        return 1 if stale else 0
    copy_sources()
    names = list(dict.fromkeys(name for mutant in chosen for name in mutant.catchers()))
    if text := build(args.jobs, names):
        print(text)
        print("0 passed, 1 failed")
        return 1
    if by := caught_by(names, args.limit):
        print(f"the suite fails without a fault: {by}")
        print("0 passed, 1 failed")
        return 1
    survivors = 0
    for mutant in chosen:
        if mutant.problem():
            continue
        path = COPY / mutant.file
        text = path.read_text()
        path.write_text(text.replace(mutant.old, mutant.new))
        try:
            by = caught(mutant, args)
        finally:
            path.write_text(text)
        survivors += not by
        print(f"{'caught  ' if by else 'SURVIVED'} {mutant.title}{' by ' + by if by else ''}", flush=True)
    failed = survivors + len(stale)
    print(f"{len(chosen) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
