import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from tests.model.simpy_linux6 import simulate
from zcanalysis.model.linux6 import Linux6, replay

NAMES = ("acks", "delayed_acks", "interrupts", "wake_ups", "sender_wake_ups", "runs", "backlogged", "calls")


def free(**changes):
    """A host where nothing costs anything; veth without GRO, no RPS."""
    prices = ("send_burst_ns", "send_packet_ns", "sender_ack_ns", "send_interrupt_ns", "interrupt_ns", "softirq_ns")
    prices += ("ip_skb_ns", "tcp_skb_ns", "ack_ns", "wake_ns", "schedule_ns", "syscall_ns", "write_ps_per_byte")
    plain = {"sender_cpu": 0, "driver_cpu": None, "protocol_cpu": 0, "reader_cpu": 1, "mss_bytes": 1000}
    return Linux6(**{**dict.fromkeys((*prices, "copy_ps_per_byte"), 0), "window_bytes": 100_000, **plain, **changes})


def any_host(rng):
    """Everything at random: ties, closed windows, tiny buffers and busy CPUs all happen."""

    def ns(*more):
        return rng.choice([0, rng.randint(1, 20), rng.randint(50, 500), rng.randint(500, 5000), *more])

    def ps_per_byte():
        return rng.choice([0, rng.randint(1, 200), rng.randint(100, 3000)])

    mss, cpus, local = rng.choice([1, 100, 1448, 8948]), rng.choice([1, 2, 2, 3, 4]), rng.random() < 0.65
    plenty, wired = 1 << 40, not local or rng.random() < 0.2
    slow_ns = rng.randint(5000, 30000)
    some = {name: ns() for name in ("send_burst_ns", "send_packet_ns", "sender_ack_ns", "softirq_ns", "ip_skb_ns")}
    some |= {name: ns() for name in ("tcp_skb_ns", "ack_ns", "wake_ns", "syscall_ns", "driver_packet_ns")}
    some |= {name: ns() for name in ("gro_packet_ns", "handover_skb_ns", "copy_packet_ns")}
    some |= {name: ns(slow_ns) for name in ("send_interrupt_ns", "interrupt_ns", "schedule_ns")}
    return Linux6(
        sender_cpu=rng.randrange(cpus) if local else None,
        driver_cpu=rng.choice([None, rng.randrange(cpus)]),
        protocol_cpu=rng.randrange(cpus),
        reader_cpu=rng.randrange(cpus),
        mss_bytes=mss,
        write_ps_per_byte=ps_per_byte(),
        copy_ps_per_byte=ps_per_byte(),
        checksum_ps_per_byte=rng.choice([0, ps_per_byte()]),
        window_bytes=mss * rng.choice([1, 2, 3, rng.randint(2, 40), rng.randint(10, 500), 2000]) + rng.randrange(mss),
        gso_bytes=rng.choice([1, mss, 2 * mss, rng.randint(1, 20) * mss, 65536]),
        gro_bytes=rng.choice([0, 0, mss, rng.randint(1, 64) * mss, 65536]),
        tsq_bytes=rng.choice([plenty, plenty, rng.randint(1, 100) * mss]),
        cwnd_bytes=rng.choice([plenty, plenty, rng.randint(1, 100) * mss]),
        sndbuf_bytes=mss * rng.choice([1, 2, rng.randint(1, 30), rng.randint(20, 500), 3000]),
        reader_bytes=rng.choice([1, mss, rng.randint(1, 20) * mss, rng.randint(1, 300) * mss, 131072]),
        free_packets=rng.choice([0, 0, rng.randint(1, 64)]),
        hogs=rng.choice([0, 0, 0, 1, 2, 3]),
        slice_ns=rng.choice([4_000_000, rng.randint(5_000, 200_000), 1_000_000]),
        delack_ns=rng.choice([40_000_000, rng.randint(1, 50_000), rng.randint(100_000, 1_000_000)]),
        framing_bytes=rng.choice([0, 90]),
        delay_ns=rng.choice([0, rng.randint(0, 100), rng.randint(1000, 50000)]),
        coalesce_ns=rng.choice([0, rng.randint(1, 100), rng.randint(1000, 50000)]),
        idle_exit_ns=rng.choice([0, rng.randint(1, 100), rng.randint(1000, 50000)]),
        link_ps_per_byte=rng.choice([0, rng.randint(1, 1000), rng.randint(100, 8000)]) if wired else 0,
        **some,
    )


def assert_simpy_agrees(host, packets):
    found, world = replay([host], packets), simulate(host, packets)
    assert int(found.elapsed_ns[0]) == world.env.now
    assert {name: int(found.counts[name][0]) for name in NAMES} == world.counts
    assert found.busy_ns[0].tolist() == world.busy_ns()
    assert int(found.path_ns.sum()) == world.env.now


@settings(max_examples=40, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 60))
def test_every_host_takes_as_long_as_simpy_says_to_the_nanosecond(rng, packets):
    assert_simpy_agrees(any_host(rng), packets)


VETH = {
    "write_ps_per_byte": 76, "copy_ps_per_byte": 95, "send_burst_ns": 500, "send_packet_ns": 320, "sender_ack_ns": 100,
    "send_interrupt_ns": 11000, "interrupt_ns": 20000, "softirq_ns": 300, "ip_skb_ns": 120, "tcp_skb_ns": 150,
    "ack_ns": 100, "wake_ns": 300, "schedule_ns": 1000, "syscall_ns": 500, "mss_bytes": 1448, "free_packets": 32,
    "window_bytes": 3_000_000, "tsq_bytes": 1_500_000,
}  # fmt: skip
OTHER_MACHINE = {
    "sender_cpu": None, "driver_cpu": 0, "link_ps_per_byte": 320, "framing_bytes": 90, "delay_ns": 20_000,
    "coalesce_ns": 10_000, "driver_packet_ns": 60, "gro_packet_ns": 50, "gro_bytes": 65536, "tsq_bytes": 1 << 40,
}  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {"protocol_cpu": 1},
        {"driver_cpu": 0, "gro_bytes": 65536},
        OTHER_MACHINE,
        {"hogs": 1},
        {"protocol_cpu": 1, "idle_exit_ns": 30_000},
    ],
)
def test_thousands_of_packets_take_as_long_as_simpy_says(changes):
    assert_simpy_agrees(free(**VETH | changes), 3000)
