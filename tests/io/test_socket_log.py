"""Logs of `ss -tinm`: readings, times, zeros that ss does not print, and what is no log."""

import gzip

import pytest

from zcanalysis.errors import TraceError
from zcanalysis.io.file_kind import begins_like
from zcanalysis.io.recording import read_recording
from zcanalysis.io.socket_log import is_socket_log, read_socket_log

HEADER = "State Recv-Q Send-Q Local Address:Port Peer Address:Port Process   \n"


def sender(acked: int, busy_ms: int, more: str = "", ends: str = "10.0.0.1:40000    10.0.0.2:5201") -> str:
    chrono = f"busy:{busy_ms}ms" if busy_ms else ""
    return (
        f"ESTAB 0      180000     {ends}\n"
        "\t skmem:(r0,rb131072,t0,tb3939840,f1824,w182496,o0,bl0,d0) cubic wscale:1,10 rto:212 rtt:10.022/17.474 "
        f"mss:1448 cwnd:14 bytes_sent:{acked} bytes_acked:{acked} send 544801437bps delivery_rate 8.7Mbps {chrono} "
        f"{more} minrtt:0.012\n"
    )


def log_of(tmp_path, text: str | bytes):
    file = tmp_path / "ss.txt"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_socket_log(file)


def test_each_output_is_a_reading_at_the_time_printed_before_it(tmp_path):
    log = log_of(
        tmp_path,
        f"1700000000.25\n{HEADER}{sender(1000, 40)}"
        f"1700000001500000000\n{HEADER}{sender(3000, 90, 'retrans:0/12 app_limited rwnd_limited:30ms(33.3%)')}"
        f"2023-11-14T23:13:22,125+01:00\n{HEADER}{sender(9000, 100)}",
    )
    assert (log.readings, log.untimed, log.unreadable_lines) == (3, 0, 0)
    assert log.table.get_column("ts_ns").to_list() == [
        1_700_000_000_250_000_000, 1_700_000_001_500_000_000, 1_700_000_002_125_000_000,
    ]  # fmt: skip
    assert log.table.get_column("instance").unique().to_list() == ["10.0.0.1:40000>10.0.0.2:5201"]
    told = ("bytes_acked", "busy_us", "rwnd_limited_us", "total_retrans", "rtt_us", "min_rtt_us", "snd_mss", "rcvbuf")
    assert log.table.select(told).rows() == [
        (1000, 40_000, 0, 0, 10_022, 12, 1448, 131_072),
        (3000, 90_000, 30_000, 12, 10_022, 12, 1448, 131_072),
        (9000, 100_000, 0, 0, 10_022, 12, 1448, 131_072),
    ]
    assert log.table.get_column("delivery_rate_bps").to_list() == [8_700_000] * 3
    assert log.table.get_column("app_limited").to_list() == [0, 1, 0]


def test_what_no_kernel_of_the_log_counts_is_unknown_and_not_zero(tmp_path):
    log = log_of(tmp_path, HEADER + "ESTAB 0 0 10.0.0.1:1 10.0.0.2:2\n\t cubic rtt:1/1 cwnd:10 bytes_acked:50\n")
    row = log.table.row(0, named=True)
    assert (row["bytes_received"], row["total_retrans"]) == (0, 0)  # told together with what is there
    assert (row["busy_us"], row["rwnd_limited_us"], row["rmem_alloc"], row["rcv_space"]) == (None,) * 4


@pytest.mark.parametrize(
    ("line", "instance"),
    [
        ("ESTAB 0 0 [::ffff:10.0.0.2]:5201 [::ffff:10.0.0.1]:40000", "10.0.0.2:5201>10.0.0.1:40000"),
        ("ESTAB 0 0 [fe80::1]%eth0:22 [fe80::2]:40000", "[fe80::1]:22>[fe80::2]:40000"),
        ("tcp   ESTAB 0      0      10.0.0.2%eth1:5201     10.0.0.1:40000", "10.0.0.2:5201>10.0.0.1:40000"),
        ("0      0        10.0.0.2:5201    10.0.0.1:40000", "10.0.0.2:5201>10.0.0.1:40000"),
        ('ESTAB 0 0 10.0.0.2:5201 10.0.0.1:40000 users:(("a:1 b",pid=7,fd=5))', "10.0.0.2:5201>10.0.0.1:40000"),
    ],
)
def test_ends_are_named_as_the_recorder_names_them(tmp_path, line, instance):
    log = log_of(tmp_path, f"{line}\n\t cubic cwnd:10 bytes_received:70\n")
    assert log.table.get_column("instance").to_list() == [instance]


def test_one_line_a_socket_is_read_too(tmp_path):
    log = log_of(tmp_path, sender(1000, 40).replace("\n\t", " ") * 2)
    assert (log.readings, log.untimed) == (2, 2)  # no header, no time: the same socket again is the next output
    assert log.table.get_column("busy_us").to_list() == [40_000, 40_000]


def test_connections_that_move_little_are_left_out(tmp_path):
    small = "ESTAB 0 0 10.0.0.1:22 10.0.0.9:999\n\t cubic cwnd:10 bytes_acked:9\n"
    listens = "LISTEN 0 128 0.0.0.0:22 0.0.0.0:*\n\t cubic cwnd:10\nudp UNCONN 0 0 10.0.0.1:68 0.0.0.0:*\n"
    log = log_of(tmp_path, HEADER + small + listens + sender(1000, 40))
    assert (log.quiet, log.unreadable_lines) == (1, 0)
    assert log.table.height == 1


def test_names_and_damage_are_counted_and_the_first_is_told(tmp_path):
    named = "ESTAB 0 0 10.0.0.1:ssh 10.0.0.9:999\n\t cubic cwnd:10 bytes_acked:5000\n"
    log = log_of(tmp_path, HEADER + named + "what is this\n" + sender(1000, 40) + "ESTAB 0 0 10.0")
    assert log.unreadable_lines == 3
    assert log.first_unreadable == "line 2: 'ESTAB 0 0 10.0.0.1:ssh 10.0.0.9:999'"
    assert log.table.height == 1


def test_hostile_numbers_stay_in_their_columns(tmp_path):
    log = log_of(tmp_path, sender(1000, 40, "rwnd_limited:999999999999999999ms segs_in:-4 segs_out:x rcv_space:1e9"))
    row = log.table.row(0, named=True)
    assert row["rwnd_limited_us"] == (1 << 62) - 1
    assert (row["segs_in"], row["segs_out"], row["rcv_space"]) == (0, 0, 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no TCP connection (empty)"),
        (b"just words\n", "holds no TCP connection (line 1: 'just words')"),
        (b"1700000000.5\n" + HEADER.encode(), "holds no TCP connection"),
        (b"State\0", "is a binary file"),
        (b"x" * (2 << 20), "a line is longer than"),
    ],
)
def test_what_is_no_log_is_refused_in_one_line(tmp_path, content, message):
    with pytest.raises(TraceError) as caught:
        log_of(tmp_path, content)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_log_is_told_by_its_content(tmp_path):
    file = tmp_path / "anything"
    file.write_bytes(gzip.compress(f"1700000000.5\n{HEADER}{sender(1000, 40)}".encode()))
    assert begins_like(file, is_socket_log)
    assert read_recording(file).socket_logs[0].readings == 1
    assert not is_socket_log(b"perf 12 [000] 7922.09: 1 cycles: ffffffff81 f ([k])\n")
    assert not is_socket_log(b"  rxtx-118   [000] ..s1    11.776267: netif_rx: dev=v0\n")


@pytest.mark.parametrize("left", ["acked number", "before its counters"])
def test_where_a_log_was_cut_off_half_a_number_is_not_read(tmp_path, left):
    whole = "".join(f"{1_700_000_000 + at}\n{HEADER}{sender(10**9 * (at + 1), 10 * at)}" for at in range(3))
    end = whole.rindex("bytes_acked:") + len("bytes_acked:300") if left == "acked number" else whole.rindex("\t skmem")
    log = log_of(tmp_path, whole[:end])
    assert log.table.get_column("bytes_acked").to_list() == [10**9, 2 * 10**9]
    assert log.unreadable_lines == (left == "acked number")


def test_a_connection_that_began_after_the_first_reading_moved_all_that_it_shows(tmp_path):
    late = "10.0.0.1:40001    10.0.0.2:5201"
    first = f"1700000000\n{HEADER}{sender(1000, 1)}"
    log = log_of(tmp_path, f"{first}1700000001\n{HEADER}{sender(1500, 1)}{sender(10**11, 900, ends=late)}")
    assert log.table.get_column("instance").unique().to_list() == ["10.0.0.1:40001>10.0.0.2:5201"]


def test_mptcp_lines_do_not_stand_for_their_tcp_lines(tmp_path):
    ends = "10.0.0.1:40000    10.0.0.2:5201"
    one = sender(10**9, 50)
    log = log_of(tmp_path, f"1700000000\nNetid {HEADER}tcp {one}mptcp ESTAB 0 0 {ends}\n\t flags:3\n")
    assert log.table.get_column("bytes_acked").to_list() == [10**9]
    assert log.unreadable_lines == 0


def test_a_log_whose_first_readings_are_empty_is_still_one():
    assert is_socket_log("".join(f"{1_700_000_000 + at}.5\n" for at in range(25)).encode() + sender(1, 1).encode())
