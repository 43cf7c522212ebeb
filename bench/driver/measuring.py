"""Runs: every contender does a row once, then the next row; then all of it again. Whatever the machine does meanwhile,
it does to all of them."""

import statistics
import time

import contenders


def steps_of(rows, entrants):
    """A row is a scenario and a number of workers; a step is a row and who does it."""
    return [(scenario["name"], workers, contender.name)
            for scenario, workers in rows for contender in entrants if contender.has(scenario, workers)]


def measure(rows, entrants, runs, quick, progress, seconds=None, clock=time.monotonic):
    """The results, a record each. Within `seconds`, if given: a further pass is made only if there is time for all of
    it; should the first take longer, what it has not come to has no record."""
    begun = clock()
    by_name = {c.name: c for c in entrants}
    scenario_of = {s["name"]: s for s, _ in rows}
    steps = steps_of(rows, entrants)
    taken = {step: [] for step in steps}
    why = {}
    for run in range(runs):
        if run and seconds is not None and clock() - begun + progress.seconds_of(steps) > seconds:
            progress.leave_out()
            break
        for step in steps:
            if seconds is not None and clock() - begun > seconds:
                progress.leave_out()
                break
            name, workers, contender = step
            progress.begin(step)
            if step not in why:
                try:
                    taken[step].append(by_name[contender].measure(scenario_of[name], workers, quick))
                except contenders.Absent:
                    why[step] = ""
                except contenders.Failed as failure:
                    why[step] = f"failed: {failure}"
            progress.end()
    progress.close()
    return [record(step, scenario_of[step[0]]["unit"], taken[step], why.get(step)) for step in steps
            if taken[step] or why.get(step)]


def record(step, unit, values, why):
    name, workers, contender = step
    result = {"scenario": name, "workers": workers, "contender": contender, "unit": unit, "ns_per_op": None}
    if why:
        return result | {"why": why}
    return result | {"ns_per_op": statistics.median(values), "min": min(values), "max": max(values), "runs": len(values)}
