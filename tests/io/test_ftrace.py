"""Tracepoints of perf, ftrace and trace-cmd become EVENTS."""

import gzip
import shutil

import polars as pl
import pytest

from tests.builders import SHARED
from zcanalysis.cpu.packet_events import packet_events
from zcanalysis.errors import HostError, TraceError
from zcanalysis.io.trace_events import scan_events
from zcanalysis.io.trace_fields import field, payload_fields
from zcanalysis.tables import EVENTS, polars_schema

HEADER = "# tracer: nop\n#\n#           TASK-PID   CPU#  ||||    TIMESTAMP  FUNCTION\n"
RECEIVE = "            rxtx-118   [000] ..s1    11.776267: netif_rx: dev=v0 skbaddr=ffff88005d5cc000 len=40\n"
PERF_RECEIVE = (
    "         python3 13461/13462 [001]  7922.093889436:          1       net:netif_receive_skb: "
    "dev=lo skbaddr=0xffff8881364fd2e0 len=60\n"
)
COUNTS = {
    "prequeue-kernel/blocking.ftrace.txt.gz": (6790, 0),  # what the files say of themselves: entries-written
    "prequeue-kernel/low-latency.ftrace.txt.gz": (10734, 0),
    "prequeue-kernel/poll.ftrace.txt.gz": (9979, 0),
    "prequeue-kernel/software-checksum.ftrace.txt.gz": (9254, 0),
    "perf/ftrace/lisa-trace.txt.gz": (2941, 0),  # all lines but `version = 6` and `cpus=6`
    "perf/ftrace/panopticon-ftrace.txt": (348, 0),
    "perf/ftrace/ftrace-tpoint_example.txt": (23, 71),  # a text about a tool, with its output in between
    "perf/ftrace/ftrace-uprobe_example.txt": (67, 151),
    "perf/ftrace/trace-cmd-report.1.txt": (92, 403),
    "malformed/text/trace_empty.txt": (51, 0),
    "malformed/text/trace_failed_to_parse.txt": (11, 0),
}
REFUSED = {
    "perf/ftrace/ftrace-funcgraph_example.txt": "is the output of the function_graph tracer",
    "perf/ftrace/ftrace-execsnoop_example.txt": "no event found",
    "perf/ftrace/ftrace-funccount_example.txt": "no event found",
    "perf/ftrace/ftrace-tcpretrans_example.txt": "no event found",
}
needs_shared = pytest.mark.skipif(not (SHARED / "perf").is_dir(), reason="ZC_SHARED has no traces")


def events(tmp_path, text: str | bytes) -> pl.DataFrame:
    file = tmp_path / "trace.txt"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return scan_events(file).collect()


def fields(payload: str) -> dict[str, str]:
    (row,) = payload_fields(pl.Series("payload", [payload])).to_list()
    return {pair["name"]: pair["value"] for pair in row}


def test_an_ftrace_line_keeps_every_field(tmp_path):
    table = events(tmp_path, HEADER + RECEIVE)
    assert table.schema == polars_schema(EVENTS)
    assert table.row(0, named=True) == {
        "ts_ns": 11_776_267_000,
        "cpu": 0,
        "pid": None,
        "tid": 118,
        "comm": "rxtx",
        "flags": "..s1",
        "event": "netif_rx",
        "fields": [
            {"name": "dev", "value": "v0"},
            {"name": "skbaddr", "value": "ffff88005d5cc000"},
            {"name": "len", "value": "40"},
        ],
        "payload": "dev=v0 skbaddr=ffff88005d5cc000 len=40",
        "error": None,
    }


def test_a_tracepoint_of_perf_keeps_every_field(tmp_path):
    row = events(tmp_path, PERF_RECEIVE).row(0, named=True)
    assert (row["ts_ns"], row["cpu"], row["pid"], row["tid"]) == (7_922_093_889_436, 1, 13461, 13462)
    assert (row["comm"], row["event"], row["error"]) == ("python3", "net:netif_receive_skb", None)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("  a b-c-7  [003] 1.5: e: x=1", {"comm": "a b-c", "tid": 7, "cpu": 3, "event": "e"}),
        ("zi:         polars-1-19412 [000] 1.5: e: x=1", {"comm": "polars-1", "tid": 19412, "event": "e"}),
        ("zi:            <...>-19412 [000] 1.5: e: x=1", {"comm": None, "tid": 19412, "event": "e"}),
        ("  kworker/u8:2-ev-17 [000] 1.5: e: x=1", {"comm": "kworker/u8:2-ev", "tid": 17}),
        ("  <...>-7     (  5) [003] d..2. 1.5: e: x=1", {"comm": None, "tid": 7, "pid": 5, "flags": "d..2."}),
        ("  a-7     (-----) [003] d..2 1.5: e: x=1", {"comm": "a", "pid": None, "flags": "d..2"}),
        ("  a-7  [003] .... 1.5: ip_rcv <-netif_receive_skb", {"event": "function"}),
        ("  a-7  [003] 1.5: function: ip_rcv <-- netif_receive_skb", {"event": "function"}),
        ("  a-7  [003] .... 1.5: sys_read(fd: 3, count: 2000)", {"event": "sys_read", "payload": "fd: 3, count: 2000"}),
        ("  a-7  [003] .... 1.5: sys_read -> 0x10", {"event": "sys_read", "payload": "0x10"}),
        ("  a-7  [003] .... 1234567: e: x=1", {"event": "e", "ts_ns": None}),
        ("[my proc] 5 [001] 1.5: net:e: x=1", {"comm": "[my proc]", "tid": 5, "event": "net:e"}),
        ("rt-worker 13468/-1  [001] 1.5:  1 sched:e: x=1", {"comm": "rt-worker", "pid": 13468, "tid": -1}),
        ("a 5/6 [001] net:e: x=1", {"comm": "a", "pid": 5, "tid": 6, "ts_ns": None, "event": "net:e"}),
    ],
)  # fmt: skip
def test_odd_lines_are_understood(tmp_path, line, expected):
    (row,) = events(tmp_path, line + "\n").to_dicts()
    assert row["error"] is None
    assert {name: row[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ("comm=Web Content pid=5 prio=120", {"comm": "Web Content", "pid": "5", "prio": "120"}),
        ("comm=x pid=9 pid=5 prio=120", {"comm": "x pid=9", "pid": "5", "prio": "120"}),
        ("prev_comm=a b=c prev_pid=1 prev_state=R ==> next_comm=x y next_pid=2",
         {"prev_comm": "a b=c", "prev_pid": "1", "prev_state": "R", "next_comm": "x y", "next_pid": "2"}),
        ("vec=3 [action=NET_RX]", {"vec": "3", "action": "NET_RX"}),
        ("fd: 0x00000003, buf: 0x7f, count: 0x20", {"fd": "0x00000003", "buf": "0x7f", "count": "0x20"}),
        ('name="a b" filename=/x y', {"name": "a b", "filename": "/x y"}),
        ("rx_sk=(nil) location=f+0x5 reason: QUEUE", {"rx_sk": "(nil)", "location": "f+0x5", "reason": "QUEUE"}),
        ("cpumask=ARRAY[0f, 00] freq=0x82208", {"cpumask": "ARRAY[0f, 00]", "freq": "0x82208"}),
        ("napi poll on napi struct 0xff for device (no_device) work 2 budget 64",
         {"napi": "0xff", "dev_name": "(no_device)", "work": "2", "budget": "64"}),
        ("napi poll on napi struct ff for device eth0", {"napi": "ff", "dev_name": "eth0"}),
        ("NR 0 (3, 7f, 10)", {"id": "0", "args": "3, 7f, 10"}),
        ("NR 0 = -11", {"id": "0", "ret": "-11"}),
        ("0x588", {"ret": "0x588"}),
        ("ip_rcv <-netif_receive_skb", {"ip": "ip_rcv", "parent_ip": "netif_receive_skb"}),
        ("202,1 W 0 () 17039656 + 8 [supervise]", {}),
        ("", {}),
    ],
)  # fmt: skip
def test_fields_are_found_by_name(payload, expected):
    assert fields(payload) == expected


def test_a_field_is_a_typed_column():
    payload = [
        "len=60 at=0xffff8881364fd2e0",
        "len=003 at=ffff88005d5cc000",
        "len=12 [ns] at=7",
        "x=1",
        "len=big at=-1",
    ]
    table = pl.DataFrame({"fields": payload_fields(pl.Series(payload))})
    assert table.select(field("len", pl.Int64)).to_series().to_list() == [60, 3, 12, None, None]
    addresses = [0xFFFF_8881_364F_D2E0, 0xFFFF_8800_5D5C_C000, 7, None, None]
    assert table.select(field("at", pl.UInt64)).to_series().to_list() == addresses
    assert table.select(field("x", pl.String)).to_series().to_list() == [None, None, None, "1", None]


def test_lost_events_and_damage_are_rows_that_say_where(tmp_path):
    table = events(tmp_path, HEADER + RECEIVE + "CPU:2 [LOST 42 EVENTS]\n" + "what is this\n" + RECEIVE)
    assert table.get_column("error").to_list() == [
        None,
        "line 5: the kernel lost 42 events here",
        "line 6: not an event: 'what is this'",
        None,
    ]
    assert table.get_column("cpu").to_list() == [0, 2, None, 0]


def test_losses_are_counted_as_trace_cmd_tells_them(tmp_path):
    lost = "CPU:1 [42 EVENTS DROPPED]\nzi: CPU:0 [EVENTS DROPPED]\n"
    table = events(tmp_path, "cpus=2\n" + RECEIVE + lost + RECEIVE)
    assert table.get_column("error").to_list() == [
        None,
        "line 3: the kernel lost 42 events here",
        "line 4: the kernel lost an unknown number of events here",
        None,
    ]
    assert table.get_column("cpu").to_list() == [0, 1, 0, 0]
    seen = packet_events(table.lazy())
    assert (seen.lost_events, seen.uncounted_losses, seen.unreadable_lines) == (42, 1, 0)


def test_call_chains_between_events_are_left_out(tmp_path):
    text = PERF_RECEIVE + "\tffffffff81e3c87e kmalloc_reserve ([kernel.kallsyms])\n\n" + RECEIVE + " => ip_rcv\n"
    assert events(tmp_path, text).get_column("event").to_list() == ["net:netif_receive_skb", "netif_rx"]


def test_only_what_is_asked_for_is_taken_apart_and_limits_count_rows_of_the_file(tmp_path):
    file = tmp_path / "trace.txt.gz"
    file.write_bytes(gzip.compress((RECEIVE + PERF_RECEIVE).encode()))
    scan = scan_events(file)
    assert scan.select("event").head(1).collect().to_series().to_list() == ["netif_rx"]
    assert scan.head(1).filter(pl.col("cpu") == 1).collect().height == 0
    assert scan.filter(pl.col("cpu") == 1).select(field("len", pl.Int64)).collect().item() == 60


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no event"),
        (b"# tracer: nop\n", "holds no event"),
        (b"just words\n", "no event found (line 1"),
        (b"# tracer: function_graph\n 0)   0.198 us    |  foo();\n", "is the output of the function_graph tracer"),
        (b"\x7fELF\0\0\0", "is a binary file"),
        (b"\x17\x08\x44tracing6\0\0\0", "trace-cmd"),
        (b"PERFILE2\0\0\0", "perf"),
    ],
)
def test_what_is_no_event_trace_is_refused_in_one_line(tmp_path, content, message):
    with pytest.raises((TraceError, HostError)) as caught:
        events(tmp_path, content)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_trace_cmd_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostError, match="reading it needs trace-cmd; install trace-cmd"):
        events(tmp_path, b"\x17\x08\x44tracing6\0\0\0")


@needs_shared
@pytest.mark.parametrize("name", COUNTS)
def test_every_event_of_a_foreign_trace_is_read(name):
    errors = scan_events(SHARED / name).collect().get_column("error")
    assert (errors.null_count(), errors.count()) == COUNTS[name]


@needs_shared
@pytest.mark.parametrize("name", REFUSED)
def test_a_foreign_text_without_events_is_refused(name):
    with pytest.raises(TraceError, match=REFUSED[name]):
        scan_events(SHARED / name).collect()


@needs_shared
def test_numbers_of_a_foreign_trace_equal_those_a_plain_search_finds():
    path = SHARED / "prequeue-kernel/blocking.ftrace.txt.gz"
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    expected = [int(line.rpartition("len=")[2]) for line in lines if " netif_receive_skb: " in line]
    received = scan_events(path).filter(pl.col("event") == "netif_receive_skb").collect()
    assert received.select(field("len", pl.Int64)).to_series().to_list() == expected
    polls = sum(" napi_poll: " in line for line in lines)
    work = scan_events(path).filter(pl.col("event") == "napi_poll").select(field("work", pl.Int64)).collect()
    assert (work.height, work.to_series().null_count()) == (polls, 0)


@needs_shared
@pytest.mark.skipif(not shutil.which("trace-cmd"), reason="needs trace-cmd")
def test_a_trace_dat_is_read_by_trace_cmd():
    table = scan_events(SHARED / "perf/ftrace/trappy-raw_trace.dat.gz").collect()
    good = table.filter(pl.col("error").is_null())
    assert good.height == 757
    assert good.filter(pl.col("event") == "sched_switch").select(field("next_pid", pl.Int32)).null_count().item() == 0
    # A printk with a line break: its second line is no event.
    assert table.get_column("error").drop_nulls().to_list() == [
        "line 3: not an event: 'gid=4'",
        "line 5: not an event: 'gid=1'",
    ]
