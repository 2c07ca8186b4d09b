"""Two profiles as one flame: which call chains took more of the time after a change, and which less."""

from collections.abc import Iterator
from typing import Final, Literal

import polars as pl

from zcanalysis.cpu.timeline import widest_frames
from zcanalysis.tables import FLAME_DIFFERENCE, conform, polars_schema

SMALLEST_FRAME_SHARE: Final = 0.002
DEEPEST_FRAME: Final = 60
Unit = Literal["share", "ns/KB"]
Chain = tuple[list[str], float, float]
Frame = tuple[int, float, float, str, float, float]


def flame_difference(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """Frames of both profiles upon each other, in shares of each: the FLAME_DIFFERENCE table.

    Parameters
    ----------
    before, after
        Columns ``stack`` (root first, ``;`` between frames) and ``count``, as `zcanalysis.folded_stacks` gives them.

    Raises
    ------
    ValueError
        If one of them counts nothing: there is no share of nothing.

    Notes
    -----
    A frame is as wide as the mean of before and after, so that what vanished is seen as well as what is new (the usual
    differential flame graph, Gregg 2014, has the widths of one profile only). Frames narrower than 0.2 % are left out,
    and of more than 4000 the narrowest.

    Examples
    --------
    >>> one = pl.DataFrame({"stack": ["a;b", "a;c"], "count": [1, 1]})
    >>> other = pl.DataFrame({"stack": ["a;b"], "count": [7]})
    >>> flame_difference(one, other).select("name", "before", "after").rows()
    [('a', 1.0, 1.0), ('b', 0.5, 1.0), ('c', 0.5, 0.0)]
    """
    shares = pl.concat([_shares(before, "before"), _shares(after, "after")], how="diagonal")
    sums = shares.group_by("stack").agg(pl.col("before").sum(), pl.col("after").sum())
    return frames_of_both(sums, "share")


def frames_of_both(chains: pl.DataFrame, unit: Unit) -> pl.DataFrame:
    """The same of call chains whose times can be held against each other as they are.

    Parameters
    ----------
    chains
        Columns ``stack`` (once each), ``before`` and ``after``, >= 0.
    unit
        Of both.

    Raises
    ------
    ValueError
        If there is nothing on either side.
    """
    rows = chains.sort("stack").select("stack", "before", "after").iter_rows()
    split = [(stack.split(";")[:DEEPEST_FRAME], old, new) for stack, old, new in rows]
    whole = sum(old + new for _, old, new in split) / 2
    if not whole > 0:
        raise ValueError("neither side counts anything")
    levels = [(*frame, unit) for frame in _level(split, 0, 0.0, whole)]
    table = pl.DataFrame(levels, schema=polars_schema(FLAME_DIFFERENCE), orient="row")
    return conform(widest_frames(table).sort("depth", "start"), FLAME_DIFFERENCE)


def _shares(folded: pl.DataFrame, name: str) -> pl.DataFrame:
    whole = folded.get_column("count").sum()
    if not whole > 0:
        raise ValueError(f"the profile {name} counts nothing")
    return folded.select("stack", (pl.col("count") / whole).alias(name))


def _level(chains: list[Chain], depth: int, start: float, whole: float) -> Iterator[Frame]:
    by_name: dict[str, list[Chain]] = {}
    for chain in chains:
        if len(chain[0]) > depth:
            by_name.setdefault(chain[0][depth], []).append(chain)
    for name, same in by_name.items():
        before, after = sum(old for _, old, _ in same), sum(new for _, _, new in same)
        width = (before + after) / 2 / whole
        if width >= SMALLEST_FRAME_SHARE:
            yield depth, start, start + width, name, before, after
            yield from _level(same, depth + 1, start, whole)
        start += width
