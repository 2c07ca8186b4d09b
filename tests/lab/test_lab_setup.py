import json

import pytest

from zcanalysis.errors import HostError
from zcanalysis.lab import SCENARIOS, Scenario
from zcanalysis.lab.namespaces import HostPair, configuration, token_bucket
from zcanalysis.lab.scenarios import scenario_named
from zcanalysis.lab.transfer import is_listening, joined_report

PAIR = HostPair("zc-1-s", "zc-1-r")


def commands(scenario: Scenario) -> list[str]:
    return [" ".join(arguments) for arguments in configuration(PAIR, scenario)]


def test_every_command_works_inside_our_namespaces_only():
    scenario = Scenario(name="all", rps_cpu=1, link_rate_gbps=4.0, rcvbuf_bytes=65_536)
    assert all("zc-1-" in command for command in commands(scenario))


def test_options_become_commands():
    shaped = commands(Scenario(name="x", mtu=3000, link_rate_gbps=2.5, rcvbuf_bytes=65_536, rps_cpu=3))
    assert "ip -n zc-1-r link set veth-r mtu 3000 up" in shaped
    assert "tc -n zc-1-s qdisc add dev veth-s root tbf rate 2500mbit burst 1mb latency 50ms" in shaped
    short = Scenario(name="short", link_rate_gbps=1.0, link_queue_bytes=9000)
    assert token_bucket(1.0, short) == ["tbf", "rate", "1000mbit", "burst", "6056", "limit", "9000"]
    assert "ip netns exec zc-1-r sysctl -q -w net.ipv4.tcp_rmem=4096 65536 65536" in shaped
    assert any(command.endswith("echo 8 > /sys/class/net/veth-r/queues/rx-0/rps_cpus") for command in shaped)
    assert "ip netns exec zc-1-s ethtool -K veth-s tso off gso off" in shaped
    assert "ip netns exec zc-1-r ethtool -K veth-r gro on" in commands(scenario_named("gro"))


def test_what_the_receiver_is_told_of_acks_and_windows_becomes_commands():
    told = commands(Scenario(name="x", autotuning=False, quickack=True, delack_ms=4, sender_checksum_offload=False))
    assert "ip netns exec zc-1-r sysctl -q -w net.ipv4.tcp_moderate_rcvbuf=0" in told
    route = "ip -n zc-1-r route change 10.77.0.0/24 dev veth-r proto kernel scope link src 10.77.0.2 quickack 1"
    assert route in told
    assert any("zc-1-r sysctl -q -w net.ipv4.tcp_rto_min_us=" in command for command in told)
    assert "ip netns exec zc-1-s ethtool -K veth-s tx off" in told
    # 2^27 bytes are told in units of 2^12: tcp_select_initial_window, ilog2(2^27) - 15
    assert "ip netns exec zc-1-r sysctl -q -w net.ipv4.tcp_rmem=4096 131072 134217728" in commands(
        scenario_named("whole-pages")
    )


def test_scenarios_are_found_by_name():
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS)
    assert scenario_named("mtu-9000").mtu == 9000
    with pytest.raises(HostError, match="nothing: no such scenario; there are mtu-1500"):
        scenario_named("nothing")


@pytest.mark.parametrize("wrong", [{"mtu": 9}, {"link_rate_gbps": 0.0}])
def test_a_scenario_refuses_what_it_cannot_be(wrong):
    with pytest.raises(ValueError, match="must be"):
        Scenario(name="x", **wrong)


def test_the_report_loses_what_is_personal():
    start = {"version": "iperf 3.12", "system_info": "Linux host 6.18", "cookie": "abc"}
    client = {"start": start, "error": "interrupt - the client has terminated"}
    server = {"start": dict(start), "intervals": [{}], "error": "getsockopt - Bad file descriptor"}
    cleaned = joined_report(json.dumps(client).encode(), json.dumps(server).encode())
    assert "error" not in cleaned | cleaned["server_output_json"]
    assert cleaned["start"] == cleaned["server_output_json"]["start"] == {"version": "iperf 3.12"}


@pytest.mark.parametrize(
    ("client", "server", "why"),
    [
        (b"", b"{}", "gave no report"),
        (b'{"error": "unable to connect"}', b"{}", "iperf3: unable to connect"),
        (b"{}", b'{"intervals": []}', "no intervals of the receiver: it says nothing"),
        (b"{}", b'{"error": "no memory"}', "no intervals of the receiver: no memory"),
    ],
)
def test_a_bad_report_is_one_line(client, server, why):
    with pytest.raises(HostError, match=why):
        joined_report(client, server)


def test_a_listener_is_told_from_a_connection_on_the_same_port():
    heading = "  sl  local_address rem_address   st\n"
    connected = "   0: 0200A8C0:1451 0100A8C0:BA50 01 00000000:00000000\n"
    assert not is_listening(heading + connected, 5201)
    assert is_listening(heading + connected + "   1: 00000000:1451 00000000:0000 0A 00000000:00000000\n", 5201)
