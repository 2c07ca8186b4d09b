"""What must hold of any file whatever."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from random import Random

import polars as pl

from tests.fuzz.laws import LAWS, replaced
from zcanalysis.errors import TraceError
from zcanalysis.io import growing, packet_ahead, pcap_blocks
from zcanalysis.io.pcap import scan_pcap
from zcanalysis.io.perf import scan_perf
from zcanalysis.tables import FLOWS, PACKETS, SAMPLES, polars_schema
from zcanalysis.wire.accounts import flows_and_sides
from zcanalysis.wire.connections import FOLLOWED, flows, flows_so_far


def capture_holds(path: Path, chance: Random) -> None:
    """Packets and flows of any bytes: the promised columns or one line of complaint.

    Raises
    ------
    AssertionError
        If the result is not what was promised; anything else that is raised is a failure too.
    """
    with small_rooms(chance, path), one_line_at_most(path):
        lazy = scan_pcap(path)
        rows = lazy.collect()
        assert rows.schema == polars_schema(PACKETS)
        assert rows["error"][:-1].str.contains("is not read, at byte").any() is not True
        assert lazy.select("captured_bytes").collect(engine="streaming").height == rows.height
        table = flows(lazy)
        assert table.schema == polars_schema(FLOWS)
        assert table["packets"].sum() == rows["flow_id"].count()
        assert (table["unique_bytes"] <= table["payload_bytes"]).all()


def wire_holds(path: Path, chance: Random) -> None:
    """What TCP did, of any bytes: two of the laws, and the same of a table read as it is needed, and of the file."""
    with one_line_at_most(path):
        rows = scan_pcap(path).collect()
        for law in chance.sample(LAWS, 2):
            law(rows, chance)
        with small_rooms(chance, path):
            of_file = [*flows_and_sides(scan_pcap(path)), *flows_and_sides(path)]
        assert all(part.equals(whole) for part, whole in zip(of_file, 2 * flows_and_sides(rows), strict=True))


def follow_holds(path: Path, chance: Random) -> None:
    """A file that is written piece by piece has the packets and FLOWS of the whole one."""
    content, grown = path.read_bytes(), path.with_name(f"{path.name}-growing")
    cuts = sorted({0, *(chance.randrange(len(content) + 1) for _ in range(chance.randint(0, 9))), len(content)})
    pieces = iter([content[start:end] for start, end in pairwise(cuts)])
    seen: list[pl.DataFrame] = []

    def tables() -> Iterator[pl.DataFrame | None]:
        for table in growing.growing_pcap(grown, list(FOLLOWED), idle_s=0, poll_s=0):
            if table is None:
                with grown.open("ab") as stream:
                    stream.write(next(pieces, b""))
            else:
                seen.append(table)
            yield table

    grown.write_bytes(next(pieces, b""))
    with small_rooms(chance, path), one_line_at_most(path):
        whole = scan_pcap(path).select(FOLLOWED).collect()
        try:
            last = [*flows_so_far(tables())][-1]
            assert last.equals(flows(whole))
        finally:
            rows = pl.concat([whole.clear(), *seen])
            assert rows.filter(pl.col("flow_id").is_not_null()).equals(whole.filter(pl.col("flow_id").is_not_null()))


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
def small_rooms(chance: Random, path: Path) -> Iterator[None]:
    """Blocks, batches and address books so small that a file crosses their borders; some hundred batches at most."""
    rows = max(chance.choice((4, 16, 64)), 1 << (path.stat().st_size // 8192).bit_length())
    with replaced([
        (pcap_blocks, "BLOCK_BYTES", chance.choice((64, 300, 4096, 1 << 16))),
        *((module, "BATCH_ROWS", rows) for module in (pcap_blocks, packet_ahead, growing)),
        (packet_ahead, "ADDRESSES", 4 * rows),
    ]):  # fmt: skip
        yield
