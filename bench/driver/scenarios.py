"""The scenarios: what scenarios.json says of each, and which of them a command line asks for.

name        as the peers know it (bench/peers/README.md)
heirloom    the benchmark of ours; {workers} is filled in
groups      the words of `./dev bench <group>` that mean it
workers     worker counts to measure it with
n           operations a run; the same for every contender, and a fifth in a quick run
size        n says how large the thing measured is, or is that of a whole curve: it does not follow from the costs (budget.py)
unit        ns an operation, or what else is counted: bytes, ms
must, aims  the bars of the design; a number, or one a worker count
spreads     independent work: two workers have to be at least 1.8 times as fast as one
times_as_fast   {as, times}: has to beat that scenario of ours by that factor
floor       where it is no sum of the machine's units
as_cheap_as     has to cost what that scenario of ours costs
curve, at   a point of a growth curve
slow        left out of a quick run
alone       the peers take minutes to set it up, and are not asked
"""

import itertools
import json
import pathlib

GROUPS = ("restart", "messages", "tables", "memory", "savina", "growth")
FILE = pathlib.Path(__file__).resolve().with_name("scenarios.json")


def load(file=FILE):
    """By name, in the order of the file."""
    return {s["name"]: s for s in json.loads(file.read_text())}


def save(scenarios, file=FILE):
    """A line each."""
    file.write_text("[\n" + ",\n".join("  " + json.dumps(s) for s in scenarios.values()) + "\n]\n")


def chosen(scenarios, groups, text, quick):
    """Those that belong to one of `groups` (all, if none), whose name contains `text`."""
    wanted = set(groups or GROUPS)
    return [s for s in scenarios.values()
            if text in s["name"] and wanted & set(s["groups"]) and not (quick and s.get("slow"))]


def operations(scenario, quick):
    return max(1, scenario["n"] // 5) if quick else scenario["n"]


def in_turn(chosen):
    """One of each group after another: should the time run out, every group has something to show."""
    by_group = {}
    for s in chosen:
        by_group.setdefault(s["groups"][0], []).append(s)
    turns = itertools.zip_longest(*by_group.values())
    return [s for turn in turns for s in turn if s]


def must(scenario, workers):
    bar = scenario.get("must")
    return bar.get(str(workers)) if isinstance(bar, dict) else bar


def floor(scenario, workers, floors):
    """What the machine cannot do it below, an operation; a curve's points share one unless they have their own."""
    at_one = scenario.get("floor", floors.get(scenario["name"]))
    if at_one is None and "curve" in scenario:
        at_one = floors.get(f"growth/{scenario['curve']}")
    return at_one / workers if at_one and scenario.get("spreads") else at_one
