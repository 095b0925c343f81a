# SPDX-License-Identifier: MIT
"""The pictures of docs/benchmarks.md: SVG files made by gnuplot from a result file and its time series.

Each function below takes the results and gives a list of Plot; what a result file does not have is left out. Points are
medians over the rounds.
"""

import csv
import math
import os
import subprocess
import sys

import results

HEAD = """\
set terminal svg size 820,480 dynamic font "sans-serif,13" background "#ffffff" noenhanced
set key outside right top
set grid
set style data linespoints
set pointsize 0.6
"""


class Plot:
    """LINES: {label: [(x, y), ...]}; SETTINGS: gnuplot commands of this picture alone."""

    def __init__(self, name, title, x, y, lines, settings=""):
        self.name, self.title, self.x, self.y, self.lines, self.settings = name, title, x, y, lines, settings

    def write(self, folder):
        blocks, plots = [], []
        labels = sorted(self.lines, key=lambda label: (not label.startswith(results.OURS), label))
        for i, label in enumerate(labels):
            points = "\n".join(f"{x:g} {y:g}" for x, y in self.lines[label])
            blocks.append(f"$line{i} << EOD\n{points}\nEOD")
            width = 3 if label.startswith(results.OURS) else 1.3
            plots.append(f'$line{i} using 1:2 title "{label}" linewidth {width}')
        script = "\n".join([HEAD, *blocks, self.settings, f'set title "{self.title}"', f'set xlabel "{self.x}"',
                            f'set ylabel "{self.y}"', "plot " + ", ".join(plots), ""])
        done = subprocess.run(["gnuplot"], input=script, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"plots.py: gnuplot: {self.name}: {done.stderr.strip()}")
        svg = done.stdout
        with open(os.path.join(folder, self.name + ".svg"), "w", encoding="utf-8") as out:
            out.write(svg)


def lines_by(samples, x_of, y_of=lambda sample: sample.rate):
    """{peer: [(x, median y), ...]}, of peers with two points or more."""
    found = {}
    for sample in samples:
        found.setdefault(sample.peer, {}).setdefault(x_of(sample), []).append(y_of(sample))
    return {peer: sorted((x, results.spread(ys)[0]) for x, ys in points.items())
            for peer, points in found.items() if len(points) > 1}


def is_plain(sample):
    """Work in memory as everybody does it: pinned, no smaller budget, room for many, sizes that are numbers."""
    given = sample.arguments
    return (sample.phase == "mem" and given.get("--size", "").isdigit() and
            not any(name in given for name in ("--pin", "--memory", "--cpus")) and
            (given["--size"] != "8" or given.get("--slots") != "4096"))


def memory_plots(found):
    plots = []
    for batch, words, suffix in (("1", "one by one", "single"), ("64", "batches of 64", "batch")):
        plain = [s for s in found.samples if is_plain(s) and s.arguments.get("--batch") == batch]
        sizes = [s for s in plain if s.arguments.get("--senders") == "1"]
        senders = [s for s in plain if s.arguments.get("--size") == "8"]
        plots.append(Plot(f"size-{suffix}", f"Throughput by message size, 1 sender, {words}", "bytes of a message",
                          "million messages a second", lines_by(sizes, lambda s: int(s.arguments["--size"])),
                          "set logscale xy\nset xtics (8, 100, 1024)"))
        plots.append(Plot(f"senders-{suffix}", f"Throughput by senders, 8 bytes, {words}", "senders",
                          "million messages a second", lines_by(senders, lambda s: int(s.arguments["--senders"])),
                          "set logscale xy 2\nset xtics (1, 2, 4, 8, 16, 32, 64)"))
    return plots


def level_plots(found):
    table = [s for s in found.samples if "--level" in s.arguments and s.table.endswith("by level")]
    plots = []
    for phase, words in (("in", "to disk"), ("out", "from disk")):
        lines = {}
        for sample in table:
            if sample.phase == phase:
                label = "libhopper" if sample.is_ours else sample.peer
                lines.setdefault(label, {}).setdefault(int(sample.arguments["--level"]), []).append(sample.rate)
        lines = {label: sorted((level, results.spread(rates)[0]) for level, rates in points.items())
                 for label, points in lines.items()}
        plots.append(Plot(f"level-{phase}", f"Overflow of log lines {words}, by codec and level", "level (0: stored)",
                          "MB/s", lines, "set logscale y\nset xrange [-0.5:9.5]\nset xtics 1"))
    sizes = {}
    for sample in table:
        if sample.phase == "in" and sample.disk_bytes > 0:
            label = "libhopper" if sample.is_ours else sample.peer
            sizes.setdefault(label, {})[int(sample.arguments["--level"])] = sample.disk_bytes / sample.payload
    plots.append(Plot("level-size", "Overflow of log lines, bytes on disk by codec and level", "level (0: stored)",
                      "bytes on disk / input", {label: sorted(points.items()) for label, points in sizes.items()},
                      "set yrange [0:1.1]\nset xrange [-0.5:9.5]\nset xtics 1"))
    return plots


def percentile(name):
    """0.999 for "p999_us", None for what is not a point of a distribution."""
    digits = name[1:-3]
    if not (name.startswith("p") and name.endswith("_us") and digits.isdigit()):
        return None
    return float("0." + (digits if len(digits) > 1 else "0" + digits))


def latency_plots(found):
    """x is how many nines: percentiles as far apart as they are rare."""
    lines = {}
    for sample in found.samples:
        if sample.phase == "latency":
            for name, value in sample.more.items():
                share = percentile(name)
                if share is not None:
                    points = lines.setdefault(sample.peer, {})
                    points.setdefault(-math.log10(1 - share), []).append(float(value))
    lines = {peer: sorted((x, results.spread(ys)[0]) for x, ys in points.items()) for peer, points in lines.items()}
    shares = (0.1, 0.5, 0.9, 0.99, 0.999, 0.9999)
    tics = ", ".join(f'"{100 * share:g} %%" {-math.log10(1 - share):g}' for share in shares)
    title = "Waking a receiver that sleeps: share of messages that took at most so long"
    return [Plot("latency", title, "", "us", lines,
                 f"set logscale y\nset xtics ({tics})")]


def stall_plots(path):
    """Memory, disk and what waits, over time, while the receiver stands still and returns."""
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as rows:
        rows = list(csv.DictReader((row for row in rows if not row.startswith("#")), delimiter="\t"))
    plots = []
    for name, words, unit, divisor in (("memory_bytes", "memory of the process", "MiB", 1 << 20),
                                       ("disk_bytes", "bytes on disk", "MiB", 1 << 20),
                                       ("pending", "messages that wait", "thousand", 1000),
                                       ("sent", "messages sent", "thousand", 1000)):
        lines = {}
        for row in rows:
            if row["name"] == name:
                label = row["peer"] + (f", {row['work']}" if row["work"] else "")
                lines.setdefault(label, []).append((float(row["seconds"]), float(row["value"]) / divisor))
        plots.append(Plot(f"stall-{name.split('_')[0]}", f"A receiver stalls and returns: {words}", "seconds", unit,
                          lines, "set style data lines\nset yrange [0:*]"))
    return plots


def write_all(found, series, folder):
    """Make every picture that the results are good for; their names and titles."""
    os.makedirs(folder, exist_ok=True)
    made = []
    for plot in memory_plots(found) + level_plots(found) + latency_plots(found) + stall_plots(series):
        if plot.lines:
            plot.write(folder)
            made.append((plot.name, plot.title))
    return made
