"""Patches as data: read from text, tied to a host, with the exact command and the exact way back."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zcanalysis import patches
from zcanalysis.errors import PatchError
from zcanalysis.io.host_facts import Channels, Coalesce, HostFacts, Process, Queue, Ring
from zcanalysis.io.recording import read_recording
from zcanalysis.patches import parse_patch

TRACES = Path(__file__).parent.parent / "traces"
QUEUE = Queue("rx-0", frozenset(), 38, frozenset({0}), "0-3", 0, numa=1)
HOST = HostFacts(
    device="eth0", cpus=4, mtu=1500, kernel="6.18.44", hz=250, physical=True, driver="mlx5_core",
    nodes={0: frozenset({0, 1}), 1: frozenset({2, 3})}, channels=Channels("combined", 2, 8),
    routes=("default via 192.0.2.1 metric 100", "192.0.2.0/24 proto kernel scope link src 192.0.2.2"),
    features={"generic-receive-offload": False, "rx-checksumming": True}, fixed_features=frozenset({"rx-checksumming"}),
    queues=(QUEUE, QUEUE._replace(name="rx-1", irq=39, rps_cpus=frozenset({2}))),
    ring=Ring(256, 4096), coalesce=Coalesce(8, adaptive_rx=True),
    sysctls={
        "net.ipv4.tcp_rmem": "4096 131072 6291456", "net.core.rps_sock_flow_entries": "0",
        "net.core.busy_poll": "0", "net.core.busy_read": "0", "net.ipv4.tcp_rto_min_us": "200000",
        "net.ipv4.tcp_moderate_rcvbuf": "1",
    },
    readers=(Process(77, "iperf3", (0, 1)),), senders=(Process(78, "iperf3", (1,)),),
)  # fmt: skip

COMMANDS = {
    "queues=4": ("ethtool -L eth0 combined 4", "ethtool -L eth0 combined 2"),
    "queues=1": ("ethtool -L eth0 combined 1", "ethtool -L eth0 combined 2"),
    "numa=local": ("taskset -acp 2,3 77", "taskset -acp 0,1 77"),
    # 40 ms are 10 ticks of 4 ms; the shortest retransmission timeout is one more
    "delack-ms=40": ("sysctl -w net.ipv4.tcp_rto_min_us=44000", "sysctl -w net.ipv4.tcp_rto_min_us=200000"),
    "quickack": (
        "ip route change default dev eth0 via 192.0.2.1 metric 100 quickack 1"
        " && ip route change 192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.2 quickack 1",
        "ip route change default dev eth0 via 192.0.2.1 metric 100"
        " && ip route change 192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.2",
    ),
    "mtu=9000": ("ip link set dev eth0 mtu 9000", "ip link set dev eth0 mtu 1500"),
    "gro=on": ("ethtool -K eth0 gro on", "ethtool -K eth0 gro off"),
    "rps=3": (
        "echo 8 > /sys/class/net/eth0/queues/rx-0/rps_cpus && echo 8 > /sys/class/net/eth0/queues/rx-1/rps_cpus",
        "echo 0 > /sys/class/net/eth0/queues/rx-0/rps_cpus && echo 4 > /sys/class/net/eth0/queues/rx-1/rps_cpus",
    ),
    "irq-affinity=2": (
        "echo 2 > /proc/irq/38/smp_affinity_list && echo 2 > /proc/irq/39/smp_affinity_list",
        "echo 0-3 > /proc/irq/38/smp_affinity_list && echo 0-3 > /proc/irq/39/smp_affinity_list",
    ),
    # packets are taken on CPU 0 (interrupt of rx-0) and 2 (steering of rx-1); 1 is the sender's: 3 is left
    "cpu=split": ("taskset -acp 3 77", "taskset -acp 0,1 77"),
    "cpu=shared": ("taskset -acp 0,2 77", "taskset -acp 0,1 77"),
    "coalesce-us=50": ("ethtool -C eth0 adaptive-rx off rx-usecs 50", "ethtool -C eth0 adaptive-rx on rx-usecs 8"),
    "ring=4096": ("ethtool -G eth0 rx 4096", "ethtool -G eth0 rx 256"),
    "rcvbuf=65536": (
        "sysctl -w net.ipv4.tcp_rmem='4096 65536 65536'",
        "sysctl -w net.ipv4.tcp_rmem='4096 131072 6291456'",
    ),
    "autotuning=off": ("sysctl -w net.ipv4.tcp_moderate_rcvbuf=0", "sysctl -w net.ipv4.tcp_moderate_rcvbuf=1"),
    "busy-poll=50": (
        "sysctl -w net.core.busy_poll=50 net.core.busy_read=50",
        "sysctl -w net.core.busy_poll=0 net.core.busy_read=0",
    ),
    "rfs": (
        "sysctl -w net.core.rps_sock_flow_entries=32768"
        " && echo 16384 > /sys/class/net/eth0/queues/rx-0/rps_flow_cnt"
        " && echo 16384 > /sys/class/net/eth0/queues/rx-1/rps_flow_cnt",
        "sysctl -w net.core.rps_sock_flow_entries=0"
        " && echo 0 > /sys/class/net/eth0/queues/rx-0/rps_flow_cnt"
        " && echo 0 > /sys/class/net/eth0/queues/rx-1/rps_flow_cnt",
    ),
}


@pytest.mark.parametrize("text", COMMANDS)
def test_command_and_undo_are_exact(text):
    patch = parse_patch(text)
    assert (patches.command(patch, HOST), patches.undo(patch, HOST)) == COMMANDS[text]
    assert patches.applicability(patch, HOST)[0]
    assert patches.in_place(patch, HOST) is False


# what a recording made after the command would say
AFTER = {
    "mtu=9000": replace(HOST, mtu=9000),
    "gro=on": replace(HOST, features={**HOST.features, "generic-receive-offload": True}),
    "rps=3": replace(HOST, queues=tuple(queue._replace(rps_cpus=frozenset({3})) for queue in HOST.queues)),
    "irq-affinity=2": replace(
        HOST, queues=tuple(queue._replace(cpus=frozenset({2}), irq_cpus="2") for queue in HOST.queues)
    ),
    "cpu=split": replace(HOST, readers=(Process(77, "iperf3", (3,)),)),
    "coalesce-us=50": replace(HOST, coalesce=Coalesce(50, adaptive_rx=False)),
    "ring=4096": replace(HOST, ring=Ring(4096, 4096)),
    "rcvbuf=65536": replace(HOST, sysctls={**HOST.sysctls, "net.ipv4.tcp_rmem": "4096 65536 65536"}),
}


@pytest.mark.parametrize("text", AFTER)
def test_a_new_recording_shows_the_patch_in_place(text):
    patch = parse_patch(text)
    assert patches.in_place(patch, AFTER[text]) is True
    applies, why = patches.applicability(patch, AFTER[text])
    assert not applies
    assert "already" in why or "packets are taken" in why
    assert patches.command(patch, AFTER[text]) is None


@pytest.mark.parametrize("text", COMMANDS)
def test_the_facts_after_a_patch_show_it_in_place(text):
    patch = parse_patch(text)
    after = patches.facts_after(patch, HOST)
    assert patches.in_place(patch, after) is True
    assert patches.in_place(patch, HOST) is False
    assert after == AFTER.get(text, after)


@pytest.mark.parametrize("text", COMMANDS)
def test_what_was_not_recorded_cannot_be_changed(text):
    assert patches.setting(parse_patch(text), HostFacts()).command is None
    applies, why = patches.applicability(parse_patch(text), HostFacts(device="eth0"))
    assert not applies
    assert why


def test_mtu_says_that_others_must_follow():
    assert "sender and every switch" in patches.applicability(patches.mtu(9000), HOST)[1]


def test_what_the_driver_fixes_cannot_be_changed():
    applies, why = patches.applicability(patches.hw_checksum(False), HOST)
    assert (applies, why) == (False, "the driver of eth0 keeps rx-checksumming on")
    assert patches.applicability(patches.hw_checksum(True), HOST) == (False, "rx-checksumming is on already")


def test_one_cpu_leaves_nowhere_to_move_work():
    lone = replace(HOST, cpus=1, readers=(Process(77, "iperf3", (0,)),), queues=(QUEUE,))
    for patch in (patches.rps(0), patches.rfs(True), patches.irq_affinity(1), patches.cpu("split")):
        assert not patches.applicability(patch, lone)[0], patch
    assert patches.applicability(patches.rps(7), HOST) == (False, "the host has CPUs 0 to 3")


def test_the_prequeue_generation_gets_none_of_them():
    assert not patches.applicability(patches.mtu(9000), replace(HOST, generation="linux-2.4"))[0]


@pytest.mark.parametrize("name", ["../../etc", "a b", "-K", "..", "veth\n", "x" * 16, "a\ufffd", "eth0:1"])
def test_a_name_that_no_device_has_gets_no_command(name):
    for text in COMMANDS:
        setting = patches.setting(parse_patch(text), replace(HOST, device=name))
        assert name not in (setting.command or "")


def test_an_odd_but_possible_name_is_quoted():
    host = replace(HOST, device="a;reboot")
    assert patches.command(patches.mtu(9000), host) == "ip link set dev 'a;reboot' mtu 9000"
    command = patches.command(patches.rps(3), host)
    assert command is not None
    assert command.startswith("echo 8 > '/sys/class/net/a;reboot/queues/rx-0/rps_cpus'")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mtv=9000", "no patch 'mtv'; did you mean mtu?"),
        ("zzzzzzzz", "there are mtu, gro"),
        ("mtu:x=1", "no patch"),
        ("mtu", "needs a value, as in mtu=VALUE: bytes, 576 to 65535"),
        ("mtu=ninethousand", "expected bytes, 576 to 65535, got 'ninethousand'"),
        ("mtu=1e9", "expected bytes"),
        ("mtu=70000", "got 70000"),
        ("mtu=" + "9" * 5000, "expected bytes"),
        ("gro=maybe", "expected on or off"),
        ("rps=-1", "a CPU number or off"),
        ("cpu=both", "expected split or shared"),
        ("link-gbps=nan", "above 0"),
        ("link-gbps=inf", "above 0"),
        ("speedup=20", "no stage ''"),
        ("speedup:coppy=20", "did you mean copy?"),
        ("speedup:copy=120", "percent, 0 to 100"),
        ("", "no patch ''"),
        ("hw-checksum=ipv6", "expected on, off, none, ipv4, ipv4+ipv6, any or trusted, got 'ipv6'"),
        ("prequeue-bypass=off", "expected on, got 'off'"),
        ("delack-ms=0", "milliseconds, 1 to 200"),
        ("delack-ms=4.5", "milliseconds, 1 to 200"),
        ("numa=remote", "expected local"),
        ("cpu-speed=0", "above 0 and at most 100"),
        ("rtt-us=nan", "above 0"),
        ("queues=0", "queues, 1 to 4096"),
        ("dma-burst=1", "bytes, 16 to 65536"),
        ("reader-bytes=0", "expected bytes, 1 to"),
        ("flows=many", "expected connections, 1 to 65536"),
        ("dma-gbps=-1", "above 0"),
        ("flows", "needs a value, as in flows=VALUE"),
    ],
)
def test_a_patch_that_cannot_be_read_is_one_line(text, message):
    with pytest.raises(PatchError) as caught:
        parse_patch(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_functions_refuse_what_the_text_would():
    for make, value in ((patches.mtu, 10), (patches.gro, "on"), (patches.rps, True), (patches.copy_gbps, 0)):
        with pytest.raises(ValueError, match="expected"):
            make(value)
    with pytest.raises(PatchError, match="no stage"):
        patches.speedup("tea", 10)


@given(st.sampled_from([*COMMANDS, "gro=off", "rps=off", "speedup:copy=12.5", "copy-gbps=80", "competing-load=2"]))
def test_a_patch_is_read_back_from_its_own_text(text):
    patch = parse_patch(text)
    assert parse_patch(str(patch)) == patch


@given(st.text(max_size=60))
def test_any_text_is_a_patch_or_a_patch_error(text):
    with suppress(PatchError):
        assert parse_patch(text).kind in patches.CATALOGUE


def test_every_patch_says_what_it_changes_and_from_where_that_is_known():
    rows = list(patches.catalogue_rows())
    assert len(rows) == len(patches.CATALOGUE)
    assert all(all(row.values()) for row in rows)
    groups = [row["group"] for row in rows]
    assert groups == sorted(groups, key=groups.index)  # each group in one piece


def test_the_shipped_recordings_give_commands_for_their_device():
    host = read_recording(TRACES / "veth-1500").host
    assert patches.undo(patches.rps(0), host) == "echo 2 > /sys/class/net/veth-r/queues/rx-0/rps_cpus"
    assert patches.command(patches.cpu("split"), host) == f"taskset -acp 0 {min(host.reader_pids)}"
    assert "also runs the sender" in patches.applicability(patches.cpu("split"), host)[1]
    assert patches.applicability(patches.rps(1), host) == (False, "packets are handed to CPU 1 already")
    assert patches.in_place(patches.gro(True), read_recording(TRACES / "veth-gro").host) is True


def test_moving_the_reader_says_that_threads_pinned_one_by_one_are_not_restored():
    note = patches.applicability(patches.cpu("split"), HOST)[1]
    assert "undo does not restore threads pinned one by one" in note
