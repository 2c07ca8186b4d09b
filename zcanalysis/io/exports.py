"""Traces written in forms that other programs read."""

from pathlib import Path
from typing import Final, NamedTuple

import polars as pl

from zcanalysis.addresses import address_texts
from zcanalysis.errors import TraceError
from zcanalysis.io.file_kind import is_capture, refuse_empty
from zcanalysis.io.perf import scan_perf
from zcanalysis.io.readers import reader_of
from zcanalysis.tables import PACKETS, SAMPLES, Schema, parquet_metadata
from zcanalysis.whole_file import appearing_whole

CSV: Final = ".csv"


class Converted(NamedTuple):
    """What was written."""

    kind: str
    """`packets` or `samples`."""
    rows: int
    damaged: int
    """Rows with `error`: written, not left out."""
    first_damage: str | None


def convert(source: str | Path, target: str | Path, *, overwrite: bool = False) -> Converted:
    """Write a capture, a perf trace or what an extension reads as one parquet file (zstd) or CSV, in one streamed pass.

    Parameters
    ----------
    source
        A capture (pcap, pcapng), a perf trace (text, perf.data), or a file that an extension reads (its packets, else
        its samples); each may be compressed.
    target
        The file: CSV when its name ends in ``.csv``, else parquet. It appears under this name only when it is whole.
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
    of parquet know 128-bit integers. The file's metadata says what it holds: `zcanalysis.tables.parquet_metadata`.
    In CSV SACK blocks are text too, ``left-right`` with a space between, and what is null is empty.
    """
    origin, wanted = Path(source), Path(target)
    if wanted.exists() and not overwrite:
        raise TraceError(f"{wanted}: exists already; name another file, or use --overwrite")
    if wanted.exists() and wanted.samefile(origin):
        raise TraceError(f"{wanted}: is the source itself")
    kind, schema, rows = _opened(origin)
    with appearing_whole(wanted) as part:
        if wanted.suffix == CSV:
            _flat(rows).sink_csv(part)
            return _count(pl.scan_csv(part, infer_schema=False), kind)
        rows.sink_parquet(part, compression="zstd", metadata=parquet_metadata(kind, schema))
        return _count(pl.scan_parquet(part), kind)


def _opened(origin: Path) -> tuple[str, Schema, pl.LazyFrame]:
    """Kind, schema and rows of what is written."""
    refuse_empty(origin)
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


def _flat(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Rows without nested columns, which CSV has not."""
    if "sack_blocks" not in rows.collect_schema():
        return rows
    edges = (pl.element().struct.field(side) for side in ("left", "right"))
    return rows.with_columns(pl.col("sack_blocks").list.eval(pl.format("{}-{}", *edges)).list.join(" "))


def _count(table: pl.LazyFrame, kind: str) -> Converted:
    error = pl.col("error")
    found = table.select(
        pl.len().alias("rows"), error.count().alias("damaged"), error.drop_nulls().first().alias("first")
    )
    count, damaged, first = found.collect(engine="streaming").row(0)
    return Converted(kind, int(count), int(damaged), first)
