"""The null models by hand, and the laws that any model must keep."""

import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.test_report import folder  # noqa: F401 - a fixture
from zcanalysis import patches
from zcanalysis.answer import Answer, answered
from zcanalysis.cpu.kernel_stages import FOLLOWS, STAGES
from zcanalysis.effects import EFFECTS, UNPRICED, applied, no_effect
from zcanalysis.errors import TraceError
from zcanalysis.io.host_facts import Channels, HostFacts, Process, Queue
from zcanalysis.io.recording import read_recording
from zcanalysis.patches import Patch, parse_patch
from zcanalysis.tables import PATCHES
from zcanalysis.whatif import predict_document, what_if
from zcanalysis.workload import (
    DEARER,
    NOT_SEEN,
    WINDOW,
    Window,
    Workload,
    bounds,
    busy_after,
    held,
    least,
    workload,
)

TRACES = Path(__file__).parent.parent / "traces"
STEERED = HostFacts(
    device="eth0", cpus=2, mtu=1500, queues=(Queue("rx-0", frozenset({1}), None, frozenset(), None, 0),),
    features={"generic-receive-offload": False},
    readers=(Process(7, "reader", (1,)),), sysctls={"net.ipv4.tcp_rmem": "4096 131072 1000000"},
)  # fmt: skip

# CPU 1 is full: half TCP, 0.3 copy, 0.2 interrupts. CPU 0 sends: 0.4 a packet, 0.2 a byte, 0.1 handing packets over.
WORK = [
    (1, "tcp_rx", "softirq", "rx", "packet", 0.5),
    (1, "copy", "syscall", "rx", "byte", 0.3),
    (1, "hardirq", "hardirq", "rx", "batch", 0.2),
    (0, "sender", "syscall", "tx", "packet", 0.4),
    (0, "sender", "syscall", "tx", "byte", 0.2),
    (0, "backlog", "softirq", "rx", "packet", 0.1),
]


def load(work=WORK, **fields) -> Workload:
    table = pl.DataFrame(
        work,
        schema={
            "cpu": pl.Int32, "stage": pl.String, "context": pl.String, "direction": pl.String, "unit": pl.String,
            "share": pl.Float64,
        },
        orient="row",
    )  # fmt: skip
    busy = dict(table.group_by("cpu").agg(pl.col("share").sum()).iter_rows())
    usual = {
        "host": STEERED, "baseline_gbps": 10.0, "at_gbps": 8.0, "work": table, "fixed": {}, "busy": busy,
        "packet_bytes": 1448.0, "skb_bytes": 1448.0, "mtu": 1500, "gro": False, "drops": 0, "link_gbps": None,
    }  # fmt: skip
    return Workload(**(usual | fields))


def idle_load(**fields) -> Workload:
    """The same at half the work: no CPU is full."""
    halved = [(*row[:-1], row[-1] / 2) for row in WORK]
    return load(halved, held_by=NOT_SEEN, **fields)


def after(one: Workload, *texts: str) -> dict[str, float]:
    return bounds(applied(one, tuple(map(parse_patch, texts))), one)


def test_a_larger_mtu_halves_what_follows_packets():
    # 2948 - 52 = 2 x 1448: CPU 1 0.25 + 0.3 + 0.1 = 0.65, CPU 0 0.2 + 0.2 + 0.05 = 0.45 of a time that held 10 Gbit/s
    assert after(load(), "mtu=2948") == pytest.approx({"CPU 1": 10 / 0.65, "CPU 0": 10 / 0.45})


def test_packets_that_the_sender_aggregated_do_not_follow_the_mtu():
    assert after(load(packet_bytes=60_000.0), "mtu=2948") == pytest.approx(after(load()))


def test_under_gro_a_larger_mtu_leaves_what_handles_whole_skbs():
    # skbs of 40 KB stay: TCP and the hand-over cost what they did; interrupts 0.1, the sender 0.2 + 0.2
    found = after(load(gro=True, skb_bytes=40_000.0), "mtu=2948")
    assert found == pytest.approx({"CPU 1": 10 / 0.9, "CPU 0": 10 / 0.5})


def test_gro_merges_what_is_above_it():
    # skbs of 64 KB for 1448 B: TCP shrinks by 1448 / 65536, copy and interrupts stay; CPU 0's backlog is above GRO
    merged = 1448 / 65536
    assert after(load(), "gro=on") == pytest.approx(
        {"CPU 1": 10 / (0.5 * merged + 0.5), "CPU 0": 10 / (0.6 + 0.1 * merged)}
    )


def test_without_gro_every_packet_is_its_own_skb_again():
    # 4 packets a skb were counted: TCP takes four times 0.5, and GRO itself nothing
    one = load([*WORK, (0, "gro", "softirq", "rx", "packet", 0.1)], gro=True, skb_bytes=4 * 1448.0)
    assert after(one, "gro=off") == pytest.approx({"CPU 1": 10 / 2.5, "CPU 0": 10 / (0.6 + 0.4)})


def test_steering_moves_softirqs_and_the_interrupt_that_hands_over():
    # onto the CPU that hands over: TCP moves there, the interrupt between CPUs is not needed
    assert after(load(), "rps=0") == pytest.approx({"CPU 1": 10 / 0.3, "CPU 0": 10 / 1.2})
    assert after(load(), "rps=off") == after(load(), "rps=0")


def test_steering_that_is_new_leaves_the_driver_where_it_is():
    host = replace(STEERED, queues=(Queue("rx-0", frozenset(), 9, frozenset({1}), "0,1", 0),))
    assert after(load(host=host), "rps=0") == pytest.approx({"CPU 1": 10 / 0.5, "CPU 0": 10 / 1.2})


def test_the_reader_moves_with_its_copy():
    assert after(load(), "cpu=split") == pytest.approx({"CPU 1": 10 / 0.7, "CPU 0": 10 / 1.0})


def test_a_busy_process_halves_what_softirqs_leave_the_reader():
    # softirqs 0.7; the reader's 0.3 takes as long as 0.6
    assert after(load(), "competing-load=1")["CPU 1"] == pytest.approx(10 / 1.3)


def test_a_checksum_without_the_device_passes_over_every_byte():
    # 0.1 ns a byte at 8 Gbit/s, which is 1 byte a nanosecond: 0.1 of the CPU that runs TCP
    assert after(load(), "hw-checksum=off")["CPU 1"] == pytest.approx(10 / 1.1)


def test_a_copy_of_another_speed():
    # 0.3 of a CPU at 8 Gbit/s is 26.7 Gbit/s; at 40 it is 0.2
    assert after(load(), "copy-gbps=40")["CPU 1"] == pytest.approx(10 / 0.9)


def test_a_faster_clock_shortens_all_work_and_at_worst_none_on_payload():
    # CPU 1 1.0 / 2; CPU 0 0.7 / 2. At worst the copy stays 0.3 and the sender's bytes 0.2
    assert after(load(), "cpu-speed=2") == pytest.approx({"CPU 1": 20, "CPU 0": 10 / 0.35})
    worst = after(load(assumed=DEARER), "cpu-speed=2")
    assert worst == pytest.approx({"CPU 1": 10 / (0.25 + 0.3 + 0.1), "CPU 0": 10 / (0.2 + 0.2 + 0.05)})
    # a slower clock slows work on payload in every case
    assert after(load(assumed=DEARER), "cpu-speed=0.5")["CPU 1"] == pytest.approx(5)


def test_without_a_kernel_the_sender_and_the_readers_own_code_are_left():
    assert after(load(), "kernel-bypass") == pytest.approx({"CPU 0": 10 / 0.6})
    reading = after(load([*WORK, (1, "reader", "user", "rx", "batch", 0.1)], busy={1: 1.0, 0: 0.7}), "kernel-bypass")
    assert reading["CPU 1"] == pytest.approx(10 * 1.1 / 0.1)


def test_mapping_pages_takes_the_place_of_the_copy():
    # sampled at 8 Gbit/s, a byte a ns: 178 / 4096 of the time; the most, 1500 / 4096, is more than the copy's 0.3
    assert after(load(), "zero-copy-rx")["CPU 1"] == pytest.approx(10 / (0.7 + 178 / 4096))
    assert after(load(assumed=DEARER), "zero-copy-rx")["CPU 1"] == pytest.approx(10 / (0.7 + 1500 / 4096))
    assert after(load(), "pinned-buffers")["CPU 1"] == pytest.approx(10 / 0.7)


def test_more_connections_share_the_reading():
    # the copy's 0.3 in halves: CPU 1 0.7 + 0.15, CPU 0 0.7 + 0.15
    assert after(load(), "flows=2") == pytest.approx({"CPU 1": 10 / 0.85, "CPU 0": 10 / 0.85})
    assert no_effect(load(), patches.flows(1)) is not None
    assert no_effect(load(window=Window(1.0, 1.0, 8)), patches.flows(16)) is not None  # two CPUs read already
    narrow = idle_load().changed(held_by=WINDOW, window=Window(1.0, 10.0, 2))
    assert after(narrow, "flows=3")["receive window"] == pytest.approx(15)


def test_queues_share_packets_as_far_as_there_are_connections():
    host = replace(STEERED, channels=Channels("combined", 1, 4))
    # interrupts, hand-over and TCP, 0.8, in halves: CPU 1 0.3 + 0.4, CPU 0 0.6 + 0.4
    two = load(host=host, window=Window(1.0, 1.0, 2))
    assert after(two, "queues=2") == pytest.approx({"CPU 1": 10 / 0.7, "CPU 0": 10})
    assert no_effect(two, patches.queues(2)) is None
    lone = load(host=host, window=Window(1.0, 1.0, 1))
    assert "connections recorded: 1; each stays in one queue" in str(no_effect(lone, patches.queues(4)))


def test_connections_are_counted_by_their_sockets(shipped):
    counters = shipped.recording.counters
    socket = counters.filter(pl.col("source") == "socket")
    second = pl.concat([counters, socket.with_columns((pl.col("instance") + "-again").alias("instance"))])
    for table, connections in ((counters, 1), (second, 2)):
        seen = replace(shipped.evidence, recording=replace(shipped.recording, counters=table))
        recorded = workload(seen, shipped.evidence.quiet, shipped.ceiling, shipped.limit)
        assert recorded is not None
        assert recorded.window is not None
        assert recorded.window.connections == connections


def test_a_link_carries_headers_too():
    assert after(load(), "link-gbps=5")["link"] == pytest.approx(5 * 1448 / 1514)


def test_a_small_window_bounds_by_the_round_trip():
    # 100 us: 8 / 100,000 Gbit/s a byte; 50,000 bytes are 4 Gbit/s
    one = load(window=Window(8e-5, 80.0))
    assert after(one, "rcvbuf=50000")["receive window"] == pytest.approx(4.0)


def test_where_the_window_limits_a_larger_buffer_lifts_it_until_a_cpu_limits():
    one = idle_load(window=Window(1e-5, 10.0), host=STEERED).changed(held_by=WINDOW)
    found = after(one, "rcvbuf=1500000")
    assert found["receive window"] == pytest.approx(15.0)
    # the CPUs' shares belong to 8 Gbit/s: CPU 1, half busy, could carry 16
    assert found["CPU 1"] == pytest.approx(16.0)


def test_a_full_link_stays_the_limit_until_it_is_raised():
    # 10.2 Gbit/s carry 9.755 of payload; 9.7 arrived: the link is the limit, and 99.4 % of it is used
    one = held(load([(*row[:-1], row[-1] / 2) for row in WORK], link_gbps=10.2, baseline_gbps=9.7))
    assert one.held_by is None
    assert least(bounds(one, one), one) == ("link", pytest.approx(9.7))
    assert after(one, "link-gbps=20.4")["link"] == pytest.approx(19.4)
    assert min(after(one, "speedup:tcp_rx=100").values()) == pytest.approx(9.7)


@given(
    st.lists(st.floats(0.01, 1), min_size=6, max_size=6),
    st.floats(0.1, 100), st.floats(0.1, 100), st.none() | st.floats(0.1, 200), st.floats(0, 0.5),
)  # fmt: skip
def test_without_a_patch_nothing_changes(shares, baseline, sampled, link, others):
    work = [(*row[:-1], share) for row, share in zip(WORK, shares, strict=True)]
    one = held(load(work, baseline_gbps=baseline, at_gbps=sampled, link_gbps=link, fixed={1: others}))
    assert min(bounds(one, one).values()) == pytest.approx(baseline)


def test_between_two_full_cpus_the_one_that_receives_is_named():
    # CPU 0 99 % busy sending, CPU 1 98 % receiving: the report names CPU 1, and so does the prediction
    one = load([(0, "sender", "syscall", "tx", "packet", 0.99), (1, "copy", "syscall", "rx", "byte", 0.98)])
    assert least(bounds(one, one), one)[0] == "CPU 0"
    assert least(bounds(one, one), one.changed(limiting_cpu=1)) == ("CPU 1", pytest.approx(10.0))


def test_other_processes_keep_their_time():
    # CPU 1: 0.8 of its own work, 0.2 of others; TCP gone (0.4) leaves 0.4 that may grow to 0.8
    eighty = [(*row[:-1], row[-1] * 0.8) for row in WORK]
    one = load(eighty, fixed={1: 0.2}, busy={0: 0.56, 1: 1.0})
    assert after(one, "speedup:tcp_rx=100")["CPU 1"] == pytest.approx(20.0)
    assert busy_after(one, one, 10.0)[1] == pytest.approx(1.0)


def test_what_the_recording_shows_to_be_without_effect_says_so():
    assert no_effect(load(), parse_patch("ring=512")) == "the device dropped nothing"
    assert no_effect(load(drops=5), parse_patch("ring=512")) is None
    assert no_effect(load(), parse_patch("rps=1")) == "IP and TCP run on CPU 1 already"
    assert no_effect(load(), parse_patch("speedup:gro=10")) == "no sample shows the stage gro"
    assert no_effect(load(WORK[2:3]), parse_patch("competing-load=1")) == "no sample shows the reader"
    assert no_effect(load(packet_bytes=60_000.0), parse_patch("gro=on")) is not None


SOME = ["mtu=9000", "mtu=3000", "gro=on", "rps=0", "cpu=split", "speedup:copy=50", "speedup:tcp_rx=90", "copy-gbps=90"]


@given(st.lists(st.sampled_from(SOME), max_size=3), st.floats(1, 30))
def test_without_a_full_cpu_nothing_is_gained(texts, gbps):
    one = idle_load(baseline_gbps=gbps, at_gbps=gbps)
    assert min(after(one, *texts).values()) <= gbps * (1 + 1e-9)
    assert min(after(one, *(text for text in texts if text.startswith("speedup"))).values()) == pytest.approx(gbps)


@given(st.integers(576, 65535), st.floats(11, 100))
def test_no_mtu_exceeds_the_link(mtu, link):
    assert min(after(load(link_gbps=link), f"mtu={mtu}").values()) < link


@given(st.sampled_from(["copy", "tcp_rx", "hardirq", "sender"]), st.floats(0, 100), st.floats(0, 100))
def test_a_faster_stage_never_costs(stage, one, other):
    less, more = sorted((one, other))
    gains = [min(after(load(), str(patches.speedup(stage, percent))).values()) for percent in (0, less, more)]
    assert gains[0] == pytest.approx(10.0)
    assert gains == sorted(gains)


def test_every_stage_follows_something_and_every_patch_has_an_effect_or_a_reason():
    assert set(FOLLOWS) == set(STAGES)
    assert set(EFFECTS) | set(UNPRICED) == set(patches.CATALOGUE)


@pytest.fixture(scope="module")
def shipped() -> Answer:
    return answered(read_recording(TRACES / "veth-1500"))


@pytest.fixture(scope="module")
def unpriced(shipped) -> Answer:
    """The same where no host could be calibrated, so that the null models answer alone."""
    return replace(shipped, model=None, no_model="the test took it away")


def row(answer: Answer, *chosen: Patch) -> dict:
    return what_if(answer, [chosen]).row(0, named=True)


def test_a_shipped_recording_answers_for_a_larger_mtu(shipped):
    made = row(shipped, patches.mtu(9000))
    assert shipped.goodput_gbps is not None
    assert 1.2 * shipped.goodput_gbps < made["predicted_gbps"] < 6 * shipped.goodput_gbps
    assert made["low_gbps"] < made["predicted_gbps"] < made["high_gbps"]
    assert (made["bound"], made["tier"]) == ("exact", "recording")
    assert made["undo"] == "ip link set dev veth-r mtu 1500"
    assert "null models" not in made["why"]


def test_where_no_host_is_calibrated_the_null_models_span_the_range(unpriced):
    made = row(unpriced, patches.mtu(9000))
    assert made["low_gbps"] <= made["no_change_gbps"] <= made["high_gbps"]
    assert made["low_gbps"] <= made["samples_removed_gbps"] <= made["high_gbps"]
    assert made["predicted_gbps"] == made["amdahl_gbps"]
    assert made["tier"] == "null"
    assert "null models" in made["why"]


def test_a_replay_stands_beside_the_null_models_and_keeps_none_of_their_assumptions(shipped, unpriced):
    replayed, null = row(shipped, patches.gro(True)), row(unpriced, patches.gro(True))
    for name in ("no_change_gbps", "samples_removed_gbps", "amdahl_gbps"):
        assert replayed[name] == null[name]
    assert "costs nothing itself" in null["why"]
    assert "costs nothing itself" not in replayed["why"]


def test_a_patch_that_the_model_does_not_know_is_answered_by_the_null_models(shipped):
    made = row(shipped, patches.mtu(9000), patches.flows(4))
    assert made["tier"] == "null"
    assert "sharing costs nothing" in made["why"]


def test_no_patch_and_one_in_place_predict_no_change(shipped):
    table = what_if(shipped, [(), patches.mtu(1500), patches.rps(1), patches.gro(False)])
    assert table.schema == {name: column.dtype for name, column in PATCHES.items()}
    assert table.get_column("predicted_gbps").to_list() == pytest.approx([shipped.goodput_gbps] * 4)
    assert table.get_column("applies").to_list() == [False] * 4
    assert table.get_column("command").null_count() == 4


def test_what_has_no_meaning_on_this_kernel_predicts_no_change_and_says_why(shipped):
    for text, words in (
        ("prequeue-bypass", "4.14 removed the prequeue"),
        ("prequeue=off", "4.14 removed the prequeue"),
        ("defrag-chain", "since Linux 2.4.4"),
        ("sse-copy", "rep movsb"),
        ("zero-copy-rx", "mtu=4148"),
        ("dma-burst=512", "virtual"),
        ("queues=2", "virtual"),
        ("napi=on", "ask gro=on"),
    ):
        made = row(shipped, parse_patch(text))
        assert words in made["why"]
        assert (made["applies"], made["predicted_gbps"]) == (False, pytest.approx(shipped.goodput_gbps))


def test_what_no_null_model_prices_has_a_reason_and_no_number(unpriced):
    for text in ("rtt-us=100", "reader-bytes=65536"):
        made = row(unpriced, parse_patch(text))
        assert (made["applies"], made["predicted_gbps"]) == (True, None)
        assert "no null model prices that" in made["why"]


def test_what_cannot_be_said_is_null(shipped):
    made = row(shipped, patches.coalesce_us(50))
    assert (made["predicted_gbps"], made["low_gbps"], made["high_gbps"], made["applies"]) == (None, None, None, False)
    assert "no interrupt delay" in made["why"]


def test_a_part_in_place_does_not_stop_the_others(shipped):
    both = row(shipped, patches.mtu(9000), patches.gro(False))
    assert both["applies"]
    assert both["predicted_gbps"] == row(shipped, patches.mtu(9000))["predicted_gbps"]
    assert both["patch"] == "mtu=9000 + gro=off"


def test_several_are_undone_in_reverse(shipped):
    made = row(shipped, patches.mtu(9000), patches.gro(True))
    assert made["command"] == "ip link set dev veth-r mtu 9000 && ethtool -K veth-r gro on"
    assert made["undo"] == "ethtool -K veth-r gro off && ip link set dev veth-r mtu 1500"


def test_each_patch_meets_the_host_that_those_before_it_left(shipped):
    # once packets are handed to CPU 0, the reader on CPU 1 is apart from them already, and can share CPU 0
    split = row(shipped, patches.rps(0), patches.cpu("split"))
    assert split["command"] == "echo 1 > /sys/class/net/veth-r/queues/rx-0/rps_cpus"
    shared = row(shipped, patches.rps(0), patches.cpu("shared"))
    assert shared["command"].endswith(f"&& taskset -acp 0 {min(shipped.recording.host.reader_pids)}")
    again = row(shipped, patches.mtu(9000), patches.mtu(3000))
    assert again["undo"] == "ip link set dev veth-r mtu 9000 && ip link set dev veth-r mtu 1500"
    assert again["predicted_gbps"] == pytest.approx(row(shipped, patches.mtu(3000))["predicted_gbps"])


def test_where_only_samples_show_who_takes_the_packets_the_reader_can_still_be_moved():
    # veth with GRO: softirqs run on the sender's CPU 0, the reader on CPU 1
    table = what_if(read_recording(TRACES / "veth-gro"), [patches.cpu("split"), patches.cpu("shared")])
    assert table.get_column("applies").to_list() == [False, True]
    assert table.get_column("command").to_list()[1].startswith("taskset -acp 0 ")


def test_the_size_of_skbs_is_counted_where_gro_is_on():
    seen = answered(read_recording(TRACES / "veth-gro"))
    assert seen.evidence.quiet is not None
    recorded = workload(seen.evidence, seen.evidence.quiet, seen.ceiling, seen.limit)
    assert recorded is not None
    # 11,079,758 packets, 362,646 datagrams given to IP: 30.6 a datagram
    assert recorded.skb_bytes / recorded.packet_bytes == pytest.approx(30.55, rel=0.01)


def test_every_shipped_recording_answers_every_patch():
    texts = [
        "mtu=9000", "mtu=576", "gro=on", "gro=off", "hw-checksum=off", "rps=0", "rps=1", "rps=off", "rfs", "cpu=split",
        "cpu=shared", "irq-affinity=1", "coalesce-us=50", "ring=512", "rcvbuf=4096", "busy-poll=50", "link-gbps=5",
        "competing-load=1", "copy-gbps=100", "speedup:copy=100", "cpu-speed=2", "cpu-speed=0.5", "flows=4",
        "queues=2", "pinned-buffers", "kernel-bypass", "zero-copy-rx", "prequeue-bypass", "prequeue=off",
        "defrag-chain", "napi", "dma-gbps=8", "hw-checksum=trusted",
    ]  # fmt: skip
    for name in ("veth-9000", "veth-gro"):
        table = what_if(read_recording(TRACES / name), map(parse_patch, texts)).drop_nulls("predicted_gbps")
        assert table.height >= 12
        assert table.select(pl.col("predicted_gbps").is_finite().all()).item()
        inside = (pl.col("low_gbps") <= pl.col("predicted_gbps")) & (pl.col("predicted_gbps") <= pl.col("high_gbps"))
        assert table.select(inside.all()).item(), table.filter(~inside)


PROMISED = {
    "baseline_gbps", "predicted_gbps", "low_gbps", "high_gbps", "confidence", "bound", "limit_before", "limit_after",
    "cpu_busy_after", "tier", "patches", "applies", "why", "modes", "nulls",
}  # fmt: skip


def test_what_no_null_model_prices_is_replayed_where_a_host_is_calibrated(shipped):
    made = row(shipped, parse_patch("rtt-us=100"))
    assert (made["tier"], made["amdahl_gbps"]) == ("recording", None)
    assert made["predicted_gbps"] is not None


def test_the_document_has_the_promised_keys_and_claims_no_confidence_for_null_models(unpriced):
    document = predict_document(unpriced, [patches.mtu(9000)])
    assert set(document) >= PROMISED
    assert (document["tier"], document["confidence"]) == ("null", None)
    assert document["limit_before"] == "CPU 1"
    assert max(document["cpu_busy_after"].values()) == pytest.approx(1.0)
    assert document["nulls"]["amdahl_gbps"] == document["predicted_gbps"]
    json.dumps(document, allow_nan=False)


def test_the_document_of_a_replay_says_how_sure_it_is(shipped):
    document = predict_document(shipped, [patches.mtu(9000)])
    assert set(document) >= PROMISED
    assert (document["tier"], document["confidence"]) == ("recording", 0.9)
    assert document["limit_before"] == "CPU 1"
    assert set(document["cpu_busy_after"]) == {"0", "1"}
    assert all(0 < share <= 1.001 for share in document["cpu_busy_after"].values())
    assert None not in document["nulls"].values()
    json.dumps(document, allow_nan=False)


def test_a_capture_alone_cannot_predict():
    answer = answered(read_recording(TRACES / "veth-1500/capture.pcap.zst"))
    document = predict_document(answer, [patches.mtu(9000)])
    assert document["predicted_gbps"] is None
    assert document["baseline_gbps"] is not None
    assert document["bound"].startswith("upper")
    assert "without goodput and CPU samples" in document["why"]


def test_a_hand_made_recording_answers(folder):  # noqa: F811
    # CPU 1: a third TCP, a third copy of what is sampled; no steering is recorded, so rps cannot be undone
    table = what_if(read_recording(folder), [patches.mtu(9000), patches.rps(0)])
    assert table.get_column("applies").to_list() == [True, False]
    assert table.get_column("predicted_gbps").to_list()[1] is None


def test_a_missing_recording_is_a_trace_error(tmp_path):
    with pytest.raises(TraceError):
        what_if(read_recording(tmp_path / "nothing"), [])
