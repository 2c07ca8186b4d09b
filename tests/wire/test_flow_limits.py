"""What limited each direction, beside FLOWS: by hand, on used-again ports, and from one reading as from two."""

from pathlib import Path

import polars as pl
import pytest

from tests.wire.test_captured_limits import MS, Written
from zcanalysis.io.pcap import scan_pcap
from zcanalysis.tables import FLOWS, LIMITS, empty, polars_schema
from zcanalysis.wire.accounts import flows_and_sides
from zcanalysis.wire.captured_limits import captured_limits
from zcanalysis.wire.connections import flows
from zcanalysis.wire.flow_limits import flows_sides_and_limits, with_limits

TRACES = Path(__file__).parents[2] / "traces"
CAPTURES = [*sorted(TRACES.glob("limits/*.pcap.zst")), TRACES / "prequeue-4.10" / "delay-2ms.pcap.gz"]
SECOND = 10**9


def flow(
    connection: int, *, turned: bool = False, first_ns: int = 0, protocol: str = "tcp", src: str = "10.0.0.1"
) -> dict:
    ends = {"src": src, "src_port": 1, "dst": "10.0.0.2", "dst_port": 2}
    if turned:
        ends = {"src": "10.0.0.2", "src_port": 2, "dst": src, "dst_port": 1}
    return {"connection": connection, "first_ns": first_ns, "protocol": protocol} | ends


def limit(name: str, from_s: float, to_s: float, connection: str = "10.0.0.1:1 > 10.0.0.2:2") -> dict:
    return {"connection": connection, "limit": name, "from_ns": int(from_s * SECOND), "to_ns": int(to_s * SECOND)}


def limited(flow_rows: list[dict], limit_rows: list[dict]) -> list[tuple]:
    table = pl.concat([empty(FLOWS), pl.DataFrame(flow_rows, schema_overrides=polars_schema(FLOWS))], how="diagonal")
    told = pl.concat([empty(LIMITS), pl.DataFrame(limit_rows, schema_overrides=polars_schema(LIMITS))], how="diagonal")
    return with_limits(table, told).select("limit", "limit_share").rows()


def test_each_direction_has_the_limit_of_most_of_its_own_time():
    rows = [
        limit("link", 0, 1), limit("loss", 1, 3), limit("link", 3, 6),
        limit("reader", 6, 7, "10.0.0.2:2 > 10.0.0.1:1"),
    ]  # fmt: skip
    found = limited([flow(0), flow(0, turned=True), flow(1, src="10.0.0.3")], rows)
    assert found == [("link", pytest.approx(4 / 6)), ("reader", 1.0), (None, None)]


def test_ports_used_again_have_their_own_limits():
    rows = [limit("link", 0, 1), limit("loss", 5, 6)]
    found = limited([flow(0), flow(0, turned=True, first_ns=1), flow(1, first_ns=5 * SECOND)], rows)
    assert found == [("link", 1.0), (None, None), ("loss", 1.0)]


def test_datagrams_and_connections_of_ipv6_are_told_apart_from_others():
    rows = [limit("loss", 0, 1, "[fd00::1]:1 > 10.0.0.2:2")]
    assert limited([flow(0, src="fd00::1"), flow(1, protocol="udp")], rows) == [("loss", 1.0), (None, None)]


def test_a_connection_written_by_hand():
    made = Written()
    for _ in range(20):
        made.data(700)
        made.wait(20_000)
        made.ack()
        made.wait(30 * MS)
    found, _ = flows_sides_and_limits(made.table())
    assert found.get_column("limit").to_list() == ["sender application", None]
    assert found.get_column("limit_share")[0] > 0.99


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.name)
def test_one_reading_says_what_two_say(capture):
    table = scan_pcap(capture)
    found, sides = flows_sides_and_limits(table)
    assert found.equals(with_limits(flows(table), captured_limits(table)))
    assert found.drop("limit", "limit_share").equals(flows(table))
    assert sides.equals(flows_and_sides(table)[1])
    transfer = found.sort("payload_bytes", descending=True).row(0, named=True)
    assert transfer["limit"] is not None
    assert 0 < transfer["limit_share"] <= 1
