"""Andi Kleen's patch of 28 June 2002: prequeue only what still needs a checksum. When does it help?

Parts: `kleen_workloads` (the map), `kleen_stalls` (what a stall costs, and the faster copy), `prequeue_kernel` (what a
kernel with the prequeue did).
"""

from collections.abc import Mapping
from typing import Final

import polars as pl

from zcanalysis.cases import CASES
from zcanalysis.cases.assumption_rows import price_rows
from zcanalysis.cases.case_answer import CaseAnswer
from zcanalysis.cases.kleen_stalls import STALLS_MS, faster_copy, rare_stalls, stall_law
from zcanalysis.cases.kleen_workloads import (
    DELAYS_MS,
    DOES_NOT_SUM,
    DRAWS,
    FULL_BYTES,
    MATTERS,
    RULES,
    SUMS,
    TAIL_BYTES,
    WORKLOADS,
    ack_stretch,
    class_map,
    overtaking,
    patch_map,
)
from zcanalysis.cases.prequeue_kernel import FOLDER, PAIRS, kernel_pairs
from zcanalysis.hosts.presets import preset
from zcanalysis.model.messages import Kernel
from zcanalysis.tables import ASSUMPTIONS, polars_schema

SENT_GBPS, RECEIVED_GBPS = 1.4, 0.9
DELAYED: Final = "delay-2ms"
NO_CASE_OF_THE_PATCH: Final = "software-checksum"
"""Recorded too, but the patch leaves such segments in the prequeue."""
ENDS: Final[Mapping[str, pl.Expr]] = {
    "least median, %": pl.col("gain").min(),
    "most median, %": pl.col("gain").max(),
    "worst host, %": pl.col("low").min(),
    "best host, %": pl.col("high").max(),
}


def answer() -> CaseAnswer:
    """When the patch helps, does nothing or hurts, worked out anew."""
    cells, stalls, copies, tails = patch_map(), stall_law(), faster_copy(), overtaking()
    pairs = kernel_pairs()
    tables = {
        "Verdicts of the map, by workload and checksum class": verdicts(cells),
        "The largest gain and the largest loss of each workload": extremes(cells),
        "Checksum classes that the kernel treats alike (median gain of the patch)": class_map(),
        "A stall costs at most one window (Mbit/s)": stalls,
        f"How rarely a stall turns {SENT_GBPS} into {RECEIVED_GBPS} Gbit/s": rare_stalls(SENT_GBPS, RECEIVED_GBPS),
        "A faster copy, where the receiver is the limit": copies,
        f"Messages of {TAIL_BYTES} bytes from a card that does not sum": tails,
        "Bulk transfer: how far apart ACKs are (card that sums)": ack_stretch(),
    }
    if pairs is not None:
        tables["A kernel with the prequeue (4.10), with and without it"] = pairs
    return CaseAnswer(
        question=CASES["kleen_patch"],
        answer=_answer(cells, tails),
        sure=_sure(cells, stalls, pairs),
        next_step=NEXT_STEP,
        tables=tables,
        assumptions=_assumptions(),
    )


NEXT_STEP = (
    "While a transfer is slow, run `nstat -az TcpExtTCPPrequeued TcpExtTCPSchedulerFailed` (in 2.4: `netstat -s`)"
    " twice, a minute apart. If neither grows, nothing waits in the prequeue and the patch can change nothing: look"
    " elsewhere. If one does, switch the prequeue off and measure again: `sysctl -w net.ipv4.tcp_low_latency=1` (2.4.21"
    " to 4.13, all connections; back with `=0`). Only 2.4.4 to 2.4.20 have no such switch: patch these, with the test"
    " that nobody waits in the prequeue. From 4.14 on there is no prequeue, and nothing to do."
)


def verdicts(cells: pl.DataFrame) -> pl.DataFrame:
    """How many cells of the map have which verdict, and how much they gain.

    Parameters
    ----------
    cells
        From `kleen_workloads.patch_map`.

    Returns
    -------
    polars.DataFrame
        Rows ``workload``, ``checksum``, ``helps``, ``nothing``, ``depends``, ``hurts``; in whole per cent the least and
        the most of the cells' median gains, and what the worst and the best single host gains.
    """
    words = ("helps", "nothing", "depends", "hurts")
    return cells.group_by("workload", "checksum", maintain_order=True).agg(
        *((pl.col("verdict") == word).sum().alias(word) for word in words),
        *((100 * end).round().cast(pl.Int64).alias(name) for name, end in ENDS.items()),
    )


def extremes(cells: pl.DataFrame) -> pl.DataFrame:
    """The cells of each workload and class with the largest and the smallest median gain.

    Parameters
    ----------
    cells
        From `kleen_workloads.patch_map`.
    """
    shown = ("workload", "checksum", "size_bytes", "delay_ms", "gain", "low", "high", "verdict")
    ends = [
        cells.sort("gain", descending=most).group_by("workload", "checksum", maintain_order=True).first()
        for most in (True, False)
    ]
    changed = pl.concat(ends).filter(pl.col("gain").abs() > MATTERS).unique(maintain_order=True)
    return changed.select(shown).sort("workload", "checksum", "gain")


def _answer(cells: pl.DataFrame, tails: pl.DataFrame) -> str:
    summed, unsummed = cells.filter(checksum=SUMS), cells.filter(checksum=DOES_NOT_SUM)
    most = {name: _most(of) for (name,), of in summed.filter(verdict="helps").group_by("workload")}
    worst = unsummed.sort("gain").row(0, named=True)
    return (
        "It matters only to kernels before 4.14, and helps where a sleeping reader holds back an ACK that the sender "
        "waits for, hardly elsewhere; a message with a short tail it can hurt. All gains are medians of the hosts "
        f"tried, {DRAWS + 1} a case. With a card that sums, it helps in "
        f"{summed.filter(verdict='helps').height} of {summed.height} cases tried ({len(WORKLOADS)} uses of a "
        f"connection, {summed.height // len(WORKLOADS) // len(DELAYS_MS)} sizes, {len(DELAYS_MS)} delays of the "
        "reader): most with a receive buffer larger than the window (goodput up to "
        f"{most['bulk, buffer 4 x the window']:+.0%}), with few segments in flight "
        f"({most['bulk, 4 segments in flight']:+.0%}), and with requests in two writes "
        f"({most['request in two writes']:+.0%} requests a second). It gives a bulk transfer of {FULL_BYTES} byte "
        f"segments with default buffers at most {_most(summed.filter(workload='bulk', size_bytes=FULL_BYTES)):+.0%}, a "
        "request in one write nothing. With a card that does not sum it acts on segments of at most 76 bytes alone: "
        "requests that small in two writes gain as much "
        f"({_most(unsummed.filter(workload='request in two writes')):+.0%}), but a message that ends in such a tail is "
        f"hurt: the tail overtakes it (delivery takes {1 / (1 + worst['gain']) - 1:.0%} longer, segments are sent "
        "twice). Let it act only if nobody waits in the prequeue, and that harm is gone "
        f"({_safe_change(tails, worst['delay_ms']):+.1%})."
    )


def _safe_change(tails: pl.DataFrame, delay_ms: float) -> float:
    """By how much messages with a tail take longer under the rule that lets nobody overtake."""
    safe, before = (
        tails.filter(rule=rule, delay_ms=delay_ms).item(0, "mean delivery us")
        for rule in (RULES[Kernel.KLEEN_IF_EMPTY], RULES[Kernel.PREQUEUE])
    )
    return float(safe / before - 1)


def _most(rows: pl.DataFrame, column: str = "gain") -> float:
    return float(rows.select(pl.max(column)).item())


def _sure(cells: pl.DataFrame, stalls: pl.DataFrame, pairs: pl.DataFrame) -> str:
    depends = cells.filter(verdict="depends")
    said = (
        "Fairly sure where it helps, less sure how much. The rules are those of the 2.4.17 source. What a packet "
        f"costs is assumed, so a case counts only where all of {DRAWS + 1} hosts, with costs drawn from wide ranges, "
        f"agree: in {depends.height} of {cells.height} they do not, and there one host may lose (up to "
        f"{-float(depends.filter(checksum=SUMS).select(pl.min('low')).item()):.0%}, with a card that sums). A stall "
        f"lets at most one window through, whoever ends it (the replay reaches {_most(stalls, 'share'):.1%} of that). "
        "No figure for the patch was ever published."
    )
    delayed = pairs.filter(recording=DELAYED).row(0, named=True)
    other = pairs.filter(~pl.col("recording").is_in([DELAYED, NO_CASE_OF_THE_PATCH]))
    least = float(other.select(pl.min("gain")).item())
    return (
        f"{said} A real kernel, Linux 4.10, gained {delayed['gain']:+.1%} without its prequeue over a round trip of"
        f" {delayed['round_trip_ms']:g} ms; the model says {delayed['model_gain']:+.1%}. In {other.height} recordings"
        f" without a round trip, with sums from the card, it was {least:+.1%} to {_most(other):+.1%}, and the model"
        f" says {_most(other, 'model_gain'):+.1%}: a few per cent it cannot foretell. No measurement covers a gain"
        f" above {_most(pairs):+.1%}: all the larger ones, up to {_most(cells):+.0%} in the median, are replayed only."
    )


def _assumptions() -> pl.DataFrame:
    timers = [
        (f"stall of {ms} ms", float(ms), None, None, "ms", "published", f"2.4.17 include/net/tcp.h: {what}")
        for ms, what in STALLS_MS.items()
        if ms != min(STALLS_MS)
    ]
    own = [
        ("stall of 1/50 s", float(min(STALLS_MS)), None, None, "ms", "published", "Kleen, linux-kernel, 28 June 2002"),
        ("what counts as a gain", MATTERS, None, None, "share", "assumed", "fixed before the map was drawn"),
        ("reader's delay, besides the one given", 1.0, 0.8, 1.25, "factor", "assumed",
         "so that no verdict hangs on the phase of a timer"),
        ("window", 65_535.0, None, None, "bytes", "published", "3/4 of tcp_rmem[1], 2.4.17 net/ipv4/tcp.c"),
        ("of kernel 4.10", 2.0 * len(PAIRS), None, None, "recordings", "measured",
         f"traces/{FOLDER.name}, README.md there"),
    ]  # fmt: skip
    rows = pl.DataFrame([*own, *timers], schema=polars_schema(ASSUMPTIONS), orient="row")
    return pl.concat([rows, price_rows(preset("host_2002"))])
