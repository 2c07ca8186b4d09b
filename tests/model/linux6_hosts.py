"""Linux 6 hosts for tests: one where nothing costs anything, and any."""

import random

import hypothesis.strategies as st

from zcanalysis.model.linux6 import Linux6

SEED = st.integers(0, 1 << 32)  # drawn field by field, most hosts would be made of zeros


def free(**changes):
    """A host where nothing costs anything; veth without GRO, no RPS."""
    prices = ("send_burst_ns", "send_packet_ns", "sender_ack_ns", "send_interrupt_ns", "interrupt_ns", "softirq_ns")
    prices += ("ip_skb_ns", "tcp_skb_ns", "ack_ns", "wake_ns", "schedule_ns", "syscall_ns", "write_ps_per_byte")
    plain = {"sender_cpu": 0, "driver_cpu": None, "protocol_cpu": 0, "reader_cpu": 1, "mss_bytes": 1000}
    return Linux6(**{**dict.fromkeys((*prices, "copy_ps_per_byte"), 0), "window_bytes": 100_000, **plain, **changes})


def any_host(seed):
    """Everything at random: ties, closed windows, tiny buffers and busy CPUs all happen."""
    rng = random.Random(seed)

    def ns(*more):
        return rng.choice([0, rng.randint(1, 20), rng.randint(50, 500), rng.randint(500, 5000), *more])

    def ps_per_byte():
        return rng.choice([0, rng.randint(1, 200), rng.randint(100, 3000)])

    mss, cpus, local = rng.choice([1, 100, 1448, 8948]), rng.choice([1, 2, 2, 3, 4]), rng.random() < 0.65
    plenty, wired = 1 << 40, not local or rng.random() < 0.2
    slow_ns = rng.randint(5000, 30000)
    some = {
        name: ns()
        for name in ("send_burst_ns", "send_packet_ns", "sender_ack_ns", "softirq_ns", "ip_skb_ns", "ip_packet_ns")
    }
    some |= {name: ns() for name in ("tcp_skb_ns", "ack_ns", "wake_ns", "syscall_ns", "driver_packet_ns")}
    some |= {name: ns() for name in ("gro_packet_ns", "handover_skb_ns", "copy_packet_ns")}
    some |= {name: ns(slow_ns) for name in ("send_interrupt_ns", "interrupt_ns", "schedule_ns")}
    return Linux6(
        sender_cpu=rng.randrange(cpus) if local else None,
        driver_cpu=rng.choice([None, rng.randrange(cpus)]),
        protocol_cpu=rng.randrange(cpus),
        reader_cpu=rng.randrange(cpus),
        mss_bytes=mss,
        follows=rng.random() < 0.4,
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
        ssthresh_bytes=rng.choice([plenty, plenty, rng.randint(1, 100) * mss]),
        free_packets=rng.choice([0, 0, rng.randint(1, 64)]),
        hogs=rng.choice([0, 0, 0, 1, 2, 3]),
        slice_ns=rng.choice([4_000_000, rng.randint(5_000, 200_000), 1_000_000]),
        delack_ns=rng.choice([40_000_000, rng.randint(1, 50_000), rng.randint(100_000, 1_000_000)]),
        framing_bytes=rng.choice([0, 90]),
        delay_ns=rng.choice([0, rng.randint(0, 100), rng.randint(1000, 50000)]),
        coalesce_ns=rng.choice([0, rng.randint(1, 100), rng.randint(1000, 50000)]),
        idle_exit_ns=rng.choice([0, rng.randint(1, 100), rng.randint(1000, 50000)]),
        link_ps_per_byte=rng.choice([0, rng.randint(1, 1000), rng.randint(100, 8000)]) if wired else 0,
        bucket_bytes=rng.choice([0, 0, rng.randint(1, 40) * mss, 1 << 20]),
        **some,
    )
