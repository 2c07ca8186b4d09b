from dataclasses import replace

import pytest

from tests.hosts.examples import host_of_linux6, host_of_linux24, price
from zcanalysis.errors import ImpossibleHostError
from zcanalysis.hosts import Gro, Nic, Places
from zcanalysis.hosts.replayed import cpu_columns, linux6, linux24
from zcanalysis.model import linux6 as model6
from zcanalysis.model import linux24 as model24


def test_a_host_of_linux6_is_the_row_that_one_would_write_by_hand():
    assert linux6(host_of_linux6()) == model6.Linux6(
        sender_cpu=0, driver_cpu=0, protocol_cpu=1, reader_cpu=2, mss_bytes=1448, write_ps_per_byte=100,
        send_burst_ns=1000, send_packet_ns=100, sender_ack_ns=700, send_interrupt_ns=400, interrupt_ns=900,
        softirq_ns=300, ip_skb_ns=200, tcp_skb_ns=500, ack_ns=800, wake_ns=600, schedule_ns=1500, syscall_ns=250,
        copy_ps_per_byte=62, window_bytes=1 << 20, driver_packet_ns=150, gro_packet_ns=90, handover_skb_ns=80,
        checksum_ps_per_byte=0, copy_packet_ns=30, link_ps_per_byte=0, framing_bytes=0, delay_ns=0, coalesce_ns=0,
        gso_bytes=65536, gro_bytes=65160, sndbuf_bytes=4 << 20, reader_bytes=128 << 10, free_packets=64,
    )  # fmt: skip


def test_a_wired_host_of_linux6_is_the_row_that_one_would_write_by_hand():
    host = host_of_linux6(
        places=Places(protocol_cpu=12, reader_cpu=47, driver_cpu=12),
        gro=Gro(packet_ns=price(90)),
        nic=Nic(coalesce_ns=price(1000)),
    )
    for name, value in {
        "nic.coalesce_ns": 5000,
        "link.gbps": 25,
        "link.delay_ns": 2000,
        "driver.packet_ns": 160.4,
    }.items():
        host = host.with_price(name, value)
    for name, value in {
        "nic.hardware_checksum": "none", "link.framing_bytes": 90, "sender.tsq_bytes": 1 << 18, "scheduler.hogs": 2,
        "sender.cwnd_bytes": 1 << 19, "sender.gso_bytes": 1 << 15, "sender.sndbuf_bytes": 1 << 21, "tcp.delack_ns": 7,
        "reader.buffer_bytes": 4096, "scheduler.slice_ns": 1_000_000, "copy.free_packets": 0,
    }.items():  # fmt: skip
        host = host.changed(name, value)
    assert linux6(host) == model6.Linux6(
        sender_cpu=None, driver_cpu=0, protocol_cpu=0, reader_cpu=1, mss_bytes=1448, write_ps_per_byte=100,
        send_burst_ns=1000, send_packet_ns=100, sender_ack_ns=700, send_interrupt_ns=400, interrupt_ns=900,
        softirq_ns=300, ip_skb_ns=200, tcp_skb_ns=500, ack_ns=800, wake_ns=600, schedule_ns=1500, syscall_ns=250,
        copy_ps_per_byte=62, window_bytes=1 << 20, driver_packet_ns=160, gro_packet_ns=90, handover_skb_ns=80,
        checksum_ps_per_byte=250, copy_packet_ns=30, link_ps_per_byte=320, framing_bytes=90, delay_ns=2000,
        coalesce_ns=5000, gso_bytes=1 << 15, gro_bytes=0, cwnd_bytes=1 << 19, tsq_bytes=1 << 18, sndbuf_bytes=1 << 21,
        reader_bytes=4096, hogs=2, slice_ns=1_000_000, delack_ns=7,
    )  # fmt: skip
    assert cpu_columns(host) == {12: 0, 47: 1}


def test_a_host_of_linux24_is_the_row_that_one_would_write_by_hand():
    # sender 1000 + 8000 x 2.0; the driver works in the interrupt: 900 + 1100; IP in the softirq: 300 + 450
    assert linux24(host_of_linux24()) == model24.Linux24(
        link_ps_per_byte=2500, sender_packet_ns=17_000, delay_ns=5000, interrupt_packet_ns=2000, softirq_packet_ns=750,
        tcp_packet_ns=1500, checksum_ps_per_byte=500, copy_ps_per_byte=2250, copy_and_checksum_ps_per_byte=2750,
        ack_ns=2000, wake_ns=600, schedule_ns=4000, syscall_ns=700, window_bytes=65535, mss_bytes=8000,
        reader_bytes=65536, reader_delay_ns=10_000, framing_bytes=100, prequeue=True,
    )  # fmt: skip


def test_switches_of_linux24_arrive():
    host = host_of_linux24()
    for name, value in {
        "tcp.prequeue": False, "tcp.kleen_bypass": True, "tcp.netfilter_hooks": True, "reader.kind": "polling",
        "nic.hardware_checksum": "summed", "tcp.delack_ns": 20_000_000, "tcp.prequeue_timer_ns": 40_000_000,
    }.items():  # fmt: skip
        host = host.changed(name, value)
    row = linux24(host)
    assert (row.prequeue, row.kleen_bypass, row.netfilter_hooks, row.reader) == (False, True, True, "polling")
    assert (row.hardware_checksum, row.delack_ns, row.prequeue_timer_ns) == ("summed", 20_000_000, 40_000_000)


def test_a_bus_that_is_slower_than_the_link_is_the_link():
    # 8100 bytes at 2 Gbit/s are 32,400 ns, 16 bursts 16 x 50, the descriptor 200: 33,400 ns, 4123.5 ps a byte
    host = host_of_linux24().with_price("nic.dma_gbps", 2).with_price("nic.descriptor_ns", 200)
    host = host.changed("nic.dma_burst_bytes", 512).with_price("nic.dma_burst_ns", 50)
    assert linux24(host).link_ps_per_byte == 4124
    assert linux24(host.with_price("nic.dma_gbps", 100)).link_ps_per_byte == 2500


def test_both_replays_take_what_they_are_given():
    took6 = model6.replay([linux6(host_of_linux6()), linux6(host_of_linux6().with_price("copy.ns_per_byte", 1.0))], 500)
    took24 = model24.replay([linux24(host_of_linux24())], 100)
    assert took6.elapsed_ns[0] < took6.elapsed_ns[1]
    assert took24.elapsed_ns[0] > 100 * 17_000


def test_the_wrong_generation_is_refused():
    with pytest.raises(ImpossibleHostError, match=r"host 'two-four' must be of linux-6 for this replay, is linux-2.4"):
        linux6(host_of_linux24())
    with pytest.raises(ImpossibleHostError, match=r"must be of linux-2.4"):
        linux24(replace(host_of_linux6(), checksum=replace(host_of_linux6().checksum, ns_per_byte=price(1))))
