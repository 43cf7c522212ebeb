#!/usr/bin/env python3
"""Applies each deliberate fault of mutants.txt to a copy of the sources; the tests must catch every one.

A mutant is caught when a test program fails, crashes or hangs. One that does not compile proves
nothing and counts as a failure of the list; a survivor is the next test to write. The copy and its
build live in build/mutation; the build is that of `./dev test`, so that ccache knows most of it.

What was caught is remembered as long as neither the mutant nor the file it is in changes: a run that
was stopped, or had a --budget, is gone on with. The last line is `N passed, M failed`.
"""

import argparse
import hashlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
COPY = ROOT / "build" / "mutation"
BUILD = COPY / "build" / "dev"
MEMORY = COPY / "build" / "caught.txt"
TIMES = COPY / "build" / "healthy.txt"
LIST = pathlib.Path(__file__).with_name("mutants.txt")
# Who is asked if those whom a mutant names do not catch it, the quickest first. Programs of a layer above are not asked: a
# fault that only they notice lacks a test. Storms are not meant to find what a test should.
LAYERS = {
    "runtime/": ["runtime_parts", "runtime_model", "runtime_deterministic_test", "runtime_unit", "runtime_conformance"],
    "ets/": ["ets_unit", "ets_handover", "ets_growth", "ets_writers", "ets_tree", "ets_conformance"],
    "supervisor/": ["supervisor_kit", "supervisor_conformance", "supervisor_behaviours"],
}


class Catcher:
    """A test program, or some of its cases (a GoogleTest filter)."""

    def __init__(self, text):
        self.program, _, self.cases = text.partition(" ")
        self.cases = self.cases.strip() or "*"

    def run(self, limit):
        """What went wrong; empty if nothing did."""
        program = next(BUILD.glob(f"test/*/{self.program}"))
        environment = dict(os.environ, HEIRLOOM_SEEDS="100", GTEST_BRIEF="1", GTEST_FAIL_FAST="1")
        child = subprocess.Popen(
            [program, f"--gtest_filter={self.cases}"], env=environment, cwd=BUILD, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        try:
            output, _ = child.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            return f"{self.program} (hangs)"
        finally:  # also when we are told to stop: a mutant may compute for ever
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.communicate()
        lines = output.decode(errors="replace").splitlines()
        if child.returncode != 0:
            failed = [line for line in lines if line.startswith("[  FAILED  ]")]
            return f"{self.program}: {failed[0][13:].split(' ')[0].rstrip(',') if failed else 'crashes'}"
        if not any("PASSED" in line and "] 0 tests" not in line for line in lines):
            sys.exit(f"{self.program} has no case {self.cases}")
        return ""


class Mutant:
    def __init__(self, title, file, old, new, by):
        self.title, self.file, self.old, self.new = title, file, old, new
        self.named = [Catcher(text) for text in by]

    def catchers(self):
        layer = next(names for place, names in LAYERS.items() if self.file.startswith(place))
        return self.named + [Catcher(name) for name in layer]

    def problem(self):
        """Why it cannot be applied; empty if it can."""
        path = ROOT / self.file
        if not path.exists():
            return f"there is no {self.file}"
        count = path.read_text().count(self.old)
        return "" if count == 1 else f"its text stands {count} times in {self.file}"

    def digest(self):
        parts = (self.file, self.old, self.new, (ROOT / self.file).read_text())
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def mutants():
    title = file = old = None
    by, part, lines = [], None, []
    for line in LIST.read_text().splitlines(keepends=True):
        if part is None:
            if line.startswith("== "):
                title, by = line[3:].strip(), []
            elif line.startswith("by: "):
                by.append(line[4:].strip())
            elif line.startswith("<<<<"):
                part, lines = "old", []
            elif line.strip() and not line.startswith("#"):
                file = line.strip()
        elif line.startswith("====") and part == "old":
            part, old, lines = "new", "".join(lines)[:-1], []
        elif line.startswith(">>>>"):
            yield Mutant(title, file, old, "".join(lines)[:-1], by)
            part = None
        else:
            lines.append(line)


def copy_sources():
    """The working tree's files; one that is the same stays untouched, so that only what changed is built again. Returns a
    digest of all that a test program is made of."""
    tree = hashlib.sha256()
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True, text=True,
    ).stdout.split("\0")
    for name in filter(None, names):
        source, target = ROOT / name, COPY / name
        if not source.is_file():
            continue
        if pathlib.Path(name).suffix in (".hpp", ".cpp", ".txt", ".cmake", ".json") and source.parent != LIST.parent:
            tree.update(f"{name}\0".encode() + source.read_bytes())
        if target.exists() and target.read_bytes() == source.read_bytes():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    return tree.hexdigest()


def build(jobs, targets):
    """What the compiler said, if it failed."""
    if not (BUILD / "build.ninja").exists():
        subprocess.run(["cmake", "--preset", "dev"], cwd=COPY, check=True, stdout=subprocess.DEVNULL)
    command = ["cmake", "--build", BUILD, "--parallel", str(jobs), "--target", *targets]
    result = subprocess.run(command, capture_output=True, text=True)
    return "" if result.returncode == 0 else result.stdout


class Healthy:
    """How long each catcher takes without a fault; one that fails then can catch nothing. Known from an earlier run of the
    same sources."""

    def __init__(self, tree):
        self.tree, self.seconds = tree, {}
        for line in TIMES.read_text().splitlines() if TIMES.exists() else []:
            tree, seconds, program, cases = line.split(" ", 3)
            if tree == self.tree:
                self.seconds[program, cases] = float(seconds)

    def limit(self, catcher):
        """For a program that may hang: no machine is five times slower from one minute to the next."""
        return 20 + 5 * self.seconds[catcher.program, catcher.cases]

    def measure(self, catcher, jobs):
        key = catcher.program, catcher.cases
        if key in self.seconds:
            return
        if text := build(jobs, [catcher.program]):
            sys.exit(f"{text}\n{catcher.program} does not compile without a fault")
        start = time.monotonic()
        if wrong := catcher.run(600):
            sys.exit(f"fails without a fault: {wrong}")
        self.seconds[key] = time.monotonic() - start
        with TIMES.open("a") as times:
            times.write(f"{self.tree} {self.seconds[key]:.2f} {catcher.program} {catcher.cases}\n")


def caught(mutant, healthy, args):
    """By whom; empty if by nobody. One program is built at a time: most faults fall to the first."""
    path = COPY / mutant.file
    text = path.read_text()
    for catcher in mutant.named if args.named else mutant.catchers():
        healthy.measure(catcher, args.jobs)
        path.write_text(text.replace(mutant.old, mutant.new))
        try:
            if said := build(args.jobs, [catcher.program]):
                print(said)
                return "the compiler"
            by = catcher.run(healthy.limit(catcher))
        finally:
            path.write_text(text)
        if by:
            return by
    return ""


def remembered():
    return set(MEMORY.read_text().split()) if MEMORY.exists() else set()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only whether every mutant still applies")
    parser.add_argument("--filter", default="", help="only mutants whose title or file contains this")
    parser.add_argument("--again", action="store_true", help="also those that were caught before")
    parser.add_argument("--named", action="store_true", help="ask only those whom the mutants name")
    parser.add_argument("--budget", type=int, default=0, help="begin no mutant after so many seconds")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 2)
    args = parser.parse_args()
    chosen = [m for m in mutants() if args.filter in m.title or args.filter in m.file]
    stale = [f"{m.title}: {m.problem()}" for m in chosen if m.problem()]
    for line in stale:
        print(f"STALE {line}")
    if args.check:
        print(f"{len(chosen) - len(stale)} passed, {len(stale)} failed")
        return 1 if stale else 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to stop"))
    start, healthy, known = time.monotonic(), Healthy(copy_sources()), remembered()
    passed, failed, left = 0, len(stale), 0
    for mutant in chosen:
        if mutant.problem():
            continue
        if not args.again and mutant.digest() in known:
            passed += 1
            continue
        if args.budget and time.monotonic() - start > args.budget:
            left += 1
            continue
        began = time.monotonic()
        by = caught(mutant, healthy, args)
        word = {"": "SURVIVED", "the compiler": "REFUSED "}.get(by, "caught  ")
        print(f"{word} {mutant.title}{' by ' + by if by else ''} ({time.monotonic() - began:.0f} s)", flush=True)
        if word == "caught  ":
            passed += 1
            with MEMORY.open("a") as memory:
                memory.write(mutant.digest() + "\n")
        else:
            failed += 1
    if left:
        print(f"{left} left for the next run")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or left else 0


if __name__ == "__main__":
    sys.exit(main())
