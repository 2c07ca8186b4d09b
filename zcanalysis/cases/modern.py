"""What remains of the answer of 2002: the same question to four recordings of today's kernel.

Still true: work of each packet comes first, and where it runs decides; a byte that is copied still costs. Gone: the
prequeue and its timer (removed in Linux 4.14, merge 834e0ecf8109, F. Westphal: it assumed one blocking reader); the
queue of ``netif_rx`` that drops until it is empty, for devices with NAPI (``net_rx_action``, net/core/dev.c: budget
instead of throttle; veth without GRO, loopback and RPS still use a backlog); copies and large allocations in drivers
(page pool, net/core/page_pool.c); a window of two large segments (receive autotuning, ``tcp_rcv_space_adjust``,
net/ipv4/tcp_input.c); the checksum fused with the copy for TCP (6.18 sums in a pass of its own, in softirq, where no
device did). New: GRO, one skb and one ACK for many packets (net/core/gro.c); RPS, its IPIs and wake-ups; the sender's
CPU on the same machine; zero-copy receive (``tcp_zerocopy_receive``, net/ipv4/tcp.c, 4.18), for whole pages only.
Files are those of Linux 6.18 where no version is given.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final

import polars as pl

from zcanalysis.answer import Answer, answered
from zcanalysis.cases.case_answer import CaseAnswer
from zcanalysis.cases.modern_changes import CHANGES as ASKED
from zcanalysis.cases.modern_changes import foretold, of_pairs, validated, with_validated
from zcanalysis.cases.modern_prices import (
    COPY_PARTS,
    FEW_PACKETS,
    HOST_2002,
    then_and_now,
    time_of_a_byte,
    went_in,
)
from zcanalysis.cases.modern_suspects import WAKING, by_recording, suspects
from zcanalysis.goodput import QUIET_PHASE, window_rates
from zcanalysis.io.json_file import read_json
from zcanalysis.io.recording import read_recording
from zcanalysis.shipped import shipped_trace

QUESTION: Final = (
    "A receiver of 2002 got 0.9 of 1.4 Gbit/s, and a copy was suspected. On today's kernel, which of that thread's"
    " suspects costs what, and is it the copy?"
)
RECORDINGS: Final = ("veth-1500", "veth-9000", "veth-gro", "veth-no-rps")
SHARED: Final = "veth-1500"
"""Reader and softirq on one CPU: the recording whose copy limits."""
LARGE: Final = "veth-9000"
"""Shown apart, and in no headline: its goodput swings around its ceiling."""
STEADY: Final = tuple(name for name in RECORDINGS if name != LARGE)
PACKET_WORK: Final = ("driver and netif_rx", "GRO", "packet memory", "IP and TCP", "socket queue and lock", "ACKs")
IN_PAIRS: Final = ("measured", "measured_low", "measured_high", "meets")
COPY: Final = "copy to the user"
FREE_COPY: Final = "speedup:copy=100"
NOT_SEEN: Final = (
    "All of it is veth in a virtual machine, sender and receiver on its two CPUs: no device, no bus, no DMA, no"
    " counters of cache or memory bandwidth, and interrupts that a hypervisor makes dearer. Busy polling and a software"
    " checksum were not measured. Zero-copy receive was tried once: a loss was foretold and not seen, but other"
    " processes disturbed every pair of runs, so it counts for nothing."
)
MEASURE: Final = "zcanalysis lab validate --scenario whole-pages --patch zero-copy-rx=on -o zero-copy"
LOST: Final = "Where the missing bandwidth goes (Gbit/s of ceiling less goodput, 90 %)"
HOSTS: Final = "The receivers"
WIDE: Final = "The suspects of 2002 today (Gbit/s lost)"
PRICES: Final = "Prices then and now (nanoseconds)"
BYTE: Final = "CPU time of a received payload byte (nanoseconds)"
CHANGES: Final = "What each change gives here (ratios of goodput, 90 %), and its measured range on other hosts"
MEASURED: Final = "The changes that another of these recordings has: foretold and measured (ratios of goodput)"
UNASKED: Final = "What cannot be asked of these recordings"
VALIDATED: Final = "The same changes alone, on the hosts of the shipped validation (ratios of goodput)"


def answer() -> CaseAnswer:
    """The case `modern`.

    Raises
    ------
    ZcError
        If the shipped recordings are not there.
    """
    tables = _tables(answers())
    return CaseAnswer(
        question=QUESTION,
        answer=_words(tables),
        sure=_sure(tables),
        next_step=(
            "On your own receiver: `zcanalysis advise --live DEVICE` names what limits it and three changes, each with"
            " command, undo and proof. If it is a CPU's work on packets, GRO first. If the copy runs on that CPU, what"
            f" zero-copy receive gives is the next measurement (root, quiet machine): `{MEASURE}`."
        ),
        tables=tables,
        assumptions=went_in(answers()),
    )


@cache
def answers() -> Mapping[str, Answer]:
    """The four recordings, answered once a process.

    Raises
    ------
    ZcError
        If one is not there.
    """
    return {name: answered(read_recording(shipped_trace(name))) for name in RECORDINGS}


def _tables(known: Mapping[str, Answer]) -> dict[str, pl.DataFrame]:
    lost = suspects(known)
    cases = validated(read_json(shipped_trace("validation.json")))
    order = {" + ".join(change): at for at, change in enumerate(ASKED)}
    changes = with_validated(foretold(known), cases).sort(
        pl.col("change").replace_strict(order, return_dtype=pl.Int64), maintain_order=True
    )
    unasked = changes.filter(~pl.col("acts")).group_by("change", "why", maintain_order=True)
    return {
        HOSTS: _receivers(known),
        WIDE: by_recording(lost),
        LOST: lost.filter(pl.col("lost_gbps") > 0).drop("asked", "group"),
        PRICES: then_and_now(known),
        BYTE: time_of_a_byte(known),
        CHANGES: changes.filter("acts").drop("acts", "why", *IN_PAIRS),
        MEASURED: changes.drop_nulls("measured").select("change", "recording", "ratio", "low", "high", *IN_PAIRS),
        VALIDATED: cases,
        UNASKED: unasked.agg(pl.col("recording").str.join(", ")),
    }


def _receivers(known: Mapping[str, Answer]) -> pl.DataFrame:
    """What each recording got, what was to be had, and who limited it."""
    rows: list[dict[str, Any]] = []
    for name, one in known.items():
        assert one.limit is not None
        own = one.evidence.account.filter(pl.col("cpu") == one.limit.cpu)
        rows.append({
            "recording": name, "goodput_gbps": one.goodput_gbps, "low_gbps": one.low_gbps, "high_gbps": one.high_gbps,
            "ceiling_gbps": one.ceiling.gbps, "limit": one.held_back_by.kind, "cpu": one.limit.cpu,
            "busy": one.limit.busy_share,
            "sender_share": float(own.filter(pl.col("stage") == "sender")["share"].sum()),
        })  # fmt: skip
    gap = (pl.col("ceiling_gbps") - pl.col("goodput_gbps")).alias("gap_gbps")
    return pl.DataFrame(rows).with_columns(gap)


def parts_of(wide: pl.DataFrame, *names: str) -> dict[str, float]:
    """What part of each recording's gap some suspects are together.

    Parameters
    ----------
    wide
        Suspects by recording, Gbit/s.
    *names
        Of the suspects.
    """
    part = pl.col(RECORDINGS).filter(pl.col("suspect").is_in(names)).sum() / pl.col(RECORDINGS).sum()
    return wide.select(part).row(0, named=True)


def _words(tables: Mapping[str, pl.DataFrame]) -> str:
    return f"{_suspected(tables[WIDE])} {_elsewhere(tables[BYTE])} {_changed(tables)} {_apart(tables[HOSTS])}"


def _suspected(wide: pl.DataFrame) -> str:
    packets, waking, copied = parts_of(wide, *PACKET_WORK), parts_of(wide, WAKING), parts_of(wide, COPY)
    lost = wide.filter(pl.col("suspect") == COPY)[SHARED][0]
    elsewhere = max(copied[name] for name in STEADY if name != SHARED)
    return (
        f"Mostly it is not the copy but the work on each packet: {_percents(packets[name] for name in STEADY)} of what"
        f" these receivers lack to their ceilings; the copy is {copied[SHARED]:.0%} where it runs on the CPU that"
        f" limits, and {elsewhere:.0%} where it does not. These are {len(STEADY)} recordings with packets of 1500"
        f" bytes; interrupts and waking another CPU are {_percents(waking[name] for name in STEADY)} of what is lacking"
        f" there. The copy costs {lost:.1f} Gbit/s in {SHARED}, where it shares the limiting CPU with the softirq."
    )


def _apart(hosts: pl.DataFrame) -> str:
    """Why one recording is in none of the figures."""
    row = hosts.filter(recording=LARGE).row(0, named=True)
    windows = window_rates(answers()[LARGE].recording, QUIET_PHASE)["gbps"].to_list()
    return (
        f"Shown apart, and in none of these figures, is {LARGE} (packets of 9000 bytes): its goodput jumps between"
        f" {min(windows):.0f} and {max(windows):.0f} Gbit/s from one window of the recording to the next, so that its"
        f" mean is known to {row['low_gbps']:.0f} to {row['high_gbps']:.0f} only, and its ceiling of"
        f" {row['ceiling_gbps']:.1f} lies between: there may be nothing to divide."
    )


def _elsewhere(byte: pl.DataFrame) -> str:
    return (
        f"Published profiles of a 100 Gbit/s card give the copy {COPY_PARTS[FEW_PACKETS]:.0f}% of the receiver's"
        f" kernel time once packets are few: there the suspicion of 2002 is right. Touching a byte is {_cheaper(byte)}"
        " times cheaper than in 2002; the prequeue is gone, and veth needs no sum."
    )


def _changed(tables: Mapping[str, pl.DataFrame]) -> str:
    told = tables[CHANGES], tables[MEASURED]
    others = [name for name in STEADY if name != SHARED]
    free = told[0].filter(pl.col("change") == FREE_COPY, pl.col("recording").is_in(others))
    return (
        f"What helps here is fewer skbs a byte ({_told(*told, 'veth-no-rps', 'gro=on')}). A copy that takes no time,"
        f" the bound of any zero-copy receive, gives {SHARED} {_ratio(told[0], SHARED, FREE_COPY)}; the other"
        f" {len(others)} x {max(free['ratio']):.2f} in the middle, though their intervals run to x"
        f" {max(free['high']):.2f}: likely nothing, but more is not ruled out."
    )


def _cheaper(byte: pl.DataFrame) -> str:
    cost = {row["host"]: float(row["payload_ns"]) for row in byte.to_dicts()}
    then, now = cost[HOST_2002], [cost[name] for name in STEADY]
    return f"{then / max(now):.0f} to {then / min(now):.0f}"


def _sure(tables: Mapping[str, pl.DataFrame]) -> str:
    cases = tables[VALIDATED]
    return (
        "Fairly sure that on these receivers the work on packets comes before the copy, not sure how much a change"
        " gives, and nothing is shown for a card. The shares are CPU samples, the ceilings a model's."
        f" {_foretold(tables)}"
        f" On other hosts the shipped validation measured such changes alone {cases.height} times"
        f" ({cases['changed'].sum()} changed something), {cases['inside'].sum()} inside what was foretold. {NOT_SEEN}"
        f" {_part_then_and_now(tables[BYTE])}"
    )


def _foretold(tables: Mapping[str, pl.DataFrame]) -> str:
    """How the forecasts did, a pair of recordings counted once, whichever of the two is asked."""
    paired = tables[MEASURED]
    pairs, missed = of_pairs(paired), paired.filter(~pl.col("meets"))
    said = f"Of {pairs.height} pairs of recordings that differ in one change, {pairs['meets'].sum()} are foretold"
    said += " within both intervals, asked from either side."
    if missed.is_empty():
        return said
    size = pl.col("ratio").log().abs()
    largest = missed.select(size.max()).item() == paired.select(size.max()).item()
    told = "; ".join(_told(paired, paired, row["recording"], row["change"]) for row in missed.to_dicts())
    return f"{said} Missed{' is the largest change that was foretold' if largest else ''}: {told}."


def _part_then_and_now(byte: pl.DataFrame) -> str:
    then = byte.filter(pl.col("host") == HOST_2002).row(0, named=True)
    now = byte.filter(pl.col("host").is_in(STEADY))["payload_part"].to_list()
    told = max(now) < then["part_low"] or min(now) > then["part_high"]
    return (
        f"Touching the payload is {_percents(now)} of the receive path's CPU time now and was"
        f" {then['payload_part']:.0%} then ({then['part_low']:.0%} to {then['part_high']:.0%}, as of 2002 only the"
        " prices of bytes are published, those of packets are assumed): these data"
        f" {'show that this part changed' if told else 'cannot tell whether that part changed'}."
    )


def _told(changes: pl.DataFrame, paired: pl.DataFrame, recording: str, change: str) -> str:
    """One change in words, with what was measured of it."""
    this = (pl.col("recording") == recording) & (pl.col("change") == change)
    said = f"{change}: {_ratio(changes, recording, change)}"
    for seen in paired.filter(this).to_dicts():
        said += f", x {seen['measured']:.2f} measured ({seen['measured_low']:.2f}-{seen['measured_high']:.2f})"
    return said


def _ratio(changes: pl.DataFrame, recording: str, change: str) -> str:
    row = changes.filter(pl.col("recording") == recording, pl.col("change") == change).row(0, named=True)
    return f"x {row['ratio']:.2f} foretold ({row['low']:.2f}-{row['high']:.2f})"


def _percents(parts: Iterable[float]) -> str:
    known = sorted(parts)
    return f"{known[0]:.0%} to {known[-1]:.0%}"
