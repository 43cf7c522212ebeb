"""Bars as SVG, one picture a group. Transparent, with mid-tone inks: readable on light and on dark."""

from report import by_row, measured

INK = "#808080"
COLOURS = {
    "heirloom": "#d9480f", "erlang": "#a33ea1", "go": "#1c9ab5", "caf": "#5b8c2a",
    "boost.fiber": "#b08900", "tbb": "#4f7cd6", "libcuckoo": "#8a8d93",
}


def draw(report, scenarios, directory):
    """The files written; none if Matplotlib is missing."""
    try:
        import matplotlib
    except ImportError:
        return []
    matplotlib.use("svg")
    matplotlib.rcParams.update({
        "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": INK,
        "xtick.color": INK, "ytick.color": INK, "svg.fonttype": "none", "font.size": 9,
    })
    files = []
    for group in sorted({g for s in scenarios.values() for g in s["groups"]}):
        rows = [(key, measured(row)) for key, row in by_row(report["results"]).items()
                if group in scenarios[key[0]]["groups"] and scenarios[key[0]]["unit"] == "ns"]
        rows = [(key, row) for key, row in rows if row]
        if rows:
            file = directory / f"{group}.svg"
            _bars(rows, report, scenarios, file)
            files.append(file)
    return files


def _bars(rows, report, scenarios, file):
    from matplotlib import pyplot

    names = [c["name"] for c in report["contenders"]
             if any(c["name"] in row for _, row in rows)]
    height = 0.8 / len(names)
    figure, axes = pyplot.subplots(figsize=(9, 0.6 + len(rows) * (0.25 + 0.16 * len(names))))
    for i, name in enumerate(names):
        at = [y + (i - (len(names) - 1) / 2) * height for y, (_, row) in enumerate(rows) if name in row]
        results = [row[name] for _, row in rows if name in row]
        medians = [r["ns_per_op"] for r in results]
        errors = [[r["ns_per_op"] - r["min"] for r in results], [r["max"] - r["ns_per_op"] for r in results]]
        axes.barh(at, medians, height, xerr=errors, color=COLOURS.get(name), ecolor=INK,
                  error_kw={"elinewidth": 0.8}, label=name)
    for y, ((scenario, _), _) in enumerate(rows):
        floor = report["floors"].get(scenario)
        if floor:
            axes.plot([floor, floor], [y - 0.45, y + 0.45], color=INK, linestyle=":", linewidth=1.2)
    axes.set_yticks(range(len(rows)))
    axes.set_yticklabels([f"{scenarios[s]['title']}, {w} worker{'s' if w > 1 else ''}" for (s, w), _ in rows])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("ns per operation, logarithmic; dotted: the floor of this machine")
    axes.legend(frameon=False, ncol=len(names), loc="lower center", bbox_to_anchor=(0.4, 1.0))
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.savefig(file, transparent=True, bbox_inches="tight")
    pyplot.close(figure)
