"""What each CPU did over time, and its callchains as a flame: sums for pictures."""

from collections.abc import Iterator
from typing import Final

import polars as pl

from zcanalysis.cpu.kernel_stages import GROUP_OF
from zcanalysis.rates import NS_PER_S
from zcanalysis.tables import FLAME, conform, polars_schema

BINS: Final = 60
SMALLEST_FRAME_SHARE: Final = 0.005
DEEPEST_FRAME: Final = 60
MOST_FRAMES: Final = 4000


def cpu_timeline(stages: pl.DataFrame) -> pl.DataFrame:
    """Share of each CPU's time by group of stages, in equal bins of the sampled window.

    Returns
    -------
    pl.DataFrame
        ``cpu``, ``seconds`` (start of the bin since the first sample, pauses left out), ``group``, ``share`` of the
        bin's wall time; the shares of a bin add up to what was sampled as busy.
    """
    if stages.is_empty():
        return pl.DataFrame(schema={"cpu": pl.Int32, "seconds": pl.Float64, "group": pl.String, "share": pl.Float64})
    first_ns, last_ns = stages.select(pl.col("at_ns").min().alias("a"), pl.col("at_ns").max().alias("b")).row(0)
    bin_ns = max((last_ns - first_ns) // BINS, 1)
    binned = (
        stages.filter(pl.col("stage") != "idle")
        .group_by(
            "cpu",
            ((pl.col("at_ns") - first_ns) // bin_ns).clip(0, BINS - 1).alias("bin"),
            pl.col("stage").replace_strict(GROUP_OF).alias("group"),
        )
        .agg((pl.col("weight_ns").sum() / bin_ns).alias("share"))
    )
    # every group has a row in every bin: an area that skips a bin would slope over it
    grid = (
        binned.select("cpu")
        .unique()
        .join(binned.select("group").unique(), how="cross")
        .join(pl.DataFrame({"bin": range(BINS)}, schema={"bin": pl.Int64}), how="cross")
    )
    return (
        grid.join(binned, on=["cpu", "group", "bin"], how="left")
        .select(
            "cpu",
            (pl.col("bin") * bin_ns / NS_PER_S).alias("seconds"),
            "group",
            pl.col("share").fill_null(0.0),
        )
        .sort("cpu", "group", "seconds")
    )


def flame(stages: pl.DataFrame) -> pl.DataFrame:
    """Frames of a flame graph for each CPU without those under 0.5 % of its busy time, and at most 4000.

    Returns
    -------
    pl.DataFrame
        FLAME.
    """
    rows = [
        row
        for (cpu,), own in stages.filter(pl.col("stage") != "idle").group_by("cpu", maintain_order=True)
        for row in _frames(int(str(cpu)), own)
    ]
    table = pl.DataFrame(rows, schema=polars_schema(FLAME), orient="row")
    return conform(widest_frames(table).sort("cpu", "depth", "start"), FLAME)


def widest_frames(frames: pl.DataFrame) -> pl.DataFrame:
    """At most 4000 frames of a flame: what a page draws at once. A frame that is kept has its callers.

    Parameters
    ----------
    frames
        With ``depth``, ``start`` and ``end``.
    """
    width = (pl.col("end") - pl.col("start")).round(9)  # a caller is never narrower, but for rounding
    return frames.sort(width, -pl.col("depth"), descending=True, maintain_order=True).head(MOST_FRAMES)


def _frames(cpu: int, own: pl.DataFrame) -> Iterator[tuple[int, int, float, float, str, str]]:
    chains = (
        own.with_columns(
            pl.col("stage").replace_strict(GROUP_OF).alias("group"),
            (pl.col("comm").str.replace_all(";", ":", literal=True) + ";" + pl.col("folded")).alias("path"),
        )
        .group_by("path", "group")
        .agg(pl.col("weight_ns").sum())
        .sort("path", "group")
    )
    whole = float(chains.get_column("weight_ns").sum())
    if whole <= 0:
        return
    weights = [(tuple(path.split(";")[:DEEPEST_FRAME]), group, ns / whole) for path, group, ns in chains.iter_rows()]
    yield from _level(cpu, weights, 0, 0.0)


def _level(
    cpu: int, weights: list[tuple[tuple[str, ...], str, float]], depth: int, start: float
) -> Iterator[tuple[int, int, float, float, str, str]]:
    by_name: dict[str, list[tuple[tuple[str, ...], str, float]]] = {}
    for item in weights:
        if len(item[0]) > depth:
            by_name.setdefault(item[0][depth], []).append(item)
    for name, items in by_name.items():
        share = sum(item[2] for item in items)
        if share >= SMALLEST_FRAME_SHARE:
            groups: dict[str, float] = {}
            for _, group, part in items:
                groups[group] = groups.get(group, 0.0) + part
            yield cpu, depth, start, start + share, name, max(groups, key=lambda group: groups[group])
            yield from _level(cpu, items, depth + 1, start)
        start += share
