"""What must hold of any file whatever."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from zcanalysis.errors import TraceError
from zcanalysis.io import packet_ahead, pcap_blocks
from zcanalysis.io.pcap import scan_pcap
from zcanalysis.io.perf import scan_perf
from zcanalysis.tables import FLOWS, PACKETS, SAMPLES, polars_schema
from zcanalysis.wire.connections import flows


def capture_holds(path: Path, chance: Random) -> None:
    """Packets and flows of any bytes: the promised columns or one line of complaint.

    Raises
    ------
    AssertionError
        If the result is not what was promised; anything else that is raised is a failure too.
    """
    with small_rooms(chance), one_line_at_most(path):
        lazy = scan_pcap(path)
        rows = lazy.collect()
        assert rows.schema == polars_schema(PACKETS)
        assert rows["error"][:-1].str.contains("is not read, at byte").any() is not True
        assert lazy.select("captured_bytes").collect(engine="streaming").height == rows.height
        table = flows(lazy)
        assert table.schema == polars_schema(FLOWS)
        assert table["packets"].sum() == rows["flow_id"].count()
        assert (table["unique_bytes"] <= table["payload_bytes"]).all()


def perf_text_holds(path: Path, chance: Random) -> None:
    """Samples of any text."""
    del chance
    with one_line_at_most(path):
        assert scan_perf(path).collect().schema == polars_schema(SAMPLES)


@contextmanager
def one_line_at_most(path: Path) -> Iterator[None]:
    """A refusal names the file and stays on one line."""
    try:
        yield
    except TraceError as error:
        message = str(error)
        if "\n" in message or str(path) not in message:
            raise AssertionError(message) from error


@contextmanager
def small_rooms(chance: Random) -> Iterator[None]:
    """Blocks, batches and address books so small that small files cross their borders."""
    kept = pcap_blocks.BLOCK_BYTES, pcap_blocks.BATCH_ROWS, packet_ahead.BATCH_ROWS, packet_ahead.ADDRESSES
    rows = chance.choice((4, 16, 64))
    pcap_blocks.BLOCK_BYTES = chance.choice((64, 300, 4096, 1 << 16))
    pcap_blocks.BATCH_ROWS = packet_ahead.BATCH_ROWS = rows
    packet_ahead.ADDRESSES = 4 * rows
    try:
        yield
    finally:
        pcap_blocks.BLOCK_BYTES, pcap_blocks.BATCH_ROWS, packet_ahead.BATCH_ROWS, packet_ahead.ADDRESSES = kept
