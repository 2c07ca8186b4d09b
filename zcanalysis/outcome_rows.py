"""Scenarios side by side, with what was measured of them: rows for a table and a chart."""

from collections.abc import Iterable

import polars as pl

from zcanalysis.answer import rate_text
from zcanalysis.exploring import AFTER, BEFORE, Explored, Rate, Subject
from zcanalysis.measured_change import Measured
from zcanalysis.tables import OUTCOMES, conform, polars_schema

LONGEST_NAME = 40


def outcome_rows(
    subject: Subject, now: Explored, kept: Iterable[Explored] = (), measured: Iterable[Measured] = ()
) -> pl.DataFrame:
    """The OUTCOMES table: as it is, what is asked now with what was measured of it, what was kept.

    Parameters
    ----------
    subject
        Of a recording, or a host.
    now
        Left out where it changes nothing.
    kept
        Other scenarios with their answers; of equal names the later ones are numbered.
    measured
        Of the changes of now.
    """
    rows = [] if subject.baseline.gbps is None else [_row(BEFORE, BEFORE, subject.baseline, subject.limit)]
    if not now.changes_nothing:
        rows.append(_row(AFTER, AFTER, now.rate, now.prediction.limit_after))
        rows += [_row(f"measured: {one.where}", "measured", Rate(*one[:3]), "") for one in measured]
    rows += [_row(one.scenario.name, "kept", one.rate, one.prediction.limit_after) for one in kept]
    seen: dict[object, int] = {}
    for row in rows:
        seen[row["name"]] = number = seen.get(row["name"], 0) + 1
        row["name"] = f"{row['name']} ({number})" if number > 1 else row["name"]
    rows = [{"order": at, **row} for at, row in enumerate(rows)]
    return conform(pl.DataFrame(rows, schema=polars_schema(OUTCOMES)), OUTCOMES)


def _row(name: str, kind: str, rate: Rate, limit: str) -> dict[str, object]:
    short = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
    return {"name": short, "kind": kind, **rate._asdict(), "limit": limit, "label": rate_text(*rate)}
