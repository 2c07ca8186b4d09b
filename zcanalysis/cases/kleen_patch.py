"""Andi Kleen's patch of 28 June 2002: prequeue only what still needs a checksum. When does it help?

Parts: `kleen_workloads` (the map), `kleen_stalls` (what a stall costs, and the faster copy), `prequeue_kernel` (what a
kernel with the prequeue did).
"""

import polars as pl

from zcanalysis.cases import CASES
from zcanalysis.cases.assumption_rows import price_rows
from zcanalysis.cases.case_answer import CaseAnswer
from zcanalysis.cases.kleen_stalls import STALLS_MS, faster_copy, rare_stalls, stall_law
from zcanalysis.cases.kleen_workloads import (
    DRAWS,
    FULL_BYTES,
    MATTERS,
    TAIL_BYTES,
    ack_stretch,
    class_map,
    overtaking,
    patch_map,
)
from zcanalysis.cases.prequeue_kernel import FOLDER, kernel_pairs, recorded
from zcanalysis.hosts.presets import preset
from zcanalysis.tables import ASSUMPTIONS, polars_schema

SENT_GBPS, RECEIVED_GBPS = 1.4, 0.9
SUMMED, UNSUMMED = "card verifies", "card does not sum"


def answer() -> CaseAnswer:
    """When the patch helps, does nothing or hurts, worked out anew."""
    cells, stalls, copies, tails = patch_map(), stall_law(), faster_copy(), overtaking()
    pairs = kernel_pairs() if recorded() else None
    tables = {
        "Verdicts of the map, by workload and checksum class": verdicts(cells),
        "The largest gain and the largest loss of each workload": extremes(cells),
        "Checksum classes that the kernel treats alike (gain of the patch)": class_map(),
        "A stall costs at most one window (Mbit/s)": stalls,
        f"How rarely a stall turns {SENT_GBPS} into {RECEIVED_GBPS} Gbit/s": rare_stalls(SENT_GBPS, RECEIVED_GBPS),
        "A faster copy, where the receiver is the limit": copies,
        f"Messages of {TAIL_BYTES} bytes from a card that does not sum": tails,
        "Bulk transfer: how far apart ACKs are (card that verifies)": ack_stretch(),
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
    "Before patching, look whether the stall is there: `nstat -az TcpExtTCPSchedulerFailed TcpExtDelayedACKs"
    " TcpExtTCPPrequeued` (in 2.4: `netstat -s`), twice, a minute apart. If TCPSchedulerFailed or DelayedACKs grow with"
    " the transfer, switch the prequeue off first: `sysctl -w net.ipv4.tcp_low_latency=1` from 2.4.21 to 4.13, undo"
    " with `=0`. Only on 2.4.4 to 2.4.20 is the patch needed, and then with the test that nobody waits in the prequeue."
)


def verdicts(cells: pl.DataFrame) -> pl.DataFrame:
    """How many cells of the map have which verdict.

    Parameters
    ----------
    cells
        From `kleen_workloads.patch_map`.

    Returns
    -------
    polars.DataFrame
        Rows ``workload``, ``checksum``, ``helps``, ``nothing``, ``depends``, ``hurts``.
    """
    words = ("helps", "nothing", "depends", "hurts")
    return cells.group_by("workload", "checksum", maintain_order=True).agg(
        (pl.col("verdict") == word).sum().alias(word) for word in words
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
    summed = cells.filter(checksum=SUMMED)
    helps, bulk = summed.filter(verdict="helps"), summed.filter(workload="bulk", size_bytes=FULL_BYTES)
    waits = helps.filter(pl.col("workload").is_in(["bulk, 4 segments in flight", "request in two writes"]))
    slack = helps.filter(workload="bulk, buffer 4 x the window")
    worst = cells.filter(checksum=UNSUMMED).sort("gain").row(0, named=True)
    safe = tails.filter(rule="the patch, if nobody waits", delay_ms=worst["delay_ms"])
    before = tails.filter(rule="2.4.18", delay_ms=worst["delay_ms"])
    same = safe.item(0, "mean delivery us") / before.item(0, "mean delivery us") - 1
    return (
        f"It helps where a sleeping reader holds back an ACK that the sender waits for: on cards that sum, in"
        f" {helps.height} of {summed.height} cases tried, most of all where the receive buffer is larger than the"
        f" window (up to {_most(slack):+.0%}), where few segments are in flight or a request comes in two writes (up to"
        f" {_most(waits):+.0%}). A bulk transfer of {FULL_BYTES} byte segments with default buffers gains at"
        f" most {_most(bulk):+.0%}, a request in one write nothing. On cards that do not sum it changes nothing for"
        f" segments above 76 bytes, and it hurts where messages end in a smaller one: that tail overtakes its own"
        f" message (delivery takes {1 / (1 + worst['gain']) - 1:.0%} longer, segments are sent twice); the test that"
        f" nobody waits in the prequeue removes the harm ({same:+.1%})."
    )


def _most(rows: pl.DataFrame, column: str = "gain") -> float:
    return float(rows.select(pl.max(column)).item())


def _sure(cells: pl.DataFrame, stalls: pl.DataFrame, pairs: pl.DataFrame | None) -> str:
    depends = cells.filter(verdict="depends").height
    said = (
        f"The rules are those of the 2.4.17 source; prices of a packet are assumed, so every verdict is that of all of"
        f" {DRAWS + 1} hosts with prices drawn from wide ranges; {depends} of {cells.height} cases depend on the host."
        f" Kleen's 1/50 s is no timer of 2.4.18: the stalls there are 40 and 150 ms; whichever it is, goodput is at"
        f" most window over stall (the replay reaches {_most(stalls, 'share'):.1%} of it at most). No figure for the"
        f" patch was ever published."
    )
    if pairs is None:
        return f"{said} The recordings of a kernel with the prequeue come with the source and are not here."
    delayed = pairs.filter(recording="delay-2ms").row(0, named=True)
    other = pairs.filter(pl.col("recording") != "delay-2ms")
    least = float(other.select(pl.min("gain")).item())
    return (
        f"{said} A real kernel with the prequeue (4.10) gained {delayed['gain']:+.1%} without it over a round trip of"
        f" {delayed['round_trip_ms']:g} ms, where the model says {delayed['model_gain']:+.1%}; without a round trip"
        f" {least:+.1%} to {_most(other):+.1%}, where the model says {_most(other, 'model_gain'):+.1%} (there the"
        f" sender has the same CPU, which the model does not have)."
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
    ]  # fmt: skip
    if recorded():
        own.append(("kernel 4.10", 1.0, None, None, "", "measured", f"traces/{FOLDER.name}, README.md there"))
    rows = pl.DataFrame([*own, *timers], schema=polars_schema(ASSUMPTIONS), orient="row")
    return pl.concat([rows, price_rows(preset("host_2002"))])
