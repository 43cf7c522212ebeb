#!/usr/bin/env python3
"""Runs a program whose exploration fails, then, in a shell, the command its report names: the same seed must fail with
the same reason and the same trace, given the same arguments, whatever they hold."""

import os
import re
import subprocess
import sys

AWKWARD = ["plain", "two words", "a 'quote'", 'a "double" one', "$HOME", "*", "back\\slash", "", "--filter=x:y"]


def run(command, shell=False):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HEIRLOOM_SEED")}
    done = subprocess.run(command, shell=shell, env=environment, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout, done.stderr


def said(pattern, report):
    found = re.search(pattern, report, re.MULTILINE)
    if not found:
        sys.exit(f"the report holds no {pattern}:\n{report}")
    return found.group(1)


def trace(report):
    """Its lines begin with four blanks."""
    return [line for line in report.splitlines() if line.startswith("    ")]


def main():
    program = sys.argv[1]
    status, arguments, report = run([program, *AWKWARD])
    if status != 1:
        sys.exit(f"the exploration ended with {status}:\n{report}")
    seed = said(r"fails with seed (\d+)", report)
    command = said(r"^  replay: (.*)$", report)
    again, arguments_again, replayed = run(command, shell=True)
    wrong = [
        text
        for text, holds in [
            (f"ended with {again}", again == 1),
            ("got other arguments", arguments == arguments_again and arguments.count("argument: ") == len(AWKWARD)),
            ("ran another seed", said(r"fails with seed (\d+) \(1 seed tried\)", replayed) == seed),
            ("failed otherwise", said(r"^  why: (.*)$", replayed) == said(r"^  why: (.*)$", report)),
            ("took another course", len(trace(report)) > 20 and trace(replayed) == trace(report)),
        ]
        if not holds
    ]
    if wrong:
        sys.exit(f"{command}\n{', '.join(wrong)}\n--- first:\n{arguments}{report}--- replayed:\n{arguments_again}{replayed}")


if __name__ == "__main__":
    main()
