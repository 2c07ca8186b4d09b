"""When a patch cannot act, and that it then says why in words of the host's own facts."""

import shlex
from dataclasses import replace

import pytest

from zcanalysis import patches
from zcanalysis.cpu.kernel_stages import STAGES
from zcanalysis.errors import PatchError
from zcanalysis.io.host_facts import Channels, HostFacts, Process, Queue, Ring
from zcanalysis.patches import CATALOGUE, Patch, parse_patch

QUEUE = Queue("rx-0", frozenset(), 38, frozenset({0}), "0-3", 0, numa=0)
TODAY = HostFacts(
    device="eth0", driver="mlx5_core", physical=True, kernel="6.18.44-fc", hz=250, architecture="x86_64", cpus=4,
    mtu=1500, features={"rx-checksumming": False, "generic-receive-offload": True}, queues=(QUEUE,),
    nodes={0: frozenset({0, 1}), 1: frozenset({2, 3})}, channels=Channels("combined", 1, 4),
    ring=Ring(256, 4096, data_split=True), readers=(Process(7, "reader", (2,)),), reader_pids=frozenset({7}),
    sysctls={"net.ipv4.tcp_rto_min_us": "200000", "net.ipv4.tcp_low_latency": "0"},
    routes=("192.0.2.0/24 proto kernel scope link src 192.0.2.2",),
)  # fmt: skip
OLD = HostFacts(generation="linux-2.4", kernel="2.4.18", architecture="i686", device="eth0")
VETH = replace(TODAY, device="veth-r", driver="veth", physical=False, ring=None, channels=Channels("rx", 1, 2))


def on(host: HostFacts, **fields: object) -> HostFacts:
    return replace(host, **fields)


# patch, host, whether the host is so already (None: not recorded), words of the reason
CANNOT = [
    ("prequeue-bypass", TODAY, True, "4.14 removed the prequeue"),
    ("prequeue-bypass", on(TODAY, kernel="4.14.0"), True, "4.14 removed the prequeue"),
    ("prequeue-bypass", on(OLD, features={"rx-checksumming": False}), False, "verifies no checksum"),
    ("prequeue-bypass", on(TODAY, kernel=None), None, "does not say which kernel"),
    ("prequeue=off", TODAY, True, "4.14 removed the prequeue"),
    ("prequeue=on", TODAY, False, "no setting brings it back"),
    ("prequeue=on", OLD, True, "already"),
    ("prequeue=off", on(TODAY, kernel="4.9.1", sysctls={}), None, "does not say net.ipv4.tcp_low_latency"),
    ("delack-ms=40", on(TODAY, hz=None), None, "ticks a second"),
    ("delack-ms=40", on(TODAY, sysctls={}), None, "does not say net.ipv4.tcp_rto_min_us"),
    ("delack-ms=196", TODAY, True, "already"),
    ("quickack=off", TODAY, True, "quickack 0 already"),
    ("quickack", on(TODAY, routes=()), None, "no IPv4 route through eth0"),
    ("quickack", on(TODAY, routes=("default nexthop via 192.0.2.1 weight 1",)), None, "not of a simple form"),
    ("quickack", on(TODAY, routes=("default via 192.0.2.1; reboot",)), None, "not of a simple form"),
    ("quickack", on(TODAY, routes=("default via $(reboot)",)), None, "not of a simple form"),
    ("quickack", on(TODAY, routes=("192.0.2.0/24 linkdown",)), None, "not of a simple form"),
    ("zero-copy-rx", TODAY, False, "mtu=4148 would be"),
    ("zero-copy-rx", on(TODAY, sysctls={"net.ipv4.tcp_timestamps": "0"}), False, "mtu=4136 would be"),
    ("zero-copy-rx", on(TODAY, mtu=4148, ring=Ring(1, 2, data_split=False)), False, "does not split headers"),
    ("zero-copy-rx", on(TODAY, mtu=4148, kernel="4.17.9"), False, "came with Linux 4.18"),
    ("zero-copy-rx", OLD, False, "came with Linux 4.18"),
    ("pinned-buffers", on(TODAY, senders=(Process(8, "s", ()),), sender_pids=frozenset({8})), False, "nothing is forw"),
    ("defrag-chain", TODAY, True, "chained since Linux 2.4.4"),
    ("defrag-chain", OLD, True, "chained since Linux 2.4.4"),
    ("sse-copy", TODAY, False, "rep movsb"),
    ("sse-copy", on(TODAY, architecture="aarch64"), False, "not of aarch64"),
    ("sse-copy", on(TODAY, architecture=None), None, "architecture"),
    ("dma-gbps=8", VETH, False, "virtual"),
    ("dma-burst=512", VETH, False, "virtual"),
    ("napi=on", TODAY, True, "by NAPI already"),
    ("napi=off", TODAY, False, "mlx5_core knows no other way"),
    ("napi=on", VETH, True, "GRO is on"),
    ("napi=off", VETH, False, "ask gro=off"),
    ("napi=on", on(VETH, device="lo", driver=None), False, "loopback"),
    ("napi=on", on(VETH, driver="tun"), None, "does not say whether tun receives by NAPI"),
    ("napi=on", on(OLD, kernel="2.4.20"), None, "does not say whether"),
    ("napi=off", on(OLD, kernel="2.4.19"), True, "came with Linux 2.4.20"),
    ("hw-checksum=ipv4", on(TODAY, features={"rx-checksumming": True}), True, "already"),
    ("hw-checksum=trusted", on(TODAY, features={}), None, "does not say whether rx-checksumming"),
    ("queues=2", VETH, False, "virtual"),
    ("queues=8", TODAY, False, "at most 4 queues"),
    ("queues=1", TODAY, True, "receives by 1 already"),
    ("queues=2", on(TODAY, channels=None), None, "no channels of eth0"),
    ("numa=local", on(TODAY, nodes={0: frozenset({0, 1})}), False, "one node"),
    ("numa=local", on(TODAY, readers=(Process(7, "reader", (1,)),)), True, "already"),
    ("numa=local", on(TODAY, queues=(QUEUE._replace(numa=None),)), None, "which node of memory"),
]


@pytest.mark.parametrize(("text", "host", "in_place", "words"), CANNOT)
def test_a_patch_that_cannot_act_says_why_and_gives_no_command(text, host, in_place, words):
    means = patches.setting(parse_patch(text), host)
    assert means.obstacle is not None
    assert words in means.obstacle
    assert means.in_place is in_place
    assert (means.command, means.undo) == (None, None)


# what can be asked of a host, but not typed there, and words of what would have to be so
QUESTIONS = [
    ("prequeue-bypass", OLD, "readers that poll or do not block never used the prequeue"),
    ("prequeue=off", OLD, "2.4.22"),
    ("delack-ms=40", OLD, "compiled in"),
    ("delack-ms=40", on(TODAY, kernel="6.10.9", sysctls={}), "compiled in"),
    ("quickack", OLD, "TCP_QUICKACK"),
    ("zero-copy-rx", on(TODAY, mtu=4148), "splits headers from payload and senders by IPv4"),
    ("zero-copy-rx", on(TODAY, mtu=4168), "senders by IPv6"),
    ("zero-copy-rx", on(VETH, mtu=8244), "MSG_ZEROCOPY"),
    ("pinned-buffers", TODAY, "splice(2)"),
    ("defrag-chain", on(OLD, kernel="2.4.3"), "NFS server"),
    ("sse-copy", OLD, "SSE"),
    ("dma-gbps=8", TODAY, "bus"),
    ("dma-burst=512", OLD, "setpci"),
    ("napi", on(OLD, kernel="2.4.3"), "2.4.20"),
    ("hw-checksum=ipv4", TODAY, "IPv4 only"),
    ("hw-checksum=any", TODAY, "CHECKSUM_COMPLETE"),
    ("hw-checksum=trusted", TODAY, "goes unseen"),
    ("rtt-us=100", TODAY, "netem"),
    ("cpu-speed=2", OLD, "governor"),
    ("reader-bytes=65536", TODAY, "--length"),
    ("flows=4", TODAY, "--parallel"),
    ("kernel-bypass", OLD, "MPI"),
]


@pytest.mark.parametrize(("text", "host", "words"), QUESTIONS)
def test_a_question_has_no_command_and_says_what_it_takes(text, host, words):
    means = patches.setting(parse_patch(text), host)
    assert means.obstacle is None
    assert words in means.note
    assert (means.command, means.undo, means.in_place) == (None, None, None)


def test_a_distribution_that_backported_the_bound_of_delayed_acks_has_it():
    assert patches.command(patches.delack_ms(40), on(TODAY, kernel="5.14.0-600.el9")) is not None


def test_the_prequeue_has_a_setting_where_it_can_be_turned_off():
    host = on(TODAY, kernel="4.9.1")
    off, sysctl = parse_patch("prequeue=off"), "sysctl -w net.ipv4.tcp_low_latency"
    assert (patches.command(off, host), patches.undo(off, host)) == (f"{sysctl}=1", f"{sysctl}=0")
    without = patches.facts_after(off, host)
    assert patches.in_place(off, without) is True
    assert patches.command(parse_patch("prequeue=on"), without) == f"{sysctl}=0"


@pytest.mark.parametrize(("hz", "delay_ms"), [(100, 40), (250, 5), (250, 200), (300, 7), (1000, 1), (24, 200)])
def test_the_bound_of_delayed_acks_ends_a_tick_before_the_retransmission_timeout(hz, delay_ms):
    host = on(TODAY, hz=hz)
    after = patches.facts_after(patches.delack_ms(delay_ms), host)
    rto_ticks = -(-int(after.sysctls["net.ipv4.tcp_rto_min_us"]) * hz // 1_000_000)  # usecs_to_jiffies rounds up
    bound_ticks = max(rto_ticks, 2) - 1  # tcp_delack_max
    assert delay_ms <= bound_ticks * 1000 / hz < delay_ms + 1000 / hz


def test_a_question_that_is_only_asked_cannot_be_asked_the_other_way_round():
    assert not any(CATALOGUE[name].value.fits(False) for name in ("zero-copy-rx", "kernel-bypass", "sse-copy"))


def test_a_queue_that_is_new_is_not_known_to_be_steered():
    after = patches.facts_after(patches.queues(4), TODAY)
    assert [queue.name for queue in after.queues] == ["rx-0", "rx-1", "rx-2", "rx-3"]
    assert patches.in_place(patches.rps(1), after) is None
    assert patches.facts_after(patches.queues(1), after).queues == TODAY.queues


@pytest.mark.parametrize("text", ["queues=4", "numa=local", "delack-ms=40", "quickack"])
def test_asking_for_the_way_back_gives_the_undo(text):
    # what was recorded, asked for where the patch is in place, is done by the patch's own undo
    patch = parse_patch(text)
    back = {"queues=4": "queues=1", "delack-ms=40": "delack-ms=196", "quickack": "quickack=off"}.get(text)
    after = patches.facts_after(patch, TODAY)
    assert patches.in_place(patch, after) is True
    if back is not None:
        assert patches.command(parse_patch(back), after) == patches.undo(patch, TODAY)
        assert patches.facts_after(parse_patch(back), after) == TODAY


def example(name: str) -> Patch:
    """A patch of that kind, by the first value that its kind takes."""
    kind = CATALOGUE[name].value
    texts = (None, "on", "1", "1000", "5000", "split", "local")
    for text in texts if kind.missing else texts[1:]:
        try:
            return parse_patch(f"{name}:copy={text}" if name == "speedup" else f"{name}={text}" if text else name)
        except PatchError:
            continue
    raise AssertionError(f"no value for {name}")


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_patch_has_a_source_and_refuses_nonsense_in_one_line(name):
    entry = CATALOGUE[name]
    assert len(entry.source) > 8
    assert "\n" not in entry.what + entry.unless + entry.source
    full = f"{name}:{next(iter(STAGES))}" if name == "speedup" else name
    for nonsense in ("maybe", "", "-1", "9" * 400, "1e400", "on;reboot"):
        with pytest.raises(PatchError, match="expected") as caught:
            parse_patch(f"{full}={nonsense}")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_command_never_comes_without_its_undo(name):
    patch = example(name)
    for host in (TODAY, OLD, VETH, HostFacts(), HostFacts(generation="linux-2.4")):
        means = patches.setting(patch, host)
        assert (means.command is None) == (means.undo is None)
        assert bool(means.obstacle) != bool(means.command or means.note)
        if means.command:
            assert patches.in_place(patch, patches.facts_after(patch, host)) is True
            assert shlex.split(means.command)


@pytest.mark.parametrize("name", CATALOGUE)
def test_the_function_of_each_patch_makes_what_the_text_makes(name):
    patch = example(name)
    made = getattr(patches, name.replace("-", "_"))
    if name == "speedup":
        assert made("copy", patch.value) == patch
    elif CATALOGUE[name].value.expected == "on":
        assert made() == patch
    else:
        assert made(patch.value) == patch
