"""Generated recordings: the same each time, valid to others' tools, read as any other, never without their label."""

import json
import re
import shutil
import subprocess
from collections import Counter

import numpy as np
import polars as pl
import pytest

import zcanalysis as zc
from zcanalysis import cli
from zcanalysis.cli_lab import GENERATED_NAMES
from zcanalysis.cpu.stages import staged
from zcanalysis.errors import HostError
from zcanalysis.hosts import preset
from zcanalysis.hosts.replayed import linux24
from zcanalysis.io.folded import folded_stacks
from zcanalysis.lab.generated_packets import acknowledgements
from zcanalysis.lab.generating import GENERATED, NAMES, generate
from zcanalysis.model.linux24 import STAGES, Linux24, replay, replay_work


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return {name: generate(name, tmp_path_factory.mktemp("generated") / name) for name in NAMES}


def packets(folder):
    return zc.scan_pcap(folder / "capture.generated.pcap").collect()


# ---- the replay, looked at closely


def test_work_is_that_of_the_replay_and_never_two_pieces_at_once():
    host = linux24(preset("quadrics_elan3"))
    worked, whole = replay_work(host, 300), replay([host], 300)
    assert np.array_equal(worked.packets, whole.packets[0])
    assert (worked.work["start"][1:] >= worked.work["end"][:-1]).all()
    assert (worked.work["stage"] == STAGES.index("ack")).sum() == whole.acks[0]


@pytest.mark.parametrize("window", [20_000, 65_535, 150_000])
@pytest.mark.parametrize("reader_bytes", [4096, 65_536])
def test_the_sender_stays_within_the_windows_of_the_acks(window, reader_bytes):
    """What was sent, and when, was allowed by an ACK that had come by then: the windows are those of the replay."""
    host = linux24(preset("host_2002"))
    host = Linux24(**{
        **{name: getattr(host, name) for name in host.__slots__}, "window_bytes": window, "reader_bytes": reader_bytes
    })  # fmt: skip
    worked = replay_work(host, 800)
    acks = acknowledgements(host, worked)
    came = np.array([0, *(one.at_ns + host.delay_ns for one in acks)])
    first = max(min(2 * host.mss_bytes, window), window - host.mss_bytes) // host.mss_bytes * host.mss_bytes
    edges = np.array([first, *(one.segments * host.mss_bytes + one.window_bytes for one in acks)])
    assert (np.diff(edges) >= 0).all()
    began = worked.packets["sent_ns"] - host.sender_packet_ns
    allowed = edges[np.searchsorted(came, began, side="right") - 1]
    assert (np.arange(1, 801) * host.mss_bytes <= allowed).all()
    waited = worked.packets["sent_by"] == 1  # it left the moment that a window opened: no earlier one would have done
    assert waited.any()
    at = np.searchsorted(came, began[waited], side="right") - 1
    wanted = (np.flatnonzero(waited) + 1) * host.mss_bytes
    assert (edges[at[1:] - 1] < wanted[1:]).all()


# ---- the capture


@pytest.mark.parametrize("name", NAMES)
def test_every_checksum_is_right_and_nothing_is_damaged(made, name):
    table = packets(made[name])
    assert table["checksum_ok"].all()
    assert table["error"].null_count() == table.height
    assert table["ts_ns"].is_sorted()
    host = next(one for one in GENERATED if one.name == name).host()
    data = table.filter(pl.col("payload_bytes") > 0)
    assert data["payload_bytes"].unique().to_list() == [host.link.mss_bytes]
    assert (data["seq"].diff().drop_nulls() == host.link.mss_bytes).all()


@pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark")
@pytest.mark.parametrize("name", ["quadrics", "host-2002"])
def test_tshark_finds_nothing_malformed_and_good_checksums(made, name):
    fields = ["_ws.malformed", "ip.checksum.status", "tcp.checksum.status", "tcp.analysis.retransmission"]
    command = ["tshark", "-r", str(made[name] / "capture.generated.pcap"), "-o", "ip.check_checksum:TRUE",
               "-o", "tcp.check_checksum:TRUE", "-T", "fields"]  # fmt: skip
    command += [word for one in fields for word in ("-e", one)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert set(said.splitlines()) == {"\t1\t1\t"}  # nothing malformed, both good, none sent again
    assert len(said.splitlines()) == packets(made[name]).height


def test_the_capture_goes_as_fast_as_the_replay(made):
    data = packets(made["quadrics"]).filter(pl.col("payload_bytes") > 0)
    gbps = 8 * data["payload_bytes"][1:].sum() / (data["ts_ns"].max() - data["ts_ns"].min())
    said = json.loads((made["quadrics"] / "host.json").read_text())["model"]["goodput_gbps"]
    assert gbps == pytest.approx(said, rel=0.02)
    flow = zc.flows(packets(made["quadrics"])).sort("payload_bytes").row(-1, named=True)
    assert (flow["payload_bytes"], flow["retransmitted_bytes"]) == (data["payload_bytes"].sum(), 0)


# ---- the samples


@pytest.mark.parametrize("name", NAMES)
def test_every_sample_is_read_and_its_function_known(made, name):
    samples = zc.scan_perf(made[name] / "perf.generated.txt").collect()
    assert samples["error"].null_count() == samples.height > 900
    charged = staged(samples, generation="linux-2.4")
    assert "unclassified" not in charged["stage"].unique().to_list()


def test_samples_fall_on_stages_as_often_as_the_replay_works_there(made):
    host = linux24(preset("quadrics_elan3"))
    work = replay_work(host, 20_000).work
    spans = work["end"] - work["start"]
    fused = spans[work["stage"] == STAGES.index("copy and checksum")].sum() / work["end"][-1]
    folded = folded_stacks(zc.scan_perf(made["quadrics"] / "perf.generated.txt").collect())
    counts = {row[0]: row[1] for row in folded.rows()}
    seen = sum(n for stack, n in counts.items() if "csum_partial_copy_generic" in stack) / sum(counts.values())
    assert seen == pytest.approx(fused, abs=0.03)


def test_the_text_is_what_folding_scripts_expect(made):
    """Header, frames from the innermost outwards, blank line: the patterns of stackcollapse-perf.pl."""
    header = re.compile(r"^(\S.+?)\s+(\d+)/*(\d+)*\s+(\[\d+\]\s+)?[\d.]+:\s+(?:\d+\s+)?\S+:\s*$")
    frame = re.compile(r"^\s*(\w+)\s*(.+) \((.*)\)$")
    blocks = (made["quadrics"] / "perf.generated.txt").read_text().strip("\n").split("\n\n")
    for block in blocks[:200]:
        first, *frames = block.split("\n")
        assert header.match(first)
        assert frames
        assert all(frame.match(line) for line in frames)
        assert re.search(r" (system_call|do_IRQ|do_softirq|cpu_idle) ", frames[-1])


@pytest.mark.parametrize("label", ["comm", "tid"])
@pytest.mark.parametrize("name", NAMES)
def test_folding_scripts_find_the_stacks_that_we_find(made, name, label):
    """The patterns and sums of stackcollapse-perf.pl, which itself was found to agree on all scenarios."""
    header = re.compile(r"^(\S.+?)\s+(\d+)/*(\d+)*\s+")
    event = re.compile(r":\s*(\d+)*\s+(\S+):\s*$")
    frame = re.compile(r"^\s*(\w+)\s*(.+) \((\S*)\)")
    text = (made[name] / "perf.generated.txt").read_text()
    counts = Counter()
    for block in text.strip("\n").split("\n\n"):
        first, *frames = block.split("\n")
        comm, pid, tid = header.match(first).groups()
        who = comm if label == "comm" else f"{comm}-{pid}/{tid}"
        counts[";".join([who, *(frame.match(line)[2] for line in reversed(frames))])] += int(event.search(first)[1])
    folded = folded_stacks(zc.scan_perf(made[name] / "perf.generated.txt").collect(), label=label)
    assert dict(folded.iter_rows()) == dict(counts)


# ---- all of it


def test_the_same_bytes_each_time(made, tmp_path):
    again = generate("quadrics", tmp_path / "again")
    assert sorted(file.name for file in again.iterdir()) == [
        "capture.generated.pcap",
        "host.json",
        "perf.generated.txt",
    ]
    for file in again.iterdir():
        assert file.read_bytes() == (made["quadrics"] / file.name).read_bytes()


def test_the_report_says_that_it_was_generated(made, monkeypatch, capsys, tmp_path):
    page = tmp_path / "report.html"
    monkeypatch.setattr("sys.argv", ["zcanalysis", "report", str(made["quadrics"]), "-o", str(page)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr()
    assert ended.value.code in (0, None)
    assert "(generated)" in said.out.splitlines()[0]
    assert "generated: replayed by the model" in " ".join(said.out.split())
    assert "(generated)" in page.read_text()
    rows = zc.audit(zc.read_recording(made["quadrics"])).filter(pl.col("check") == "origin")
    assert rows["verdict"].to_list() == ["warn"]


def test_what_was_recorded_is_not_called_generated():
    recording = zc.read_recording("traces/veth-1500")
    assert recording.host.generated is None
    assert recording.name == "veth-1500"


def test_the_command_writes_and_refuses(monkeypatch, capsys, tmp_path):
    def run(*words):
        monkeypatch.setattr("sys.argv", ["zcanalysis", "lab", "generate", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code or 0, capsys.readouterr().err

    assert run("--scenario", "host-2002", "-o", str(tmp_path / "a"))[0] == 0
    assert (tmp_path / "a" / "host.json").exists()
    code, said = run("--scenario", "host-2002", "-o", str(tmp_path / "a"))
    assert code == 2
    assert "is not empty" in said
    code, said = run("--scenario", "elan5", "-o", str(tmp_path / "b"))
    assert code == 2
    assert "there are quadrics" in said
    assert not (tmp_path / "b").exists()


def test_the_help_names_what_there_is():
    assert GENERATED_NAMES == NAMES


def test_an_unknown_name_is_refused(tmp_path):
    with pytest.raises(HostError, match="nothing of that name"):
        generate("x", tmp_path / "x")
