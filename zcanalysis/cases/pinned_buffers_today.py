"""A relay of today's kernel, copying and by splice(2), as `zcanalysis.lab.relays` measured it."""

from collections.abc import Mapping
from typing import Any

import polars as pl


def relay_pairs(measured: Mapping[str, Any]) -> pl.DataFrame:
    """CPU time of the relay for a byte, and the ratio of each pair.

    Parameters
    ----------
    measured
        What `python -m zcanalysis.lab.relays` wrote.

    Returns
    -------
    polars.DataFrame
        Columns pair, copying and splice (ns a byte), splice_over_copying.
    """
    runs = pl.DataFrame(measured["runs"]).with_columns(ns=pl.col("cpu_s") / pl.col("bytes") * 1e9)
    pairs = runs.pivot("design", index="pair", values="ns").sort("pair")
    return pairs.select("pair", "copying", "splice", splice_over_copying=pl.col("splice") / pl.col("copying"))
