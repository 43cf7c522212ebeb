#!/usr/bin/env python3
"""Writes README's table of figures from the reports kept in bench/results: generated, never typed."""

import json
import pathlib

import report

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BEGIN, END = "<!-- figures: bench/driver/summary.py -->", "<!-- end of figures -->"


def rows_of(kept, scenarios):
    for (scenario, workers), row in report.by_row(kept["results"]).items():
        ours, best = report.measured(row).get("heirloom"), report.best_peer(row)
        if not ours or scenario not in scenarios:
            continue
        described = scenarios[scenario]
        unit = "" if described["unit"] == "ns" else f" ({described['unit']})"
        yield [described["title"] + unit, str(workers), report.cell(ours),
               f"{report.cell(best)} ({best['contender']})" if best else "-",
               f"{ours['ns_per_op'] / best['ns_per_op']:.2f}" if best else "-",
               report.number(described.get("must"))]


def summary():
    scenarios = {s["name"]: s for s in json.loads((HERE / "scenarios.json").read_text())}
    rows = [["scenario", "workers", "heirloom", "best peer", "ratio", "must"]]
    about = None
    for path in sorted((ROOT / "bench" / "results").glob("*/*.json")):
        kept = json.loads(path.read_text())
        about = about or kept
        rows += rows_of(kept, scenarios)
    machine = about["machine"]
    note = (f"{machine['processor']}, {machine['cores']}, {machine['compiler']}, commit {machine['commit']}; median of "
            f"{about['runs']} interleaved runs{', quick' if about['quick'] else ''}, ns per operation, ± half the range.")
    return f"{note}\n\n{report.markdown(rows)}"


def main():
    readme = ROOT / "README.md"
    text = readme.read_text()
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    readme.write_text(f"{before}{BEGIN}\n{summary()}\n{END}{after}")


if __name__ == "__main__":
    main()
