"""The closed-loop replay against its rules, against SimPy, and against what must be true of any replay."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.model.simpy_linux24 import simulated
from zcanalysis.model.linux24 import (
    LOOP,
    STAGES,
    Linux24,
    critical_path,
    drawn_summaries,
    replay,
    replay_summaries,
    scenarios_of,
)

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
    if draw(st.booleans()):  # many things at the same nanosecond
        price, byte = st.sampled_from([0, 1000, 2000, 5000]), st.sampled_from([0, 1000])
    mss = draw(st.sampled_from([40, 44, 45, 1000, 1000, 1448, 8948, 32_000]))
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
        delack_ns=draw(st.sampled_from([40 * MS, 40 * MS, 10_000, 50_000, 400_000])),
        prequeue_timer_ns=draw(st.sampled_from([150 * MS, 150 * MS, 10_000, 50_000, 400_000])),
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


# The rules of 2.4, one at a time. Every segment of `host` comes 100 us after the one before.


def only(any_host, packets=40):
    """Packets of one replayed host."""
    (rows,) = replay([any_host], packets).packets
    return rows


def test_a_lonely_segment_takes_the_sum_of_its_prices():
    # sender 100,000; 1000 B at 2 ns on the wire; delay; interrupt and softirq; wake-up; the reader gets the CPU; tcp;
    # one pass over 1000 B at 2.5 ns
    elapsed_ns = 100_000 + 2000 + 10_000 + (1000 + 2000) + 500 + 1500 + 3000 + 2500
    assert replay([host()], 1).elapsed_ns.tolist() == [elapsed_ns]


def test_with_an_open_window_and_a_free_receiver_the_link_is_a_queue_with_a_closed_form():
    # one server, equal arrivals, equal service: the last leaves after sender + n services (services the longer ones)
    free = {field.name: 0 for field in fields(Linux24) if field.name.endswith("_packet_ns")}
    free |= {"ack_ns": 0, "wake_ns": 0, "schedule_ns": 0, "syscall_ns": 0, "delay_ns": 0, "checksum_ps_per_byte": 0}
    free |= {"copy_ps_per_byte": 0, "copy_and_checksum_ps_per_byte": 0}
    replayed = replay([host(**free, window_bytes=300_000)], 200)
    assert replayed.elapsed_ns.tolist() == [200 * 2000]
    assert critical_path(replayed)["link"].tolist() == [200 * 2000]


def test_a_segment_copied_in_the_prequeue_does_not_trigger_the_ack_of_every_second_segment():
    late = only(host(reader_delay_ns=350_000))
    batch = late[late["acked_ns"] == late["acked_ns"][0]]
    assert len(batch) > 2
    assert (batch["queue"] == QUEUES.index("prequeue")).all()
    assert batch["acked_ns"][0] > batch["copied_ns"][-1]


def test_under_the_kleen_patch_the_second_segment_is_acknowledged_at_arrival():
    verified = host(hardware_checksum="verified", copy_ps_per_byte=30_000)
    plain, patched = only(verified), only(replace(verified, kleen_bypass=True))
    assert plain["acked_ns"][1] > plain["copied_ns"][1]
    assert patched["acked_ns"][1] == patched["softirq_ns"][1] + 3000 + 4000  # tcp, ack
    assert patched["acked_ns"][1] < patched["copied_ns"][1]


def test_the_timer_of_150_ms_takes_the_prequeue_when_the_reader_does_not_run():
    replayed = replay([host(reader_delay_ns=1000 * MS, window_bytes=3000, hardware_checksum="verified")], 40)
    rows = replayed.packets[0]
    assert (rows["queue"][:2] == QUEUES.index("prequeue")).all()
    woken_ns = rows["softirq_ns"][0] + 500
    assert rows["acked_ns"][:2].tolist() == [woken_ns + 150 * MS + 2 * 3000 + 4000] * 2
    assert replayed.scheduler_failed[0] > 0


def test_an_ack_waits_40_ms_when_the_reader_does_not_run_and_nothing_is_prequeued():
    slow = host(reader_delay_ns=1000 * MS, window_bytes=3000, hardware_checksum="verified", prequeue=False)
    replayed = replay([slow], 40)
    rows = replayed.packets[0]
    assert (rows["queue"][:2] == QUEUES.index("direct")).all()
    assert rows["acked_ns"][:2].tolist() == [rows["softirq_ns"][0] + 3000 + 40 * MS + 4000] * 2
    assert replayed.delayed_acks[0] > 0


def test_a_scheduled_ack_keeps_its_earlier_timer_when_a_segment_is_prequeued():
    # The reader eats segment 0 100 ms after it was woken and delays the ACK: the timer of 150 ms becomes 140 ms.
    # Segment 1 is prequeued at 120 ms; at 140 ms the timer takes it (tcp) and the ACK of both leaves (ack).
    slow = host(sender_packet_ns=120 * MS, reader_delay_ns=100 * MS, hardware_checksum="verified")
    rows = only(slow, 3)
    eaten_ns = rows["copied_ns"][0]
    assert eaten_ns == rows["softirq_ns"][0] + 500 + 100 * MS + 1500 + 3000 + 2000
    assert rows["acked_ns"][:2].tolist() == [eaten_ns + 40 * MS + 3000 + 4000] * 2


def test_a_packet_at_the_nanosecond_of_the_timer_goes_first():
    # segment 0 is in memory at 112,000 and through TCP at 118,000; segment 1 is in memory at 212,000
    rows = only(host(prequeue=False, hardware_checksum="verified", delack_ns=212_000 - 118_000))
    assert rows["in_memory_ns"][1] == 212_000
    assert rows["acked_ns"][:2].tolist() == [212_000 + 1000 + 2000 + 3000 + 4000] * 2


def test_polling_readers_never_prequeue():
    replayed = replay([host(reader="polling"), host()], 40)
    assert "prequeue" not in [QUEUES[queue] for queue in replayed.packets["queue"][0]]
    assert replayed.eaten_packets.tolist() == [0, 40]


@pytest.mark.parametrize(("mss_bytes", "queue"), [(44, "direct"), (45, "prequeue")])
def test_under_the_kleen_patch_segments_up_to_76_bytes_bypass_the_prequeue(mss_bytes, queue):
    small = host(mss_bytes=mss_bytes, window_bytes=10 * mss_bytes, kleen_bypass=True)
    assert {QUEUES[number] for number in only(small)["queue"]} == {queue}
    assert {QUEUES[number] for number in only(replace(small, kleen_bypass=False))["queue"]} == {"prequeue"}


@pytest.mark.parametrize(
    ("hardware", "hooks", "queue"),
    [
        ("none", False, "prequeue"),
        ("summed", False, "direct"),
        ("summed", True, "prequeue"),
        ("verified", True, "direct"),
    ],
)
def test_the_kleen_patch_bypasses_only_what_the_card_summed_and_netfilter_forgets_sums(hardware, hooks, queue):
    rows = only(host(hardware_checksum=hardware, netfilter_hooks=hooks, kleen_bypass=True))
    assert {QUEUES[number] for number in rows["queue"]} == {queue}


def test_a_read_smaller_than_a_segment_is_never_served_by_tcp_itself_and_sums_apart():
    replayed = replay([host(reader_bytes=999), host(reader_bytes=1000)], 40)
    path = critical_path(replayed)
    assert replayed.eaten_packets.tolist() == [0, 40]
    assert path["copy and checksum"].tolist()[0] == 0
    assert path["checksum"][0] > 0


def test_segments_that_come_while_the_reader_holds_the_socket_wait_in_the_backlog():
    busy = only(host(copy_and_checksum_ps_per_byte=300_000))
    assert (busy["queue"] == QUEUES.index("backlog")).any()


def test_where_two_large_segments_fill_the_window_no_ack_leaves_at_arrival_and_the_kleen_patch_gives_nothing():
    large = host(mss_bytes=64_000, window_bytes=131_070, reader_bytes=65_536, hardware_checksum="verified")
    replayed = replay([large, replace(large, kleen_bypass=True)], 100)
    assert (replayed.packets["acked_ns"][:, :-1] > replayed.packets["copied_ns"][:, :-1])[:, ::2].all()
    assert replayed.elapsed_ns[0] == replayed.elapsed_ns[1]


# Laws


def some_hosts(count=400) -> list[Linux24]:
    """The same hosts every time."""
    random = np.random.default_rng(2002)
    prices = {name: random.integers(0, 60_000, count) for name in PRICES if not name.endswith("byte")}
    prices |= {name: random.integers(0, 15_000, count) for name in PRICES if name.endswith("byte")}
    mss, segments = random.choice([1000, 1448, 8948, 32_000], count), random.choice([2, 3, 4, 8, 40], count)
    switches = {
        "mss_bytes": mss,
        "window_bytes": mss * segments,
        "reader_bytes": mss * random.choice([1, 2, 10], count),
        "reader_delay_ns": random.choice([0, 0, 5000, 100_000], count),
    }
    columns = prices | switches
    texts = {"hardware_checksum": ["none", "verified"], "reader": ["blocking", "blocking", "polling"]}
    flags = {"prequeue": random.random(count) < 0.8, "kleen_bypass": random.random(count) < 0.5}
    chosen = {name: random.choice(values, count) for name, values in texts.items()}
    return [
        Linux24(
            **{name: int(values[at]) for name, values in columns.items()},
            **{name: str(values[at]) for name, values in chosen.items()},
            **{name: bool(values[at]) for name, values in flags.items()},
        )
        for at in range(count)
    ]


STAGE_OF = {
    "sender_packet_ns": "sender",
    "delay_ns": "delay",
    "interrupt_packet_ns": "interrupt",
    "softirq_packet_ns": "softirq",
    "tcp_packet_ns": "tcp",
    "ack_ns": "ack",
    "wake_ns": "wake-up",
    "schedule_ns": "schedule",
    "syscall_ns": "syscall",
}
PRICES = [
    *STAGE_OF,
    "link_ps_per_byte",
    "checksum_ps_per_byte",
    "copy_ps_per_byte",
    "copy_and_checksum_ps_per_byte",
]


def decisions(replayed):
    """What the host chose, one row a host: queues, which segments share an ACK, sleeps, who copied."""
    shared = np.diff(replayed.packets["acked_ns"]) == 0
    counts = np.stack([replayed.acks, replayed.eaten_packets, replayed.wake_ups], axis=1)
    return np.concatenate([replayed.packets["queue"], shared, counts], axis=1)


def events(any_host, packets):
    """What the CPU did, in order; then elapsed time and uses."""
    scenarios = scenarios_of([any_host], packets)
    nodes, path = np.zeros(scenarios.nodes, LOOP.node), np.zeros((2, 1, len(STAGES)), np.int64)
    state, rows = np.zeros(1, LOOP.state), np.zeros((1, packets), LOOP.packet)
    assert LOOP.replay_hosts(scenarios.hosts, state, nodes, rows, *path) == 1
    done = nodes[: state["nodes"][0]]
    return [done[name].tolist() for name in ("stage", "reader", "use")], state["elapsed_ns"][0], path[1, 0]


EPSILON_NS = st.sampled_from([1, 20, 500])


@settings(max_examples=300, deadline=None)
@given(hosts(), st.sampled_from([*STAGE_OF, "reader_delay_ns"]), EPSILON_NS, st.sampled_from([3, 30, 100]))
def test_raising_a_price_by_epsilon_costs_epsilon_times_its_uses_on_the_critical_path(
    any_host, price, more_ns, packets
):
    # Where the order of events stays, elapsed is a maximum over paths, each linear in the price: the old path costs at
    # least its uses more, and the new one at most its own. Where the path stays too, that is one number.
    at = STAGES.index(STAGE_OF.get(price, "reader waits for the CPU"))
    order, before_ns, uses = events(any_host, packets)
    dearer = replace(any_host, **{price: getattr(any_host, price) + more_ns})
    order_then, after_ns, uses_then = events(dearer, packets)
    if order == order_then:
        assert uses[at] * more_ns <= after_ns - before_ns <= uses_then[at] * more_ns


@pytest.mark.parametrize("price", STAGE_OF)
def test_a_nanosecond_more_costs_its_uses_on_the_path_where_the_path_stays(price):
    hosts = some_hosts()
    before = replay(hosts, 200)
    after = replay([replace(each, **{price: getattr(each, price) + 1}) for each in hosts], 200)
    stays = (before.path_uses == after.path_uses).all(axis=1)
    uses = before.path_uses[:, STAGES.index(STAGE_OF[price])]
    assert stays.mean() > 0.95
    assert ((after.elapsed_ns - before.elapsed_ns) == uses)[stays].all()


@pytest.mark.parametrize("price", PRICES)
def test_a_free_stage_hurts_only_where_the_host_chooses_otherwise(price):
    hosts = some_hosts()
    before = replay(hosts, 200)
    after = replay([replace(each, **{price: 0}) for each in hosts], 200)
    slower = after.elapsed_ns > before.elapsed_ns
    assert not (slower & (decisions(before) == decisions(after)).all(axis=1)).any()
    assert slower.mean() < 0.1


def test_a_faster_link_can_cost_four_times_as_much():
    # Slow link: the reader sleeps before each segment, is woken, and TCP copies and sums in one free pass. Twice the
    # bandwidth: segments meet a reader who holds the socket, wait in the backlog, do not fit into what is left of its
    # buffer and are summed and copied apart, which is dear.
    slow = host(
        link_ps_per_byte=8000,
        sender_packet_ns=20_000,
        softirq_packet_ns=50_000,
        checksum_ps_per_byte=16_000,
        copy_ps_per_byte=10_000,
        copy_and_checksum_ps_per_byte=0,
        mss_bytes=8948,
        window_bytes=40 * 8948,
        reader_bytes=2 * 8948,
    )
    replayed = replay([slow, replace(slow, link_ps_per_byte=4000)], 300)
    assert replayed.elapsed_ns[1] > 2 * replayed.elapsed_ns[0]
    assert (replayed.packets["queue"][0] == QUEUES.index("prequeue")).all()
    assert (replayed.packets["queue"][1] == QUEUES.index("backlog")).mean() > 0.5


def test_hosts_are_replayed_each_alone():
    hosts = some_hosts(20)
    together = replay(hosts, 50)
    assert together.elapsed_ns.tolist() == [replay([each], 50).elapsed_ns[0] for each in hosts]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ack_ns": -1}, "ack_ns must be >= 0, got -1"),
        ({"mss_bytes": 0}, "mss_bytes must be >= 1"),
        ({"window_bytes": 999}, "window_bytes must be 1 to 300 segments of 1000, got 999"),
        ({"window_bytes": 301_000}, "window_bytes must be 1 to 300"),
        ({"hardware_checksum": "good"}, "hardware_checksum must be none, summed or verified, got good"),
        ({"reader": "async"}, "reader must be blocking or polling, got async"),
    ],
)
def test_impossible_hosts_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        host(**changes)


@settings(max_examples=30, deadline=None)
@given(st.lists(hosts(), min_size=1, max_size=5))
def test_hosts_given_as_columns_are_the_same_hosts(some):
    columns = {field.name: [getattr(one, field.name) for one in some] for field in fields(Linux24)}
    for ours, theirs in zip(drawn_summaries(columns, 20), replay_summaries(some, 20), strict=True):
        assert np.array_equal(ours, theirs)


def test_no_hosts_are_no_rows():
    assert replay_summaries([], 10).elapsed_ns.shape == (0,)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"mss_byte": 9}, "must be fields of Linux24, got mss_byte"),
        ({"tcp_packet_ns": [1, -1]}, "tcp_packet_ns must be whole and >= 0"),
        ({"tcp_packet_ns": [1.5]}, "tcp_packet_ns must be whole"),
        ({"window_bytes": 999}, "window_bytes must be 1 to 300 segments"),
    ],
)
def test_columns_that_no_host_can_have_are_refused(changes, why):
    given_host = {field.name: getattr(host(), field.name) for field in fields(Linux24)}
    with pytest.raises(ValueError, match=why):
        drawn_summaries(given_host | changes, 10)


def test_columns_must_have_every_price():
    with pytest.raises(ValueError, match="columns lack"):
        drawn_summaries({"mss_bytes": 1000}, 10)
