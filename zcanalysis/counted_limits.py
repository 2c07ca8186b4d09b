"""Who limited a recorded transfer, and when: counters of both ends, ten times a second, to LIMITS."""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from zcanalysis.blame import SATURATED_SHARE
from zcanalysis.evidence import Evidence
from zcanalysis.goodput import QUIET_PHASE, Ceiling
from zcanalysis.limit import (
    LEAST_WANTED,
    STANDING_QUEUE,
    WINDOWS_DRAINED,
    reading_cpu,
    receives,
    works_for_it,
)
from zcanalysis.limit_spans import (
    APPLICATION,
    DELAYED_ACK,
    LINK,
    LINK_FULL,
    LOSS,
    MATHIS,
    MATHIS_PART,
    READER,
    RECEIVER_CPU,
    UNKNOWN,
    WINDOW,
    joined_spans,
)  # fmt: skip
from zcanalysis.rates import BITS_PER_BYTE
from zcanalysis.signs import LOUD_PART, CpuUse, Signs, signs
from zcanalysis.tables import LIMITS, empty

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]

RECEIVING: Final = (
    "bytes_received",
    "rmem_alloc",
    "rcvbuf",
    "rcv_ssthresh",
    "rcv_space",
    "rcv_ooopack",
    "data_segs_in",
)
SENDING: Final = (
    "busy_us", "rwnd_limited_us", "sndbuf_limited_us", "total_retrans", "notsent_bytes", "data_segs_out",
    "min_rtt_us", "snd_mss",
)  # fmt: skip
SETTLED_INTERVALS: Final = 5
SETTLED_S: Final = 0.5
TOLERANCE_NS: Final = 80_000_000
MOST_OF_TIME: Final = 0.5
LEAST_CLOCKED: Final = 0.2
OFTEN_BUSY: Final = 0.8
# Of the receive buffer: 0.28 to 0.48 in use where it is 64 KB on a busy machine, 0.6 to 0.97 before a reader
# that pauses.
LONG_QUEUE: Final = 0.55
# 0.02 behind a queue of 20 packets; at most 0.005 where a saturated CPU drops.
MUCH_LOST: Final = 0.01
# The least that Linux holds an ACK back (include/net/tcp.h TCP_DELACK_MIN).
DELAYED_ACK_S: Final = 0.04


LINK_WORDS: Final = "the link is {} full"
BLIND_CLOCK_WORDS: Final = (
    "the window stopped the sender for {} of the time, by its kernel's clock; whether it is small or its reader slow "
    "only the receiver's kernel knows"
)
CLOCKED_WORDS: Final = (
    "the window stopped the sender for {} of the time, by its kernel's clock; the reader takes {} of it a round trip"
)
QUEUE_WORDS: Final = (
    "the receive buffer is {} full; the reader's CPU is {} busy, the reader runs or waits for a CPU for {} of the time"
)
BLIND_WORDS: Final = "the receive buffer is {} full; how busy CPUs were is not known"
DELAYED_WORDS: Final = "ACKs held back make up {} of the time while the sender had more to send"
IDLE_WORDS: Final = "the sender had data under way or to send for {} of the time only, by its kernel's clock"
LOSS_WORDS: Final = "{} of the segments were lost"
RECEIVES_WORDS: Final = "the CPU that receives is {} busy"
READS_WORDS: Final = "the reader's CPU is {} busy, the reader runs or waits for a CPU for {} of the time"
SENDS_WORDS: Final = "the CPU that sends is {} busy, the sender runs or waits for a CPU for {} of the time"
DRAINED_WORDS: Final = "the reader drains {} of the window in a round trip"
SNDBUF_WORDS: Final = "the sender's buffer was full for {} of the time, by its kernel's clock"
BEYOND_WORDS: Final = "nothing here is busy: the sender, its application or the path"
OPEN_WORDS: Final = "the sender was busy for {} of the time and nothing seen holds it: congestion window or path"


class Interval(NamedTuple):
    """Figures of the time between two readings of a receiving socket, shape (n,) each; NaN where not recorded."""

    elapsed_s: Floats
    filled: Floats
    """Of the receive buffer, mean of both readings."""
    link_used: Floats
    """Of the link's known rate."""
    window_drained: Floats
    """Windows that the reader takes in a round trip."""
    lost: Floats
    """Of the segments: sent again, else arrived out of order."""
    loss_paced: Floats
    """Goodput over what Reno would reach with these losses, segments and round trips (Mathis et al., CCR 27, 1997)."""
    closed_windows: Floats
    delayed_acks: Floats
    """Share of the time that ACKs held back for 40 ms make up."""
    busy: Floats
    """The sender's chronographs, as shares of the time: data under way or to be sent,"""
    rwnd_limited: Floats
    """stopped by the receive window,"""
    sndbuf_limited: Floats
    """stopped by its send buffer."""
    notsent: Floats
    """Bytes that wait in its send buffer, at either reading."""
    reading_busy: Floats
    """Share of the time that the CPU works on which the reader runs,"""
    reader_wants: Floats
    """that it runs or waits for a CPU,"""
    receiving_busy: Floats
    """that the busiest other CPU works of those that receive,"""
    sending_busy: Floats
    """and of those that only send,"""
    sender_wants: Floats
    """that the sender runs or waits for a CPU."""


def counted_limits(evidence: Evidence, top: Ceiling) -> pl.DataFrame:
    """Who limited each receiving TCP connection of a recording, tenth of a second by tenth of a second.

    Parameters
    ----------
    evidence
        What was gathered from a recording.
    top
        Its ceiling; says what the link is.

    Returns
    -------
    polars.DataFrame
        LIMITS of the undisturbed time; empty where sockets' counters were not recorded then. Where only the sender's
        end was asked, the bytes that it saw acknowledged stand for those received.

    Notes
    -----
    The first rule that holds names the limit. Figures are means over half a second, or over the time between readings
    where that is longer; one that was not recorded fulfils
    nothing. Times of the sender are its kernel's own (`struct tcp_info`: busy, rwnd_limited, sndbuf_limited;
    net/ipv4/tcp_output.c tcp_chrono_set, tcp.c tcp_get_info_chrono_stats): where they were recorded they decide before
    anything is inferred, except that a full link, whose queue fills the window, can be helped by neither end.

    1. ``link``: 97 % of its rate is used.
    2. ``receive window``: it stopped the sender (rwnd_limited at least half of busy), and the reader drains it within
       a round trip; without the sender's clocks the latter alone, before a short queue; where nothing of the receiver
       was recorded the former alone, for whatever reason the window is small.
    3. Data stands in the receive buffer, the window closes, or it stopped the sender: ``receiver cpu`` where the
       reader's CPU is saturated and the reader runs or waits for it, else ``reader``.
    4. ``delayed ack``: ACKs held back make up half of the time while the sender had more to send.
    5. ``sender application``: less than half of the time busy.
    6. ``loss``: 1 % of the segments, or, unless a CPU that receives is saturated (``receiver cpu``), as many as would
       pace a sender to such a rate (Mathis et al., CCR 27, 1997).
    7. ``sender application``: its CPU is saturated, its buffer full, or it is not busy a fifth of the time.
    8. ``unknown``.
    """
    seen, recording = signs(evidence), evidence.recording
    if recording.counters is None or seen is None:
        return empty(LIMITS)
    counters = recording.counters.filter(pl.col("phase") == QUIET_PHASE)
    readings = _readings(counters)
    if readings.is_empty():
        return empty(LIMITS)
    figures = _settled(readings, _figures(readings, counters, _Places(evidence, seen, top)))
    rules = _rules(figures)
    possible_gbps = None if top.gbps is None else top.gbps - top.framing_gbps
    return _rows(readings, figures, rules, possible_gbps)


class _Places:
    """Which CPUs read, receive and send, which device and processes are meant."""

    def __init__(self, evidence: Evidence, seen: Signs, top: Ceiling) -> None:
        host = evidence.recording.host
        self.device = host.device
        self.link_gbps = top.gbps if top.kind == "link" else None
        self.readers = {str(pid) for pid in host.reader_pids}
        self.senders = {str(pid) for pid in host.sender_pids}
        known = [use for use in seen.cpus if use.idle_known or use.receive is not None]
        self.sampled = {use.cpu: use.busy for use in known if not use.idle_known}
        """Busy share of CPUs whose idle time nobody counted."""
        reading = reading_cpu(seen._replace(cpus=tuple(known)))
        pinned = {cpu for reader in host.readers for cpu in reader.cpus if len(reader.cpus) == 1}
        self.reading = pinned or ({reading.cpu} if reading is not None else set())
        pinned_senders = {cpu for sender in host.senders for cpu in sender.cpus if len(sender.cpus) == 1}
        works = [use for use in known if works_for_it(use)]
        self.receiving = {use.cpu for use in works if self._takes_part(use, pinned_senders)} - self.reading
        self.sending = {use.cpu for use in works} - self.receiving - self.reading

    @staticmethod
    def _takes_part(use: CpuUse, senders: set[int]) -> bool:
        """Samples say; without them a CPU where a sender runs may do either, and is not said to receive."""
        return receives(use) if use.receive is not None else use.cpu not in senders


def _readings(counters: pl.DataFrame) -> pl.DataFrame:
    """Every reading of the loud receiving sockets beside the one before it, with the sender's end where it is known."""
    there = _wide(counters.filter(pl.col("source").is_in(["sender_socket", "socket"])), SENDING)
    there = there.with_columns(_turned())
    here = _wide(counters.filter(pl.col("source") == "socket"), RECEIVING)
    here = _acknowledged(counters) if here.is_empty() else here
    if here.is_empty() or here.get_column("bytes_received").null_count() == here.height:
        return here.clear()
    grown = pl.col("bytes_received").max() - pl.col("bytes_received").min()
    loud = here.group_by("instance").agg(grown.alias("grown"))
    loud = loud.filter(pl.col("grown") > 0, pl.col("grown") >= LOUD_PART * pl.col("grown").max())
    joined = (
        here.join(loud, on="instance", how="semi")
        .sort("ts_ns")
        .join_asof(
            there.drop("phase", "repeat").drop_nulls("instance").sort("ts_ns"), on="ts_ns", by="instance",
            strategy="nearest", tolerance=TOLERANCE_NS, check_sortedness=False,
        )
        .sort("instance", "ts_ns")
    )  # fmt: skip
    names = ("ts_ns", *RECEIVING, *SENDING)
    before = [pl.col(name).shift().over("instance", "phase", "repeat").alias(f"{name}_before") for name in names]
    return joined.with_columns(*before).drop_nulls("ts_ns_before").filter(pl.col("ts_ns") > pl.col("ts_ns_before"))


def _acknowledged(counters: pl.DataFrame) -> pl.DataFrame:
    """What a sending end alone tells of the receiving one: the bytes that it acknowledged."""
    sent = _wide(counters.filter(pl.col("source") == "sender_socket"), ("bytes_acked",))
    unknown = (pl.lit(None, pl.Float64).alias(name) for name in RECEIVING[1:])
    return sent.with_columns(_turned(), *unknown).rename({"bytes_acked": "bytes_received"}).drop_nulls("instance")


def _turned() -> pl.Expr:
    """A connection as its other end names it."""
    ends = pl.col("instance").str.split(">").list
    return pl.format("{}>{}", ends.get(1, null_on_oob=True), ends.get(0)).alias("instance")


def _wide(sockets: pl.DataFrame, names: tuple[str, ...]) -> pl.DataFrame:
    """A row a reading of a socket, a column a counter; null where it was not read."""
    keys = ["instance", "phase", "repeat", "ts_ns"]
    value = pl.col("value").cast(pl.Float64)
    return sockets.group_by(keys).agg(value.filter(pl.col("counter") == name).first().alias(name) for name in names)


def _figures(readings: pl.DataFrame, counters: pl.DataFrame, places: _Places) -> Interval:
    def column(name: str) -> Floats:
        return readings.get_column(name).cast(pl.Float64).fill_null(np.nan).to_numpy()

    def grown(name: str) -> Floats:
        return np.maximum(column(name) - column(f"{name}_before"), 0.0)

    edges_ns = np.stack([column("ts_ns_before"), column("ts_ns")])
    elapsed_s = (edges_ns[1] - edges_ns[0]) / 1e9

    def between(source: str, counter: str, instances: set[str] | None) -> Floats:
        return _grown_between(counters, (source, counter, instances), edges_ns)

    def busy(cpus: set[int]) -> Floats:
        idle = [between("cpuidle", "idle_ns", {f"cpu{cpu}"}) / 1e9 for cpu in sorted(cpus - set(places.sampled))]
        by_samples = [np.full(len(elapsed_s), places.sampled[cpu]) for cpu in cpus & set(places.sampled)]
        shares = [1 - each / elapsed_s for each in idle] + by_samples
        busiest: Floats = np.max(shares, axis=0) if shares else elapsed_s * np.nan
        return busiest

    def wants(pids: set[str]) -> Floats:
        shares: Floats = (
            (between("process", "cpu_ns", pids) + between("process", "cpu_wait_ns", pids)) / 1e9 / elapsed_s
        )
        return shares

    with np.errstate(divide="ignore", invalid="ignore"):
        segments = np.fmax(grown("data_segs_out"), grown("data_segs_in"))
        again = np.where(np.isnan(grown("total_retrans")), grown("rcv_ooopack"), grown("total_retrans"))
        link_bits = (places.link_gbps or np.nan) * 1e9 * elapsed_s
        octets = between("netdev", "rx_bytes", {places.device or ""})
        lost = again / segments
        possible = MATHIS * column("snd_mss") / (column("min_rtt_us") / 1e6) / np.sqrt(lost)
        held = [column(f"rmem_alloc{end}") / column(f"rcvbuf{end}") for end in ("", "_before")]
        return Interval(
            elapsed_s=elapsed_s,
            filled=(held[0] + held[1]) / 2,
            link_used=octets * BITS_PER_BYTE / link_bits,
            window_drained=column("rcv_space") / column("rcv_ssthresh"),
            lost=lost,
            loss_paced=grown("bytes_received") / elapsed_s / possible,
            closed_windows=between("netstat", "TcpExt.TCPToZeroWindowAdv", None),
            delayed_acks=between("netstat", "TcpExt.DelayedACKs", None) * DELAYED_ACK_S / elapsed_s,
            busy=grown("busy_us") / 1e6 / elapsed_s,
            rwnd_limited=grown("rwnd_limited_us") / 1e6 / elapsed_s,
            sndbuf_limited=grown("sndbuf_limited_us") / 1e6 / elapsed_s,
            notsent=np.fmax(column("notsent_bytes"), column("notsent_bytes_before")),
            reading_busy=busy(places.reading),
            reader_wants=wants(places.readers),
            receiving_busy=busy(places.receiving),
            sending_busy=busy(places.sending),
            sender_wants=wants(places.senders),
        )


def _settled(readings: pl.DataFrame, figures: Interval) -> Interval:
    """Means over half a second of each window: one reading of a queue, or of a CPU's idle time, says little."""
    if np.nanmedian(figures.elapsed_s) >= SETTLED_S:
        return figures
    table = pl.DataFrame({name: pl.Series(values, nan_to_null=True) for name, values in figures._asdict().items()})
    window = [readings.get_column(name).alias(f"_{name}") for name in ("instance", "phase", "repeat")]
    settled = pl.col(Interval._fields).rolling_mean(SETTLED_INTERVALS, min_samples=1, center=True)
    smooth = table.with_columns(window).select(settled.over(series.name for series in window))
    columns = {name: smooth.get_column(name).fill_null(np.nan).to_numpy() for name in Interval._fields}
    return Interval(**columns | {"elapsed_s": figures.elapsed_s})


def _grown_between(counters: pl.DataFrame, what: tuple[str, str, set[str] | None], edges_ns: Floats) -> Floats:
    """Growth of a counter that is read at other moments: between its readings it is taken to grow evenly."""
    source, counter, instances = what
    rows = counters.filter(pl.col("source") == source, pl.col("counter") == counter).sort("ts_ns")
    rows = rows if instances is None else rows.filter(pl.col("instance").is_in(list(instances)))
    if rows.is_empty():
        return np.full(edges_ns.shape[1], np.nan)
    parts = [
        np.interp(edges_ns, part.get_column("ts_ns").to_numpy(), part.get_column("value").to_numpy().astype(float))
        for part in rows.partition_by("instance")
    ]
    found: Floats = np.max([np.maximum(part[1] - part[0], 0.0) for part in parts], axis=0)
    return found


class _Rule(NamedTuple):
    """A limit, when it holds, and the figures that say so."""

    limit: str
    holds: Booleans
    words: str
    figures: tuple[str, ...]

    def evidence(self) -> pl.Expr:
        """The words with the figures of a row."""
        return pl.format(self.words, *map(_percent, self.figures)) if self.figures else pl.lit(self.words)


def _rules(of: Interval) -> tuple[_Rule, ...]:
    """In order: the first that holds names the limit. A figure that is not known (NaN) fulfils nothing."""
    with np.errstate(invalid="ignore"):
        chrono = of.rwnd_limited >= np.maximum(LEAST_CLOCKED, MOST_OF_TIME * of.busy)
        stands = (of.filled >= STANDING_QUEUE) | (of.closed_windows >= 1) | chrono
        # softirqs and the steal of a virtual machine count in neither clock of a reader, so that it wants less than all
        wants = ~(of.reader_wants < LEAST_WANTED)
        reading = of.reading_busy >= SATURATED_SHARE
        held_up = (reading & wants) | (of.reader_wants >= SATURATED_SHARE)
        blind = np.isnan(of.reading_busy) & np.isnan(of.reader_wants)
        unseen = blind & np.isnan(of.filled) & np.isnan(of.window_drained)
        drained = of.window_drained >= WINDOWS_DRAINED
        waited = (of.delayed_acks >= MOST_OF_TIME) & (of.notsent > 0)
        sending = (of.sending_busy >= SATURATED_SHARE) & ~(of.sender_wants < LEAST_WANTED)
        lossy = (of.lost > 0) & (of.loss_paced >= MATHIS_PART)
        always = np.ones(len(of.busy), bool)
        return (
            _Rule(LINK, of.link_used >= LINK_FULL, LINK_WORDS, ("link_used",)),
            _Rule(WINDOW, chrono & drained, CLOCKED_WORDS, ("rwnd_limited", "window_drained")),
            _Rule(WINDOW, chrono & unseen, BLIND_CLOCK_WORDS, ("rwnd_limited",)),
            _Rule(WINDOW, np.isnan(of.busy) & drained & (of.filled < LONG_QUEUE), DRAINED_WORDS, ("window_drained",)),
            _Rule(RECEIVER_CPU, stands & held_up, QUEUE_WORDS, ("filled", "reading_busy", "reader_wants")),
            _Rule(UNKNOWN, stands & blind, BLIND_WORDS, ("filled",)),
            _Rule(READER, stands, QUEUE_WORDS, ("filled", "reading_busy", "reader_wants")),
            _Rule(DELAYED_ACK, waited, DELAYED_WORDS, ("delayed_acks",)),
            _Rule(APPLICATION, of.busy < MOST_OF_TIME, IDLE_WORDS, ("busy",)),
            _Rule(LOSS, of.lost >= MUCH_LOST, LOSS_WORDS, ("lost",)),
            _Rule(RECEIVER_CPU, of.receiving_busy >= SATURATED_SHARE, RECEIVES_WORDS, ("receiving_busy",)),
            _Rule(RECEIVER_CPU, reading & wants, READS_WORDS, ("reading_busy", "reader_wants")),
            _Rule(LOSS, lossy, LOSS_WORDS, ("lost",)),
            _Rule(APPLICATION, sending, SENDS_WORDS, ("sending_busy", "sender_wants")),
            _Rule(APPLICATION, of.sndbuf_limited >= MOST_OF_TIME, SNDBUF_WORDS, ("sndbuf_limited",)),
            _Rule(APPLICATION, (of.busy < OFTEN_BUSY) & ~blind, IDLE_WORDS, ("busy",)),
            _Rule(UNKNOWN, np.isnan(of.busy), BEYOND_WORDS, ()),
            _Rule(UNKNOWN, always, OPEN_WORDS, ("busy",)),
        )


def _rows(
    readings: pl.DataFrame, figures: Interval, rules: tuple[_Rule, ...], possible_gbps: float | None
) -> pl.DataFrame:
    chosen = np.argmax(np.stack([rule.holds for rule in rules]), axis=0)
    here, there = (pl.col("instance").str.split(">").list.get(at, null_on_oob=True) for at in (0, 1))
    intervals = readings.select(
        pl.format("{} > {}", there, here).alias("connection"),
        pl.col("ts_ns_before").cast(pl.Int64).alias("from_ns"),
        pl.col("ts_ns").cast(pl.Int64).alias("to_ns"),
        (pl.col("bytes_received") - pl.col("bytes_received_before")).clip(0).cast(pl.Int64).alias("payload_bytes"),
    ).with_columns(
        pl.Series("limit", [rules[at].limit for at in chosen], dtype=pl.String),
        pl.Series("rule", chosen.astype(np.int64)),
        *(pl.Series(name, values, nan_to_null=True) for name, values in figures._asdict().items()),
    )
    words = [pl.when(pl.col("rule") == number).then(rule.evidence()) for number, rule in enumerate(rules)]
    facts = [pl.col("rule").mode().min(), *(pl.col(name).median() for name in Interval._fields)]
    return joined_spans(intervals, facts, pl.coalesce(words), possible_gbps)


def _percent(name: str) -> pl.Expr:
    text = pl.format("{} %", (pl.col(name) * 100).round(1))
    return pl.when(pl.col(name).is_not_null()).then(text).otherwise(pl.lit("an unknown part"))
