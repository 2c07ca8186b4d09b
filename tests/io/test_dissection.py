"""A deep look at a few packets."""

import asyncio
import shutil

import pytest

from tests import builders as make
from zcanalysis.errors import TraceError
from zcanalysis.io import dissection
from zcanalysis.io.dissection import DISSECTED, dissect

needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
PACKETS = [make.ethernet(make.ipv4(make.tcp(seq=n, window=100 + n))) for n in range(9)]


@pytest.fixture
def capture(tmp_path):
    return make.saved(tmp_path, make.pcap(PACKETS, magic=0xA1B23C4D, tick=7))


@needs_tshark
def test_layers_fields_and_exact_times_of_the_first_packets(capture):
    rows = dissect(capture, limit=2)
    assert rows.schema == DISSECTED
    assert rows["frame_number"].to_list() == [1, 2]
    assert rows["ts_ns"].to_list() == [1_700_000_000_000_000_000, 1_700_000_000_000_000_007]
    assert rows["layers"].to_list()[0][:3] == ["eth", "ip", "tcp"]
    fields = {field["name"]: field["value"] for field in rows["fields"][1]}
    assert (fields["tcp.seq_raw"], fields["ip.src"], fields["tcp.flags_ack"]) == ("1", "10.0.0.1", "True")


@needs_tshark
@pytest.mark.parametrize(
    ("asked", "numbers"),
    [
        ({"packets": [8, 3, 3]}, [3, 8]),
        ({"packets": range(4, 7)}, [4, 5, 6]),
        ({"display_filter": "tcp.window_size_value >= 107"}, [8, 9]),
        ({"display_filter": "tcp", "packets": [5], "limit": 1}, [5]),
    ],
)
def test_packets_are_chosen_by_number_and_by_filter(capture, asked, numbers):
    assert dissect(capture, **asked)["frame_number"].to_list() == numbers


@needs_tshark
def test_it_works_inside_a_running_event_loop(capture):
    async def cell():
        return dissect(capture, limit=1)

    assert asyncio.run(cell()).height == 1


@needs_tshark
def test_a_capture_that_is_cut_off_ends_with_a_row_that_says_so(tmp_path):
    rows = dissect(make.saved(tmp_path, make.pcap(PACKETS)[:-3]))
    assert rows["frame_number"].to_list() == [*range(1, 9), None]
    assert rows["error"][-1].startswith("tshark stopped")


@needs_tshark
def test_a_wrong_filter_and_a_foreign_file_are_one_line(capture, tmp_path):
    with pytest.raises(TraceError, match=r"unexpected|not a valid|syntax") as caught:
        dissect(capture, display_filter="tcp.port ==")
    assert "\n" not in str(caught.value)
    with pytest.raises(TraceError, match=r"text\.txt"):
        dissect(make.saved(tmp_path, b"no capture at all", "text.txt"))


@needs_tshark
def test_a_look_that_takes_too_long_is_ended(capture):
    with pytest.raises(TraceError, match=r"took longer than 0\.05 s"):
        dissect(capture, timeout_s=0.05)


def test_without_tshark_the_message_names_it(capture, monkeypatch):
    monkeypatch.setattr(dissection.shutil, "which", lambda name: None)
    with pytest.raises(TraceError, match="needs tshark, which is not installed"):
        dissect(capture)


def test_a_large_capture_is_not_filtered_by_tshark(capture, monkeypatch):
    monkeypatch.setattr(dissection, "MAX_FILTERED_BYTES", 100)
    with pytest.raises(TraceError, match="find packets with scan_pcap first"):
        dissect(capture, display_filter="tcp")


def test_limits_and_packet_numbers_are_checked(capture):
    with pytest.raises(ValueError, match="limit must be 1 to 100000, got 0"):
        dissect(capture, limit=0)
    with pytest.raises(ValueError, match="packet numbers start at 1, got 0"):
        dissect(capture, packets=[0, 1])
    assert dissect(capture, packets=[]).is_empty()
