# SPDX-License-Identifier: MIT
"""A result file of bench-run, for those who read it (compare, report.py): samples, spreads, ratios and what is noise.

The columns are described in README.md and found by name. Everything here works on whole files; nothing is measured.
"""

import csv
import statistics

OURS = ("libhopper", "hopper-cat")


class Sample:
    """A row: one run of one peer, of which every check passed."""

    def __init__(self, row):
        words = row["arguments"].split()
        self.round = int(row["round"])
        self.table, self.work, self.peer, self.phase = row["table"], row["work"], row["peer"], row["phase"]
        self.rate, self.unit = float(row["rate"]), row["unit"]
        self.seconds = float(row["seconds"])
        self.payload, self.disk_bytes = float(row["bytes"]), float(row["disk_bytes"])
        self.steal_pct, self.other_pct = float(row["steal_pct"]), float(row["other_pct"])
        self.line_ns = float(row["line_ns"])
        self.arguments = dict(zip(words[0::2], words[1::2]))
        self.more = dict(pair.split("=", 1) for pair in (row.get("more") or "").split() if "=" in pair)

    @property
    def is_ours(self):
        return self.peer.startswith(OURS)

    @property
    def speed(self):
        """More is better."""
        return 1 / self.rate if self.unit == "us" else self.rate

    @property
    def place(self):
        """The work: what all peers of a column share."""
        return self.table, self.work

    @property
    def key(self):
        return self.table, self.work, self.peer, self.phase


class Results:
    def __init__(self, path):
        self.path, self.comments, self.samples, self.failed = path, [], [], 0
        with open(path, encoding="utf-8") as lines:
            rest = []
            for line in lines:
                if line.startswith("#"):
                    self.comments.append(line[1:].strip())
                else:
                    rest.append(line)
        for row in csv.DictReader(rest, delimiter="\t", quoting=csv.QUOTE_NONE):
            if row["ok"] == "1" and float(row["rate"]) > 0:
                self.samples.append(Sample(row))
            else:
                self.failed += 1
        self.by_key = {}
        for sample in self.samples:
            self.by_key.setdefault(sample.key, []).append(sample)

    @property
    def rounds(self):
        return max((sample.round for sample in self.samples), default=0)

    def tables(self):
        """Titles of tables in the order of the file; so are the others below."""
        return list(dict.fromkeys(sample.table for sample in self.samples))

    def works(self, table):
        return list(dict.fromkeys(s.work for s in self.samples if s.table == table))

    def peers(self, table):
        return list(dict.fromkeys(s.peer for s in self.samples if s.table == table))

    def phases(self, table):
        return list(dict.fromkeys(s.phase for s in self.samples if s.table == table))

    def find(self, peer, phase, wanted, unless=()):
        """Samples of PEER in PHASE whose arguments are as WANTED says and name none of UNLESS beyond that.

        A tuple in WANTED: any of these; None: not given.
        """
        def fits(sample):
            given = sample.arguments
            return (sample.peer == peer and sample.phase == phase and
                    all(given.get(name) in (value if isinstance(value, tuple) else (value,))
                        for name, value in wanted.items()) and
                    not any(name in given and name not in wanted for name in unless))
        return [sample for sample in self.samples if fits(sample)]


def spread(values):
    """(median, first quartile, third quartile)."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return median, low, high


def ratios(ours, theirs):
    """How many times better OURS was, in each round and work that both have."""
    other = {(sample.place, sample.round): sample.speed for sample in theirs}
    return [s.speed / other[s.place, s.round] for s in ours if (s.place, s.round) in other]


def ratios_by_round(ours, theirs):
    """The same where theirs is other work: the first of it in each round."""
    other = {sample.round: sample.speed for sample in reversed(theirs)}
    return [s.speed / other[s.round] for s in ours if s.round in other]


def rank_probability(a, b):
    """How probable it is that two lists from one source differ at least so much in their ranks.

    That is the Mann-Whitney test, two-sided. Exact for the small lists that rounds make; ties count half.
    """
    n, m = len(a), len(b)
    if n == 0 or m == 0:
        return 1.0
    u = sum((x > y) + 0.5 * (x == y) for x in a for y in b)
    u = int(min(u, n * m - u))
    if n * m > 2500:
        z = (n * m / 2 - u) / (n * m * (n + m + 1) / 12) ** 0.5
        return min(1.0, 2 * (1 - statistics.NormalDist().cdf(z)))
    ways = {(0, j): [1] for j in range(m + 1)}  # [i, j]: of i and j values, how many orders make each u
    for i in range(1, n + 1):
        ways[i, 0] = [1]
        for j in range(1, m + 1):
            both = [0] * (i * j + 1)
            for k, count in enumerate(ways[i - 1, j]):
                both[k + j] += count
            for k, count in enumerate(ways[i, j - 1]):
                both[k] += count
            ways[i, j] = both
    return min(1.0, 2 * sum(ways[n, m][:u + 1]) / sum(ways[n, m]))


def number(value):
    """Three digits, as the tables of bench-run have them."""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"
