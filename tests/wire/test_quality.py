"""What is counted before a capture is believed."""

import polars as pl
import pytest

from tests import builders as make
from zcanalysis.io.pcap import scan_pcap
from zcanalysis.wire.quality import capture_quality

THERE = {"src": "10.0.0.1", "dst": "10.0.0.2"}
BACK = {"src": "10.0.0.2", "dst": "10.0.0.1"}


def there(payload=b"", identification=7, **options):
    return make.ethernet(make.ipv4(make.tcp(payload=payload, **options), identification=identification, **THERE))


def back(**options):
    return make.ethernet(make.ipv4(make.tcp(src_port=5201, dst_port=40000, **options), identification=9, **BACK))


def quality(folder, content):
    return capture_quality(scan_pcap(make.saved(folder, content)))


def test_a_sound_capture_has_nothing_to_report(tmp_path):
    found = quality(tmp_path, make.pcap([there(b"x" * 1448), back(), there(b"y" * 1448, identification=8, seq=2448)]))
    assert found == found._replace(records=3, connections=1, first_error=None)
    assert sum(found[3:5]) + sum(found[6:]) + found.damaged_records == 0


def test_damage_is_counted_and_the_first_is_told_with_its_number(tmp_path):
    found = quality(tmp_path, make.pcap([there(), make.ethernet(make.ipv4(make.tcp(), length=19)), back()])[:-5])
    assert (found.records, found.damaged_records) == (4 - 1, 2)
    assert found.first_error == "record 2: IP length 19 bytes is shorter than its own header"


def test_more_payload_than_the_receiver_announced_is_a_super_packet(tmp_path):
    syn = there(flags=2, options=make.mss(1460))
    syn_ack = back(flags=18, options=make.mss(1400))
    packets = [syn, syn_ack, there(bytes(1400), 1), there(bytes(1401), 2, seq=2400)]
    assert quality(tmp_path, make.pcap(packets)).super_packets == 1


def test_without_a_handshake_only_the_largest_mtu_tells_a_super_packet(tmp_path):
    packets = [there(bytes(8948), 1), there(bytes(9217), 2, seq=9948)]
    assert quality(tmp_path, make.pcap(packets)).super_packets == 1


def test_one_sided_connections_have_data_and_no_answer(tmp_path):
    only_syn = make.ethernet(make.ipv4(make.tcp(src_port=1, flags=2)))
    assert quality(tmp_path, make.pcap([there(b"a"), only_syn])).one_sided_connections == 1
    assert quality(tmp_path, make.pcap([there(b"a"), back()])).one_sided_connections == 0


@pytest.mark.parametrize(("tick", "identification", "copies"), [(10, 7, 1), (10, 8, 0), (200_000, 7, 0)])
def test_a_copy_has_the_same_identification_and_comes_soon(tmp_path, tick, identification, copies):
    packets = [there(b"abc"), there(b"abc", identification)]
    assert quality(tmp_path, make.pcap(packets, tick=tick)).duplicated_records == copies


def test_snapped_foreign_and_backward_records_are_counted(tmp_path):
    arp = make.ethernet(bytes(28), ethertype=0x0806)
    found = quality(tmp_path, make.pcap([there(bytes(200)), arp, back()], snap_bytes=96, ts_ticks=[5, 3, 4]))
    assert (found.snapped_records, found.not_ip_records, found.backward_steps) == (1, 1, 1)


def test_more_flows_than_the_first_room_holds(tmp_path):
    packets = [make.ethernet(make.ipv4(make.tcp(src_port=port, payload=b"z"))) for port in range(9000)]
    found = quality(tmp_path, make.pcap(packets))
    assert (found.connections, found.one_sided_connections) == (9000, 9000)


def test_a_whole_table_and_a_lazy_one_agree(tmp_path):
    lazy = scan_pcap(make.saved(tmp_path, make.pcap([there(b"a"), back(), there(b"a")])))
    assert capture_quality(lazy) == capture_quality(lazy.collect())
    assert isinstance(lazy, pl.LazyFrame)
