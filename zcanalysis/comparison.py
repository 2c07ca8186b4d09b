"""What differs between two sets of recordings, held against what differs from run to run.

A single recording says nothing about the next one like it, so there the lab's experience stands in, and is said to.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import polars as pl

from zcanalysis.chance import LEVEL
from zcanalysis.comparable import GOODPUT, RECEIVER, Comparable, Of, comparable
from zcanalysis.compared_profiles import Sampled, compared_chains, compared_functions, sampled
from zcanalysis.compared_rows import HEADLINE, LAB_SPREAD, rows_of_both, tested
from zcanalysis.cpu.flame_difference import frames_of_both
from zcanalysis.errors import TraceError
from zcanalysis.tables import COMPARED, conform, polars_schema

if TYPE_CHECKING:
    from zcanalysis.answer import Answer
    from zcanalysis.io.recording import Recording

FAIL_OVER_PERCENT: Final = 5.0
FUNCTIONS_TOLD: Final = 20
VARIANCE_UNKNOWN: Final = "between-run variance unknown"
KINDS: Final[tuple[Of, ...]] = ("goodput", "cost", "latency", "blame")


class Comparison(NamedTuple):
    """Two sets of recordings, and what differs."""

    table: pl.DataFrame
    """COMPARED, what changed most surely first within each kind."""
    functions: pl.DataFrame
    """FUNCTIONS_COMPARED, the largest difference first; empty where one side has no samples."""
    chains: pl.DataFrame
    """CHAINS_COMPARED; empty where one side has no call chains."""
    unprofiled: tuple[str, ...]
    """Which recordings have no call chains to compare, and why."""
    sampled: tuple[Sampled, Sampled]
    names: tuple[tuple[str, ...], tuple[str, ...]]
    """The recordings of the set in question, and those it is held against."""
    paths: tuple[Path, ...]
    """Of all of them."""
    limits: tuple[dict[str, int], dict[str, int]]
    """How many of each are held back by what."""
    spread: str
    """Where the run-to-run variance comes from."""
    fail_over_percent: float

    @property
    def changed(self) -> pl.DataFrame:
        """The rows that chance rarely makes."""
        return self.table.filter(pl.col("changed"))

    @property
    def is_single(self) -> bool:
        """Whether one recording stands on each side, so that nothing is known of the next."""
        return all(len(side) == 1 for side in self.names)

    @property
    def headline(self) -> dict[str, dict[str, Any]]:
        """The rows of goodput and of the receiver's CPU time, by quantity; those that both sides show."""
        watched = self.table.filter(pl.col("quantity").is_in(HEADLINE))
        return {row["quantity"]: row for row in watched.iter_rows(named=True)}

    @property
    def regressions(self) -> tuple[str, ...]:
        """What got worse by more than the threshold, and not by chance: goodput, or the receiver's CPU time a byte."""
        over = self.fail_over_percent / 100
        worse = pl.when(pl.col("quantity") == GOODPUT).then(pl.col("change") < -over).otherwise(pl.col("change") > over)
        watched = self.changed.filter(pl.col("quantity").is_in(HEADLINE), worse)
        return tuple(watched.get_column("quantity"))


def compare(recordings: "Sequence[Recording | Answer]", against: "Sequence[Recording | Answer]") -> pl.DataFrame:
    """What differs between two sets of recordings: the COMPARED table.

    Parameters
    ----------
    recordings
        The set in question, for instance with a patch.
    against
        What it is held against, for instance without.

    Raises
    ------
    ValueError
        If a set is empty.
    TraceError
        If a file of a recording turns out to be damaged.
    """
    return compared(recordings, against).table


def compared(
    recordings: "Sequence[Recording | Answer]",
    against: "Sequence[Recording | Answer]",
    fail_over_percent: float = FAIL_OVER_PERCENT,
) -> Comparison:
    """The same with the limits, the names, and what got worse.

    Parameters
    ----------
    recordings, against
        As `compare` takes them.
    fail_over_percent
        By how much something must get worse to be a regression.

    Raises
    ------
    ValueError
        If a set is empty.
    TraceError
        If a file of a recording turns out to be damaged.

    Notes
    -----
    `zcanalysis.chance` says what is more than chance. With one recording on one side the other side's spread is taken
    for both. With one on each side `LAB_SPREAD` is, and the recording's own sampling error beside it: then only large
    differences can be told from chance.
    """
    return compared_sets(
        [comparable(one) for one in recordings], [comparable(one) for one in against], fail_over_percent
    )


def compared_sets(
    after: Sequence[Comparable], before: Sequence[Comparable], fail_over_percent: float = FAIL_OVER_PERCENT
) -> Comparison:
    """The same of what `zcanalysis.comparable` took from the recordings.

    Parameters
    ----------
    after, before
        The set in question, and what it is held against.
    fail_over_percent
        As `compared` takes it.

    Raises
    ------
    ValueError
        If a set is empty.
    """
    _refuse_empty(after, before)
    rows = rows_of_both([one.quantities for one in after], [one.quantities for one in before])
    table = pl.DataFrame(tested(list(rows)), schema=polars_schema(COMPARED))
    return Comparison(
        conform(_ordered(table), COMPARED), compared_functions(after, before), compared_chains(after, before),
        _unprofiled(after, before),
        (sampled(after), sampled(before)), (_names(after), _names(before)),
        tuple(one.path for one in (*after, *before)), (_limits(after), _limits(before)),
        _spread_words(len(after), len(before)), fail_over_percent,
    )  # fmt: skip


def compare_flames(recordings: "Sequence[Recording | Answer]", against: "Sequence[Recording | Answer]") -> pl.DataFrame:
    """Which call chains cost more CPU time per byte of payload than before: what `charts.flame_changes` draws.

    Parameters
    ----------
    recordings, against
        As `compare` takes them.

    Returns
    -------
    pl.DataFrame
        FLAME_DIFFERENCE in ns per 1,000 bytes of payload; the outermost frame is the whole receive path, which is also
        a row of what `compare` gives.

    Raises
    ------
    ValueError
        If a set is empty.
    TraceError
        If no recording of one side holds call chains and payload of the same time, or a file turns out to be damaged.

    Notes
    -----
    Of each recording the samples charged to the receive path are divided by the payload received meanwhile; of a set
    the mean is taken, so that a longer recording does not count for more.
    """
    made = compared(recordings, against)
    require_chains(made)
    return flames(made)


def require_chains(made: Comparison) -> None:
    """Go on only with call chains on both sides.

    Parameters
    ----------
    made
        Of two sets.

    Raises
    ------
    TraceError
        If there are none.
    """
    if made.chains.is_empty():
        raise TraceError(f"no call chains to compare: {'; '.join(made.unprofiled)}")


def flames(made: Comparison) -> pl.DataFrame:
    """The frames of a comparison's call chains: FLAME_DIFFERENCE.

    Parameters
    ----------
    made
        One with call chains.
    """
    return frames_of_both(
        made.chains.with_columns(pl.concat_str(pl.lit(f"{RECEIVER};"), "stack").alias("stack")), "ns/KB"
    )


def comparison_document(made: Comparison) -> dict[str, Any]:
    """The JSON of `compare`.

    Parameters
    ----------
    made
        Of two sets.
    """
    return {
        "recordings": list(made.names[0]),
        "against": list(made.names[1]),
        "level": LEVEL,
        "variance": made.spread,
        "fail_over_percent": made.fail_over_percent,
        "regressions": list(made.regressions),
        "limits": {"recordings": made.limits[0], "against": made.limits[1]},
        "compared": made.table.to_dicts(),
        "functions": made.functions.head(FUNCTIONS_TOLD).to_dicts() or None,
        "unprofiled": list(made.unprofiled),
    }


def _refuse_empty(*sides: Sequence[object]) -> None:
    if not all(sides):
        raise ValueError("each side of a comparison needs at least one recording")


def _names(side: Sequence[Comparable]) -> tuple[str, ...]:
    return tuple(one.name for one in side)


def _unprofiled(after: Sequence[Comparable], before: Sequence[Comparable]) -> tuple[str, ...]:
    sides = (("now", after), ("before", before))
    return tuple(
        f"{one.name} ({when}): {one.profile.missing}" for when, side in sides for one in side if one.profile.missing
    )


def _limits(side: Sequence[Comparable]) -> dict[str, int]:
    return dict(Counter(one.limit for one in side).most_common())


def _ordered(table: pl.DataFrame) -> pl.DataFrame:
    """By kind, sums first, then the largest difference first."""
    kind = pl.col("of").replace_strict({name: at for at, name in enumerate(KINDS)}, return_dtype=pl.Int32)
    return table.sort(
        kind, pl.col("quantity") != RECEIVER, pl.col("difference").abs(), descending=[False, False, True],
        maintain_order=True,
    )  # fmt: skip


def _spread_words(after: int, before: int) -> str:
    if after > 1 and before > 1:
        return f"from {after} and {before} recordings"
    if after > 1 or before > 1:
        return f"from the {max(after, before)} recordings of one side, taken for both"
    return f"{VARIANCE_UNKNOWN}: one recording on each side; the lab's is taken, {LAB_SPREAD:.0%} from run to run"
