"""What tshark says of a few packets, as a tree: packet, layer, field."""

from itertools import groupby
from typing import Any, Final

import polars as pl

from zcanalysis.widgets import page_text

MOST_FIELDS: Final = 500
MOST_CHARACTERS: Final = 300
OPEN: Final = "tcp"


def packet_fields(dissected: pl.DataFrame) -> str:
    """HTML of dissected packets, the first unfolded.

    Parameters
    ----------
    dissected
        As `zcanalysis.dissect` gives it; a few packets.
    """
    packets = dissected.filter(pl.col("frame_number").is_not_null()).iter_rows(named=True)
    trees = [_packet(row, is_open=number == 0) for number, row in enumerate(packets)]
    errors = dissected.get_column("error").drop_nulls().unique(maintain_order=True)
    return "".join([*map(page_text.trouble, errors), *trees])


def _packet(row: dict[str, Any], *, is_open: bool) -> str:
    layers = row["layers"] or []
    fields = [field for field in row["fields"] or [] if field["name"] is not None]
    by_layer = [(name, list(some)) for name, some in groupby(fields[:MOST_FIELDS], lambda field: _layer(field["name"]))]
    inside = "".join(
        page_text.unfolded(f"{name}: {len(some)} fields", _table(some), is_open=name == OPEN) for name, some in by_layer
    )
    left = len(fields) - MOST_FIELDS
    inside += page_text.paragraphs(f"{left} more fields are not shown." if left > 0 else "")
    return page_text.unfolded(f"packet {row['frame_number']:,}: {' > '.join(layers)}", inside, is_open=is_open)


def _layer(name: str) -> str:
    return name.partition(".")[0]


def _table(fields: list[dict[str, Any]]) -> str:
    table = pl.DataFrame(fields, schema={"name": pl.String(), "value": pl.String()})
    short = pl.col("value").fill_null("").str.slice(0, MOST_CHARACTERS)
    return page_text.rows(table.with_columns(short), {"name": "field", "value": "value"})
