"""Every mark of every packet against tshark's `tcp.analysis`: of real captures, of recordings, of made ones."""

import os
import random
import shutil
import subprocess
from pathlib import Path

import polars as pl
import pytest

from tests import builders as make
from zcanalysis.io.pcap import scan_pcap
from zcanalysis.wire.segment_marks import marks

pytestmark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")

CAPTURES = make.real_captures()
KERNEL_CAPTURES = [path for path in sorted((make.SHARED / "prequeue-kernel").glob("*.pcap*")) if path not in CAPTURES]
RECORDINGS = [*sorted(Path("traces").glob("*/*.pcap*")), *KERNEL_CAPTURES]
ALL = bool(os.environ.get("ZC_ALL_CAPTURES"))
LIMIT = 3000  # packets of each recording, and of captures that are larger than BIG_BYTES, unless ZC_ALL_CAPTURES is set
BIG_BYTES = 300_000
LEAST = 0.995

MARKS = {
    "retransmission": "retransmission",
    "fast_retransmission": "fast_retransmission",
    "spurious_retransmission": "spurious_retransmission",
    "out_of_order": "out_of_order",
    "duplicate_ack": "duplicate_ack",
    "lost_segment": "lost_segment",
    "ack_lost_segment": "ack_lost_segment",
    "zero_window": "zero_window",
    "window_full": "window_full",
    "window_update": "window_update",
    "zero_window_probe": "zero_window_probe",
    "zero_window_probe_ack": "zero_window_probe_ack",
    "keep_alive": "keep_alive",
    "keep_alive_ack": "keep_alive_ack",
    "port_reused": "reused_ports",
}
MARK_FIELDS = {name: f"tcp.analysis.{field}" for name, field in MARKS.items()}
MARK_FIELDS["duplicate_sack"] = "tcp.options.sack.dsack_le"
NUMBER_FIELDS = {
    "repeats": "tcp.analysis.duplicate_ack_num",
    "ack_rtt_ns": "tcp.analysis.ack_rtt",
    "in_flight_bytes": "tcp.analysis.bytes_in_flight",
    "window_bytes": "tcp.window_size",
    "relative_seq": "tcp.seq",
    "relative_ack": "tcp.ack",
}
OTHER_FIELDS = {
    "packet": "frame.number",
    "scale": "tcp.window_size_scalefactor",
    "acked": "tcp.analysis.acks_frame",
    "stream": "tcp.stream",
}
PREFERENCES = (
    "tcp.check_checksum:FALSE",
    "tcp.desegment_tcp_streams:FALSE",
    "tcp.track_bytes_in_flight:TRUE",
    "ip.defragment:FALSE",
    "ipv6.defragment:FALSE",
)

NOT_SEEN = "tshark 4.0 sees no TCP where the IPv6 length is 0"
MULTIPATH = "tshark lets an ACK repeat itself where Multipath TCP's options changed (RFC 8684); these are not read here"
OVERLAP = "RFC 2883 has a D-SACK block inside the second block; tshark is content with an overlap"
UNSIGNED = "tshark 4.0 counts -1 duplicate ACKs after an ACK of unseen data, which is no less than 2 without a sign"
# captures where a mark differs: the columns, how many packets, why. In all others there is no difference at all.
OTHERWISE = {
    "bigtcp-ipv6.pcap": ({"in_flight_bytes": 1, "relative_seq": 1, "relative_ack": 1, "stream": 1}, NOT_SEEN),
    "ftp-1MB-mirror-lossy.pcap.gz": ({"duplicate_sack": 1}, OVERLAP),
    "iperf-mptcp-ppp.pcap.gz": ({"duplicate_ack": 1, "repeats": 1}, MULTIPATH),
}


def tshark_rows(path: Path, limit: int | None) -> pl.DataFrame:
    """Their marks and numbers under our names, with what is different on purpose made the same."""
    fields = OTHER_FIELDS | MARK_FIELDS | NUMBER_FIELDS
    command = ["tshark", "-r", str(path), "-n", "-T", "fields", "-E", "occurrence=f"]
    command += [] if limit is None else ["-c", str(limit)]
    command += [word for preference in PREFERENCES for word in ("-o", preference)]
    command += [word for field in fields.values() for word in ("-e", field)]
    shown = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600).stdout
    lines = [line.split("\t") for line in shown.splitlines()]
    texts = pl.DataFrame(lines, schema=dict.fromkeys(fields, pl.String), orient="row")
    numbers = [pl.col(name).str.replace(".", "", literal=True).replace("", None).cast(pl.Int64) for name in fields]
    unknown_scale = pl.col("scale").fill_null(0) == -1
    no_time_passed = pl.col("acked").is_not_null() & pl.col("ack_rtt_ns").is_null()
    return (
        texts.with_columns(pl.col(name).ne("").cast(pl.Int64).cast(pl.String) for name in MARK_FIELDS)
        .with_columns(numbers)
        .with_columns(pl.col(name) == 1 for name in MARK_FIELDS)
        .with_columns(
            window_bytes=pl.when(~unknown_scale).then("window_bytes"),
            ack_rtt_ns=pl.when(no_time_passed).then(0).when(pl.col("ack_rtt_ns") >= 0).then("ack_rtt_ns"),
        )
    )


def beside(path: Path, limit: int | None = None) -> pl.DataFrame:
    """Our rows with theirs (`_theirs`), null where tshark has none; streams by the number of their first packet.

    tshark shows an ACK number where the flag is not set, too: left out.
    """
    packets = scan_pcap(path)
    ours = marks(packets if limit is None else packets.head(limit).collect())
    ours = ours.with_columns(pl.col("packet", *NUMBER_FIELDS).cast(pl.Int64))
    both = ours.join(tshark_rows(path, limit), on="packet", how="left", suffix="_theirs", maintain_order="left")
    return both.with_columns(
        *(pl.col(f"{name}_theirs").fill_null(value=False) for name in MARK_FIELDS),
        stream=pl.col("packet").min().over("connection"),
        stream_theirs=pl.when(pl.col("stream").is_not_null()).then(pl.col("packet").min().over("stream")),
        relative_ack_theirs=pl.when(pl.col("relative_ack").is_not_null()).then("relative_ack_theirs"),
    )


def different(both: pl.DataFrame) -> dict[str, int]:
    """How many packets differ, by column."""
    names = [name for name in (*MARK_FIELDS, *NUMBER_FIELDS, "stream") if name in both.columns]
    counts = both.select(pl.col(name).ne_missing(pl.col(f"{name}_theirs")).sum() for name in names).row(0, named=True)
    return {name: count for name, count in counts.items() if count}


def counted(both: pl.DataFrame) -> pl.DataFrame:
    """Of each column: packets that have it here, there, and the same."""
    rows = []
    for name in (*MARK_FIELDS, *NUMBER_FIELDS):
        ours, theirs = pl.col(name), pl.col(f"{name}_theirs")
        here, there = (ours, theirs) if name in MARK_FIELDS else (ours.is_not_null(), theirs.is_not_null())
        same = ours.eq_missing(theirs)
        counts = both.select(
            packets=pl.len(), same=same.sum(), here=here.sum(), there=there.sum(), both=(here & there & same).sum()
        )
        rows.append(counts.with_columns(mark=pl.lit(name)))
    return pl.concat(rows)


def limit_of(path: Path) -> int | None:
    return LIMIT if not ALL and (path in RECORDINGS or path.stat().st_size > BIG_BYTES) else None


@pytest.fixture(scope="module")
def table():
    """The counts of every capture that was looked at."""
    return []


@pytest.mark.parametrize("path", [*CAPTURES, *RECORDINGS], ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_mark_of_a_capture_is_that_of_tshark(path, table):
    both = beside(path, limit_of(path))
    table.append(counted(both))
    assert different(both) == OTHERWISE.get(path.name, ({}, ""))[0]


def test_over_all_captures_each_mark_agrees(table):
    if len(table) < len(RECORDINGS):
        pytest.skip("only some captures were looked at")
    total = pl.concat(table).group_by("mark", maintain_order=True).sum()
    either = pl.col("here") + pl.col("there") - pl.col("both")
    shares = total.with_columns(
        all=pl.col("same") / pl.col("packets"),
        marked=pl.when(either > 0).then(pl.col("both") / either),
        precision=pl.when(pl.col("here") > 0).then(pl.col("both") / pl.col("here")),
        recall=pl.when(pl.col("there") > 0).then(pl.col("both") / pl.col("there")),
    )
    with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_width_chars=160, float_precision=5):
        print(shares)  # noqa: T201 - shown by pytest -rP
    shares = shares.filter(pl.col("mark") != "duplicate_sack")  # no mark of theirs; see OVERLAP
    assert shares["all"].min() >= LEAST
    assert shares["marked"].drop_nulls().min() >= LEAST


SEEDS = range(60 if ALL else 12)
CONNECTIONS, PACKETS = 6, 500
FIN, SYN, RST, ACK = 1, 2, 4, 16
MASK = 0xFFFFFFFF


class Side:
    """One side of a connection that sends nonsense."""

    def __init__(self, chance: random.Random) -> None:
        self.first = chance.choice([1003, MASK - 3006, (1 << 31) - 2003, chance.randrange(1, MASK)])
        self.next = (self.first + 1) & MASK


def packet(seq, ack, flags=ACK, size=0, window=100, options=b""):
    return {
        "seq": seq & MASK,
        "ack": ack & MASK,
        "flags": flags,
        "payload": b"x" * size,
        "window": window,
        "options": options,
    }


def handshake(chance, sides, way):
    """A SYN and its answer, with window scales or without."""
    sides[0], sides[1] = Side(chance), Side(chance)
    opens, answers = sides[way], sides[1 - way]
    scales = [make.window_scale(chance.choice([0, 2, 7, 14])) if chance.random() < 0.7 else b"" for _ in sides]
    syn = packet(opens.first, 0, SYN, options=scales[0])
    return [(way, syn), (1 - way, packet(answers.first, opens.next, SYN | ACK, options=scales[1]))]


def asked_again(chance, sides, way):
    """Three times the same ACK, and the data that it asks for."""
    side, other = sides[way], sides[1 - way]
    ack = other.next - chance.choice([0, 50, 100])
    asks = [(way, packet(side.next, ack)) for _ in range(3)]
    return [*asks, (1 - way, packet(ack, side.next, size=chance.choice([10, 50, 100])))]


def probed(_, sides, way):
    """A window of 0, one byte into it, and the answer."""
    side, other = sides[way], sides[1 - way]
    closed = (way, packet(side.next, other.next, window=0))
    return [closed, (1 - way, packet(other.next, side.next, size=1)), closed]


def blocks(chance, other):
    """SACK blocks near what the other side sent, sometimes."""
    if chance.random() < 0.7:
        return b""
    left = [other.next + chance.choice([-100, 10, 50, 100]) for _ in range(chance.choice([1, 2, 3]))]
    return b"\1\1" + make.sack(*((at & MASK, (at + chance.choice([10, 50])) & MASK) for at in left))


def anything(chance, sides, way):
    """Payload, an ACK, a FIN or a reset: in order, early, late, again."""
    side, other = sides[way], sides[1 - way]
    kind, window = chance.random(), chance.choice([0, 100, 100, 100, 100, 2000])
    if kind < 0.03:
        return [(way, packet(side.next, other.next, chance.choice([FIN | ACK, RST | ACK, RST, FIN])))]
    if kind < 0.5:
        seq = side.next + chance.choice([0, 0, 0, 0, 0, -1, -50, -100, -150, 50, 100])
        return [(way, packet(seq, other.next, size=chance.choice([1, 10, 50, 100, 100]), window=window))]
    ack, seq = other.next - chance.choice([0, 0, 0, 0, 50, 100, -100]), side.next - chance.choice([0, 0, 0, 0, 1, 50])
    made = (way, packet(seq, ack, window=window, options=blocks(chance, other)))
    return [made] * chance.choice([1, 1, 2])


def sent(sides, way, made):
    """What is sent then: nothing from before the connection began."""
    side = sides[way]
    if (made["seq"] - side.first) & MASK >= 1 << 31:
        made = made | {"seq": side.next}
    end = made["seq"] + len(made["payload"]) + (made["flags"] & (SYN | FIN) > 0)
    side.next = end & MASK if (end - side.next) & MASK < 1 << 31 else side.next
    return made


def nonsense(seed: int) -> bytes:
    """A capture of connections whose packets have little to do with each other, in nearby sequence space."""
    chance, ts_us, packets = random.Random(seed), 1_700_000_000_000_000, []
    pairs = [[None, None] for _ in range(CONNECTIONS)]
    plan = [(number, *one) for number in range(CONNECTIONS) for one in handshake(chance, pairs[number], 0)]
    while len(packets) < PACKETS:
        if not plan:
            number, make_some = chance.randrange(CONNECTIONS), anything
            if chance.random() < 0.12:
                make_some = chance.choice([handshake, asked_again, asked_again, probed])
            plan = [(number, *one) for one in make_some(chance, pairs[number], chance.randrange(2))]
        number, way, made = plan.pop(0)
        ts_us += chance.choice([0, 1, 10, 100, 1000, 2900, 3100, 19_000, 25_000])
        (src, src_port), (dst, dst_port) = (("10.0.0.1", 40_000 + number), ("10.0.0.2", 80))[:: -1 if way else 1]
        upper = make.tcp(src_port=src_port, dst_port=dst_port, **sent(pairs[number], way, made))
        packets.append(make.packet_block(make.ethernet(make.ipv4(upper, src=src, dst=dst)), ticks=ts_us))
    return make.section() + make.interface() + b"".join(packets)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_mark_of_nonsense_is_that_of_tshark(tmp_path, seed):
    both = beside(make.saved(tmp_path, nonsense(seed)))
    fast = pl.col("fast_retransmission_theirs") & pl.col("fast_retransmission")
    both = both.drop("duplicate_sack", "duplicate_sack_theirs")  # see OVERLAP
    assert different(both.with_columns(fast_retransmission_theirs=fast)) == {}  # see UNSIGNED


def test_nonsense_has_every_mark(tmp_path):
    seen = pl.concat(marks(scan_pcap(make.saved(tmp_path, nonsense(seed), f"{seed}.pcap"))) for seed in SEEDS)
    assert seen.select(pl.col(pl.Boolean).any()).row(0, named=True) == dict.fromkeys(
        seen.select(pl.col(pl.Boolean)).columns, True
    )


def test_both_remember_as_many_segments_without_an_ack(tmp_path):
    data = [make.ethernet(make.ipv4(make.tcp(seq=1000 + 10 * n, payload=b"x" * 10))) for n in range(11_000)]
    both = beside(make.saved(tmp_path, make.pcap(data)))
    assert different(both) == {}
    assert both["in_flight_bytes"].max() == 100_000
