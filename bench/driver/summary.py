#!/usr/bin/env python3
"""Writes README's table of figures from the reports kept in bench/results: generated, never typed."""

import json
import pathlib
import re

import report
import scenarios as described

ROOT = pathlib.Path(__file__).resolve().parents[2]
RESULTS = ROOT / "bench" / "results"
BEGIN, END = "<!-- figures: bench/driver/summary.py -->", "<!-- end of figures -->"


def lines_of(kept, scenarios):
    """What has a bar and is counted in time, and the classics: one worker, or process, and two on one line. The rest is in
    the report. {(what, title): {workers: row}}"""
    lines = {}
    for (name, workers), row in report.by_row(kept["results"]).items():
        scenario = scenarios.get(name)
        if scenario and "heirloom" in report.measured(row) and scenario["unit"] != "ms" and (
                "must" in scenario or "savina" in scenario["groups"]):
            what = re.sub(r"/processes:\d+", "", name)
            lines.setdefault(what, {})[workers] = (scenario, row)
    return lines


def half(line, workers):
    """Ours, the best peer and the ratio; a loss stands out."""
    if workers not in line:
        return ["", "", ""]
    row = line[workers][1]
    ours, best = report.measured(row)["heirloom"], report.best_peer(row)
    if not best:
        return [report.cell(ours), "", ""]
    ratio = f"{ours['ns_per_op'] / best['ns_per_op']:.2f}"
    return [report.cell(ours), f"{report.cell(best)} {best['contender']}",
            f"**{ratio}**" if ours["ns_per_op"] > best["ns_per_op"] else ratio]


def bars(line):
    each = [described.must(scenario, workers) for workers, (scenario, _) in sorted(line.items())]
    return " / ".join(dict.fromkeys(report.number(bar) for bar in each)) if any(each) else ""


def table(kept, scenarios):
    rows = [["scenario", "must", "1 worker", "best peer", "ratio", "2 workers", "best peer", "ratio"]]
    for line in lines_of(kept, scenarios).values():
        first = line[min(line)][0]
        title = re.sub(r", \d process.*", "", report.titled(first))
        rows.append([title, bars(line), *half(line, 1), *half(line, 2)])
    return report.markdown(rows)


def summary(results=RESULTS):
    """A table a machine."""
    parts = []
    known = described.load()
    for path in sorted(results.glob("*/report.json")):
        kept = json.loads(path.read_text())
        kept["results"] = [r for r in kept["results"] if r["scenario"] in known]    # none that is measured no more
        lost, missed = report.beaten(kept, known), report.missed(kept, known)
        parts.append(
            f"{report.said_of(kept)}; ns per operation unless said, ± half the range.\n\n"
            f"{report.standing(kept)} It is behind in {len(lost)}, and in {len(missed)} places it misses a bar of its own: "
            f"[the report](bench/results/{path.parent.name}/report.md) names them all, first of all.\n\n"
            f"{table(kept, known)}")
    return "\n\n".join(parts)


def with_summary(text, results=RESULTS):
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n{summary(results)}\n{END}{after}"


def write_readme(readme=ROOT / "README.md"):
    readme.write_text(with_summary(readme.read_text()))


if __name__ == "__main__":
    write_readme()
