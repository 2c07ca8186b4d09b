"""CPU samples as speedscope reads them: one profile a CPU, samples in order of time.

The format is documented by the JSON schema at https://www.speedscope.app/file-format-schema.json.
"""

from typing import Any, Final

import polars as pl

from zcanalysis.io.folded import chain_functions

SCHEMA: Final = "https://www.speedscope.app/file-format-schema.json"
CLOCKS: Final = ("cpu-clock", "task-clock")
"""Events whose period is a time in nanoseconds."""


def speedscope_document(samples: pl.DataFrame | pl.LazyFrame, name: str, exporter: str) -> dict[str, Any]:
    """The samples of the first event as one JSON document.

    Parameters
    ----------
    samples
        SAMPLES.
    name
        Of the whole.
    exporter
        What wrote it.

    Returns
    -------
    dict
        Each sample is the thread's command, then its functions from the root on. Weights are nanoseconds where the
        event is a clock, else its counts; a sample without a period counts 1.
    """
    table = samples.lazy().filter(pl.col("error").is_null()).collect()
    event = None if table.is_empty() else table.item(0, "event")
    mine = table.filter(pl.col("event").eq_missing(event)).sort("cpu", "ts_ns", maintain_order=True)
    weights = mine.get_column("period").cast(pl.Int64).fill_null(1).replace(0, 1)
    frames: dict[str, int] = {}
    stacks: dict[tuple[str | None, str], list[int]] = {}
    rows = mine.select("cpu", "comm", "callchain").rows()
    for _, comm, chain in rows:
        if (comm, chain) not in stacks:
            names = [comm or "?", *chain_functions(chain)]
            stacks[comm, chain] = [frames.setdefault(one, len(frames)) for one in names]
    profiles = [
        _profile(cpu, _unit(event), [stacks[rows[at][1:]] for at in mine_rows], weights.gather(mine_rows).to_list())
        for cpu, mine_rows in mine.with_row_index("row").group_by("cpu", maintain_order=True).agg("row").rows()
    ]
    return {
        "$schema": SCHEMA, "name": name, "exporter": exporter, "activeProfileIndex": 0,
        "shared": {"frames": [{"name": one} for one in frames]}, "profiles": profiles,
    }  # fmt: skip


def _unit(event: str | None) -> str:
    return "nanoseconds" if (event or "").split(":")[0] in CLOCKS else "none"


def _profile(cpu: int | None, unit: str, samples: list[list[int]], weights: list[int]) -> dict[str, Any]:
    return {
        "type": "sampled", "name": f"CPU {'?' if cpu is None else cpu}", "unit": unit, "startValue": 0,
        "endValue": sum(weights), "samples": samples, "weights": weights,
    }  # fmt: skip
