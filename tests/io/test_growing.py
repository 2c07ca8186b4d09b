"""A capture that is still being written."""

import threading
import time

import polars as pl
import pytest

from tests import builders as make
from zcanalysis.errors import TraceError
from zcanalysis.io.growing import growing_pcap
from zcanalysis.io.pcap import scan_pcap

COLUMNS = ["ts_ns", "seq", "payload_bytes", "src", "flow_id"]
PACKETS = [make.ethernet(make.ipv4(make.tcp(seq=n, payload=b"x" * (n % 50)))) for n in range(300)]
PCAPNG = b"".join(
    [
        make.section(),
        make.interface(),
        *(make.packet_block(packet, ticks=n) for n, packet in enumerate(PACKETS[:100])),
        make.block(0xBAD, b"z" * 5_000_000),  # larger than what is read at once
        *(make.packet_block(packet, ticks=n) for n, packet in enumerate(PACKETS[100:200])),
        make.section(order=">"),
        make.interface(order=">"),
        *(make.packet_block(packet, ticks=n, order=">") for n, packet in enumerate(PACKETS[200:])),
    ]
)


def written_piecemeal(path, content, piece_bytes):
    """A thread that writes the content a piece at a time."""

    def work():
        with path.open("ab", buffering=0) as file:
            for at in range(0, len(content), piece_bytes):
                file.write(content[at : at + piece_bytes])
                time.sleep(0.002)

    path.touch()
    writer = threading.Thread(target=work)
    writer.start()
    return writer


def all_of(path, idle_s=0.5) -> tuple[pl.DataFrame, int]:
    """Everything, and how often all that there was had been read."""
    tables = list(growing_pcap(path, COLUMNS, idle_s=idle_s, poll_s=0.001))
    full = [table for table in tables if table is not None]
    return pl.concat(full), len(tables) - len(full)


@pytest.mark.parametrize(
    ("content", "piece_bytes"), [(make.pcap(PACKETS), 97), (make.pcap(PACKETS), 4000), (PCAPNG, 30_011)]
)
def test_a_file_that_grows_gives_the_packets_of_the_whole_one(tmp_path, content, piece_bytes):
    path = tmp_path / "growing"
    writer = written_piecemeal(path, content, piece_bytes)
    seen, waits = all_of(path)
    writer.join()
    assert seen.equals(scan_pcap(path).select(COLUMNS).collect())
    assert seen.height == len(PACKETS)
    assert waits >= 1


def test_a_file_cut_at_every_byte_is_waited_for_and_not_reported(tmp_path):
    content = make.pcap(PACKETS[:3])
    whole = scan_pcap(make.saved(tmp_path, content)).select(COLUMNS).collect()
    path = tmp_path / "growing"
    for cut in range(len(content)):
        path.write_bytes(content[:cut])
        tables = growing_pcap(path, COLUMNS, idle_s=5, poll_s=0.0001)
        before = []
        while (table := next(tables)) is not None:
            before.append(table)
        with path.open("ab") as file:
            file.write(content[cut:])
        after = [next(tables)]
        while after[-1] is not None:
            after.append(next(tables))
        tables.close()
        assert pl.concat([*before, *after[:-1]]).equals(whole), cut


def test_a_writer_that_died_inside_a_record_is_no_error(tmp_path):
    seen, _ = all_of(make.saved(tmp_path, make.pcap(PACKETS)[:-3]), idle_s=0.01)
    assert seen.height == len(PACKETS) - 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no capture at all, but long enough", "is not a capture"),
        (b"\x1f\x8b\x08\x00", "is compressed"),
        (b"\x28\xb5\x2f\xfd", "is compressed"),
        (make.pcap(PACKETS[:1]) + b"\xff" * 99, "impossible length"),
        (make.section() + make.block(1, b""), "header block claims 12 bytes, at byte 28"),
    ],
)
def test_what_cannot_become_a_capture_is_one_line(tmp_path, content, said):
    with pytest.raises(TraceError, match=said):
        list(growing_pcap(make.saved(tmp_path, content), COLUMNS, idle_s=5))


def test_an_absent_file_a_folder_and_a_file_that_shrinks_are_one_line(tmp_path):
    with pytest.raises(TraceError, match="no such file"):
        next(growing_pcap(tmp_path / "absent", COLUMNS))
    with pytest.raises(TraceError, match="only a capture file can be followed"):
        next(growing_pcap(tmp_path, COLUMNS))
    path = make.saved(tmp_path, make.pcap(PACKETS))
    tables = growing_pcap(path, COLUMNS)
    while next(tables) is not None:
        pass
    path.write_bytes(b"")
    with pytest.raises(TraceError, match="was cut to 0 bytes while it was read"):
        next(tables)
