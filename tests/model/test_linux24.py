"""The closed-loop replay against its rules, against SimPy, and against what must be true of any replay."""

from dataclasses import fields

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.model.simpy_linux24 import simulated
from zcanalysis.model.linux24 import Linux24, critical_path, replay

QUEUES = ["direct", "prequeue", "backlog"]
MS = 1_000_000


def host(**changes) -> Linux24:
    """A slow sender, a quick receiver with its reader always back in recv: every segment can be prequeued."""
    prices = {
        "link_ps_per_byte": 2000,
        "sender_packet_ns": 100_000,
        "delay_ns": 10_000,
        "interrupt_packet_ns": 1000,
        "softirq_packet_ns": 2000,
        "tcp_packet_ns": 3000,
        "checksum_ps_per_byte": 1000,
        "copy_ps_per_byte": 2000,
        "copy_and_checksum_ps_per_byte": 2500,
        "ack_ns": 4000,
        "wake_ns": 500,
        "schedule_ns": 1500,
        "syscall_ns": 700,
        "window_bytes": 10_000,
        "mss_bytes": 1000,
        "reader_bytes": 4000,
    }
    return Linux24(**(prices | changes))


@st.composite
def hosts(draw) -> Linux24:
    """Any host, the interesting regimes at least as often as the dull ones."""
    price = st.sampled_from([0, 0, 1, 700, 3000, 20_000]) | st.integers(0, 60_000)
    byte = st.sampled_from([0, 100, 1000, 8000]) | st.integers(0, 20_000)
    mss = draw(st.sampled_from([40, 44, 45, 1000, 1448, 8948, 32_000]))
    segments = draw(st.sampled_from([1, 2, 3, 4, 5, 9, 41]))
    names = [field.name for field in fields(Linux24) if field.name.endswith("_ns") and "dela" not in field.name]
    names.remove("prequeue_timer_ns")
    return Linux24(
        **{name: draw(price) for name in names if "reader" not in name},
        link_ps_per_byte=draw(byte),
        checksum_ps_per_byte=draw(byte),
        copy_ps_per_byte=draw(byte),
        copy_and_checksum_ps_per_byte=draw(byte),
        delay_ns=draw(st.sampled_from([0, 1000, 5 * MS]) | st.integers(0, 100_000)),
        reader_delay_ns=draw(st.sampled_from([0, 0, 5000, 100_000, 30 * MS, 200 * MS])),
        mss_bytes=mss,
        window_bytes=mss * segments + draw(st.integers(0, mss - 1)) * (segments < 300),
        reader_bytes=draw(st.sampled_from([mss, 2 * mss, 10 * mss, mss // 2 + 1, 3 * mss // 2, 65_536])),
        framing_bytes=draw(st.sampled_from([0, 66, 78])),
        hardware_checksum=draw(st.sampled_from(["none", "summed", "verified"])),
        netfilter_hooks=draw(st.booleans()),
        prequeue=draw(st.sampled_from([True, True, True, False])),
        kleen_bypass=draw(st.booleans()),
        reader=draw(st.sampled_from(["blocking", "blocking", "blocking", "polling"])),
    )


@settings(max_examples=300, deadline=None)
@given(hosts(), st.sampled_from([1, 2, 3, 10, 60]))
def test_every_event_is_where_simpy_puts_it_to_the_nanosecond(any_host, packets):
    replayed, world = replay([any_host], packets), simulated(any_host, packets)
    (rows,) = replayed.packets
    for name, attribute in [
        ("in_memory_ns", "arrived_ns"),
        ("softirq_ns", "softirq_ns"),
        ("copied_ns", "copied_ns"),
        ("acked_ns", "acked_ns"),
    ]:
        assert rows[name].tolist() == [getattr(segment, attribute) for segment in world.segments], name
    assert [QUEUES[queue] for queue in rows["queue"]] == [segment.queue for segment in world.segments]
    counts = [replayed.acks[0], replayed.delayed_acks[0], replayed.scheduler_failed[0], replayed.wake_ups[0]]
    assert counts == [world.acks, world.delayed_acks, world.scheduler_failed, world.wake_ups]


@settings(max_examples=200, deadline=None)
@given(hosts(), st.sampled_from([1, 3, 60]))
def test_the_critical_path_sums_to_the_elapsed_time(any_host, packets):
    replayed = replay([any_host], packets)
    assert sum(critical_path(replayed).values()).tolist() == replayed.elapsed_ns.tolist()
    assert (replayed.path_ns >= 0).all()
