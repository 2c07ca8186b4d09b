"""Latency by stage on traces of real kernels: bytes accounted for, and the same as a walk event by event in Python."""

import re
from collections import deque
from pathlib import Path

import polars as pl
import pytest

import zcanalysis as zc
from zcanalysis.io.compressed import open_bytes
from zcanalysis.tables import LATENCY_STAGES, latency_column

PACKETS = Path(__file__).parents[2] / "traces/packets"
NEW = ("mtu-1500.txt.zst", "gro.txt.zst")
OLD = "prequeue-4.10.txt.gz"
LINE = re.compile(r"-(\d+) +\[\d+\] \S+\s+(\d+)\.(\d{6}): (\w+): (.*)$")
HEADER_BYTES = 52


@pytest.fixture(scope="module", params=NEW)
def trace(request) -> Path:
    return PACKETS / request.param


@pytest.fixture(scope="module")
def found(trace):
    return zc.latency(trace)


def events_of(trace: Path):
    """Each event: moment in nanoseconds, thread, name, its text."""
    with open_bytes(trace) as stream:
        for line in stream.read().decode().splitlines():
            if shape := LINE.search(line):
                yield int(shape[2]) * 10**9 + int(shape[3]) * 1000, shape[1], shape[4], shape[5]


def number(name: str, text: str) -> int:
    return int(re.search(rf"\b{name} ?= ?(\w+)", text)[1])


def address(text: str) -> str:
    return re.search(r"\bskbaddr=(\w+)", text)[1]


def walked(trace: Path) -> list[tuple]:
    """Every byte range that was copied after the first skb known by address: bytes and moments.

    The receiver as queues of Python lists: packets handed over, skbs, segments, each taken from the front.
    """
    handed, waiting, taken, queue, ranges = {}, [], {}, deque(), []
    merged: list = []
    begun: dict = {}
    known = False
    for ns, tid, event, text in events_of(trace):
        if event in ("netif_rx_entry", "napi_gro_receive_entry"):
            packet = (number("len", text) - HEADER_BYTES, ns)
            if event == "napi_gro_receive_entry":
                merged.append(packet)
            handed[address(text)] = (len(merged) - 1, packet)
        elif event == "netif_receive_skb":
            size = number("len", text) - HEADER_BYTES
            first, packet = handed.pop(address(text), (None, (size, None)))
            taken[address(text)] = len(waiting)
            waiting.append((size, ns, packets_of(size, first, packet, merged)))
        elif event == "tcp_probe":
            place, left = taken.get(address(text)), number("data_len", text)
            if place is None:
                queue.append([address(text), left, (None, None, ns)])
            while place is not None and left > 0:
                size, stack, packets = waiting[place]
                queue.extend([address(text), part, (driver, stack, ns)] for part, driver in packets)
                left, place = left - size, place + 1
        elif event == "skb_copy_datagram_iovec":
            begun[tid] = (address(text), number("len", text), ns)  # of any socket
        elif event == "tcp_rcv_space_adjust":
            skb, size, moment = begun[tid]
            known = known or (bool(queue) and queue[0][0] == skb)
            if known:
                ranges.extend((part, *moments, moment) for part, moments in from_front(queue, size))
    return ranges


def packets_of(size: int, first: int | None, packet: tuple, merged: list) -> list:
    if not merged or first is None:
        return [(size, packet[1])]
    parts = []
    while size > 0:
        parts.append(merged[first])
        size, first = size - merged[first][0], first + 1
    return parts


def from_front(queue: deque, left: int):
    while left and queue:
        skb, size, moments = queue[0]
        part = min(size, left)
        left -= part
        yield part, moments
        if part == size:
            queue.popleft()
        else:
            queue[0] = [skb, size - part, moments]


def test_at_least_95_of_100_received_bytes_are_joined(found):
    account = found.accounting.row(0, named=True)
    assert found.accounting.height == 1
    assert account["joined_share"] >= 0.95
    came_meanwhile = account["received_bytes"] - account["cut_bytes"] - account["early_bytes"]
    assert account["joined_bytes"] >= 0.95 * came_meanwhile
    assert abs(account["copied_bytes"] - account["received_bytes"] + account["cut_bytes"]) <= 131_072  # one call
    assert account["lost_bytes"] == 0


def test_every_byte_and_nanosecond_is_that_of_a_walk_event_by_event(trace, found):
    ranges = [row for row in walked(trace) if None not in row]
    walk = pl.DataFrame(ranges, schema=["bytes", "driver", "stack", "socket", "copy"], orient="row")
    ours = found.ranges.filter("complete")
    assert walk["bytes"].sum() == ours["bytes"].sum() > 1_000_000
    for earlier, later in (("driver", "stack"), ("stack", "socket"), ("socket", "copy")):
        theirs = walk.select((pl.col("bytes") * (pl.col(later) - pl.col(earlier))).sum()).item()
        moments = pl.col(f"{later}_at_ns") - pl.col(f"{earlier}_at_ns")
        assert ours.select((pl.col("bytes") * moments).sum()).item() == theirs


def test_stages_add_up_to_the_total_exactly(found):
    stages = [latency_column(stage) for stage in LATENCY_STAGES]
    sums = found.ranges.select(pl.sum_horizontal(stages).alias("sum"), "total_ns", least=pl.min_horizontal(stages))
    assert sums.height
    assert (sums["sum"] == sums["total_ns"]).all()
    assert sums["least"].min() >= 0
    means = found.summary.filter(pl.col("stage") != "total")
    assert means["mean_ns"].sum() == pytest.approx(found.summary["mean_ns"][-1])
    assert means["share"].sum() == pytest.approx(1)


def test_under_gro_addresses_alone_say_the_same():
    trace = PACKETS / "gro.txt.zst"
    handed, taken, probed, first = {}, {}, {}, {}
    for ns, _, event, text in events_of(trace):
        if event == "napi_gro_receive_entry":
            handed[address(text)] = ns
        elif event == "netif_receive_skb":
            taken[address(text)] = (handed.get(address(text)), ns)
        elif event == "tcp_probe":
            probed[address(text)] = (*taken.get(address(text), (None, None)), ns)
        elif event == "skb_copy_datagram_iovec" and address(text) in probed:
            first[ns, address(text)] = probed.pop(address(text))
    by_address = {(moment, *moments) for (moment, _), moments in first.items() if None not in moments}
    found = zc.latency(trace)
    columns = ["copy_at_ns", "driver_at_ns", "stack_at_ns", "socket_at_ns"]
    by_position = set(found.ranges.select(columns).rows())
    assert len(by_address) > 400
    assert by_address <= by_position
    account = found.accounting.row(0, named=True)
    assert account["addresses"] == account["addresses_agree"] == len(first)


def test_the_kernel_with_the_prequeue_has_no_stage_of_tcp_and_none_of_the_copy():
    found = zc.latency(PACKETS / OLD)
    account = found.accounting.row(0, named=True)
    assert account["copied_bytes"] == account["joined_bytes"] == 1_507_328
    assert account["received_bytes"] is None
    known = dict(found.summary.select("stage", pl.col("mean_ns").is_not_null()).rows())
    assert known == {
        "hand-over": True, "protocol": False, "wake-up": True, "queue": True, "copy": False, "total": True
    }  # fmt: skip
    assert found.doubts[0].startswith("not recorded: protocol, copy;")
