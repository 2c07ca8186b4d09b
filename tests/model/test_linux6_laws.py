"""What holds for any Linux 6 host, whatever the rules make of it."""

import random
from dataclasses import replace

import hypothesis.strategies as st
from hypothesis import assume, given, settings

from tests.model.linux6_hosts import SEED, any_host
from zcanalysis.model.linux6 import LOOP, STAGES, replay, scenarios
from zcanalysis.model.scenarios import outcomes


@settings(max_examples=150, deadline=None)
@given(SEED, st.integers(1, 400))
def test_the_path_sums_to_the_elapsed_time_and_no_cpu_works_longer(seed, packets):
    hosts = [any_host(seed + at) for at in range(4)]
    found = replay(hosts, packets)
    assert found.path_ns.sum(axis=1).tolist() == found.elapsed_ns.tolist()
    assert (found.path_ns >= 0).all()
    assert (found.path_uses >= 0).all()
    assert (found.busy_ns <= found.elapsed_ns[:, None]).all()


@settings(max_examples=100, deadline=None)
@given(SEED, st.integers(1, 400))
def test_every_packet_passes_every_stage_once(seed, packets):
    found = outcomes(LOOP, scenarios([any_host(seed + at) for at in range(4)], packets, ample=True)).states
    for stage in ("written", "sent", "ip_taken", "taken", "copied"):
        assert (found[stage] == packets).all(), stage
    assert (found["backlog_packets"] == 0).all()
    assert (found["answered"] <= packets).all()
    assert (found["acked"] <= found["answered"]).all()
    assert (found["merging"] == 0).all()


PRICES = {
    "write": "write_ps_per_byte", "send interrupt": "send_interrupt_ns", "interrupt": "interrupt_ns",
    "softirq": "softirq_ns", "driver": "driver_packet_ns", "gro": "gro_packet_ns", "hand-over": "handover_skb_ns",
    "ip": "ip_skb_ns", "tcp": "tcp_skb_ns", "checksum": "checksum_ps_per_byte", "ack": "ack_ns",
    "sender's ack": "sender_ack_ns", "wake-up": "wake_ns", "schedule": "schedule_ns", "syscall": "syscall_ns",
    "copy": "copy_packet_ns", "link": "link_ps_per_byte", "delay": "delay_ns", "transmit": "send_packet_ns",
}  # fmt: skip
LARGE = 1_000_000


def stretched(host, rng):
    """Every time a million times as long and then some, so that no two sums are the same and 1 ns reorders nothing."""
    times = [name for name in host.__slots__ if name.endswith(("_ns", "_ps_per_byte"))]
    long = {name: getattr(host, name) * LARGE + rng.randrange(LARGE // 10) for name in times}
    if host.sender_cpu is not None and host.link_ps_per_byte == 0:
        long["link_ps_per_byte"] = 0
    return replace(host, **long, hogs=0, framing_bytes=0, bucket_bytes=0)


@settings(max_examples=150, deadline=None)
@given(SEED, st.integers(1, 60))
def test_a_dearer_stage_costs_its_uses_on_the_path(seed, packets):
    rng = random.Random(seed)
    few = {name: rng.choice([1, 2, 5, 100]) * 1000 for name in ("window_bytes", "sndbuf_bytes", "gso_bytes")}
    host = stretched(replace(any_host(seed), mss_bytes=1000, ssthresh_bytes=1 << 40, **few), rng)
    assume(host.sender_cpu != host.reader_cpu)  # no ticks: they do not get longer
    paid = {stage: name for stage, name in PRICES.items() if getattr(host, name) > 0}
    # 1 ps a byte of 1000 bytes is 1 ns
    found = replay([host, *(replace(host, **{name: getattr(host, name) + 1}) for name in paid.values())], packets)
    uses = dict(zip(STAGES, found.path_uses[0].tolist(), strict=True))
    dearer_ns = (found.elapsed_ns[1:] - found.elapsed_ns[0]).tolist()
    assert (found.path_uses == found.path_uses[0]).all()
    assert dict(zip(paid, dearer_ns, strict=True)) == {stage: uses[stage] for stage in paid}
