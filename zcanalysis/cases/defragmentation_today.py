"""Datagrams of 8 KB on today's kernel, in pieces and whole: what each stage of the receiver costs in two recordings."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, Final

import polars as pl

from zcanalysis.answer import Answer, answered
from zcanalysis.evidence import Evidence, costs_of
from zcanalysis.goodput import sampled_phase
from zcanalysis.io.recording import read_recording
from zcanalysis.shipped import shipped_trace

CAME: Final = {"fragmented-udp": "in six pieces (MTU 1500)", "whole-udp": "whole (MTU 9000)"}
"""How datagrams of 8 KB came, by recording."""

RECEIVER_CPU: Final = 1
STAGES: Final = (
    "backlog", "l2_demux", "ip_rx", "defrag", "udp_rx", "sock_queue_lock", "copy", "csum_copy", "skb_alloc", "skb_free",
    "page_memory",
)  # fmt: skip
"""Work on packets and payload. Left out is what a virtual machine pays for an interrupt, and other processes."""

COPYING: Final = ("copy", "csum_copy")
"""Done for what the program reads; all others of `STAGES` for what arrives, read or dropped."""
TOGETHER: Final = "all of them"

SIGHTS: Final = {
    "defragmenting": ";ip_defrag",
    "of these, copying payload": r";ip_defrag(;.*)?;(__memcpy|memcpy\w*|skb_copy_bits)(;|$)",
    "copying to the program": "udp_recvmsg;.*(__skb_datagram_iter|_to_iter)",
    "of these, walking a chain": "udp_recvmsg;.*__skb_datagram_iter;__skb_datagram_iter",
    "of these, summing meanwhile": "udp_recvmsg;skb_copy_and_csum_datagram_msg;.*__skb_datagram_iter",
}
"""Call chains of kernel 6.18, root first: the copy calls itself for each piece of a chain (net/core/datagram.c)."""


@cache
def recordings() -> Mapping[str, Answer]:
    """The two recordings, answered once a process: datagrams in pieces, then whole.

    Raises
    ------
    ZcError
        If one is not there.
    """
    return {name: answered(read_recording(shipped_trace(name))) for name in CAME}


def today_table(known: Mapping[str, Answer]) -> pl.DataFrame:
    """CPU time of the receiver for a byte that arrived, all `STAGES` together, by how the datagrams came.

    Parameters
    ----------
    known
        By the recording's name, of `CAME`.

    Returns
    -------
    polars.DataFrame
        Columns came, ns_per_byte and, 90 % of the sampling alone, low and high.
    """
    rows = [(CAME[name], *_together(known[name].evidence, STAGES)) for name in CAME]
    return pl.DataFrame(rows, schema=["came", "ns_per_byte", "low", "high"], orient="row")


def _together(evidence: Evidence, stages: Sequence[str]) -> tuple[float, float, float]:
    """Nanoseconds a byte that arrived; samples of all those stages charged to one: the interval is that of the sum."""
    one = pl.when(pl.col("stage").is_in(stages)).then(pl.lit(TOGETHER)).otherwise("stage")
    costs = costs_of(replace(evidence, stages=evidence.stages.with_columns(stage=one)))
    row = costs.filter(stage=TOGETHER, cpu=RECEIVER_CPU).row(0, named=True)
    scale = row["ns_per_byte"] / row["ns_per_packet"]
    return row["ns_per_byte"], row["low"] * scale, row["high"] * scale


def apart_table(known: Mapping[str, Answer]) -> pl.DataFrame:
    """What a byte received costs, and what one costs to be read: the two together where nothing is dropped.

    Parameters
    ----------
    known
        By the recording's name, of `CAME`.

    Returns
    -------
    polars.DataFrame
        ``work``; CPU time in ns of the byte that it says, ``in_pieces`` and ``whole``; ``times``, their ratio, with
        ``low`` and ``high``, 90 % of the sampling at both ends (``high`` null where the samples allow nothing whole);
        ``samples_in_pieces`` and ``samples_whole``, how many that rests on.
    """
    evidence = [known[name].evidence for name in CAME]
    read = [counted_read(one.recording.counters) for one in evidence]
    before = [stage for stage in STAGES if stage not in COPYING]
    below, copies = ([_together(one, stages) for one in evidence] for stages in (before, COPYING))
    copied = [tuple(ns / share for ns in cost) for cost, share in zip(copies, read, strict=True)]
    both = [tuple(map(sum, zip(*pair, strict=True))) for pair in zip(below, copied, strict=True)]
    rows = (
        ("all but the copy, a byte received", below, before),
        ("the copy to the program, a byte read", copied, COPYING),
        ("both, a byte that is received and read", both, STAGES),
    )
    return pl.DataFrame(
        {
            "work": work,
            "in_pieces": pieces[0],
            "whole": whole[0],
            "times": pieces[0] / whole[0],
            "low": pieces[1] / whole[2],
            "high": pieces[2] / whole[1] if whole[1] else None,
            "samples_in_pieces": _samples(evidence[0], stages),
            "samples_whole": _samples(evidence[1], stages),
        }
        for work, (pieces, whole), stages in rows
    )


def _samples(evidence: Evidence, stages: Sequence[str]) -> int:
    return evidence.stages.filter(pl.col("cpu") == RECEIVER_CPU, pl.col("stage").is_in(stages)).height


def counted_read(counters: pl.DataFrame | None) -> float:
    """The share of the datagrams that came to UDP while the CPU was sampled, and that the program read.

    Parameters
    ----------
    counters
        Of a recording: ``Udp.InDatagrams`` counts what was read, ``Udp.InErrors`` what the socket dropped.
    """
    assert counters is not None
    counted = counters.filter(
        pl.col("phase") == sampled_phase(counters), pl.col("counter").is_in(["Udp.InDatagrams", "Udp.InErrors"])
    )
    grown = counted.sort("ts_ns").group_by("counter", "repeat").agg(pl.col("value").last() - pl.col("value").first())
    total = dict(grown.group_by("counter").agg(pl.col("value").sum()).iter_rows())
    return float(total["Udp.InDatagrams"] / (total["Udp.InDatagrams"] + total["Udp.InErrors"]))


def ratio_bounds(today: pl.DataFrame) -> tuple[float, float]:
    """The least and the most that a byte in pieces costs of one that came whole, both intervals at their ends.

    Parameters
    ----------
    today
        As `today_table` gives it.
    """
    (low, high), (whole_low, whole_high) = today.select("low", "high").rows()
    return low / whole_high, high / whole_low


def stage_table(pieces: pl.DataFrame, whole: pl.DataFrame) -> pl.DataFrame:
    """CPU time of the receiver for a byte that arrived, by stage and by how the datagrams came.

    Parameters
    ----------
    pieces, whole
        COSTS of the two recordings.

    Returns
    -------
    polars.DataFrame
        Columns stage, came, ns_per_byte and, of the sampling alone, low and high; a stage without a sample is 0.
    """
    scale = pl.col("ns_per_byte") / pl.col("ns_per_packet")
    came = list(zip(CAME.values(), (pieces, whole), strict=True))
    seen = pl.concat(
        costs.filter(pl.col("cpu") == RECEIVER_CPU, pl.col("stage").is_in(STAGES)).select(
            "stage", "ns_per_byte", low=pl.col("low") * scale, high=pl.col("high") * scale, came=pl.lit(name)
        )
        for name, costs in came
    )
    every = pl.DataFrame({"stage": STAGES}).join(pl.DataFrame({"came": [name for name, _ in came]}), how="cross")
    filled = every.join(seen, on=["stage", "came"], how="left", maintain_order="left")
    return filled.with_columns(pl.col("ns_per_byte", "low", "high").fill_null(0.0))


def totals(stages: pl.DataFrame) -> dict[str, float]:
    """CPU time for a byte, all stages together, by how the datagrams came."""
    return dict(stages.group_by("came", maintain_order=True).agg(pl.col("ns_per_byte").sum()).iter_rows())


def cost_of(stages: pl.DataFrame, stage: str) -> list[float]:
    """What one stage costs a byte: in pieces, and whole."""
    return stages.filter(pl.col("stage") == stage)["ns_per_byte"].to_list()


def chain_table(pieces: pl.DataFrame, whole: pl.DataFrame) -> pl.DataFrame:
    """Samples that show whether datagrams are chained, and where they are summed.

    Parameters
    ----------
    pieces, whole
        STAGES of the two recordings, call chains in `folded`.

    Returns
    -------
    polars.DataFrame
        One row a sight: samples in the recording of pieces and in that of whole datagrams.
    """
    counts = ((what, *(_seen(table, sight) for table in (pieces, whole))) for what, sight in SIGHTS.items())
    return pl.DataFrame(list(counts), schema=["samples", "in_pieces", "whole"], orient="row")


def _seen(stages: pl.DataFrame, pattern: str) -> int:
    return stages.filter(pl.col("folded").str.contains(pattern)).height


def read_share(load: Mapping[str, Any]) -> float:
    """The share of what was sent that the program read; the socket dropped the rest (load.json of a recording)."""
    return float(load["end"]["sum_received"]["bytes"] / load["end"]["sum_sent"]["bytes"])
