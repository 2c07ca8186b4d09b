"""What 1,000 bytes of payload cost the receiver, by call chain and by function: comparable whatever ran how long."""

from typing import Final

import polars as pl

from zcanalysis.cpu.costs import seconds_by_stretch
from zcanalysis.cpu.intervals import drawn_sums
from zcanalysis.cpu.kernel_stages import NOT_RECEIVE
from zcanalysis.rates import NS_PER_S
from zcanalysis.tables import CHAIN_COSTS, FUNCTION_COSTS, conform

KB: Final = 1000


def chain_costs(stages: pl.DataFrame, payload_bytes: int) -> pl.DataFrame:
    """CPU time of the receive path by thread and call chain, over payload: the CHAIN_COSTS table.

    Parameters
    ----------
    stages
        STAGED_SAMPLES of one sampled window.
    payload_bytes
        Received in that window, > 0.
    """
    thread = pl.col("comm").str.replace_all(";", ":", literal=True)
    stack = pl.concat_str(thread, "folded", separator=";")
    per_kb = pl.col("weight_ns").sum() * KB / payload_bytes
    return conform(received(stages).group_by(stack=stack).agg(ns_per_kb=per_kb).sort("stack"), CHAIN_COSTS)


def function_costs(stages: pl.DataFrame, payload_bytes: int) -> pl.DataFrame:
    """CPU time of the receive path in each function itself, over payload: the FUNCTION_COSTS table, dearest first.

    Parameters
    ----------
    stages, payload_bytes
        As `chain_costs` takes them.

    Notes
    -----
    The standard error is that of a sum over stretches of time drawn anew (`zcanalysis.cpu.intervals`): it holds how few
    samples there are, and how the work came and went, but not what differs from one run to the next.
    """
    mine = received(stages).with_columns(function=pl.col("folded").str.split(";").list.last())
    keys, by_stretch = seconds_by_stretch(mine, ("function",))
    scale = NS_PER_S * KB / payload_bytes
    costs = keys.with_columns(
        pl.Series("ns_per_kb", by_stretch.sum(axis=0) * scale),
        pl.Series("error", drawn_sums(by_stretch).std(axis=0) * scale),
    )
    table = costs.join(_main_stages(mine), on="function").sort("ns_per_kb", "function", descending=[True, False])
    return conform(table, FUNCTION_COSTS)


def received(stages: pl.DataFrame) -> pl.DataFrame:
    """The samples that are charged to the receive path.

    Parameters
    ----------
    stages
        STAGED_SAMPLES.
    """
    return stages.filter(~pl.col("stage").is_in(list(NOT_RECEIVE)))


def _main_stages(mine: pl.DataFrame) -> pl.DataFrame:
    """The stage that most of each function's time is charged to: a helper works for many."""
    times = mine.group_by("function", "stage").agg(pl.col("weight_ns").sum()).sort("weight_ns", "stage")
    return times.group_by("function", maintain_order=True).agg(pl.col("stage").last())
