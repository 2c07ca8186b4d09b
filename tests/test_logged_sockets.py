"""Logs of ss beside what else was recorded: they say what the recorder's own sockets would."""

import json
import re
import shutil
from pathlib import Path

import polars as pl
import pytest

from tests.lab.limit_cases import CASES, KEPT
from zcanalysis.answer import answered
from zcanalysis.cli import main
from zcanalysis.document import report_html
from zcanalysis.errors import TraceError
from zcanalysis.evidence import gather
from zcanalysis.fleet.sources import found
from zcanalysis.io.recording import read_recording
from zcanalysis.limiting import limits
from zcanalysis.trust import audit
from zcanalysis.wire.connections import flows
from zcanalysis.wire.socket_counts import sockets

KEPT_IN = Path(__file__).parent.parent / "traces" / "limits"
EVERY = 4  # readings of the recorder: 0.4 s
WORDS = {
    "snd_cwnd": "cwnd", "snd_mss": "mss", "bytes_sent": "bytes_sent", "bytes_acked": "bytes_acked",
    "bytes_received": "bytes_received", "data_segs_out": "data_segs_out", "data_segs_in": "data_segs_in",
    "notsent_bytes": "notsent", "rcv_space": "rcv_space", "rcv_ssthresh": "rcv_ssthresh",
}  # fmt: skip
MS = {"rtt_us": "rtt", "min_rtt_us": "minrtt", "busy_us": "busy", "rwnd_limited_us": "rwnd_limited"}


def as_ss(counters: pl.DataFrame, source: str) -> str:
    """The sockets of a recording as ss would have printed them, every fourth reading."""
    rows = counters.filter(pl.col("source") == source, pl.col("instance").str.contains("5201"))
    moments = rows.get_column("ts_ns").unique().sort().gather_every(EVERY)
    text = ""
    for (ts_ns,), reading in rows.filter(pl.col("ts_ns").is_in(moments.to_list())).group_by(
        "ts_ns", maintain_order=True
    ):
        text += f"{ts_ns // 10**9}.{ts_ns % 10**9:09d}\nState Recv-Q Send-Q Local Address:Port Peer Address:Port\n"
        for (name,), one in reading.group_by("instance", maintain_order=True):
            told = dict(one.select("counter", "value").iter_rows())
            plain = [f"{word}:{told[counter]}" for counter, word in WORDS.items() if told.get(counter)]
            plain += [f"{word}:{told[counter] / 1000}ms" for counter, word in MS.items() if told.get(counter)]
            if told.get("total_retrans"):
                plain.append(f"retrans:0/{told['total_retrans']}")
            memory = f"skmem:(r{told.get('rmem_alloc', 0)},rb{told.get('rcvbuf', 0)},t0)"
            text += f"ESTAB 0 0 {name.replace('>', ' ')}\n\t {memory} cubic {' '.join(plain)}\n"
    return text


def recording(case, folder: Path, *, logged: tuple[str, ...] = ()) -> Path:
    """The kept recording of a case, with sockets of these sources in a log instead."""
    for name in KEPT:
        shutil.copy(KEPT_IN / f"{case.name}.{name}", folder / name)
    counters = pl.read_parquet(folder / "counters.parquet")
    names = {"socket": "ss.txt", "sender_socket": "sender-ss.txt"}
    for source in logged:
        (folder / names[source]).write_text(as_ss(counters, source))
    counters.filter(~pl.col("source").is_in(logged)).write_parquet(folder / "counters.parquet")
    return folder


def share_in(rows: pl.DataFrame, *names: str) -> float:
    return float(rows.filter(pl.col("limit").is_in(names)).get_column("share_time").sum())


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_log_of_the_senders_kernel_names_the_limit_as_its_sockets_would(case, tmp_path):
    read = read_recording(recording(case, tmp_path, logged=("sender_socket",)))
    assert len(read.socket_logs) == 1
    assert read.socket_logs[0].untimed == 0
    assert share_in(limits(read), case.limit) >= 0.9


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_the_senders_log_alone_names_what_its_kernel_can_know(case, tmp_path):
    folder = recording(case, tmp_path, logged=("sender_socket",))
    (folder / "counters.parquet").unlink()
    rows = limits(read_recording(folder / "sender-ss.txt"))
    its_window = ("reader", "receiver cpu")  # what makes the window small is not in the log
    named = {case.limit, "unknown"} | ({"receive window"} if case.limit in its_window else set())
    assert share_in(rows, *named) >= 0.9


def test_both_logs_without_the_recorder_give_limits_and_goodput(tmp_path):
    case = next(case for case in CASES if case.limit == "receive window")
    folder = recording(case, tmp_path, logged=("socket", "sender_socket"))
    (folder / "counters.parquet").unlink()
    read = read_recording(folder)
    assert share_in(limits(read), case.limit) >= 0.9
    whole = pl.read_parquet(KEPT_IN / f"{case.name}.counters.parquet")
    received = whole.filter(pl.col("source") == "socket", pl.col("counter") == "bytes_received")
    grown = received.group_by("instance").agg(pl.col("value").max() - pl.col("value").min()).get_column("value").max()
    counted = gather(read).quiet
    assert counted is not None
    assert counted.payload_bytes == pytest.approx(grown, rel=0.2)  # less the part behind the log's last reading


def test_the_report_shows_what_the_kernels_counted(tmp_path):
    case = next(case for case in CASES if case.limit == "receive window")
    page = report_html(answered(read_recording(recording(case, tmp_path, logged=("sender_socket",)))))
    assert "What the kernels counted" in page
    assert "stopped by window" in page


def checks(folder: Path) -> dict[str, tuple[str, str]]:
    return {row["check"]: (row["verdict"], row["value"]) for row in audit(read_recording(folder)).to_dicts()}


def loopback(tmp_path: Path, text: str) -> Path:
    (tmp_path / "ss.txt").write_text(text)
    return tmp_path


LINES = "ESTAB 0 0 10.0.0.1:40000 10.0.0.2:5201\n\t cubic cwnd:10 bytes_acked:{} busy:{}ms rwnd_limited:{}ms\n"


def test_a_log_without_times_counts_but_says_no_limits(tmp_path, capsys, monkeypatch):
    folder = loopback(tmp_path, LINES.format(1000, 40, 10) + LINES.format(5000, 80, 60))
    read = read_recording(folder)
    assert read.counters is None
    assert limits(read).is_empty()
    (row,) = sockets(read).to_dicts()
    assert (row["acked_bytes"], row["busy_s"], row["rwnd_limited"]) == (5000, 0.08, 0.75)
    assert (row["readings"], row["first_ns"]) == (2, None)
    assert checks(folder)["log of ss"] == ("warn", "2 readings, 1 end of a connection")
    monkeypatch.setattr("sys.argv", ["zcanalysis", "report", str(folder), "--json"])
    main_ends_well()
    assert json.loads(capsys.readouterr().out)["limits"] in (None, [])
    monkeypatch.setattr("sys.argv", ["zcanalysis", "report", str(folder)])
    main_ends_well()
    assert "75.0%" in capsys.readouterr().out


def main_ends_well() -> None:
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code in (0, None)


def test_the_senders_window_clock_is_read_without_a_receiver(tmp_path):
    outputs = [f"{1_700_000_000 + at}\n" + LINES.format(10_000 * at, 1000 * at, 900 * at) for at in range(1, 5)]
    rows = limits(read_recording(loopback(tmp_path, "".join(outputs))))
    assert rows.select("connection", "limit", "payload_bytes").rows() == [
        ("10.0.0.1:40000 > 10.0.0.2:5201", "receive window", 30_000)
    ]
    assert "stopped the sender for 90.0 % of the time" in rows.get_column("evidence")[0]


def test_logs_of_both_ends_beside_a_capture_of_one_transfer(capsys, monkeypatch):
    folder = Path(__file__).parent / "io" / "samples" / "ss"
    both = {"10.99.0.1:57832 > 10.99.0.2:5201"}
    rows = limits(read_recording(folder))
    assert set(rows.get_column("connection")) == both
    assert share_in(rows, "receive window", "unknown") == pytest.approx(1)  # CPUs were not counted: none is named
    table = sockets(read_recording(folder), flows(folder / "capture.pcap"))
    sender = table.filter(pl.col("dst_port") == 5201).row(0, named=True)
    assert (sender["acked_bytes"], sender["resent_segments"]) == (7_068_286_862, 12)
    assert sender["rwnd_limited"] == pytest.approx(2.256 / 4.648)  # as ss prints them at the last reading
    assert table.get_column("connection").to_list() == [1, 1]
    monkeypatch.setattr("sys.argv", ["zcanalysis", "flows", str(folder)])
    main_ends_well()
    assert "what the kernels counted" in capsys.readouterr().out


def test_a_log_of_other_connections_than_the_capture_is_said(tmp_path):
    shutil.copy(next(KEPT_IN.glob("*.first.pcap.zst")), tmp_path / "capture.pcap.zst")
    folder = loopback(tmp_path, "1700000000\n" + LINES.format(1000, 40, 10) + "1700000001\n" + LINES.format(9, 4, 1))
    assert checks(folder)["log of ss"] == ("warn", "2 readings, 1 end of a connection, none in the capture")


def test_the_capture_names_the_connections_that_the_log_counts(tmp_path):
    capture = next(KEPT_IN.glob("*.first.pcap.zst"))
    shutil.copy(capture, tmp_path / "capture.pcap.zst")
    table = flows(capture).sort("unique_bytes", descending=True)
    one = table.row(0, named=True)
    ends = f"{one['src']}:{one['src_port']} {one['dst']}:{one['dst_port']}"
    line = LINES.replace("10.0.0.1:40000 10.0.0.2:5201", ends)
    stamps = [f"{one['first_ns'] // 10**9 + at}\n{line.format(1000 * at + 10, 40 * at, 10 * at)}" for at in range(3)]
    folder = loopback(tmp_path, "".join(stamps))
    assert sockets(read_recording(folder), table).get_column("connection").to_list() == [one["connection"]]
    assert checks(folder)["log of ss"] == ("ok", "3 readings, 1 end of a connection, 1 in the capture")
    late = "".join(stamps).replace(str(one["first_ns"] // 10**9)[:6], "170000")
    verdict, value = checks(loopback(tmp_path, late))["log of ss"]
    assert verdict == "warn"
    assert value.endswith("s apart from the capture")


def test_a_log_of_another_time_than_the_counters_is_said(tmp_path):
    case = CASES[0]
    folder = recording(case, tmp_path, logged=("sender_socket",))
    log = folder / "sender-ss.txt"
    begin = log.read_text()[:5]
    log.write_text(re.sub(rf"^{begin}", "15000", log.read_text(), flags=re.MULTILINE))
    read = read_recording(folder)
    assert read.counters.filter(pl.col("source") == "sender_socket").is_empty()
    (row,) = audit(read).filter(pl.col("check") == "log of ss").to_dicts()
    assert (row["verdict"], "none lies in the time" in row["why"]) == ("warn", True)


def test_a_folder_with_a_log_is_one_recording_of_a_batch(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "ss.txt").write_text(LINES.format(1000, 40, 10))
    shutil.copy(next(KEPT_IN.glob("*.first.pcap.zst")), tmp_path / "one" / "capture.pcap.zst")
    (source,) = found([tmp_path])
    assert source.path == tmp_path / "one"
    assert [file.name for file in source.files()] == ["capture.pcap.zst", "ss.txt"]


def test_names_of_programs_in_a_foreign_file_are_no_markup(tmp_path):
    bins = [{"min": 1, "max": 2, "count": 3}]
    maps = {"@wakeup_ns": {"<script>alert(1)</script>": bins}, "@<b>mine": {"": bins}}
    (tmp_path / "bpftrace.json").write_text(
        "".join(json.dumps({"type": "hist", "data": {name: held}}) + "\n" for name, held in maps.items())
    )
    page = report_html(answered(read_recording(loopback(tmp_path, "1700000000\n" + LINES.format(1000, 40, 10)))))
    assert "&lt;script&gt;alert(1)" in page
    assert "@&lt;b&gt;mine" in page
    assert "<script>alert(1)" not in page


def test_a_folder_without_anything_is_still_no_recording(tmp_path):
    with pytest.raises(TraceError, match=r"nor ss\.txt"):
        read_recording(tmp_path)
