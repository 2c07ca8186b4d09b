"""What differs between two sets of recordings, held against what differs from run to run.

A single recording says nothing about the next one like it, so there the lab's experience stands in, and is said to.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal, NamedTuple

import polars as pl

from zcanalysis.answer import Answer, answered
from zcanalysis.chance import LEVEL, Figures, beyond_chance, difference
from zcanalysis.cpu.kernel_stages import NOT_RECEIVE
from zcanalysis.cpu.latency import latency
from zcanalysis.errors import TraceError
from zcanalysis.io.recording import Recording
from zcanalysis.tables import COMPARED, conform, polars_schema

FAIL_OVER_PERCENT: Final = 5.0
LAB_SPREAD: Final = 0.083
"""Standard deviation of the logarithm of goodput from run to run of one configuration.

Root mean square over the 48 configurations of traces/validation.json, 4 to 15 runs each, in a virtual machine; half of
them vary by less than 0.007."""
Z90: Final = 1.645
"""Half the width of a 90 % interval over its standard error."""
GOODPUT: Final = "goodput"
RECEIVER: Final = "receiver, all stages"
HEADLINE: Final = (GOODPUT, RECEIVER)
VARIANCE_UNKNOWN: Final = "between-run variance unknown"

Of = Literal["goodput", "cost", "latency", "blame"]
KINDS: Final[tuple[Of, ...]] = ("goodput", "cost", "latency", "blame")


class Comparison(NamedTuple):
    """Two sets of recordings, and what differs."""

    table: pl.DataFrame
    """COMPARED, what changed most surely first within each kind."""
    names: tuple[tuple[str, ...], tuple[str, ...]]
    """The recordings of the set in question, and those it is held against."""
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
    def regressions(self) -> tuple[str, ...]:
        """What got worse by more than the threshold, and not by chance: goodput, or the receiver's CPU time a byte."""
        over = self.fail_over_percent / 100
        worse = pl.when(pl.col("quantity") == GOODPUT).then(pl.col("change") < -over).otherwise(pl.col("change") > over)
        watched = self.changed.filter(pl.col("quantity").is_in(HEADLINE), worse)
        return tuple(watched.get_column("quantity"))


def compare(recordings: Sequence[Recording | Answer], against: Sequence[Recording | Answer]) -> pl.DataFrame:
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
    recordings: Sequence[Recording | Answer],
    against: Sequence[Recording | Answer],
    fail_over_percent: float = FAIL_OVER_PERCENT,
) -> Comparison:
    """The same with the limits, the names, and what got worse.

    Parameters
    ----------
    recordings, against
        As `compare` takes them.
    fail_over_percent
        By how much something must get worse to be a regression.

    Notes
    -----
    `zcanalysis.chance` says what is more than chance. With one recording on one side the other side's spread is taken
    for both. With one on each side `LAB_SPREAD` is, and the recording's own sampling error beside it: then only large
    differences can be told from chance.
    """
    if not recordings or not against:
        raise ValueError("each side of a comparison needs at least one recording")
    after, before = ([_answer(one) for one in some] for some in (recordings, against))
    rows = _rows([_quantities(one) for one in after], [_quantities(one) for one in before])
    table = pl.DataFrame(_marked(list(rows)), schema=polars_schema(COMPARED))
    return Comparison(
        conform(_ordered(table), COMPARED), (_names(after), _names(before)), (_limits(after), _limits(before)),
        _spread_words(len(after), len(before)), fail_over_percent,
    )  # fmt: skip


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
    }


class _Quantity(NamedTuple):
    """One figure of one recording."""

    value: float
    error: float = 0.0
    """Its own standard error, in its unit."""


Key = tuple[Of, str, str]
Seen = dict[Key, _Quantity]


def _answer(one: Recording | Answer) -> Answer:
    return one if isinstance(one, Answer) else answered(one)


def _names(side: Sequence[Answer]) -> tuple[str, ...]:
    return tuple(one.recording.name for one in side)


def _limits(side: Sequence[Answer]) -> dict[str, int]:
    held = (one.held_back_by for one in side)
    words = (one.kind if one.where is None else f"{one.kind} ({one.where})" for one in held)
    return dict(Counter(words).most_common())


def _ordered(table: pl.DataFrame) -> pl.DataFrame:
    """By kind, sums first, then the largest difference first."""
    kind = pl.col("of").replace_strict({name: at for at, name in enumerate(KINDS)}, return_dtype=pl.Int32)
    return table.sort(
        kind, pl.col("quantity") != RECEIVER, pl.col("difference").abs(), descending=[False, False, True],
        maintain_order=True,
    )  # fmt: skip


def _quantities(answer: Answer) -> Seen:
    """All figures of one recording that can be compared with another's, whatever their packets and rates."""
    seen: Seen = {}
    if answer.goodput_gbps is not None:
        quiet = answer.evidence.quiet
        error = (quiet.relative_error or 0.0) / Z90 if quiet else 0.0
        seen["goodput", GOODPUT, "Gbit/s"] = _Quantity(answer.goodput_gbps, error * answer.goodput_gbps)
    seen |= _costs(answer.costs)
    seen |= {
        ("blame", row["stage"], "Gbit/s"): _Quantity(row["lost_gbps"])
        for row in answer.blame.iter_rows(named=True)
        if row["lost_gbps"] is not None
    }
    return seen | _latencies(answer.recording)


def _costs(costs: pl.DataFrame) -> Seen:
    """CPU time by stage over the payload, all CPUs together: what stays comparable when the size of packets changes."""
    mine = costs.filter(~pl.col("stage").is_in(list(NOT_RECEIVE)), pl.col("ns_per_byte").is_not_null())
    relative = (pl.col("high") - pl.col("low")) / (2 * Z90) / pl.col("ns_per_packet")
    per_kb = mine.with_columns(value=pl.col("ns_per_byte") * 1000, error=pl.col("ns_per_byte") * 1000 * relative)
    squares = (pl.col("error").fill_null(0.0).fill_nan(0.0) ** 2).sum().sqrt()
    stages = per_kb.group_by("stage", maintain_order=True).agg(pl.col("value").sum(), squares.alias("error"))
    seen: Seen = {("cost", row[0], "ns/KB"): _Quantity(row[1], row[2]) for row in stages.iter_rows()}
    if seen:
        error = math.hypot(*(one.error for one in seen.values()))
        seen["cost", RECEIVER, "ns/KB"] = _Quantity(sum(one.value for one in seen.values()), error)
    return seen


def _latencies(recording: Recording) -> Seen:
    """Median and tail of the traced bytes' way through each stage; nothing where none were traced."""
    if recording.packet_events is None:
        return {}
    try:
        summary = latency(recording).summary
    except TraceError:
        return {}
    return {
        ("latency", f"{row['stage']}, {words}", "us"): _Quantity(row[f"{name}_ns"] / 1e3)
        for row in summary.iter_rows(named=True)
        for name, words in (("p50", "median"), ("p99", "99 %"))
        if row[f"{name}_ns"] is not None
    }


def _rows(after: Sequence[Seen], before: Sequence[Seen]) -> Iterator[dict[str, Any]]:
    """A row for each quantity that both sides show; a stage that one of them never shows costs nothing there."""
    for key in dict.fromkeys(key for one in (*before, *after) for key in one):
        sides = []
        for side in (after, before):
            found = [one[key] for one in side if key in one]
            if key[0] in ("cost", "blame") and any(kind == key[0] for one in side for kind, _, _ in one):
                found += [_Quantity(0.0)] * (len(side) - len(found))
            sides.append(found)
        if all(sides) and any(one.value for side in sides for one in side):
            yield _row(key, sides[0], sides[1])


def _row(key: Key, after: list[_Quantity], before: list[_Quantity]) -> dict[str, Any]:
    sides = [Figures([one.value for one in side], side[0].error) for side in (after, before)]
    found = difference(sides[0], sides[1], None if key[0] == "latency" else LAB_SPREAD)
    return {
        "of": key[0], "quantity": key[1], "unit": key[2], "value": sides[0].mean, "against": sides[1].mean,
        "difference": found.value, "change": sides[0].mean / sides[1].mean - 1 if sides[1].mean else None,
        "low": found.low, "high": found.high, "p": found.p,
    }  # fmt: skip


def _marked(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with whether they are more than chance: the headline by itself, then each kind of row by itself.

    Blame follows from the others and is not tested.
    """
    marked: list[dict[str, Any]] = []
    for family in dict.fromkeys(map(_family, rows)):
        mine = [row for row in rows if _family(row) == family]
        tested = beyond_chance([None if family == "blame" else row["p"] for row in mine])
        marked += [row | {"changed": surely} for row, surely in zip(mine, tested, strict=True)]
    return marked


def _family(row: dict[str, Any]) -> str:
    return "headline" if row["quantity"] in HEADLINE else str(row["of"])


def _spread_words(after: int, before: int) -> str:
    if after > 1 and before > 1:
        return f"from {after} and {before} recordings"
    if after > 1 or before > 1:
        return f"from the {max(after, before)} recordings of one side, taken for both"
    return f"{VARIANCE_UNKNOWN}: one recording on each side; the lab's is taken, {LAB_SPREAD:.0%} from run to run"
