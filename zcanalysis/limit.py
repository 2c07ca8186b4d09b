"""What holds the receiver back, in one sentence, with the measured facts that say so."""

from collections.abc import Iterator
from typing import Any, Final, Literal, NamedTuple

import polars as pl

from zcanalysis.blame import SATURATED_SHARE, TIE_SHARE
from zcanalysis.cpu.kernel_stages import STAGES
from zcanalysis.evidence import Evidence
from zcanalysis.goodput import QUIET_PHASE, Ceiling, window_rates
from zcanalysis.limit_spans import LINK_FULL
from zcanalysis.signs import CpuUse, ReceiveQueue, Signs, signs

Kind = Literal["receiver cpu", "receive window", "reader", "sender", "link", "drops", "unknown"]

# Measured between two namespaces of a 6.18 machine, MTU 1500.
# Share of the receive buffer in use: 0.93 before a saturated reader, 0.94 beside a CPU hog, 0.5 before a reader that
# pauses; at most 0.13 where anything else limits.
STANDING_QUEUE: Final = 0.25
# Windows closed: 10 to 240 a second before a reader that is too slow, none where anything else limits.
CLOSED_PER_S: Final = 1.0
# The kernel sizes the window at twice what the reader drains in a round trip (tcp_rcv_space_adjust, Linux 6.18). It
# drains 0.22 to 0.47 windows where the buffer can grow, 2.3 and 3.4 where it is held at 64 KB; over a long path it
# could not drain more than one.
WINDOWS_DRAINED: Final = 0.75
# On a CPU shared with one other runnable thread the scheduler gives half: who uses less is not held back by it.
LEAST_OWN: Final = 0.5
# Of the time: a reader that runs or waits for its CPU for less sleeps by itself, whatever keeps that CPU busy. 0.26 to
# 0.38 where it pauses for 1 ms a call, 0.9 and more beside a process that computes without end.
LEAST_WANTED: Final = 0.6
# Taking this part of a saturated CPU's work away would give a third more: the receiver's share of it is worth naming.
RECEIVER_PART: Final = 0.25
LEAST_NETWORK: Final = 0.05
# At 1 ms and one loss in 10,000 packets a sender of 1448 byte segments gets 1.4 Gbit/s (Mathis et al., CCR 27, 1997).
MANY_DROPS: Final = 1e-4
BUSY_READER: Final = 0.9
NOTABLE_FOREIGN: Final = 0.1
STAGES_NAMED: Final = 3


class Limit(NamedTuple):
    """The limit of the undisturbed time."""

    kind: Kind
    where: str | None
    """`CPU 1`, `the link`, …; None where no place is known."""
    words: str
    """One sentence. Names of processes in it are untrusted text."""
    evidence: tuple[str, ...]
    """Measured facts, the most telling first."""

    def as_json(self) -> dict[str, Any]:
        """For documents."""
        return self._asdict() | {"evidence": list(self.evidence)}


class _Verdict(NamedTuple):
    """Kind, place and words, and the facts that belong to it alone."""

    kind: Kind
    where: str | None
    words: str
    facts: tuple[str, ...] = ()


def named_limit(evidence: Evidence, top: Ceiling) -> Limit:
    """What limits the goodput of the undisturbed phase.

    Parameters
    ----------
    evidence
        What was gathered from a recording.
    top
        Its ceiling; says what the link is.

    Notes
    -----
    In this order. A link that is full cannot be helped by the host. A queue that stands before the reader says that
    everything up to it is faster: its CPU is the limit if it is saturated (also by others, who are named), the reader
    itself if not. Without such a queue it is a saturated CPU before it, the receiver's where the receive path has a
    fair part of it, else the sender's; then losses; then a window that the reader drains within one round trip. What
    is left when nothing here is busy is the sender or the path. Only the receiver's side is looked at, so the last
    is known by exclusion alone.
    """
    seen = signs(evidence)
    if seen is None:
        return Limit("unknown", None, "What limits is unknown: no undisturbed counters were recorded.", ())
    if seen.sockets_alone:
        return Limit("unknown", None, "What limits is unknown: neither CPUs nor drops were counted.", ())
    verdict = (
        _full_link(seen, top)
        or _slow_reader(seen)
        or _saturated_cpu(seen)
        or _lossy(seen)
        or _small_window(seen)
        or _by_exclusion(seen)
    )
    return Limit(verdict.kind, verdict.where, verdict.words, (*verdict.facts, *_general_facts(seen, verdict)))


def limit_rows(evidence: Evidence, limit: Limit) -> list[dict[str, Any]] | None:
    """The promised `limits` rows, one for each undisturbed window; None without such a time."""
    windows = window_rates(evidence.recording, QUIET_PHASE)
    if windows.is_empty():
        return None
    facts = {"limit": limit.kind, "evidence": "; ".join(limit.evidence), "where": limit.where}
    length_ns = pl.col("to_ns") - pl.col("from_ns")
    moved = length_ns * pl.col("gbps")
    shares = windows.select(
        "from_ns",
        "to_ns",
        (length_ns / length_ns.sum()).alias("share_time"),
        (moved / moved.sum()).fill_nan(0.0).alias("share_bytes"),
    )
    return [row | facts for row in shares.to_dicts()]


def _full_link(seen: Signs, top: Ceiling) -> _Verdict | None:
    if top.kind != "link" or top.gbps is None or seen.link_gbps is None or seen.link_gbps < LINK_FULL * top.gbps:
        return None
    carried = f"the link carries {seen.link_gbps:.2f} of {top.gbps:g} Gbit/s, headers included"
    words = f"The link is the limit: it is {seen.link_gbps / top.gbps:.0%} full."
    return _Verdict("link", "the link", words, (carried,))


def _slow_reader(seen: Signs) -> _Verdict | None:
    """A standing queue: the reader's CPU, or the reader."""
    queue = seen.queue
    waits = queue is not None and queue.filled >= STANDING_QUEUE
    closed = (seen.zero_windows or 0) >= CLOSED_PER_S * seen.seconds
    if not (waits or closed or any("UDP" in words for words, _ in seen.late_drops)):
        return None
    reading = reading_cpu(seen)
    sleeps = seen.reader_wants is not None and seen.reader_wants < LEAST_WANTED
    if reading is not None and reading.busy >= SATURATED_SHARE and not sleeps:
        return _cpu_verdict(seen, reading, "receiver cpu")
    if (seen.reader_clock or 0) >= BUSY_READER:
        clock = f"the reader used {seen.reader_clock:.0%} of a CPU by its own clock"
        return _Verdict(
            "receiver cpu", "the reader's thread", "The reader's thread is the limit: it runs all the time.", (clock,)
        )
    free = f"{reading.busy:.0%} of CPU {reading.cpu}, where it reads, is busy" if reading is not None else ""
    words = "The application is the limit: it reads too slowly, data waits for it in the receive queue."
    return _Verdict("reader", "the reading application", words, (free,) if free else ())


def reading_cpu(seen: Signs) -> CpuUse | None:
    """Where the reader copies; without samples the busiest CPU stands for it.

    Parameters
    ----------
    seen
        What the counters show.
    """
    known = [use for use in seen.cpus if use.reading > 0]
    if known:
        return max(known, key=lambda use: use.reading)
    return max(seen.cpus, key=lambda use: use.busy, default=None)


def _saturated_cpu(seen: Signs) -> _Verdict | None:
    """The busiest CPU that works for the transfer, if it is saturated; between near ones the one that receives more."""
    full = [use for use in seen.cpus if use.busy >= SATURATED_SHARE and works_for_it(use)]
    if not full:
        return None
    busiest = max(use.busy for use in full)
    near = [use for use in full if use.busy >= busiest - TIE_SHARE]
    chosen = max(near, key=lambda use: use.handled if use.receive is None else use.receive)
    return _cpu_verdict(seen, chosen, "receiver cpu" if receives(chosen) else "sender")


def receives(use: CpuUse) -> bool:
    """Whether the receive path has a fair part of a CPU's work; said without samples too.

    Parameters
    ----------
    use
        What it does.
    """
    return use.receive is None or use.receive >= RECEIVER_PART * use.busy


def works_for_it(use: CpuUse) -> bool:
    """Whether a CPU works for the transfer, and not only for others.

    Parameters
    ----------
    use
        What it does.
    """
    if use.receive is None:
        return use.handled >= LEAST_NETWORK
    return use.own >= LEAST_OWN and use.receive + use.sender >= LEAST_NETWORK


def _cpu_verdict(seen: Signs, use: CpuUse, kind: Literal["receiver cpu", "sender"]) -> _Verdict:
    doing = ", ".join(STAGES.get(stage, stage) for stage in use.stages[:STAGES_NAMED])
    where = f"CPU {use.cpu}"
    whose = " the sender runs there:" if kind == "sender" else ""
    rest = f":{whose} mostly {doing}." if doing else "; CPU samples, which need root, would say with what."
    words = f"{where} is the limit ({use.busy:.1%} busy){rest}"
    return _Verdict(kind, where, words, tuple(_cpu_facts(seen, use)))


def _cpu_facts(seen: Signs, use: CpuUse) -> Iterator[str]:
    yield f"CPU {use.cpu} was busy {use.busy:.1%} of {seen.seconds:.1f} s"
    if use.foreign >= NOTABLE_FOREIGN:
        named = next((f", {comm} ({pid}) most" for cpu, comm, pid, _ in seen.foreign_names if cpu == use.cpu), "")
        yield f"other processes took {use.foreign:.0%} of CPU {use.cpu}{named}"
    if use.receive is not None and use.sender >= NOTABLE_FOREIGN:
        yield f"the sender's own work is {use.sender:.0%} of CPU {use.cpu}, the receive path {use.receive:.0%}"


def _lossy(seen: Signs) -> _Verdict | None:
    lost = max((count for _, count in (*seen.early_drops, *seen.late_drops)), default=0)
    if not seen.packets or lost / seen.packets < MANY_DROPS:
        return None
    early = max((count for _, count in seen.early_drops), default=0) == lost
    where = "before the stack" if early else "at the socket"
    part = f"{lost / seen.packets:.2%} are dropped {where}"
    words = f"Lost packets are the limit: {part}, and each slows the sender down."
    return _Verdict("drops", where, words)


def _small_window(seen: Signs) -> _Verdict | None:
    queue = seen.queue
    if queue is None or not queue.window_bytes or not queue.drained_bytes:
        return None
    if queue.drained_bytes < WINDOWS_DRAINED * queue.window_bytes:
        return None
    grows = "is still growing" if queue.grew else "does not grow"
    words = f"The receive window is the limit: the buffer of {_size(queue.room_bytes)} {grows}."
    drained = f"the reader drains {_size(queue.drained_bytes)} a round trip, the window is {_size(queue.window_bytes)}"
    return _Verdict("receive window", "the receive buffer", words, (drained,))


def _by_exclusion(seen: Signs) -> _Verdict:
    if not seen.cpus or not all(use.idle_known for use in seen.cpus):
        words = "What limits is unknown: how idle the CPUs were was not recorded (no cpuidle counters)."
        return _Verdict("unknown", None, words)
    crowded = [use for use in seen.cpus if use.busy >= SATURATED_SHARE and use.foreign >= 1 - LEAST_OWN]
    if crowded and (use := max(crowded, key=lambda use: use.receive or 0.0)).receive:
        where, facts = f"CPU {use.cpu}", tuple(_cpu_facts(seen, use))
        words = f"Others keep {where} busy: whether they hold the transfer back or take what it leaves cannot be told."
        return _Verdict("unknown", where, words, facts)
    words = "Nothing here is the limit: the data comes no faster, from the sender, its application or the path."
    return _Verdict("sender", "beyond this host", words)


def _general_facts(seen: Signs, verdict: _Verdict) -> Iterator[str]:
    """What every limit is judged by, less what the verdict has said already."""
    busiest = max(seen.cpus, key=lambda use: use.busy, default=None)
    if busiest is not None and not (verdict.where or "").startswith("CPU"):
        yield f"the busiest CPU, {busiest.cpu}, was {busiest.busy:.0%} busy{_for_others(busiest)}"
    if seen.queue is not None:
        yield _queue_fact(seen.queue)
    if seen.zero_windows:
        yield f"the receiver closed its window {seen.zero_windows:,} times"
    counted: set[int] = set()  # the device repeats what its backlog or driver counted
    for words, count in (*seen.early_drops, *seen.late_drops):
        if count not in counted:
            yield f"{count:,} packets {words}"
        counted.add(count)
    if not seen.early_drops and not seen.late_drops:
        yield "no packet was dropped here"


def _for_others(use: CpuUse) -> str:
    return f", {use.foreign:.0%} for other processes" if use.foreign >= NOTABLE_FOREIGN else ""


def _queue_fact(queue: ReceiveQueue) -> str:
    if queue.filled < 0.01:  # noqa: PLR2004 - shown as 0 %
        return f"the receive queue was empty in {queue.empty:.0%} of the readings"
    return f"the receive queue was {queue.filled:.0%} full ({_size(queue.held_bytes)} of {_size(queue.room_bytes)})"


def _size(count: int) -> str:
    """Bytes as people say them.

    Examples
    --------
    >>> _size(65536), _size(31_314_512)
    ('64 KiB', '30 MiB')
    """
    return f"{count / 2**20:.0f} MiB" if count >= 10 * 2**20 else f"{count / 2**10:,.0f} KiB"
