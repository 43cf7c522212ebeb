#!/usr/bin/env python3
"""Chooses how many operations a run of each scenario has, from what an operation costs in a report:

    bench/driver/budget.py build/bench/report.json

A run measures enough for the fastest contender and does not take long for the slowest, who does as many: the fastest works
FASTEST seconds and the slowest SLOWEST, both at least; but nobody more than MOST, unless the fastest then worked less than
LEAST. `n` is rounded to 1, 2 or 5 times a power of ten, so that it changes only when costs do. Scenarios whose n is the size
of what is measured (`size`) keep it."""

import json
import math
import pathlib
import sys

import scenarios

FASTEST, SLOWEST, MOST, LEAST = 0.02, 0.1, 0.4, 0.005


def operations(costs):
    """From the nanoseconds an operation takes the contenders."""
    fastest, slowest = min(costs) / 1e9, max(costs) / 1e9
    wanted = max(FASTEST / fastest, SLOWEST / slowest)
    return rounded(max(min(wanted, MOST / slowest), LEAST / fastest))


def rounded(n):
    """The nearest of 1, 2, 5, 10, 20, 50, ..., as a slide rule sees it."""
    power = 10 ** math.floor(math.log10(n))
    return round(min((power * digit for digit in (1, 2, 5, 10)), key=lambda near: abs(math.log(near / n))))


def chosen(known, results):
    """{scenario: n}, where it is not what n is."""
    different = {}
    for scenario in known.values():
        costs = [r["ns_per_op"] for r in results if r["scenario"] == scenario["name"] and r["ns_per_op"]]
        if costs and scenario["unit"] == "ns" and not scenario.get("size") and operations(costs) != scenario["n"]:
            different[scenario["name"]] = operations(costs)
    return different


def main(report):
    known = scenarios.load()
    different = chosen(known, json.loads(pathlib.Path(report).read_text())["results"])
    for name, n in different.items():
        print(f"{name}: {known[name]['n']} -> {n}")
        known[name]["n"] = n
    scenarios.save(known)


if __name__ == "__main__":
    main(*sys.argv[1:])
