from dataclasses import replace

import numpy as np
import pytest

from tests.hosts.examples import host_of_linux6, host_of_linux24, price
from zcanalysis.errors import ImpossibleHostError, ZcError
from zcanalysis.hosts import Driver, Gro, Places, Price, Queue


def refusal(make):
    with pytest.raises(ImpossibleHostError) as error:
        make()
    assert "\n" not in str(error.value)
    return str(error.value)


def test_prices_come_in_path_order_by_section_and_field():
    names = list(host_of_linux24().prices())
    assert names == [
        "sender.write_ns_per_byte", "sender.packet_ns", "link.delay_ns", "link.gbps", "interrupt.receive_ns",
        "driver.packet_ns", "softirq.run_ns", "ip.skb_ns", "checksum.ns_per_byte", "checksum.fused_ns_per_byte",
        "tcp.skb_ns", "tcp.ack_ns", "reader.wake_ns", "reader.schedule_ns", "reader.syscall_ns", "reader.delay_ns",
        "copy.ns_per_byte",
    ]  # fmt: skip


def test_another_price_leaves_the_old_host_as_it_was():
    host = host_of_linux6()
    dearer = host.with_price("copy.ns_per_byte", np.float64(0.5))
    assert dearer.copy.ns_per_byte == Price(0.5, 0.5, 0.5, "assumed", "set for a question")
    assert host.copy.ns_per_byte == price(0.0625)
    assert replace(dearer, copy=host.copy) == host


def test_a_price_with_an_interval_is_taken_as_it_is_also_where_there_was_none():
    gbps = Price(25, 24, 25, "measured", "iperf3")
    assert host_of_linux6().link.gbps is None
    wired = host_of_linux6().with_price("nic.coalesce_ns", 1000).with_price("link.gbps", gbps)
    assert wired.link.gbps == gbps


def test_several_prices_at_once_are_one_after_the_other():
    new = {"tcp.ack_ns": price(1), "copy.ns_per_byte": price(2), "copy.packet_ns": price(3)}
    one_by_one = host_of_linux6()
    for name, value in new.items():
        one_by_one = one_by_one.with_price(name, value)
    assert host_of_linux6().with_prices(new) == one_by_one


def test_settings_are_changed_by_name_also_with_numpy_numbers():
    host = host_of_linux6(gro=Gro()).changed("socket.window_bytes", np.int64(65536)).changed("places.driver_cpu", None)
    assert (host.socket.window_bytes, host.places.driver_cpu) == (65536, None)
    assert host_of_linux24().changed("tcp.kleen_bypass", np.bool_(True)).tcp.kleen_bypass is True


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda host: host.with_price("copy.ns_per_byte", -1.0), "copy.ns_per_byte: value must be 0 to 1e+10, got -1"),
        (
            lambda host: host.with_price("socket.window_bytes", 9),
            "socket.window_bytes is no price; a setting is changed with changed()",
        ),
        (
            lambda host: host.with_prices({"tcp.delack_ns": price(1)}),
            "tcp.delack_ns is no price; a setting is changed with changed()",
        ),
        (lambda host: host.changed("copy.ns_per_byte", 1), "copy.ns_per_byte is a price, changed with with_price()"),
        (
            lambda host: host.changed("copy.nothing", 1),
            "'copy.nothing': copy has no 'nothing', it has ns_per_byte, packet_ns, free_packets",
        ),
        (
            lambda host: host.changed("socket.window_bytes", 1447),
            "socket.window_bytes must hold a segment of 1448 bytes (link.mss_bytes), got 1447",
        ),
        (
            lambda host: host.changed("sender.sndbuf_bytes", 1),
            "sender.sndbuf_bytes must hold a segment of 1448 bytes (link.mss_bytes), got 1",
        ),
        (lambda host: host.changed("socket.window_bytes", 0), "socket.window_bytes must be 1 to 1099511627776, got 0"),
        (lambda host: host.changed("link.mss_bytes", 65496), "link.mss_bytes must be 1 to 65495, got 65496"),
        (
            lambda host: host.changed("socket.window_bytes", 1e6),
            "socket.window_bytes must be a whole number, got 1000000.0",
        ),
        (lambda host: host.changed("scheduler.hogs", True), "scheduler.hogs must be a whole number, got True"),
        (lambda host: host.changed("scheduler.hogs", None), "scheduler.hogs must be a whole number, got None"),
        (lambda host: host.changed("copy.ns_per_byte", None), "copy.ns_per_byte must be a price, got None"),
        (lambda host: host.changed("tcp.prequeue", 1), "tcp.prequeue must be true or false, got 1"),
        (lambda host: host.changed("tcp.prequeue", True), "tcp.prequeue is of linux-2.4, got it true for linux-6"),
        (
            lambda host: host.changed("nic.hardware_checksum", "some"),
            "nic.hardware_checksum must be none or summed or verified, got 'some'",
        ),
        (
            lambda host: host.changed("reader.kind", "polling"),
            "reader.kind must be blocking for linux-6, got 'polling'",
        ),
        (
            lambda host: host.changed("places.driver_cpu", None),
            "gro.most_bytes must be 0 without places.driver_cpu: the driver's poll merges",
        ),
        (lambda host: host.changed("places.sender_cpu", -1), "places.sender_cpu must be 0 to 1099511627776, got -1"),
        (lambda host: host.with_price("link.gbps", 0), "link.gbps: a rate must be > 0, got low = 0"),
        (lambda host: host.with_price("link.gbps", 10), "nic.coalesce_ns is missing: this linux-6 host pays it"),
        (lambda host: host.with_price("nic.descriptor_ns", 10), "nic.dma_gbps is missing: this linux-6 host pays it"),
        (
            lambda host: host.with_price("reader.delay_ns", 10),
            "reader.delay_ns is of linux-2.4: no linux-6 host pays it",
        ),
        (lambda host: replace(host, driver=Driver()), "driver.packet_ns is missing: this linux-6 host pays it"),
        (lambda host: replace(host, gro=Gro(most_bytes=9000)), "gro.packet_ns is missing: this linux-6 host pays it"),
        (lambda host: replace(host, gro=host.driver), "gro must be a Gro, got Driver("),
        (lambda host: replace(host, name=None), "name must be a text, got None"),
        (lambda host: replace(host, generation="linux-5"), "generation must be linux-2.4 or linux-6, got 'linux-5'"),
        (lambda host: replace(host, queues=(Queue(queue=0, cpus=()),)), "queues[0].cpus must name CPUs >= 0, got []"),
        (lambda host: replace(host, queues=host.queues * 2), "queues must differ, got [0, 0]"),
    ],
)
def test_an_impossible_change_says_what_is_wrong(change, message):
    assert refusal(lambda: change(host_of_linux6())).startswith(message)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda host: host.changed("socket.window_bytes", 300 * 8000 + 1),
            "socket.window_bytes must be at most 2400000 for linux-2.4",
        ),
        (
            lambda host: replace(host, places=Places(protocol_cpu=0, reader_cpu=1)),
            "places: driver_cpu, protocol_cpu and reader_cpu of linux-2.4 must be one CPU",
        ),
        (lambda host: host.changed("places.sender_cpu", 1), "places.sender_cpu must be left out for linux-2.4, got 1"),
        (lambda host: host.changed("scheduler.hogs", 1), "scheduler.hogs must be 0 for linux-2.4, got 1"),
        (
            lambda host: host.with_price("sender.burst_ns", 1),
            "sender.burst_ns is of linux-6: no linux-2.4 host pays it",
        ),
        (
            lambda host: host.changed("checksum.fused_ns_per_byte", None),
            "checksum.fused_ns_per_byte is missing: this linux-2.4 host pays it",
        ),
    ],
)
def test_an_old_host_cannot_be_what_only_a_new_one_is(change, message):
    assert refusal(lambda: change(host_of_linux24())).startswith(message)


def test_a_caller_can_catch_it_as_ours_and_as_a_bad_value():
    assert issubclass(ImpossibleHostError, ZcError)
    assert issubclass(ImpossibleHostError, ValueError)


@pytest.mark.parametrize(
    "name", ["sender.burst_ns", "sender.ack_ns", "interrupt.send_ns", "softirq.handover_ns", "driver.packet_ns"]
)
def test_a_price_that_this_host_pays_cannot_be_left_out(name):
    assert refusal(lambda: host_of_linux6().changed(name, None)) == f"{name} is missing: this linux-6 host pays it"


def test_a_price_that_this_host_does_not_pay_can_be_left_out():
    one_cpu = host_of_linux6().changed("places.driver_cpu", 1).changed("softirq.handover_ns", None)
    elsewhere = one_cpu.with_price("nic.coalesce_ns", 1000).changed("places.sender_cpu", None)
    gone = host_of_linux6().prices().keys() - elsewhere.changed("sender.ack_ns", None).prices().keys()
    assert gone == {"softirq.handover_ns", "sender.ack_ns"}


def test_a_bus_makes_the_device_interrupt_and_its_bursts_have_a_size():
    assert refusal(lambda: host_of_linux6().with_price("nic.dma_gbps", 10)).startswith("nic.coalesce_ns is missing")
    wired = host_of_linux6().with_price("nic.coalesce_ns", 0).with_price("nic.dma_gbps", 10)
    assert wired.wired
    assert not host_of_linux6().wired
    bursts = refusal(lambda: wired.with_price("nic.dma_burst_ns", 10))
    assert bursts == "nic.dma_burst_bytes is missing: this linux-6 host pays it"
