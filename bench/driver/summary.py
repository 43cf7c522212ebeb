#!/usr/bin/env python3
"""Writes README's table of figures from the reports kept in bench/results: generated, never typed."""

import json
import pathlib

import report

import scenarios as described

ROOT = pathlib.Path(__file__).resolve().parents[2]
RESULTS = ROOT / "bench" / "results"
BEGIN, END = "<!-- figures: bench/driver/summary.py -->", "<!-- end of figures -->"


def rows_of(kept, scenarios):
    """What has a bar, and the classics; the whole is in the report."""
    for (name, workers), row in report.by_row(kept["results"]).items():
        ours, best = report.measured(row).get("heirloom"), report.best_peer(row)
        scenario = scenarios.get(name)
        if not ours or not scenario or not ("must" in scenario or "savina" in scenario["groups"]):
            continue
        yield [report.titled(scenario), str(workers), report.cell(ours),
               f"{report.cell(best)} ({best['contender']})" if best else "-",
               f"{ours['ns_per_op'] / best['ns_per_op']:.2f}" if best else "-",
               report.number(described.must(scenario, workers))]


def summary(results=RESULTS):
    """A table a machine."""
    parts = []
    for path in sorted(results.glob("*/report.json")):
        kept = json.loads(path.read_text())
        machine = kept["machine"]
        rows = [["scenario", "workers", "heirloom", "best peer", "ratio", "must"], *rows_of(kept, described.load())]
        parts.append(f"{machine['processor']}, {machine['cores']}, {machine['compiler']}, commit {machine['commit']}; median of up "
                     f"to {kept['runs']} interleaved runs{', quick' if kept['quick'] else ''}, ns per operation, ± half the range. "
                     f"[The whole report](bench/results/{path.parent.name}/report.md).\n\n{report.markdown(rows)}")
    return "\n\n".join(parts)


def with_summary(text, results=RESULTS):
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n{summary(results)}\n{END}{after}"


def write_readme(readme=ROOT / "README.md"):
    readme.write_text(with_summary(readme.read_text()))


if __name__ == "__main__":
    write_readme()
