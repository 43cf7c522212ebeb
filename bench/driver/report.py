"""What a run says: the table, the losses, the comparison with an earlier run."""


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


def cell(result):
    if result is None:
        return ""
    if result.get("ns_per_op") is None:
        return result["why"]
    return f"{number(result['ns_per_op'])} ±{spread(result):.0f}%"


def table(report, scenarios):
    """Rows of text: one a scenario and number of workers."""
    names = [c["name"] for c in report["contenders"]]
    head = ["scenario", "workers", *names, "ratio to best peer", "floor", "must", "aims at"]
    rows = [head]
    for (scenario, workers), row in by_row(report["results"]).items():
        described = scenarios[scenario]
        ours, best = measured(row).get("heirloom"), best_peer(row)
        ratio = f"{ours['ns_per_op'] / best['ns_per_op']:.2f} ({best['contender']})" if ours and best else "-"
        title = described["title"] + ("" if described["unit"] == "ns" else f" ({described['unit']})")
        rows.append([title, str(workers), *[cell(row.get(name)) for name in names], ratio,
                     number(report["floors"].get(scenario)), number(described.get("must")),
                     number(described.get("aims"))])
    return rows


def losses(report, scenarios):
    """Where Heirloom does not come first, or misses what it must reach: said before anything else."""
    lines = []
    for (scenario, workers), row in by_row(report["results"]).items():
        ours, best = measured(row).get("heirloom"), best_peer(row)
        where = f"{scenarios[scenario]['title']} on {workers} worker{'s' if workers > 1 else ''}"
        if row.get("heirloom", {}).get("ns_per_op", 0) is None and row["heirloom"]["why"] != "no such benchmark":
            lines.append(f"{where}: Heirloom failed ({row['heirloom']['why']})")
        if not ours:
            continue
        if best and ours["ns_per_op"] > best["ns_per_op"]:
            lines.append(f"{where}: {number(ours['ns_per_op'])}, {best['contender']} "
                         f"{number(best['ns_per_op'])}: {ours['ns_per_op'] / best['ns_per_op']:.2f} times as much")
        must = scenarios[scenario].get("must")
        if must and ours["ns_per_op"] > must:
            lines.append(f"{where}: {number(ours['ns_per_op'])}, must be {number(must)}")
    return lines


def slower(report, earlier):
    """What took longer than in an earlier report by more than either run's noise: the least of the
    new runs lies above the greatest of the old ones, and the medians are 5 % apart."""
    old = {(r["scenario"], r["workers"], r["contender"]): r for r in earlier["results"]}
    lines = []
    for result in report["results"]:
        before = old.get((result["scenario"], result["workers"], result["contender"]))
        if not before or None in (before.get("ns_per_op"), result.get("ns_per_op")):
            continue
        ratio = result["ns_per_op"] / before["ns_per_op"]
        if result["min"] > before["max"] and ratio > 1.05:
            lines.append(f"{result['contender']}: {result['scenario']} on {result['workers']}: "
                         f"{number(before['ns_per_op'])} -> {number(result['ns_per_op'])} ({ratio:.2f} times)")
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


def missing(report):
    return [f"{c['name']} is not installed (Debian: {c['package']})"
            for c in report["contenders"] if not c["installed"]]


def document(report, scenarios, slower_lines, plots):
    """report.md."""
    machine = report["machine"]
    parts = ["# Heirloom beside its peers", ""]
    lost = losses(report, scenarios)
    if lost:
        parts += ["**Where Heirloom loses**", "", *[f"- {line}" for line in lost], ""]
    if slower_lines:
        parts += ["**Slower than before**", "", *[f"- {line}" for line in slower_lines], ""]
    parts += [
        f"{machine['processor']}, {machine['cores']}; Linux {machine['kernel']}; {machine['compiler']}; "
        f"preset release; commit {machine['commit']}; median of {report['runs']} interleaved runs; "
        f"load before the run {machine['load_before']}. ns per operation unless said; ± is half the "
        "range in per cent of the median.", "",
        markdown(table(report, scenarios)), "",
        *[f"- {line}" for line in missing(report)],
        *[f"- {name} {version}" for name, version in machine["versions"].items()], "",
        *[f"![{plot.stem}]({plot.name})" for plot in plots],
        "", "## Units of this machine (ns)", "",
        markdown([["unit", "ns"]] + [[unit, number(ns)] for unit, ns in report["units"].items()]), "",
    ]
    return "\n".join(parts)
