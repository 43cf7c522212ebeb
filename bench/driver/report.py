"""What a run says: the table, the losses, the comparison with an earlier run."""

import scenarios as described

WORKER_LOSS = 1.10    # two workers may cost so much of one
WORKER_GAIN = 1.8     # and have to gain so much where the work is independent
AS_CHEAP = 1.25       # what counts as the same cost; beyond it, it grows


def number(value):
    if value is None:
        return "-"
    if value >= 10_000:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def spread(result):
    """Half the distance from the least to the greatest run, in per cent of the median."""
    return 50 * (result["max"] - result["min"]) / result["ns_per_op"] if result["ns_per_op"] else 0


def by_row(results):
    """Results grouped by (scenario, workers), in the order measured."""
    rows = {}
    for result in results:
        rows.setdefault((result["scenario"], result["workers"]), {})[result["contender"]] = result
    return rows


def measured(row):
    return {name: r for name, r in row.items() if r.get("ns_per_op") is not None}


def best_peer(row):
    peers = [r for name, r in measured(row).items() if name != "heirloom"]
    return min(peers, key=lambda r: r["ns_per_op"], default=None)


def cell(result, installed=True):
    if not installed:
        return "missing"
    if result is None:
        return ""
    if result.get("ns_per_op") is None:
        return "failed"    # failures() says why
    return number(result["ns_per_op"]) + (f" ±{spread(result):.0f}%" if result["runs"] > 1 else "")


def titled(scenario):
    return scenario["title"] + ("" if scenario["unit"] == "ns" else f" ({scenario['unit']})")


def table(report, scenarios):
    """Rows of text: one a scenario and number of workers."""
    installed = {c["name"]: c["installed"] for c in report["contenders"]}
    rows = [["scenario", "workers", *installed, "ratio to best peer", "floor", "must", "aims at"]]
    for (name, workers), row in by_row(report["results"]).items():
        scenario = scenarios[name]
        ours, best = measured(row).get("heirloom"), best_peer(row)
        ratio = f"{ours['ns_per_op'] / best['ns_per_op']:.2f} ({best['contender']})" if ours and best else "-"
        rows.append([titled(scenario), str(workers), *[cell(row.get(c), there) for c, there in installed.items()], ratio,
                     number(described.floor(scenario, workers, report["floors"])),
                     number(described.must(scenario, workers)), number(scenario.get("aims"))])
    return rows


def place(scenario, workers):
    return f"{titled(scenario)} on {workers} worker{'s' if workers > 1 else ''}"


def failures(report, scenarios):
    """Who crashed, hung or gave a wrong answer, and where; Heirloom first."""
    failed = [r for r in report["results"] if r["ns_per_op"] is None]
    return [f"{place(scenarios[r['scenario']], r['workers'])}: {r['contender']} {r['why']}"
            for r in sorted(failed, key=lambda r: r["contender"] != "heirloom")]


def beaten(report, scenarios):
    """The rows where a peer is better, the worst first: (ratio, line)."""
    lost = []
    for (name, workers), row in by_row(report["results"]).items():
        ours, best = measured(row).get("heirloom"), best_peer(row)
        if ours and best and ours["ns_per_op"] > best["ns_per_op"]:
            ratio = ours["ns_per_op"] / best["ns_per_op"]
            lost.append((ratio, f"{place(scenarios[name], workers)}: {number(ours['ns_per_op'])}, "
                                f"{best['contender']} {number(best['ns_per_op'])}: {ratio:.2f} times as much"
                                f"{', but their runs overlap' if ours['min'] <= best['max'] else ''}"))
    return sorted(lost, key=lambda found: -found[0])


def missed(report, scenarios):
    """The bars that Heirloom does not reach."""
    rows = by_row(report["results"])
    ours = costs_of_ours(rows)
    lines = []
    for (name, workers), cost in ours.items():
        scenario, bar = scenarios[name], described.must(scenarios[name], workers)
        where = place(scenario, workers)
        if bar and cost > bar:
            lines.append(f"{where}: {number(cost)}, must be {number(bar)}")
        lines += [f"{where}: {line}" for line in relations(scenario, workers, cost, ours)]
    return lines


def standing(report):
    """How often Heirloom comes first."""
    contested = [row for row in map(measured, by_row(report["results"]).values()) if "heirloom" in row and len(row) > 1]
    first = sum(min(row.values(), key=lambda r: r["ns_per_op"])["contender"] == "heirloom" for row in contested)
    return f"Of {len(contested)} rows that a peer can do as well, Heirloom comes first in {first}."


def costs_of_ours(rows):
    return {key: measured(row)["heirloom"]["ns_per_op"] for key, row in rows.items() if "heirloom" in measured(row)}


def relations(scenario, workers, cost, ours):
    """What one cost of ours has to be, given another: one line each that does not hold."""
    at_one = ours.get((scenario["name"], 1))
    if workers == 2 and at_one:
        if scenario.get("spreads"):
            if cost * WORKER_GAIN > at_one:
                yield f"{at_one / cost:.2f} times as fast as on one worker, must be {WORKER_GAIN}"
        elif cost > at_one * WORKER_LOSS and not isinstance(scenario.get("must"), dict):
            yield f"{cost / at_one:.2f} times what one worker takes, may be {WORKER_LOSS:.2f}"
    if "as_cheap_as" in scenario:
        other = ours.get((scenario["as_cheap_as"], workers))
        if other and cost > other * AS_CHEAP:
            yield f"{cost / other:.2f} times what {scenario['as_cheap_as']} takes, must cost the same"
    if "times_as_fast" in scenario:
        rule = scenario["times_as_fast"]
        other = next((c for (name, _), c in ours.items() if name == rule["as"]), None)
        if other and cost * rule["times"] > other:
            yield f"{other / cost:.2f} times as fast as {rule['as']}, must be {rule['times']}"


def slower(report, earlier):
    """What took longer than in an earlier report by more than either run's noise: the least of the new runs lies above
    the greatest of the old ones, and the medians are 5 % apart; 30 % where a report has too few runs to know its noise."""
    old = {(r["scenario"], r["workers"], r["contender"]): r for r in earlier["results"]}
    lines = []
    for result in report["results"]:
        before = old.get((result["scenario"], result["workers"], result["contender"]))
        if not before or None in (before.get("ns_per_op"), result.get("ns_per_op")):
            continue
        ratio = result["ns_per_op"] / before["ns_per_op"]
        margin = 1.05 if min(result["runs"], before["runs"]) >= 3 else 1.30
        if result["min"] > before["max"] and ratio > margin:
            lines.append(f"{result['contender']}: {result['scenario']} on {result['workers']}: "
                         f"{number(before['ns_per_op'])} -> {number(result['ns_per_op'])} ({ratio:.2f} times)")
    return lines


def comparison(report, earlier):
    """What --against says."""
    lines = [f"slower: {line}" for line in slower(report, earlier)] or ["nothing became slower by more than the noise"]
    for what in ("processor", "cores", "compiler"):
        if report["machine"][what] != earlier["machine"][what]:
            lines.insert(0, f"another {what}: {earlier['machine'][what]}, now {report['machine'][what]}")
    if report["quick"] != earlier["quick"]:
        lines.insert(0, "one of the two is a quick run, with less work a run")
    shared = set(by_row(report["results"])) & set(by_row(earlier["results"]))
    if len(shared) < len(by_row(report["results"])):
        lines.insert(0, f"only {len(shared)} of {len(by_row(report['results']))} rows are in both")
    return lines


def aligned(rows):
    """A table for a terminal."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(text.ljust(w) if i == 0 else text.rjust(w) for i, (text, w) in enumerate(zip(row, widths)))
        for row in rows
    )


def markdown(rows):
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|" + "---|" * len(rows[0]))
    return "\n".join(lines)


def left_out(rows, results):
    """Rows that nobody measured."""
    there = {(r["scenario"], r["workers"]) for r in results}
    return [f"{s['name']} on {workers}" for s, workers in rows if (s["name"], workers) not in there]


def missing(report):
    lines = [f"{c['name']} is not installed (Debian: {c['package']})"
             for c in report["contenders"] if not c["installed"]]
    if report["left_out"]:
        why = "it was interrupted before" if report["interrupted"] else "there was no time for"
        lines.append(f"{why} {', '.join(report['left_out'])}")
    if "calibration_failed" in report:
        lines.append(f"no floors: {report['calibration_failed']}")
    return lines


def runs_made(report):
    counts = sorted({r["runs"] for r in report["results"] if "runs" in r})
    if not counts:
        return "no run"
    return f"{counts[0]} to {counts[-1]} interleaved runs" if len(counts) > 1 else f"{counts[0]} interleaved runs"


def said_of(report):
    """Where and how it was measured; whoever quotes a figure quotes this."""
    machine = report["machine"]
    return (f"{machine['processor']}, {machine['cores']}; {machine['compiler']}; commit {report['commit']}; "
            f"median of {runs_made(report)}{', quick: a fifth of the work a run' if report['quick'] else ''}"
            f"{', interrupted' if report['interrupted'] else ''}")


def _section(title, lines):
    return [f"**{title}**", "", *[f"- {line}" for line in lines], ""] if lines else []


def document(report, scenarios, compared, plots):
    """report.md."""
    machine = report["machine"]
    parts = [
        "# Heirloom beside its peers", "", standing(report), "",
        *_section("Failed", failures(report, scenarios)),
        *_section("Where Heirloom loses", [line for _, line in beaten(report, scenarios)]),
        *_section("Where it misses what it must reach", missed(report, scenarios)),
        *_section("Against the earlier report", compared),
        f"{said_of(report)}; Linux {machine['kernel']}; preset release; load before the run {machine['load_before']}; "
        f"{report['seconds']} s in all. ns per operation unless said; ± is half the range in per cent of the median. Floor: "
        "what the units below add up to, which nothing on this machine can beat.", "",
        markdown(table(report, scenarios)), "",
        *[f"- missing: {line}" for line in missing(report)],
        *[f"- {name} {version}" for name, version in report["versions"].items()], "",
        *[f"![{plot.stem}]({plot.name})" for plot in plots],
        "", "## Units of this machine (ns)", "",
        markdown([["unit", "ns"]] + [[unit, number(ns)] for unit, ns in report["units"].items()]), "",
        "## Floors", "",
        markdown([["scenario", "ns", "made of"]] + [
            [name, number(ns), report["floors_made_of"][name]] for name, ns in report["floors"].items()]), "",
    ]
    return "\n".join(parts)
