"""The shipped recordings: what the manifest says, and what an answer of them must satisfy."""

import hashlib
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from zcanalysis.answer import Answer, answered
from zcanalysis.io.compressed import open_bytes
from zcanalysis.io.recording import read_recording
from zcanalysis.lab.alignment import agreement
from zcanalysis.trust import audit

TRACES = Path(__file__).parent.parent / "traces"
MANIFEST = json.loads((TRACES / "manifest.json").read_text())
NAMES = sorted(MANIFEST["recordings"])
LARGEST_BYTES = 6_000_000
TSHARK_FIELDS = ("ip.src", "tcp.srcport", "ip.dst", "tcp.dstport", "frame.len", "tcp.len")


@pytest.fixture(scope="module", params=NAMES)
def answer(request) -> Answer:
    return answered(read_recording(TRACES / request.param))


def _needs_tcp(answer: Answer) -> None:
    if json.loads((answer.recording.path / "host.json").read_text())["lab"].get("protocol") == "udp":
        pytest.skip("of a stream, not of datagrams")


def test_the_manifest_lists_every_file_with_its_hash():
    entries = MANIFEST["recordings"] | MANIFEST["captures"]
    listed = {f"{name}/{file}": facts for name, entry in entries.items() for file, facts in entry["files"].items()}
    present = {path.relative_to(TRACES).as_posix() for path in TRACES.glob("*/*")}
    assert set(listed) == present
    for place, facts in listed.items():
        content = (TRACES / place).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (facts["bytes"], facts["sha256"]), place


def test_captures_of_another_kernel_say_how_they_were_made_and_are_small():
    for facts in MANIFEST["captures"].values():
        assert all(facts[key] for key in ("kernel", "command", "licence", "what"))
        assert sum(file["bytes"] for file in facts["files"].values()) < LARGEST_BYTES


@pytest.mark.parametrize("name", NAMES)
def test_every_recording_says_how_it_was_made_and_is_small(name):
    facts = MANIFEST["recordings"][name]
    assert all(facts[key] for key in ("kernel", "command", "licence", "what"))
    assert sum(file["bytes"] for file in facts["files"].values()) < LARGEST_BYTES
    text = (TRACES / name / "host.json").read_text() + (TRACES / name / "load.json").read_text()
    assert "hostname" not in text
    assert '"cookie"' not in text


def test_at_least_995_of_1000_kernel_samples_are_classified(answer):
    kernel = answer.evidence.stages.filter(pl.col("mode") == "kernel", pl.col("stage") != "idle")
    assert kernel.filter(pl.col("stage") == "unclassified").height <= 0.005 * kernel.height


def test_stages_and_idle_account_for_each_cpus_wall_time(answer):
    account = answer.evidence.account
    idle = dict(account.filter(pl.col("stage") == "idle").select("cpu", "share").iter_rows())
    unsampled = dict(account.filter(pl.col("stage") == "unsampled").select("cpu", "share").iter_rows())
    assert len(unsampled) == answer.recording.host.cpus
    for cpu, share in unsampled.items():
        # a CPU that sleeps thousands of times a second spends time on the way, which neither samples nor counters see
        assert abs(share) <= (0.03 if idle[cpu] < 0.03 else 0.1)


def test_a_sender_that_hardly_sleeps_was_sampled_as_much_as_its_clock_says(answer):
    senders = answer.evidence.processes.filter(pl.col("pid").is_in(answer.recording.host.sender_pids))
    assert senders.height == 1
    if senders.get_column("clock").item() < 0.9:
        pytest.skip("the sender sleeps")
    assert (senders.get_column("sampled") / senders.get_column("clock") - 1).abs().max() <= 0.05


def test_goodput_from_counters_is_iperf3s_own_within_1_percent(answer):
    _needs_tcp(answer)
    recording = answer.recording
    assert agreement(recording.counters, recording.load, "counters").ratio == pytest.approx(1.0, abs=0.01)
    # and the answer's figure, over the whole windows, with whatever happened at their ends
    same = agreement(recording.counters, recording.load, "counters", margin_ns=0)
    assert answer.goodput_gbps == pytest.approx(same.iperf_bytes * 8 / same.elapsed_ns, rel=0.01)


def test_blame_sums_to_the_gap(answer):
    gap = answer.ceiling.gbps - answer.goodput_gbps
    assert answer.blame.get_column("lost_gbps").sum() == pytest.approx(gap, abs=1e-9)


@pytest.mark.skipif(not shutil.which("tshark"), reason="needs tshark")
def test_flows_are_tsharks_conversations(answer, tmp_path):
    _needs_tcp(answer)
    capture = next(answer.recording.path.glob("capture.pcap*"), None)
    if capture is None:
        pytest.skip("recorded without a capture")
    plain = tmp_path / "capture.pcap"
    with open_bytes(capture) as stream:
        plain.write_bytes(stream.read())
    fields = [word for name in TSHARK_FIELDS for word in ("-e", name)]
    command = ["tshark", "-n", "-r", str(plain), "-T", "fields", "-E", "separator=,", *fields]
    said = subprocess.run(command, capture_output=True, check=True, timeout=300).stdout
    ends = ["src", "src_port", "dst", "dst_port"]
    totals = (
        pl.read_csv(said, has_header=False, new_columns=[*ends, "wire", "payload"])
        .drop_nulls("src_port")  # neighbours are looked up in between
        .group_by(ends)
        .agg(pl.len().alias("packets"), pl.col("wire").sum(), pl.col("payload").sum())
    )
    ours = answer.evidence.flows.select(*ends, "packets", "wire_bytes", "payload_bytes")
    assert ours.height
    assert sorted(totals.rows()) == sorted(ours.rows())


def test_the_limit_of_each_recording_is_what_it_was_made_for():
    limits = {name: answered(read_recording(TRACES / name)).held_back_by for name in NAMES}
    where = {name: (limit.kind, limit.where) for name, limit in limits.items()}
    assert where["veth-1500"] == where["veth-cpu-hog"] == ("receiver cpu", "CPU 1")
    assert where["veth-gro"] == where["veth-no-rps"] == ("receiver cpu", "CPU 0")
    assert where["veth-small-buffer"] == ("receive window", "the receive buffer")
    assert where["veth-9000"][1] in ("CPU 0", "CPU 1")  # both are full: either slows it alike
    assert any("other processes took" in fact for fact in limits["veth-cpu-hog"].evidence)


def test_idle_time_of_a_cpu_that_hardly_sleeps_is_that_of_the_scheduler():
    rows = audit(read_recording(TRACES / "veth-gro")).filter(pl.col("check") == "CPU 0 idle time")
    assert rows.get_column("verdict").to_list() == ["ok"]


def test_without_idle_counters_no_other_limit_is_named(answer):
    counters = answer.recording.counters.filter(pl.col("source") != "cpuidle")
    blind = answered(replace(answer.recording, counters=counters)).held_back_by
    known = answer.held_back_by
    assert (blind.kind, blind.where) == (known.kind, known.where) or blind.kind == "unknown"


def test_damaged_counters_are_said(tmp_path):
    shutil.copytree(TRACES / "veth-cpu-hog", tmp_path / "r")
    file = tmp_path / "r" / "counters.parquet"
    damaged = pl.read_parquet(file).with_columns(
        pl.when(pl.int_range(pl.len()) % 3 == 0).then(None).otherwise(pl.col("value")).alias("value")
    )
    damaged.write_parquet(file)
    row = audit(read_recording(tmp_path / "r")).row(by_predicate=pl.col("check") == "counters", named=True)
    assert (row["verdict"], row["value"]) == ("bad", f"{damaged['value'].null_count():,} rows unreadable")
