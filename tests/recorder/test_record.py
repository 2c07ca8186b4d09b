import json
import os
import socket
import sys
import threading
from pathlib import Path

import polars as pl
import pytest

from zcanalysis.errors import HostError
from zcanalysis.io.recording import read_recording
from zcanalysis.recorder import Phase, RecordOptions, default_plan, record
from zcanalysis.recorder.sampling import Sampler
from zcanalysis.recorder.tracing import packet_filters, why_tracing_cannot_run
from zcanalysis.tables import COUNTERS, conform

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
SHORT = (Phase("counters", 0.35),)


@pytest.fixture
def loopback_transfer():
    """A few megabytes a second over lo, until the test is over."""
    over = threading.Event()

    def serve(server: socket.socket) -> None:
        accepted, _ = server.accept()
        with accepted:
            while accepted.recv(1 << 16):
                pass

    def send(address: tuple[str, int]) -> None:
        with socket.create_connection(address) as client:
            while not over.wait(0.001):
                client.sendall(bytes(10_000))

    with socket.create_server(("127.0.0.1", 0)) as server:
        threads = [
            threading.Thread(target=serve, args=(server,)),
            threading.Thread(target=send, args=(server.getsockname(),)),
        ]
        for thread in threads:
            thread.start()
        yield server.getsockname()
        over.set()
        for thread in threads:
            thread.join()


def host_of(directory):
    return json.loads((directory / "host.json").read_text())


def test_a_running_transfer_is_recorded_with_counters_inside_its_window(tmp_path, loopback_transfer):
    directory = record(tmp_path / "new", RecordOptions(device="lo", plan=SHORT, label="loop"))
    host = host_of(directory)
    (window,) = host["phases"]
    assert (window["name"], host["label"], host["missing"]) == ("counters", "loop", [])
    assert window["to_ns"] - window["from_ns"] == pytest.approx(0.35e9, rel=0.5)
    table = conform(pl.read_parquet(directory / "counters.parquet"), COUNTERS)
    assert pl.read_parquet_metadata(directory / "counters.parquet")["zcanalysis.schema"] == "counters 1"
    inside = table.filter((pl.col("phase") == "counters") & (pl.col("source") != "ethtool"))
    assert window["from_ns"] <= inside["ts_ns"].min()
    assert inside["ts_ns"].max() <= window["to_ns"]
    assert {"netdev", "socket", "softnet", "irq", "softirqs", "snmp", "netstat", "stat", "process"} <= set(
        table["source"]
    )
    assert host["probe"]["goodput_gbps"]["counters"] > 0
    assert sorted(path.name for path in directory.iterdir()) == ["counters.parquet", "host.json"]


def test_the_reader_is_found_by_its_socket(tmp_path, loopback_transfer):
    host = host_of(record(tmp_path, RecordOptions(device="lo", plan=SHORT)))
    # both ends live in this process
    assert [role["pid"] for role in host["roles"]["reader"]] == [os.getpid()]
    assert [role["pid"] for role in host["roles"]["sender"]] == [os.getpid()]


def test_a_directory_with_something_in_it_is_never_overwritten(tmp_path):
    (tmp_path / "precious").touch()
    with pytest.raises(HostError, match="is not empty"):
        record(tmp_path, RecordOptions(device="lo", plan=SHORT))
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_a_command_that_does_not_exist_is_one_line(tmp_path):
    with pytest.raises(HostError, match=r"no-such-program: cannot be started: No such file"):
        record(tmp_path, RecordOptions(device="lo", plan=SHORT, command=("no-such-program",)))


def test_a_command_that_ends_early_is_noted_and_what_there_is_is_kept(tmp_path):
    command = (sys.executable, "-c", "import time; time.sleep(0.4)")
    plan = (Phase("counters", 20), Phase("later", 1))
    record(tmp_path, RecordOptions(device="lo", plan=plan, command=command, warmup_seconds=0.05))
    host = host_of(tmp_path)
    assert host["missing"] == [
        "phase counters: the command ended before the phase did",
        "phase later: the command had ended",
    ]
    assert [phase["name"] for phase in host["phases"]] == ["counters"]


def test_a_command_that_fails_says_its_status_and_leaves_the_recording(tmp_path):
    command = (sys.executable, "-c", "import sys; sys.exit(3)")
    with pytest.raises(HostError, match="failed with status 3; recording kept in"):
        record(tmp_path, RecordOptions(device="lo", plan=SHORT, command=command, warmup_seconds=0.3))
    assert host_of(tmp_path)["schema"] == 1


def test_a_command_without_end_is_ended_and_the_recording_kept(tmp_path):
    told = []
    command = (sys.executable, "-c", "import time; time.sleep(60)")
    options = RecordOptions(
        device="lo",
        plan=SHORT,
        command=command,
        warmup_seconds=0.05,
        command_grace_seconds=0.3,
        on_progress=lambda what, _share: told.append(what),
    )
    record(tmp_path, options)
    assert told[-1] == f"recording finished, waiting for {sys.executable}"
    assert host_of(tmp_path)["missing"] == [f"{sys.executable} had not ended 0.3 s after the last phase: we ended it"]


def test_an_interrupted_recording_is_still_a_recording(tmp_path):
    def interrupt(name: str, _share: float) -> None:
        if name == "later":
            raise KeyboardInterrupt

    plan = (*SHORT, Phase("later", 5))
    with pytest.raises(KeyboardInterrupt):
        record(tmp_path, RecordOptions(device="lo", plan=plan, on_progress=interrupt))
    assert [phase["name"] for phase in host_of(tmp_path)["phases"]] == ["counters"]


def test_a_phase_that_is_interrupted_keeps_what_it_saw(tmp_path, monkeypatch):
    def interrupt_at_third(sampler, phase, *, everything=True, sample=Sampler.sample):
        sample(sampler, phase, everything=everything)
        if sampler.ticks == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(Sampler, "sample", interrupt_at_third)
    with pytest.raises(KeyboardInterrupt):
        record(tmp_path, RecordOptions(device="lo", plan=(Phase("counters", 60),)))
    host = host_of(tmp_path)
    (window,) = host["phases"]
    assert 0.1e9 < window["to_ns"] - window["from_ns"] < 5e9
    assert host["missing"] == ["phase counters: interrupted"]


def test_without_perf_its_phase_is_left_out_and_said(tmp_path, monkeypatch):
    monkeypatch.setattr("zcanalysis.recorder.probes.shutil.which", lambda name: None)
    plan = (*SHORT, Phase("chains", 5, ("perf",)))
    host = host_of(record(tmp_path, RecordOptions(device="lo", plan=plan)))
    assert [phase["name"] for phase in host["phases"]] == ["counters"]
    assert host["missing"][0].startswith("phase chains: perf is not installed")


def test_without_perf_a_strict_recording_does_not_start(tmp_path, monkeypatch):
    monkeypatch.setattr("zcanalysis.recorder.probes.shutil.which", lambda name: None)
    with pytest.raises(HostError, match="phase chains is impossible: perf is not installed"):
        record(tmp_path, RecordOptions(device="lo", plan=(Phase("chains", 5, ("perf",)),), strict=True))


@pytest.mark.parametrize(("seconds", "rounds"), [(1, 1), (4, 4), (10, 5), (600, 5)])
def test_each_sampled_window_of_the_default_plan_lies_between_two_undisturbed_ones(seconds, rounds):
    plan = default_plan(seconds)
    names = [phase.name for phase in plan]
    assert names == ["counters", "sampling"] * rounds + ["counters", "capture"]
    assert sum(phase.seconds for phase in plan) == pytest.approx(seconds, abs=0.02)
    assert sum(phase.seconds for phase in plan if not phase.probes) > seconds / 2 * 0.9


def test_a_plan_without_capture_and_with_tracepoints():
    assert [phase.name for phase in default_plan(2, capture=False, trace=True)][-3:] == ["counters", "trace", "packets"]


def test_repeated_phases_are_told_apart(tmp_path, loopback_transfer):
    plan = (Phase("counters", 0.3), Phase("other", 0.2), Phase("counters", 0.3))
    directory = record(tmp_path / "new", RecordOptions(device="lo", plan=plan))
    windows = [(phase["name"], phase["repeat"]) for phase in host_of(directory)["phases"]]
    assert windows == [("counters", 0), ("other", 0), ("counters", 1)]
    table = pl.read_parquet(directory / "counters.parquet").filter(pl.col("source") == "netdev")
    assert sorted(table.filter(pl.col("phase") == "counters")["repeat"].unique()) == [0, 1]
    first, second = (table.filter(phase="counters", repeat=repeat)["ts_ns"] for repeat in (0, 1))
    between = table.filter(phase="other")["ts_ns"]
    assert first.max() < between.min() <= between.max() < second.min()


@pytest.mark.parametrize(("seconds", "probes"), [(0, ()), (1, ("ftrace",))])
def test_a_phase_refuses_what_it_cannot_be(seconds, probes):
    with pytest.raises(ValueError, match="of phase x must be"):
        Phase("x", seconds, probes)


@pytest.mark.root
@needs_root
def test_a_traced_phase_leaves_its_events_and_no_instance_behind(tmp_path, loopback_transfer):
    if why_tracing_cannot_run():
        pytest.skip(str(why_tracing_cannot_run()))
    plan = (Phase("counters", 0.3), Phase("trace", 0.3, ("trace",)))
    directory = record(tmp_path / "new", RecordOptions(device="lo", plan=plan))
    assert host_of(directory)["lost"]["trace_events"] == 0
    events = read_recording(directory).events.collect()
    assert events["error"].null_count() == events.height
    assert {"sched_switch", "softirq_entry", "softirq_exit"} <= set(events["event"])
    window = host_of(directory)["phases"][-1]
    inside = events.filter(pl.col("ts_ns").is_between(window["from_ns"] - 5e8, window["to_ns"] + 5e8))
    assert inside.height == events.height  # on the time axis of the counters
    assert not list(Path("/sys/kernel/tracing/instances").glob(f"zc-*-{os.getpid()}"))


@pytest.mark.root
@needs_root
def test_traced_packets_are_those_of_the_device_each_with_its_way_to_the_reader(tmp_path, loopback_transfer):
    if why_tracing_cannot_run():
        pytest.skip(str(why_tracing_cannot_run()))
    plan = (Phase("counters", 0.3), Phase("packets", 0.05, ("packets",)))
    directory = record(tmp_path / "new", RecordOptions(device="lo", plan=plan))
    assert host_of(directory)["lost"]["packet_events"] == 0
    recording = read_recording(directory)
    assert recording.events is None
    events = recording.packet_events.select("event", "payload", "error").collect()
    assert events["error"].null_count() == events.height
    wanted = {"netif_rx_entry", "netif_receive_skb", "tcp_probe", "skb_copy_datagram_iovec", "tcp_rcv_space_adjust"}
    assert wanted <= set(events["event"])
    taken = events.filter(pl.col("event") == "netif_receive_skb")
    assert taken["payload"].str.contains("dev=lo ").all()
    assert not events.filter(pl.col("event") == "tcp_probe")["payload"].str.contains(" data_len=0 ").any()
    assert not list(Path("/sys/kernel/tracing/instances").glob(f"zc-*-{os.getpid()}"))


def test_a_device_on_top_of_another_is_traced_without_a_filter(tmp_path):
    (tmp_path / "eth0").mkdir()
    (tmp_path / "bond0" / "lower_eth0").mkdir(parents=True)
    assert packet_filters("eth0", tmp_path)["net/netif_receive_skb"] == 'name == "eth0"'
    assert packet_filters("bond0", tmp_path)["net/netif_receive_skb"] is None
    assert packet_filters('"; x', tmp_path)["net/netif_receive_skb"] is None
    assert packet_filters("bond0", tmp_path)["tcp/tcp_probe"] == "data_len > 0"


def test_without_root_a_traced_phase_is_left_out_and_said(tmp_path, monkeypatch):
    monkeypatch.setattr("zcanalysis.recorder.tracing.os.geteuid", lambda: 1000)
    host = host_of(record(tmp_path, RecordOptions(device="lo", plan=(*SHORT, Phase("trace", 1, ("trace",))))))
    assert host["missing"] == ["phase trace: tracepoints are for root; run as root"]
