"""Runs: every contender does a row once, then the next row; then all of it again. Whatever the machine does meanwhile,
it does to all of them. Where a program of ours has nobody beside it and takes seconds to set up, it makes its runs at once."""

import statistics
import time

import contenders
import scenarios


class Measurement:
    """A row is a scenario and a number of workers; a step is a row and who does it. What a pass has measured stands in
    `results` whatever becomes of the next."""

    def __init__(self, rows, entrants, quick):
        self._quick = quick
        self._contender = {c.name: c for c in entrants}
        self._scenario = {s["name"]: s for s, _ in rows}
        self.steps = [(scenario["name"], workers, contender.name)
                      for scenario, workers in rows for contender in entrants if contender.has(scenario, workers)]
        self._taken = {step: [] for step in self.steps}
        self._seconds = dict.fromkeys(self.steps, 0.0)    # all its runs together, with what they set up
        self._why = {}

    def passes(self, runs, progress, seconds=None, clock=time.monotonic):
        """Makes a pass at each turn, and tells which. Within `seconds`, if given: a further pass is made only if there is
        time for all of it; should the first take longer, what it has not come to has no result."""
        begun = clock()
        for run in range(1, runs + 1):
            if run > 1 and seconds is not None and clock() - begun + progress.seconds_of(self.steps) > seconds:
                progress.leave_out()
                return
            for step in self.steps:
                if seconds is not None and clock() - begun > seconds:
                    progress.leave_out()
                    return
                progress.begin(step)
                if step not in self._why and len(self._taken[step]) < run:    # who failed is not asked again
                    self._measure(step)
                self._seconds[step] += progress.end()
            yield run

    def _measure(self, step):
        name, workers, contender = step
        scenario = self._scenario[name]
        try:
            self._taken[step] += self._contender[contender].measure(
                scenario, workers, scenarios.operations(scenario, self._quick))
        except contenders.Absent:
            self._why[step] = ""
        except contenders.Failed as failure:
            self._why[step] = f"failed: {failure}"

    @property
    def results(self):
        """A record of each step that was taken; none of who has nothing of the kind."""
        return [record(step, self._scenario[step[0]], self._quick, self._taken[step], self._why.get(step))
                | {"seconds": round(self._seconds[step], 1)}
                for step in self.steps if self._taken[step] or self._why.get(step)]


def record(step, scenario, quick, values, why=None):
    name, workers, contender = step
    result = {"scenario": name, "workers": workers, "contender": contender, "unit": scenario["unit"],
              "operations": scenarios.operations(scenario, quick), "ns_per_op": None}
    if why:
        return result | {"why": why}
    return result | {"ns_per_op": statistics.median(values), "min": min(values), "max": max(values), "runs": len(values)}
