# SPDX-License-Identifier: MIT
"""What libhopper is to reach, as ratios of one run: "must" is the bar, "aim" the goal. report.py computes the rest.

A target is a piece of work (arguments of the programs, see args.c), our row, and what it is held against: a peer's row
of the same work, phase and round, with the ratio ours / theirs (of speed: more is better). The original is the Rust
crate hopper; it is not among the peers that Debian has, so that rows against it are filled only in a run that was given
one called ORIGINAL, by bench-run's --peer.
"""

ORIGINAL = "hopper-rs"
SPINNING_US = 0.5  # from a send to the return of a receive that spins, p50: the aim
ORIGINAL_DISK = 0.86  # bytes on disk for each byte of log lines that the original was measured to need


class Against:
    """One peer: the ratios it takes, None where there is no such target; PEERS: whoever of them is in the file.

    WANTED: arguments of its work, where they are not the target's; ELSEWHERE: the same for work in another column, of
    which the same round is taken. NOTE: what the table says of it.
    """

    def __init__(self, peers, must=None, aim=None, wanted=None, elsewhere=None, note=""):
        self.peers = (peers,) if isinstance(peers, str) else tuple(peers)
        self.must, self.aim, self.wanted = must, aim, wanted
        self.elsewhere, self.note = elsewhere, note


class Target:
    """WANTED: arguments of the work; OURS: our peer's name, or several of which the file has one."""

    def __init__(self, name, phase, wanted, ours, *against):
        self.name, self.phase, self.wanted, self.against = name, phase, wanted, against
        self.ours = (ours,) if isinstance(ours, str) else tuple(ours)


def mem(size, batch, senders):
    slots = (None, "131072" if size == 8 else "4096")  # 8 B with 4096 are other work
    return {"--slots": slots, "--work": "mem", "--size": str(size), "--batch": str(batch), "--senders": str(senders)}


def batch_targets():
    """The original has no call for batches: its bar is for one message for each value; what its user would do instead,
    one message that holds 64, stands beside it. Ours is the call for records that stand side by side, as they do in the
    arrays that moodycamel's bulk calls take."""
    return [Target(f"8 B, batches of 64, {senders} sender{'s' if senders > 1 else ''}", "mem", mem(8, 64, senders),
                   ("libhopper-joined", "libhopper"),
                   Against(ORIGINAL, must=original, elsewhere=mem(8, 1, senders), note=", a message for each"),
                   Against(ORIGINAL, note=", 64 in a message"), Against(BULK, must=must, aim=aim))
            for senders, original, must, aim in ((1, 15, 0.9, 1.3), (4, 8, 0.5, 0.85))]


def overflow(data, level, batch=64):
    return {"--work": "overflow", "--data": data, "--batch": str(batch), "--level": str(level)}


def durable(senders):
    return {"--work": "durable", "--senders": str(senders)}


STD, CROSSBEAM, GO = "rust-std-sync", "crossbeam-bounded", "go-channel"
BULK = ("moodycamel-bulk", "moodycamel-blocking-bulk")
DEFLATING = ("libhopper-isal", "libhopper-libdeflate", "libhopper-zlib")  # the fastest that was measured
FASTEST = ("bare-isal-limit", "bare-libdeflate-limit", "bare-zlib-limit")
LMDB = {"--work": "overflow", "--batch": "64"}  # has no level
LARGE_LMDB, LARGE_ROCKSDB = ("lmdb-4096", "lmdb"), ("rocksdb-4096", "rocksdb")


def overflow_targets():
    """In and out are targets of their own."""
    found = []
    for phase, zlib, fast, stored in (("in", (10, 0.8), 35, (1.5, 4)), ("out", (14, 0.7), 30, (1.5, 4))):
        found += [
            Target(f"overflow {phase}, log lines, zlib", phase, overflow("log", 1), "libhopper-zlib",
                   Against(ORIGINAL, must=zlib[0]), Against("bare-zlib-limit", must=zlib[1], aim=0.95)),
            Target(f"overflow {phase}, log lines, the fastest deflate at hand", phase, overflow("log", 1),
                   DEFLATING, Against(ORIGINAL, must=fast), Against(FASTEST, must=0.75),
                   Against(LARGE_LMDB, aim=1.0, wanted=dict(LMDB, **{"--data": "log"}))),
            Target(f"overflow {phase}, log lines, stored", phase, overflow("log", 0), "libhopper-stored",
                   Against(LARGE_LMDB, must=stored[0], wanted=dict(LMDB, **{"--data": "log"})),
                   Against(LARGE_ROCKSDB, must=stored[1]), Against("bare-write-limit", aim=0.5)),
            Target(f"overflow {phase}, 8 B integers", phase, overflow("int", 1), DEFLATING,
                   Against(ORIGINAL, must=200 if phase == "in" else 40, aim=1000 if phase == "in" else 100),
                   Against(LARGE_LMDB, must=1.0, wanted=dict(LMDB, **{"--data": "int"}))),
        ]
    shared = {"--pin": "0", "--memory": "4194304"}  # as the plan has it where a thread shares the receiver's work
    for name, level, ours, peer in (
            ("zlib", 1, "libhopper-zlib-ahead", ORIGINAL),
            ("the fastest deflate at hand", 1, ("libhopper-isal-ahead", "libhopper-libdeflate-ahead"), ORIGINAL),
            ("stored", 0, "libhopper-stored-ahead", LARGE_ROCKSDB)):
        found.append(Target(f"overflow out, log lines, {name}, decompress_threads", "out",
                            dict(overflow("log", level), **shared), ours,
                            Against(peer, wanted=overflow("log", level)),
                            Against(LARGE_LMDB, wanted=dict(LMDB, **{"--data": "log"}))))
    return found


def durable_targets():
    found = []
    for senders, must in ((1, 1.0), (8, 0.9), (64, 1.1)):
        against = [Against("rocksdb", must=must, aim=1.4)]
        if senders == 1:
            against.append(Against(("bare-fdatasync-preallocated", "bare-fdatasync-append"), aim=0.9))
        if senders == 64:
            against += [Against("sqlite", must=8), Against("sqlite-group")]
        found.append(Target(f"durable sends, {senders} sender{'s' if senders > 1 else ''}", "durable", durable(senders),
                            "libhopper-power-loss", *against))
    return found


TARGETS = [
    Target("8 B, 1 sender, one by one", "mem", mem(8, 1, 1), "libhopper",
           Against(ORIGINAL, must=5), Against(STD, must=0.6, aim=1.0), Against(GO, must=1.5),
           Against(CROSSBEAM, aim=1.0)),
    Target("8 B, 4 senders, one by one", "mem", mem(8, 1, 4), "libhopper",
           Against(ORIGINAL, must=3.5), Against(STD, must=1.2), Against(CROSSBEAM, must=0.6, aim=1.0),
           Against(("moodycamel", "moodycamel-blocking"), aim=1.0)),
    *batch_targets(),
    Target("100 B variable, 1 sender", "mem", mem(100, 1, 1), "libhopper",
           Against(ORIGINAL, must=9, aim=20), Against("rust-std-channel", must=7), Against(STD, must=7),
           Against("crossbeam-unbounded", must=7), Against(CROSSBEAM, must=7), Against(GO, must=4),
           Against("gasyncqueue", must=5), Against("crossbeam-bounded-array", aim=1.5)),
    Target("1 KiB variable, 1 sender", "mem", mem(1024, 1, 1), "libhopper",
           Against(ORIGINAL, must=3.5), Against("spsc-ring", must=0.7, aim=0.9)),
    *[Target(f"surviving a kill, {size} B, {'one by one' if batch == 1 else 'batches of 64'}", "mem",
             mem(size, batch, 1), "libhopper-crash", Against("libhopper", must=0.8, aim=0.95))
      for size in (8, 100) for batch in (1, 64)],
    *overflow_targets(),
    *durable_targets(),
    Target("hopper-cat, log lines", "pipe", {"--data": "log"}, "hopper-cat",
           Against("pv", must=1 / 0.6), Against("floor", must=1 / 1.7, aim=1 / 1.3)),
    Target("hopper-cat, log lines, one CPU", "pipe", {"--data": "log", "--cpus": "1"}, "hopper-cat",
           Against("cat", must=1 / 2.5, aim=1 / 1.7)),
    Target("hopper-cat, 2-byte lines", "pipe", {"--data": "short"}, "hopper-cat",
           Against("floor", must=1 / 1.5, aim=1.0)),
    Target("waking a receiver, p50", "latency", {"--work": "wake"}, "libhopper",
           Against("bare-futex-limit", must=1 / 1.15)),
]
