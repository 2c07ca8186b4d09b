"""What host.json says of device, queues and processes, and what it must not make us believe."""

import json

import pytest

from zcanalysis.errors import TraceError
from zcanalysis.io.host_facts import Channels, Coalesce, HostFacts, Process, Queue, Ring, read_host_facts


def facts(tmp_path, **fields) -> HostFacts:
    file = tmp_path / "host.json"
    file.write_text(json.dumps(fields))
    return read_host_facts(file)


def test_an_old_recording_lacks_the_newer_facts_and_is_read(tmp_path):
    host = facts(tmp_path, device="eth0")
    assert (host.features, host.queues, host.ring, host.coalesce, host.readers) == ({}, (), None, None, ())


def test_device_queues_and_readers_are_read(tmp_path):
    queue = {
        "queue": "rx-3", "rps_cpus": "2,00000001", "irq": 38, "cpu": "0-1,4", "irq_cpus": "0-63", "rps_flow_cnt": 64,
    }  # fmt: skip
    host = facts(
        tmp_path,
        features={"generic-receive-offload": False}, features_fixed=["rx-checksumming"],
        queues=[queue, {"queue": "rx-4", "rps_cpus": "0"}],
        ring={"rx": 256, "rx_max": 4096}, coalesce={"rx_usecs": 8, "adaptive_rx": True},
        sysctls={"net.ipv4.tcp_rmem": "4096 131072 6291456", "net.x; reboot": "1"},
        roles={"reader": [{"pid": 7, "comm": "iperf3", "cpus": [1, 0]}]},
    )  # fmt: skip
    assert host.features == {"generic-receive-offload": False}
    assert host.fixed_features == {"rx-checksumming"}
    assert host.queues[0] == Queue("rx-3", frozenset({0, 33}), 38, frozenset({0, 1, 4}), "0-63", 64)
    assert host.queues[1].rps_cpus == frozenset()
    assert host.ring == Ring(256, 4096)
    assert host.coalesce == Coalesce(8, adaptive_rx=True)
    assert host.sysctls == {"net.ipv4.tcp_rmem": "4096 131072 6291456"}
    assert host.readers == (Process(7, "iperf3", (0, 1)),)


@pytest.mark.parametrize(
    "fields",
    [
        {"queues": [{"queue": "rx-0/../../../etc"}]},
        {"queues": [{"queue": "rx-0", "rps_cpus": "2; reboot"}]},
        {"queues": [{"queue": "rx-0", "irq_cpus": "0 && reboot"}]},
        {"queues": [{"queue": "rx-0", "cpu": ",".join(["0-65535"] * 5000)}]},
        {"queues": 7},
        {"ring": {"rx": -1, "rx_max": 5}},
        {"coalesce": [1]},
        {"features": ["a"]},
        {"sysctls": "a"},
        {"sysctls": {"net.ipv4.tcp_rmem": "9" * 5000}},
        {"roles": {"reader": [{"pid": 7, "cpus": [1 << 40]}]}},
        {"channels": {"kind": "x; reboot", "queues": 1, "most": 2}},
        {"channels": 7},
        {"nodes": {"zero": "0-1"}},
        {"nodes": {"0": "0; reboot"}},
        {"nodes": {str(number): "0-65535" for number in range(9)}},
        {"nodes": dict.fromkeys(map(str, range(2000)), "0")},
        {"routes": ["x" * 5000]},
        {"hz": 0},
    ],
)
def test_hostile_facts_are_refused_by_name(tmp_path, fields):
    with pytest.raises(TraceError, match=r"host\.json: a field has an unexpected form"):
        facts(tmp_path, **fields)


def test_channels_nodes_routes_and_machine_are_read(tmp_path):
    host = facts(
        tmp_path,
        kernel="6.18.44", hz=250, machine={"architecture": "x86_64"}, ring={"rx": 1, "rx_max": 2, "data_split": True},
        channels={"kind": "combined", "queues": 4, "most": 8}, nodes={"0": "0-1", "1": "2,3"},
        queues=[{"queue": "rx-0", "rps_cpus": "0", "numa": 1}], routes=["default via 192.0.2.1"],
    )  # fmt: skip
    assert (host.kernel, host.hz, host.architecture) == ("6.18.44", 250, "x86_64")
    assert host.channels == Channels("combined", 4, 8)
    assert host.nodes == {0: frozenset({0, 1}), 1: frozenset({2, 3})}
    assert (host.queues[0].numa, host.ring) == (1, Ring(1, 2, data_split=True))
    assert host.routes == ("default via 192.0.2.1",)
