"""SVG pictures: bars, one picture a group or a part of a large one, and lines, one picture a growth curve. Transparent, in
mid tones that stand out from white as from black."""

import re

import scenarios as described
from report import by_row, measured

INK = "#808080"
MOST_ROWS = 24    # a picture with more is split: by the rows of its tables, and by the number of workers
COLOURS = {
    "heirloom": "#e8590c", "erlang": "#b354b1", "go": "#1793ad", "caf": "#5b8c2a",
    "boost.fiber": "#a67c00", "tbb": "#4f7cd6", "libcuckoo": "#868a8f", "locked_map": "#c2486b",
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
        "xtick.color": INK, "ytick.color": INK, "svg.fonttype": "none", "svg.hashsalt": "heirloom", "font.size": 9,
    })
    names = [c["name"] for c in report["contenders"]]
    rows = {key: _positive(row) for key, row in by_row(report["results"]).items()}
    rows = {key: row for key, row in rows.items() if row}
    files = []
    for group in described.GROUPS:
        shown = [(key, row) for key, row in rows.items()
                 if group == scenarios[key[0]]["groups"][0] and scenarios[key[0]]["unit"] in ("ns", "bytes")]
        if group == "growth":
            continue
        for picture, part in _parts(group, shown).items():
            files.append(directory / f"{picture}.svg")
            _bars(part, names, report["floors"], scenarios, files[-1])
    for curve, points in curves_of(rows, scenarios).items():
        files.append(directory / f"growth_{re.sub('[^a-z]+', '_', curve)}.svg")
        _lines(curve, points, names, report["floors"], scenarios, files[-1])
    return files


def _positive(row):
    """What a logarithmic axis can show."""
    return {name: r for name, r in measured(row).items() if r["min"] > 0}


def _parts(group, shown):
    """{name of a picture: what it shows}"""
    parts = {group: shown} if shown else {}
    for split in (lambda name, workers: _rows_of(name), lambda name, workers: f"workers_{workers}"):
        divided = {}
        for picture, part in parts.items():
            for (name, workers), row in part:
                more = split(name, workers) if len(part) > MOST_ROWS else ""
                divided.setdefault("_".join(filter(None, (picture, more))), []).append(((name, workers), row))
        parts = divided
    return parts


def _rows_of(name):
    found = re.search(r"rows:(\d+)", name)
    return f"rows_{found[1]}" if found else ""


def curves_of(rows, scenarios):
    """Of each curve with more than one point: (at, scenario name, workers, row), in order."""
    curves = {}
    for (name, workers), row in rows.items():
        if "curve" in scenarios[name]:
            curves.setdefault(scenarios[name]["curve"], []).append((scenarios[name]["at"], name, workers, row))
    return {curve: sorted(points, key=lambda p: p[0]) for curve, points in curves.items() if len(points) > 1}


def _errors(results):
    return [[r["ns_per_op"] - r["min"] for r in results], [r["max"] - r["ns_per_op"] for r in results]]


def _finish(axes, names, file):
    from matplotlib import pyplot

    axes.legend(frameon=False, ncol=len(names), loc="lower center", bbox_to_anchor=(0.5, 1.0))
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.figure.savefig(file, transparent=True, bbox_inches="tight", metadata={"Date": None})
    pyplot.close(axes.figure)


def _bars(rows, names, floors, scenarios, file):
    from matplotlib import pyplot

    names = [n for n in names if any(n in row for _, row in rows)]
    height = 0.8 / len(names)
    _, axes = pyplot.subplots(figsize=(9, 0.6 + len(rows) * (0.25 + 0.12 * len(names))))
    for i, name in enumerate(names):
        at = [y + (i - (len(names) - 1) / 2) * height for y, (_, row) in enumerate(rows) if name in row]
        results = [row[name] for _, row in rows if name in row]
        axes.barh(at, [r["ns_per_op"] for r in results], height, xerr=_errors(results), color=COLOURS.get(name, INK), ecolor=INK,
                  error_kw={"elinewidth": 0.8}, label=name)
    for y, ((scenario, workers), _) in enumerate(rows):
        floor = described.floor(scenarios[scenario], workers, floors)
        if floor:
            axes.plot([floor, floor], [y - 0.45, y + 0.45], color=INK, linestyle=":", linewidth=1.2)
    axes.set_yticks(range(len(rows)))
    axes.set_yticklabels([f"{scenarios[s]['title']}, {w} worker{'s' if w > 1 else ''}" for (s, w), _ in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xscale("log")
    unit = {scenarios[s]["unit"] for (s, _), _ in rows}
    axes.set_xlabel(f"{' or '.join(sorted(unit))} per operation, logarithmic; dotted: the floor of this machine")
    _finish(axes, names, file)


def _lines(curve, points, names, floors, scenarios, file):
    from matplotlib import pyplot

    names = [n for n in names if any(n in row for _, _, _, row in points)]
    _, axes = pyplot.subplots(figsize=(7, 4))
    for name in names:
        mine = [(at, row[name]) for at, _, _, row in points if name in row]
        axes.errorbar([at for at, _ in mine], [r["ns_per_op"] for _, r in mine], yerr=_errors([r for _, r in mine]),
                      color=COLOURS.get(name, INK), marker="o", markersize=3.5, linewidth=1.6, capsize=2, label=name)
    bounds = [(at, described.floor(scenarios[name], workers, floors)) for at, name, workers, _ in points]
    bounds = [(at, floor) for at, floor in bounds if floor]
    if bounds:
        axes.plot(*zip(*bounds), color=INK, linestyle=":", linewidth=1.2)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(curve)
    axes.set_ylabel("ns per operation; dotted: the floor")
    _finish(axes, names, file)
