"""Every patch of the lab on real hosts: the setting is in effect, as the system's own tools or counters say."""

import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.lab.real import namespaces_of, why_not
from zcanalysis.lab.applied import APPLIED, patched
from zcanalysis.lab.namespaces import HostPair, inside, two_hosts
from zcanalysis.lab.scenarios import Scenario, scenario_named
from zcanalysis.lab.transfer import Transfer, running_transfer

ALL = "ZCANALYSIS_LAB_ALL"
RUN_BY_DEFAULT = "reader-bytes=4096"
BASELINE = "mtu-1500"


class Seen(NamedTuple):
    """A patched pair with its transfer under way, and the report once it is over."""

    pair: HostPair
    transfer: Transfer
    scenario: Scenario

    def sender(self, *command: str) -> str:
        return said(inside(self.pair.sender, command))

    def receiver(self, *command: str) -> str:
        return said(inside(self.pair.receiver, command))

    def received(self) -> dict[str, Any]:
        """What our own receiver counted, all in all."""
        return self.transfer.finish()["end"]["sum_received"]


def said(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def feature(text: str, name: str) -> str:
    return re.search(rf"^\s*{name}: (on|off)", text, re.MULTILINE)[1]


def counter(seen: Seen, name: str) -> int:
    text = seen.receiver("nstat", "-asz", "--json")
    return json.loads(text)["kernel"][name]


def connections(seen: Seen) -> int:
    return seen.receiver("ss", "-Htn", "state", "established").count("\n")


def sums_bytes(seen: Seen, cpu: int) -> bool:
    """Whether a CPU is seen in csum_partial."""
    with tempfile.TemporaryDirectory() as place:
        trace = f"{place}/perf.data"
        subprocess.run(
            ["perf", "record", "-C", str(cpu), "-e", "cpu-clock", "-F", "2999", "-o", trace, "--", "sleep", "1"],
            capture_output=True, check=True,
        )  # fmt: skip
        return "csum_partial" in said(["perf", "report", "-i", trace, "--sort", "symbol", "--stdio"])


def acks_each_packet_or_so(seen: Seen) -> bool:
    """Without quick ACKs there is one for 180 packets and more here, with them one for 5."""
    before = counter(seen, "TcpOutSegs"), counter(seen, "TcpInSegs")
    time.sleep(0.5)
    sent, came = (counter(seen, name) - was for name, was in zip(("TcpOutSegs", "TcpInSegs"), before, strict=True))
    return sent * 30 > came > 0


Check = Callable[[Seen], object]
CHECKS: dict[str, Check] = {
    "hw-checksum=off": lambda seen: sums_bytes(seen, 0) and sums_bytes(seen, 1),
    "hw-checksum=on": lambda seen: feature(seen.sender("ethtool", "-k", "veth-s"), "tx-checksumming") == "on",
    "mtu=3000": lambda seen: "mtu 3000" in seen.receiver("ip", "link", "show", "veth-r"),
    "gro=on": lambda seen: feature(seen.receiver("ethtool", "-k", "veth-r"), "generic-receive-offload") == "on",
    "gso=on": lambda seen: feature(seen.sender("ethtool", "-k", "veth-s"), "generic-segmentation-offload") == "on",
    "rps=off": lambda seen: int(seen.receiver("cat", "/sys/class/net/veth-r/queues/rx-0/rps_cpus"), 16) == 0,
    "rps=0": lambda seen: int(seen.receiver("cat", "/sys/class/net/veth-r/queues/rx-0/rps_cpus"), 16) == 1,
    "cpu=split": lambda seen: os.sched_getaffinity(seen.transfer.server.pid) == {0},
    "rcvbuf=65536": lambda seen: (
        set(re.findall(r"rb(\d+)", seen.receiver("ss", "-Htnm", "sport", "5201"))) == {"65536"}
    ),
    "autotuning=off": lambda seen: (
        set(re.findall(r"rb(\d+)", seen.receiver("ss", "-Htnm", "sport", "5201"))) == {"131072"}
    ),
    "quickack=on": acks_each_packet_or_so,
    "delack-ms=4": lambda seen: int(seen.receiver("sysctl", "-n", "net.ipv4.tcp_rto_min_us")) < 40_000,
    "competing-load=2": lambda seen: [os.sched_getaffinity(hog.pid) for hog in seen.transfer.hogs] == [{1}, {1}],
    "link-gbps=2": lambda seen: "tbf" in seen.sender("tc", "qdisc", "show", "dev", "veth-s"),
    "reader-bytes=4096": lambda seen: 0 < (total := seen.received())["bytes"] <= 4096 * total["calls"],
    "zero-copy-rx=on": lambda seen: (total := seen.received())["mapped_bytes"] > 4 * total["copied_bytes"],
    "busy-poll=50": lambda seen: counter(seen, "TcpExtBusyPollRxPackets") > 0,
    "flows=3": lambda seen: connections(seen) == 4,  # iperf3 talks about them on one more
}
NEEDS = {"zero-copy-rx=on": "whole-pages", "busy-poll=50": "gro"}

pytestmark = [pytest.mark.root, pytest.mark.skipif(why_not() is not None, reason=str(why_not()))]


def only_on_request(patch: str) -> pytest.MarkDecorator:
    waits = patch != RUN_BY_DEFAULT and not os.environ.get(ALL)
    return pytest.mark.skipif(waits, reason=f"one patch is enough for every day: {ALL}=1 tries all")


def holds(scenario: Scenario, check: Check, scratch: Path) -> bool:
    with two_hosts(scenario) as pair, running_transfer(pair, scenario, 30, scratch) as transfer:
        time.sleep(1.0)
        return bool(check(Seen(pair, transfer, scenario)))


@pytest.mark.parametrize("patch", [pytest.param(patch, marks=only_on_request(patch)) for patch in CHECKS])
def test_a_patch_is_in_effect_and_was_not_before(patch, tmp_path):
    scenario = scenario_named(NEEDS.get(patch, BASELINE))
    assert holds(patched(scenario, patch), CHECKS[patch], tmp_path)
    if patch not in (RUN_BY_DEFAULT, "hw-checksum=on", "zero-copy-rx=on"):
        assert not holds(scenario, CHECKS[patch], tmp_path)
    assert namespaces_of(os.getpid()) == []


@only_on_request("several")
def test_several_patches_are_in_effect_together(tmp_path):
    several = ("gro=on", "rcvbuf=65536", "competing-load=2", "rps=0")
    scenario = reduce(patched, several, scenario_named(BASELINE))
    assert holds(scenario, lambda seen: all(CHECKS[patch](seen) for patch in several), tmp_path)


@only_on_request("udp")
def test_datagrams_arrive(tmp_path):
    udp = scenario_named("udp")
    assert holds(udp, lambda seen: seen.received()["bytes"] % udp.udp_payload_bytes == 0, tmp_path)


def test_every_patch_has_a_check():
    assert {patch.partition("=")[0] for patch in CHECKS} == set(APPLIED)
