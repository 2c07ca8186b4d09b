"""LIMITS beside FLOWS: what held each direction of each connection back for most of its time."""

from typing import TYPE_CHECKING, Final

import polars as pl

from zcanalysis.wire.accounts import COLUMNS, Accounts
from zcanalysis.wire.captured_limits import COLUMNS as WAIT_COLUMNS
from zcanalysis.wire.captured_limits import Waits
from zcanalysis.wire.connections import batches
from zcanalysis.wire.table_arrays import TableArrays

if TYPE_CHECKING:
    from zcanalysis.io.capture_damage import Damage

ENDS: Final = ("src", "dst")


def flows_sides_and_limits(
    packets: pl.LazyFrame | pl.DataFrame, damage: "Damage | None" = None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """FLOWS with ``limit`` and ``limit_share`` as `with_limits` adds them, and TCP_SIDES, from one reading.

    Parameters
    ----------
    packets
        PACKETS in file order.
    damage
        Counts the records that could not be read.
    """
    accounts, waits = Accounts(), Waits()
    errors = [] if damage is None else ["error"]
    for batch in batches(packets, list(dict.fromkeys([*COLUMNS, *WAIT_COLUMNS, *errors]))):
        if damage is not None:
            damage.errors(batch.get_column("error"))
        accounts.take(TableArrays(batch))
        waits.take(batch)
    flows, sides = accounts.tables()
    return with_limits(flows, waits.limits()), sides


def with_limits(flows: pl.DataFrame, limits: pl.DataFrame) -> pl.DataFrame:
    """FLOWS, and for each direction the limit that had most of the time in which it sent more than the other.

    Parameters
    ----------
    flows
        FLOWS.
    limits
        LIMITS of the same capture, as `captured_limits` gives them.

    Returns
    -------
    polars.DataFrame
        FLOWS, ``limit`` and ``limit_share``, its part of that time; both null where there was no such time.
    """
    elapsed_ns = (pl.col("to_ns") - pl.col("from_ns")).sum()
    spent = _numbered(flows, limits).group_by("number", "name", "limit").agg(elapsed_ns.alias("ns"))
    shares = spent.with_columns(limit_share=pl.col("ns") / pl.col("ns").sum().over("number", "name"))
    most = shares.sort("limit_share", "limit", descending=[True, False]).unique(["number", "name"], keep="first")
    named = flows.with_columns(_name().alias("name"))
    found = named.join(
        most.select("number", "name", "limit", "limit_share"),
        left_on=["connection", "name"], right_on=["number", "name"], how="left", maintain_order="left",
    )  # fmt: skip
    return found.drop("name")


def _numbered(flows: pl.DataFrame, limits: pl.DataFrame) -> pl.DataFrame:
    """LIMITS with `name` for `connection`, and `number`: the last of these ends that had begun by then."""
    begun = pl.col("first_ns").min().over("connection").alias("begun_ns")
    tcp = flows.filter(pl.col("protocol") == "tcp").with_columns(begun).drop_nulls("begun_ns")
    ends = pl.concat(
        tcp.select("begun_ns", _name(turned=turned).alias("name"), number="connection") for turned in (False, True)
    )
    rows = limits.rename({"connection": "name"}).sort("from_ns")
    return rows.join_asof(
        ends.unique().sort("begun_ns", "number"), left_on="from_ns", right_on="begun_ns", by="name",
        check_sortedness=False,
    ).drop_nulls("number")  # fmt: skip


def _name(*, turned: bool = False) -> pl.Expr:
    """A direction as LIMITS names it."""
    here, there = reversed(ENDS) if turned else ENDS
    return pl.format("{} > {}", _end(here), _end(there))


def _end(side: str) -> pl.Expr:
    plain = pl.col(side)
    bracketed = pl.when(plain.str.contains(":", literal=True)).then(pl.format("[{}]", plain)).otherwise(plain)
    return pl.format("{}:{}", bracketed, pl.col(f"{side}_port"))
