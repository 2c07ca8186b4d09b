"""Traces written in forms that other programs read."""

import json
from pathlib import Path
from typing import Final, NamedTuple

import polars as pl

from zcanalysis.addresses import address_texts
from zcanalysis.errors import TraceError
from zcanalysis.io.file_kind import is_capture
from zcanalysis.io.perf import scan_perf
from zcanalysis.io.readers import reader_of
from zcanalysis.tables import PACKETS, SAMPLES, Schema

SCHEMA_VERSION: Final = 1
"""Of the parquet files that `convert` writes; it grows when a column changes its name, type or meaning."""


class Converted(NamedTuple):
    """What was written."""

    kind: str
    """`packets` or `samples`."""
    rows: int
    damaged: int
    """Rows with `error`: written, not left out."""
    first_damage: str | None


def convert(source: str | Path, target: str | Path, *, overwrite: bool = False) -> Converted:
    """Write a capture, a perf trace or what an extension reads as one parquet file (zstd), in a single streamed pass.

    Parameters
    ----------
    source
        A capture (pcap, pcapng), a perf trace (text, perf.data), or a file that an extension reads (its packets, else
        its samples); each may be compressed.
    target
        The parquet file. It appears under this name only when it is whole.
    overwrite
        Replace a target that exists.

    Returns
    -------
    Converted
        Rows written, and how many of them are damaged records of the source.

    Raises
    ------
    TraceError
        If the source cannot be read, or the target exists and `overwrite` is not set.

    Notes
    -----
    The columns are those of PACKETS or SAMPLES, except that ``src`` and ``dst`` are text (``10.77.0.1``): few readers
    of parquet know 128-bit integers. The file's metadata holds ``zcanalysis.schema`` (kind and version, ``packets 1``)
    and ``zcanalysis.columns`` (JSON: what each column means).
    """
    origin, wanted = Path(source), Path(target)
    if wanted.exists() and not overwrite:
        raise TraceError(f"{wanted}: exists already; name another file, or use --overwrite")
    if wanted.exists() and wanted.samefile(origin):
        raise TraceError(f"{wanted}: is the source itself")
    kind, schema, rows = _opened(origin)
    part = wanted.with_name(f"{wanted.name}.part")
    try:
        rows.sink_parquet(part, compression="zstd", metadata=parquet_metadata(kind, schema))
        found = _count(part, kind)
        part.replace(wanted)
    finally:
        part.unlink(missing_ok=True)
    return found


def _opened(origin: Path) -> tuple[str, Schema, pl.LazyFrame]:
    """Kind, schema and rows of what is written."""
    if is_capture(origin):
        from zcanalysis.io.pcap import scan_pcap

        return "packets", PACKETS, _with_texts(scan_pcap(origin))
    found = reader_of(origin)
    packets, samples = (None, scan_perf(origin)) if found is None else (found.packets, found.samples)
    if packets is not None:
        return "packets", PACKETS, _with_texts(packets)
    assert samples is not None  # a reader gives one of both
    return "samples", SAMPLES, samples


def _with_texts(packets: pl.LazyFrame) -> pl.LazyFrame:
    as_text = pl.col("src", "dst").map_batches(address_texts, return_dtype=pl.String(), is_elementwise=True)
    return packets.with_columns(as_text)


def parquet_metadata(kind: str, schema: Schema, version: int = SCHEMA_VERSION) -> dict[str, str]:
    """What a parquet file says of itself: kind, version, and what each column means.

    Parameters
    ----------
    kind
        Of its rows.
    schema
        Its columns.
    version
        Of the schema.
    """
    meanings = {name: column.meaning for name, column in schema.items()}
    return {"zcanalysis.schema": f"{kind} {version}", "zcanalysis.columns": json.dumps(meanings)}


def _count(file: Path, kind: str) -> Converted:
    error = pl.col("error")
    found = pl.scan_parquet(file).select(
        pl.len().alias("rows"), error.count().alias("damaged"), error.drop_nulls().first().alias("first")
    )
    rows, damaged, first = found.collect(engine="streaming").row(0)
    return Converted(kind, int(rows), int(damaged), first)
