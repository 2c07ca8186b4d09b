"""Flows of packets that are known by addresses and ports only are those of the same packets in a capture."""

import polars as pl
import pytest

from tests.builders import ethernet, ipv4, ipv6, pcap, saved, tcp, udp
from zcanalysis.addresses import address_texts
from zcanalysis.io.flow_ids import ENDS, identified
from zcanalysis.io.pcap import scan_pcap

PACKETS = (
    ethernet(ipv4(tcp())),
    ethernet(ipv4(tcp(src_port=5201, dst_port=40000), src="10.0.0.2", dst="10.0.0.1")),
    ethernet(ipv6(tcp())),
    ethernet(ipv6(udp(), src="fd00::2", dst="fd00::1", protocol=17)),
    ethernet(ipv4(bytes(8), protocol=1)),
    ethernet(ipv4(tcp(), src="10.0.0.1", dst="10.0.0.1")),
)


@pytest.mark.parametrize("as_text", [True, False])
def test_they_are_those_of_the_capture_whichever_way_addresses_are_written(tmp_path, as_text):
    known = scan_pcap(saved(tmp_path, pcap(PACKETS))).select(*ENDS, "flow_id", "direction").collect()
    ends = known.select(ENDS)
    if as_text:
        ends = ends.with_columns(address_texts(ends["src"]), address_texts(ends["dst"]))
    assert identified(ends).equals(known)
    assert known["flow_id"].null_count() == 1  # ICMP


def test_a_table_without_packets_has_no_flows():
    none = pl.DataFrame(schema={"src": pl.String, "dst": pl.String, "src_port": pl.Int64, "dst_port": pl.Int64,
                                "protocol": pl.Int64})  # fmt: skip
    assert identified(none).columns == [*none.columns, "flow_id", "direction"]


def test_a_text_that_is_no_address_is_an_error():
    with pytest.raises(ValueError, match="nowhere"):
        identified(
            pl.DataFrame({"src": ["nowhere"], "dst": ["::1"], "src_port": [1], "dst_port": [2], "protocol": [6]})
        )
