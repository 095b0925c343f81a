#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the generated parts of docs/benchmarks.md, and its pictures, from a result file of bench-run.

    report.py RESULTS.tsv COUNTS.tsv DOCS/benchmarks.md

The document is written by hand but for what stands between a line `<!-- begin NAME ... -->` and `<!-- end NAME -->`:
  run      which machine, how many rounds, how busy
  targets  every row of targets.py: ours beside each peer, the ratio, what it must be, a verdict
  plots    pictures in DOCS/benchmarks/, by gnuplot (Debian: gnuplot-nox); time series from RESULTS.series.tsv
  tables   everything in the file
A ratio is taken in each round between programs that ran within seconds of one another; given are its median and its
quartiles. "close": the bar is between the quartiles, another run may say otherwise.

Rows that fall short need a plain sentence by hand. The program names those whose title does not occur in the document
outside of the generated parts, and ends with 1 then, with everything written all the same.
"""

import csv
import os
import re
import shutil
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import plots  # noqa: E402
import results  # noqa: E402
import targets  # noqa: E402

COLUMNS_MAX = 9  # a table with more is turned round: peers across
PLAIN = ("--pin", "--memory", "--cpus", "--work-passes")  # work with these is other work, unless a target asks for it


# ---- targets

def verdict(ratio, low, high, against):
    """What became of a row's targets; a verdict that begins with "missed" needs a sentence."""
    if against.aim is not None and ratio >= against.aim:
        return "aim met"
    if against.must is None:
        return "-" if against.aim is None else "short of the aim"
    if ratio >= against.must:
        return "met" if low >= against.must else "met, but close"
    return "missed" if high < against.must else "missed, but close"


def times(value):
    return "" if value is None else f"{value:.2f}x"


def first_found(found, names, phase, wanted):
    for name in names:
        samples = found.find(name, phase, wanted, PLAIN)
        if samples:
            return name, samples
    return names[0], []


def beside(found, ours, against, target):
    """(name, samples, ratios) of the first of AGAINST's peers that did the work beside OURS."""
    for peer in against.peers:
        theirs = found.find(peer, target.phase, against.elsewhere or against.wanted or target.wanted, PLAIN)
        if against.elsewhere:
            ratios = results.ratios_by_round(ours, theirs)
        else:
            theirs = [sample for sample in theirs if sample.place in {one.place for one in ours}]
            ratios = results.ratios(ours, theirs)
        if ratios:
            return peer, theirs, ratios
    return against.peers[0], [], []


def rate_text(samples):
    if not samples:
        return "-"
    return f"{results.number(results.spread([s.rate for s in samples])[0])} {samples[0].unit}"


def target_rows(found):
    """(title, ours, peer, theirs, ratio, must, aim, verdict) of every row."""
    rows = []
    for target in targets.TARGETS:
        name, ours = first_found(found, target.ours, target.phase, target.wanted)
        for against in target.against:
            peer, theirs, ratios = beside(found, ours, against, target)
            if ratios:
                median, low, high = results.spread(ratios)
                ratio, word = f"{median:.2f}x [{low:.2f}-{high:.2f}]", verdict(median, low, high, against)
            else:
                ratio, word = "", "not in this run"
            rows.append((target.name, f"{rate_text(ours)} ({name})" if ours else "-", peer + against.note,
                         rate_text(theirs), ratio, times(against.must), times(against.aim), word))
    return rows


def disk_row(found):
    """Bytes on disk: less is better, and the original's figure is known."""
    _, ours = first_found(found, targets.DEFLATING, "in", targets.overflow("log", 1))
    if not ours:
        return ("bytes on disk, log lines", "-", targets.ORIGINAL, str(targets.ORIGINAL_DISK), "", "at most 0.30x",
                "at most 0.25x", "not in this run")
    share = results.spread([s.disk_bytes / s.payload for s in ours])[0]
    ratio = share / targets.ORIGINAL_DISK
    word = "aim met" if ratio <= 0.25 else "met" if ratio <= 0.3 else "missed"
    return ("bytes on disk, log lines", f"{share:.3f} of the input", targets.ORIGINAL,
            f"{targets.ORIGINAL_DISK} (as known)", f"{ratio:.2f}x", "at most 0.30x", "at most 0.25x", word)


def spin_row(found):
    """A receiver that does not sleep: less is better."""
    ours = found.find("libhopper-spinning", "latency", {"--work": "wake"})
    title, aim = "a receiver that spins, p50", f"at most {targets.SPINNING_US} us"
    if not ours:
        return (title, "-", "", "-", "", "", aim, "not in this run")
    took = results.spread([s.seconds * 1e6 for s in ours])[0]
    word = "aim met" if took <= targets.SPINNING_US else "short of the aim"
    return (title, f"{took:.2f} us (libhopper-spinning)", "", "-", "", "", aim, word)


def count_rows(path):
    """Allocations and system calls for each record, from the accepted counts."""
    with open(path, encoding="utf-8") as lines:
        counts = list(csv.DictReader((line for line in lines if not line.startswith("#")), delimiter="\t"))
    rows = []
    for title, works, must, aim in (("in memory", ("send", "receive"), 0.0, 0.0),
                                    ("overflowing", ("overflow", "replay"), None, 1 / 64)):
        of = [row for row in counts if row["work"].split("-")[0] in works]
        if not of:
            continue
        allocations = max(float(row["allocations"]) for row in of)
        calls = max(float(row["syscalls"]) for row in of)
        worst = max(allocations, calls)
        word = "aim met" if worst <= aim else "missed" if must is not None and worst > must else "short of the aim"
        rows.append((f"allocations, system calls for each record, {title}", f"{allocations:.4f}, {calls:.4f}",
                     "counted, 8 and 100 B", "", "", "0, 0" if must is not None else "",
                     "0, 0" if aim == 0 else "one block's for all of its records", word))
    return rows


def burst_rows(found):
    """A sender whose receiver stalls, beside what the codec alone does."""
    ours = {s.round: s for s in found.samples if s.phase == "stall" and s.peer == "libhopper"
            and s.arguments.get("--level") != "0"}
    codec = found.find("bare-zlib-limit", "in", targets.overflow("log", 1))
    seconds = {number: s.payload / 1e6 / s.seconds for number, s in ours.items() if s.seconds > 0}
    ratios = [seconds[s.round] / s.rate for s in codec if s.round in seconds]
    title = "a sender while its receiver stalls"
    if not ratios:
        return [(title, "-", "bare-zlib-limit", "-", "", "0.80x", "", "not in this run")]
    median, low, high = results.spread(ratios)
    return [(title, f"{results.number(results.spread(list(seconds.values()))[0])} MB/s", "bare-zlib-limit",
             rate_text(codec), f"{median:.2f}x [{low:.2f}-{high:.2f}]", "0.80x", "",
             verdict(median, low, high, targets.Against("", must=0.8)))]


def targets_text(rows):
    known = [row for row in rows if row[5] and row[7] != "not in this run"]
    met = sum(row[7].startswith(("met", "aim met")) for row in known)
    lines = [f"{met} of {len(known)} bars (\"must\") that this run can judge are met; "
             f"{sum(row[7] == 'not in this run' for row in rows)} rows have a peer that was not there.", "",
             "| work | ours | beside | theirs | ours / theirs | must | aim | verdict |", "|---" * 8 + "|"]
    before = None
    for row in rows:
        shown = ("", "") + row[2:] if row[:2] == before else row
        lines.append("| " + " | ".join(shown) + " |")
        before = row[:2]
    return "\n".join(lines)


# ---- tables

def cell_text(found, table, work, peer, phase):
    samples = found.by_key.get((table, work, peer, phase))
    if not samples:
        return "-"
    median, low, high = map(results.number, results.spread([s.rate for s in samples]))
    first = next((p for p in found.peers(table) if (table, work, p, phase) in found.by_key), peer)
    ratios = [] if peer == first else results.ratios(found.by_key.get((table, work, first, phase), []), samples)
    return f"{median} [{low}-{high}]" + (f" **{results.spread(ratios)[0]:.2f}x**" if ratios else "")


def disk_text(found, table, work, peer):
    shares = [s.disk_bytes / s.payload for s in found.by_key.get((table, work, peer, "in"), ()) if s.disk_bytes >= 0]
    return f"{results.spread(shares)[0]:.3f}" if shares else "-"


def more_text(found, key, name, divisor=1):
    values = [float(s.more[name]) / divisor for s in found.by_key.get(key, ()) if name in s.more]
    return results.number(results.spread(values)[0]) if values else "-"


def table_text(found, table):
    works, peers, phases = found.works(table), found.peers(table), found.phases(table)
    unit = next(s.unit for s in found.samples if s.table == table)
    heads, cells = [], {peer: [] for peer in peers}
    for work in works:
        for phase in phases:
            heads.append(": ".join(filter(None, (work, phase if len(phases) > 1 else ""))))
            for peer in peers:
                cells[peer].append(cell_text(found, table, work, peer, phase))
        extra = {"in": [("on disk / input", lambda p, w=work: disk_text(found, table, w, p))],
                 "latency": [("p99", lambda p, w=work: more_text(found, (table, w, p, "latency"), "p99_us")),
                             ("max", lambda p, w=work: more_text(found, (table, w, p, "latency"), "max_us"))],
                 "return": [("MiB at most", lambda p, w=work: more_text(found, (table, w, p, "return"), "memory_max",
                                                                        1 << 20)),
                            ("MiB on disk", lambda p, w=work: more_text(found, (table, w, p, "return"), "disk_max",
                                                                        1 << 20))]}
        for phase in phases:
            for head, value in extra.get(phase, ()):
                heads.append(head)
                for peer in peers:
                    cells[peer].append(value(peer))
    rows = [[unit] + heads] + [[peer] + cells[peer] for peer in peers]
    if len(heads) > COLUMNS_MAX:
        rows = list(zip(*rows))
    lines = [f"### {table}", "", "| " + " | ".join(rows[0]) + " |", "|---" * len(rows[0]) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows[1:]]
    return "\n".join(lines)


def run_text(found):
    steal = results.spread([s.steal_pct for s in found.samples])[0]
    other = results.spread([s.other_pct for s in found.samples])[0]
    line, low, high = results.spread([s.line_ns for s in found.samples])
    return (f"{'; '.join(found.comments)}. {found.rounds} rounds, {len(found.samples)} samples"
            f"{f', {found.failed} FAILED runs left out' if found.failed else ''}.\n"
            f"While it ran (medians): steal {steal:.1f} % of all CPUs' time, other programs {other:.1f} %;\n"
            f"a cache line to the other CPU and back {line:.0f} ns "
            f"({low:.0f} to {high:.0f}).")


# ---- the document

def part_replace(text, name, content):
    pattern = re.compile(rf"(<!-- begin {name}\b[^\n]*-->\n).*?(<!-- end {name} -->)", re.DOTALL)
    if not pattern.search(text):
        sys.exit(f"report.py: the document has no '<!-- begin {name} -->' ... '<!-- end {name} -->'")
    return pattern.sub(lambda match: f"{match.group(1)}\n{content}\n\n{match.group(2)}", text, count=1)


def by_hand(text):
    return re.sub(r"<!-- begin .*?<!-- end \w+ -->", "", text, flags=re.DOTALL)


def main():
    if len(sys.argv) != 4:
        print(__doc__, file=sys.stderr)
        return 2
    path, counts, document = sys.argv[1:]
    found = results.Results(path)
    if not found.samples:
        sys.exit(f"report.py: {path} has no samples")
    with open(document, encoding="utf-8") as lines:
        text = lines.read()
    folder = os.path.splitext(document)[0]
    pictures = "gnuplot was not there."
    if shutil.which("gnuplot") is None:
        print("report.py: no gnuplot (Debian: gnuplot-nox): without pictures", file=sys.stderr)
    else:
        made = plots.write_all(found, re.sub(r"\.tsv$", ".series.tsv", path), folder)
        pictures = "\n".join(f"![{title}]({os.path.basename(folder)}/{name}.svg)" for name, title in made)
    rows = target_rows(found) + [spin_row(found), disk_row(found)] + burst_rows(found) + count_rows(counts)
    text = part_replace(text, "run", run_text(found))
    text = part_replace(text, "targets", targets_text(rows))
    text = part_replace(text, "plots", pictures)
    text = part_replace(text, "tables", "\n\n".join(table_text(found, table) for table in found.tables()))
    with open(document, "w", encoding="utf-8") as out:
        out.write(text)
    silent = [row for row in rows if row[7].startswith("missed") and row[0] not in by_hand(text)]
    for title, _, peer, _, ratio, must, _, word in silent:
        print(f"report.py: {title}, beside {peer}: {ratio} of {must}, {word}; {document} has no sentence on it")
    return 1 if silent else 0


if __name__ == "__main__":
    sys.exit(main())
