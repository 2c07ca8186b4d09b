"""What a scenario changes on two machines, and what joins them."""

import pytest

from zcanalysis import __version__
from zcanalysis.errors import HostError
from zcanalysis.lab.remote.ssh import Machine
from zcanalysis.lab.remote.wanted import joined, receiver_settings, refuse, require_machine, sender_settings
from zcanalysis.lab.scenarios import Scenario, scenario_named


def seen(*addresses, **known):
    facts = {"version": __version__, "root": True, "missing": [], "cpus": [0, 1], "hz": 250, "port_taken": False}
    return facts | {"addresses": list(addresses), "queues": {name: 1 for name, *_ in addresses}} | known


RECEIVER = seen(["eth0", "10.0.0.1", 24], ["eth1", "10.9.0.1", 24])


def test_the_network_that_both_are_in_joins_them():
    sender = seen(["ens1", "10.9.0.2", 24], ["ens2", "10.8.0.2", 24])
    assert joined(RECEIVER, sender) == ("eth1", "ens1", "10.9.0.1")


def test_two_networks_need_a_choice():
    sender = seen(["ens1", "10.9.0.2", 24], ["ens2", "10.0.0.2", 24])
    with pytest.raises(HostError, match=r"several networks .* eth0,ens2 \(10.0.0.1\), eth1,ens1"):
        joined(RECEIVER, sender)
    assert joined(RECEIVER, sender, ["eth0"]) == ("eth0", "ens2", "10.0.0.1")
    assert joined(RECEIVER, sender, ["eth1", "ens1"]) == ("eth1", "ens1", "10.9.0.1")


def test_no_common_network_is_refused():
    with pytest.raises(HostError, match="no IPv4 network joins"):
        joined(RECEIVER, seen(["ens1", "10.1.0.2", 24]))


def test_a_machine_is_not_joined_with_itself():
    with pytest.raises(HostError, match="no IPv4 network joins"):
        joined(RECEIVER, RECEIVER)


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(HostError, match="wlan0: the receiver has no such device"):
        joined(RECEIVER, seen(["ens1", "10.9.0.2", 24]), ["wlan0"])


@pytest.mark.parametrize(
    ("known", "why"),
    [
        ({"version": "0.0.9"}, "0.0.9"),
        ({"root": False}, "not root"),
        ({"missing": ["iperf3"]}, "needs iperf3"),
        ({"cpus": [0]}, "has no CPU 1"),
    ],
)
def test_what_a_machine_lacks_is_said(known, why):
    with pytest.raises(HostError, match=f"a: .*{why}"):
        require_machine(Machine("a"), RECEIVER | known, {0, 1})


@pytest.mark.parametrize(
    "scenario", [Scenario(name="q", quickack=True), Scenario(name="z", mtu=4148, sender_pages=True, zero_copy=True)]
)
def test_what_cannot_be_applied_over_ssh_is_refused(scenario):
    with pytest.raises(HostError, match="cannot be applied over ssh"):
        refuse(scenario)


def named(settings) -> list[str]:
    return [each.get("path") or each["feature"] for each in settings]


def test_the_baseline_changes_what_it_names_and_nothing_else():
    assert named(receiver_settings(scenario_named("mtu-1500"), "eth0", RECEIVER)) == [
        "/sys/class/net/eth0/mtu", "generic-receive-offload", "/sys/class/net/eth0/queues/rx-0/rps_cpus",
    ]  # fmt: skip
    assert named(sender_settings(scenario_named("mtu-1500"), "ens1")) == [
        "/sys/class/net/ens1/mtu", "tcp-segmentation-offload", "generic-segmentation-offload",
        "/proc/sys/net/ipv4/tcp_congestion_control",
    ]  # fmt: skip


def test_every_queue_is_steered():
    facts = RECEIVER | {"queues": {"eth0": 3}}
    settings = receiver_settings(Scenario(name="s", rps_cpu=33), "eth0", facts)
    assert [each["value"] for each in settings if each.get("path", "").endswith("rps_cpus")] == ["2,00000000"] * 3


def test_limits_are_set_where_the_scenario_names_them():
    scenario = Scenario(name="s", rcvbuf_bytes=65_536, autotuning=False, delack_ms=8, link_rate_gbps=2.5)
    limits = {each["path"]: each["value"] for each in receiver_settings(scenario, "eth0", RECEIVER)[-3:]}
    assert limits == {
        "/proc/sys/net/ipv4/tcp_rmem": "4096 65536 65536",
        "/proc/sys/net/ipv4/tcp_moderate_rcvbuf": "0",
        "/proc/sys/net/ipv4/tcp_rto_min_us": "12000",  # 8 ms are two ticks of 4 ms, and one more
    }
    shaper = sender_settings(scenario, "ens1")[-1]
    assert shaper["arguments"] == ["tbf", "rate", "2500mbit", "burst", "1mb", "latency", "50ms"]
