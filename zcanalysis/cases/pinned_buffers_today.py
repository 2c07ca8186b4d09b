"""A relay of today's kernel, copying and by splice(2), as `zcanalysis.lab.relays` measured it."""

import json
from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from zcanalysis.shipped import shipped_trace

RECORDED: Final = "relay/relay.json"


def relay_recorded() -> dict[str, Any]:
    """The measurement that is shipped, as `python -m zcanalysis.lab.relays` wrote it."""
    measured: dict[str, Any] = json.loads(shipped_trace(RECORDED).read_text(encoding="utf-8"))
    return measured


def measured_words(measured: Mapping[str, Any]) -> str:
    """What the measurement says, and what it cannot.

    Parameters
    ----------
    measured
        As `relay_pairs` takes it.
    """
    ratio = relay_pairs(measured).get_column("splice_over_copying").sort().to_list()
    middle = float(pl.Series(ratio).median())  # type: ignore[arg-type]
    return (
        f"One thing was measured, on kernel {measured['kernel']} and not on his hardware: a relay that forwards by "
        f"splice(2) takes {middle:.2f} times the CPU time of a copying one for a byte ({ratio[0]:.2f} to "
        f"{ratio[-1]:.2f} in {len(ratio)} pairs). That figure is rough: loopback in a virtual machine, at a load of "
        f"{measured['load_before']:.1f} on {measured['cpus']} CPUs; of his bus it says nothing."
    )


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
