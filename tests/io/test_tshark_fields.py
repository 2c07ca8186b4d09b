"""Chosen fields of every packet, by tshark."""

import shutil
import subprocess
from datetime import timedelta

import polars as pl
import pytest

from tests import builders as make
from zcanalysis.errors import TraceError
from zcanalysis.io import tshark
from zcanalysis.io.tshark_fields import tshark_fields

needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
SENT = [make.tcp(seq=n, payload=b"x" * 100) for n in (1, 101, 301, 201)]
PACKETS = [make.ethernet(make.ipv4(segment)) for segment in SENT]


@pytest.fixture
def capture(tmp_path):
    return make.saved(tmp_path, make.pcap(PACKETS, magic=0xA1B23C4D, tick=7))


@needs_tshark
def test_fields_have_the_types_that_wireshark_says(capture):
    chosen = ["tcp.analysis.lost_segment", "tcp.analysis.out_of_order", "tcp.flags", "tcp.flags.ack", "ip.src"]
    rows = tshark_fields(capture, [*chosen, "frame.time_delta", "tcp", "udp", "udp.length"])
    assert rows["frame_number"].to_list() == [1, 2, 3, 4]
    assert rows["tcp.analysis.lost_segment"].to_list() == [False, False, True, False]
    assert rows["tcp.analysis.out_of_order"].to_list() == [False, False, False, True]
    assert rows["tcp.flags"].to_list() == [0x10] * 4
    assert rows["tcp.flags.ack"].to_list() == [True] * 4
    assert rows["ip.src"].to_list() == ["10.0.0.1"] * 4
    assert rows["frame.time_delta"].cast(pl.Int64).to_list() == [0, 7, 7, 7]
    assert (rows["tcp"].sum(), rows["udp"].sum()) == (4, 0)
    assert rows["udp.length"].to_list() == [None] * 4
    assert rows["error"].to_list() == [None] * 4


@needs_tshark
def test_a_filter_and_a_number_of_packets_choose(capture):
    assert tshark_fields(capture, ["ip.ttl"], display_filter="tcp.seq_raw > 100")["frame_number"].to_list() == [2, 3, 4]
    assert tshark_fields(capture, ["ip.ttl"], first=2)["frame_number"].to_list() == [1, 2]
    assert tshark_fields(capture, ["ip.ttl"], display_filter="udp").is_empty()


@needs_tshark
def test_a_capture_that_is_cut_off_ends_with_a_row_that_says_so(tmp_path):
    rows = tshark_fields(make.saved(tmp_path, make.pcap(PACKETS)[:-3]), ["ip.ttl", "tcp.analysis.out_of_order"])
    assert rows["ip.ttl"].to_list() == [64, 64, 64, None]
    assert rows["tcp.analysis.out_of_order"].to_list() == [False, False, False, None]
    assert "cut short" in rows["error"][-1]


@needs_tshark
def test_hostile_text_stays_in_its_column(tmp_path):
    lines = make.tcp(
        src_port=80,
        flags=0x18,
        payload=b'HTTP/1.1 200 a\tb\x1fc\x0cd\xff\r\nContent-Length: 0\r\nServer: "x\ty\r\n\r\n',
    )
    rows = tshark_fields(
        make.saved(tmp_path, make.pcap([make.ethernet(make.ipv4(lines))])),
        ["http.server", "http.response.phrase", "ip.ttl"],
    )
    assert rows["ip.ttl"].to_list() == [64]
    assert rows["http.server"].to_list() == ['"x\\ty']


@needs_tshark
def test_what_cannot_be_asked_is_one_line(capture, tmp_path, monkeypatch):
    for asked in ({"fields": ["tcp.nonsense"]}, {"fields": ["ip.ttl"], "display_filter": "tcp.port =="}):
        with pytest.raises(TraceError, match=r"capture\.pcap: .*(valid|nexpected|syntax)") as caught:
            tshark_fields(capture, **asked)
        assert "\n" not in str(caught.value)
    with pytest.raises(TraceError, match="No such file"):
        tshark_fields(tmp_path / "absent.pcap", ["ip.ttl"])
    with pytest.raises(TraceError, match="longer than"):
        tshark_fields(capture, ["ip.ttl"], timeout_s=0.01)
    with pytest.raises(ValueError, match="fields must be 1 to 200 names"):
        tshark_fields(capture, ["-r /etc/passwd"])
    with pytest.raises(ValueError, match="first must be 1"):
        tshark_fields(capture, ["ip.ttl"], first=0)
    monkeypatch.setattr(tshark, "MAX_READ_BYTES", 100)
    with pytest.raises(TraceError, match="cut the file with editcap"):
        tshark_fields(capture, ["ip.ttl"])
    assert tshark_fields(capture, ["ip.ttl"], first=1).height == 1


def seconds(text: str) -> timedelta | None:
    return timedelta(microseconds=int(text.replace(".", "")) // 1000) if text else None


@needs_tshark
@pytest.mark.skipif(not make.real_captures(), reason=f"no captures in {make.SHARED}")
def test_values_are_those_that_tshark_prints():
    chosen = ["tcp.seq_raw", "tcp.analysis.retransmission", "tcp.analysis.bytes_in_flight", "tcp.analysis.ack_rtt"]
    flagged = timed = 0
    for path in make.real_captures()[:25]:
        command = ["tshark", "-n", "-r", path, "-c", "3000", "-T", "fields", "-E", "occurrence=f"]
        command += [word for field in chosen for word in ("-e", field)]
        printed = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
        theirs = [line.split("\t") for line in printed]
        rows = tshark_fields(path, chosen, first=3000).filter(pl.col("error").is_null())
        assert rows["frame_number"].to_list() == list(range(1, len(theirs) + 1))
        assert rows["tcp.seq_raw"].to_list() == [int(row[0]) if row[0] else None for row in theirs], path
        assert rows["tcp.analysis.retransmission"].to_list() == [bool(row[1]) for row in theirs], path
        assert rows["tcp.analysis.bytes_in_flight"].to_list() == [int(row[2]) if row[2] else None for row in theirs]
        assert rows["tcp.analysis.ack_rtt"].to_list() == [seconds(row[3]) for row in theirs], path
        flagged += rows["tcp.analysis.retransmission"].sum()
        timed += rows["tcp.analysis.ack_rtt"].count()
    assert flagged > 10
    assert timed > 1000
