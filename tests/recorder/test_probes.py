import os
import struct

import pytest

from zcanalysis.recorder import probes
from zcanalysis.recorder.capture_file import NOTHING_YET, advance, cut
from zcanalysis.recorder.probes import TextCounts, lost_packets

TCPDUMP_FAREWELL = """tcpdump: listening on veth-r, link-type EN10MB (Ethernet), snapshot length 96 bytes
183629 packets captured
183700 packets received by filter
71 packets dropped by kernel
"""


def test_tcpdump_says_what_it_lost():
    assert lost_packets(TCPDUMP_FAREWELL) == (183_700, 71)


def test_one_packet_is_spelled_in_the_singular():
    assert lost_packets("1 packet captured\n1 packet received by filter\n1 packet dropped by kernel\n") == (1, 1)


def test_a_tcpdump_that_was_killed_leaves_the_loss_unknown():
    assert lost_packets("tcpdump: listening on veth-r\n") == (None, None)


def test_perf_loss_lines_are_counted_and_kept_out_of_the_text():
    lines = [
        b"iperf3  4296/4296  [000]   793.420659050:     200040 cpu-clock: \n",
        b"\tffffffff82203249 _raw_spin_unlock ([kernel.kallsyms])\n",
        b"\n",
        b"perf 16398/16398 [001]  2987.999425679: PERF_RECORD_LOST lost 123\n",
        b"perf-exec 16400/16400 [000]  2987.999674772: PERF_RECORD_LOST lost 7\n",
    ]
    lost = TextCounts()
    assert list(lost.kept(lines)) == lines[:3]
    assert (lost.events, lost.chunks, lost.hidden_symbols) == (130, 2, 0)


def test_directories_of_programs_are_not_kept():
    frame = b"\t           f82ad read (/usr/lib/x86_64-linux-gnu/libc.so.6)\n"
    gone = b"\t           c2972 [unknown] (/home/somebody/tool (deleted))\n"
    assert list(TextCounts().kept([frame, gone])) == [
        b"\t           f82ad read (libc.so.6)\n",
        b"\t           c2972 [unknown] (tool (deleted))\n",
    ]


def test_kernel_frames_without_names_are_noticed():
    lost = TextCounts()
    assert len(list(lost.kept([b"\tffffffff82203249 [unknown] ([kernel.kallsyms])\n"]))) == 1
    assert lost.hidden_symbols == 1


def test_cpus_that_give_samples_of_their_idle_time_are_known():
    lines = [
        b"swapper     0/0     [003]  1494.492133955:     200040 cpu-clock: \n",
        b"\tffff halt ([kernel.kallsyms])\n",
    ]
    counts = TextCounts()
    assert list(counts.kept(lines)) == lines
    assert dict(counts.idle_samples) == {3: 1}


@pytest.mark.parametrize(
    ("level", "user", "works", "buffer"),
    [(2, 0, True, "2M"), (1, 1000, False, "512K"), (0, 1000, True, "512K"), (-1, 1000, True, "2M")],
)
def test_a_user_may_sample_all_cpus_from_paranoid_level_0_down(tmp_path, monkeypatch, level, user, works, buffer):
    # as measured: refused at 1, kernel frames at 0; at 0 a buffer of 2 MiB a CPU exceeds what a user may lock
    (tmp_path / "paranoid").write_text(f"{level}\n")
    monkeypatch.setattr(probes, "PARANOID", tmp_path / "paranoid")
    monkeypatch.setattr(probes.os, "geteuid", lambda: user)
    monkeypatch.setattr(probes.shutil, "which", lambda name: name)
    why = probes.why_perf_cannot_run()
    assert (why is None) == works
    assert why is None or f"perf_event_paranoid={level})" in why
    assert probes.perf_buffer() == buffer


def nanosecond_pcap(times_ns: list[int], order: str = "<") -> bytes:
    header = struct.pack(f"{order}IHHIIII", 0xA1B23C4D, 2, 4, 0, 0, 96, 1)
    records = (struct.pack(f"{order}IIII", ns // 10**9, ns % 10**9, 10, 60) + bytes(10) for ns in times_ns)
    return header + b"".join(records)


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_capture_keeps_the_packets_of_its_window(tmp_path, order):
    path = tmp_path / "capture.pcap"
    path.write_bytes(nanosecond_pcap([1_000, 2_000, 3_000, 4_000], order))
    progress = advance(path, NOTHING_YET, until_ns=3_500)
    assert (progress.packets, progress.last_ns) == (3, 4_000)
    cut(path, advance(path, NOTHING_YET, until_ns=1_500), progress)
    assert path.read_bytes() == nanosecond_pcap([2_000, 3_000], order)


def test_a_growing_capture_is_walked_from_where_the_walk_ended(tmp_path):
    path = tmp_path / "capture.pcap"
    whole = nanosecond_pcap([1_000, 2_000, 3_000])
    path.write_bytes(whole[:-5])  # the last record is half written
    first = advance(path, NOTHING_YET, until_ns=9_000)
    assert (first.packets, first.last_ns) == (2, 2_000)
    path.write_bytes(whole)
    second = advance(path, first, until_ns=9_000)
    assert (second.packets, second.last_ns, second.offset) == (3, 3_000, len(whole))


def test_a_capture_without_header_yet_is_left_alone(tmp_path):
    path = tmp_path / "capture.pcap"
    path.touch()
    assert advance(path, NOTHING_YET, until_ns=1) == NOTHING_YET
    cut(path, NOTHING_YET, NOTHING_YET)
    assert os.path.getsize(path) == 0  # noqa: PTH202
