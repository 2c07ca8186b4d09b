"""perf script text and perf.data become SAMPLES."""

import gzip
import shutil
import subprocess
from pathlib import Path

import polars as pl
import pytest

from zcanalysis.errors import TraceError
from zcanalysis.io.perf import scan_perf
from zcanalysis.io.perf_text import PerfText

TWO_SAMPLES = """\
iperf3  3989/3988  [001]   755.515304035:     200040 cpu-clock:
\tffffffff8162f410 ___slab_alloc+0x10 ([kernel.kallsyms])
\tffffffff8162fd6b veth_poll ([veth])
\t           f8350 __GI___libc_write (/usr/lib/libc.so.6)
\t27fda2c5a8ce25a3 [unknown] ([unknown])

swapper     0/0     [000]   755.513526802:     200040 cpu-clock:
\tffffffff821f4dab pv_native_safe_halt ([kernel.kallsyms])

"""


def written(tmp_path: Path, text: str, name: str = "perf.txt") -> Path:
    file = tmp_path / name
    file.write_text(text)
    return file


AT = {"ts_ns": 1_500_000_000}


def samples(*pieces: str) -> list[dict[str, object]]:
    return [row for table in PerfText().tables(pieces) for row in table.to_dicts()]


def test_a_sample_keeps_every_field_and_its_chain_leaf_first(tmp_path):
    table = scan_perf(written(tmp_path, TWO_SAMPLES)).collect()
    assert table.row(0, named=True) == {
        "ts_ns": 755_515_304_035,
        "cpu": 1,
        "pid": 3989,
        "tid": 3988,
        "comm": "iperf3",
        "event": "cpu-clock",
        "period": 200_040,
        "callchain": "___slab_alloc\t[kernel.kallsyms]\tk\nveth_poll\t[veth]\tk\n"
        "__GI___libc_write\t/usr/lib/libc.so.6\tu\n[unknown]\t[unknown]\tu",
        "error": None,
    }
    assert table.get_column("comm").to_list() == ["iperf3", "swapper"]


@pytest.mark.parametrize("step", [1, 7, 61])
def test_text_in_small_pieces_gives_the_same_samples(step):
    text = "# comment\n\n" + TWO_SAMPLES + "damage\n" + TWO_SAMPLES.replace("\n\n", "\n")
    pieces = [text[i : i + step] for i in range(0, len(text), step)]
    assert samples(*pieces) == samples(text)


@pytest.mark.parametrize(
    ("header", "comm", "tid", "cpu"),
    [
        ("memfd:sealed-91  12/12 [000] 1.5: 100 cycles:u: ", "memfd:sealed-91", 12, 0),
        ("Web Content 77 [003] 1.500000000: cycles: ", "Web Content", 77, 3),
        ("kworker/1:1-mm_  9 1.5: cpu-clock: ", "kworker/1:1-mm_", 9, None),
        ("[my proc] 5 [001] 1.5: 1 cpu-clock: ", "[my proc]", 5, 1),
        ("     swapper     0 [000]     1.500000: sched:sched_switch: prev_comm=a 3 b", "swapper", 0, 0),
    ],
)
def test_odd_headers_are_understood(header, comm, tid, cpu):
    (row,) = samples(header + "\n\n")
    assert (row["comm"], row["tid"], row["cpu"], row["ts_ns"], row["error"]) == (comm, tid, cpu, 1_500_000_000, None)


@pytest.mark.parametrize(
    ("header", "fields"),
    [
        ("iperf3  5/6  cpu-clock: ", {"comm": "iperf3", "pid": 5, "tid": 6, "event": "cpu-clock"}),
        ("iperf3 [002] cpu-clock: ", {"comm": "iperf3", "cpu": 2, "event": "cpu-clock"}),
        ("a b     200040 cycles:u: ", {"comm": "a b", "period": 200_040, "event": "cycles:u"}),
        ("a b 77 cycles:u: ", {"comm": "a b", "tid": 77, "event": "cycles:u"}),
        ("  77/78 [001]  1.5:  3 e: ", AT | {"pid": 77, "tid": 78, "cpu": 1, "period": 3, "event": "e"}),
        ("1234567 1.5: e: ", {"tid": 1_234_567, "ts_ns": 1_500_000_000, "event": "e"}),
        ("iperf3 7 [000] d..3. 1.5: e: ", {"comm": "iperf3", "tid": 7, "cpu": 0, "ts_ns": 1_500_000_000, "event": "e"}),
        ("iperf3 7/7 K 1.5: 9 e: ", AT | {"comm": "iperf3", "pid": 7, "tid": 7, "period": 9, "event": "e"}),
        ("iperf3 7 1.5: ", {"comm": "iperf3", "tid": 7, "ts_ns": 1_500_000_000}),
        ("1.5: 10 e: ", {"ts_ns": 1_500_000_000, "period": 10, "event": "e"}),
        ("iperf3 7", {"comm": "iperf3", "tid": 7}),
        ("a 7 1.5: cpu/event=0x3c,umask=1/: ", AT | {"comm": "a", "tid": 7, "event": "cpu/event=0x3c,umask=1/"}),
        ("a 7 1.5: raw 0x1b1: ", {"comm": "a", "tid": 7, "ts_ns": 1_500_000_000, "event": "raw 0x1b1"}),
    ],
)  # fmt: skip
def test_fields_that_a_header_lacks_are_null(header, fields):
    (row,) = samples(header + "\n\tffffffff81 f ([k])\n\n")
    assert {name: value for name, value in row.items() if value is not None} == fields | {"callchain": "f\t[k]\tk"}


def test_chains_without_any_header_are_samples():
    rows = samples("\tff f (d)\n\tfe g (d)\n\n\tff f (d)\n\n")
    assert [(row["callchain"], row["error"]) for row in rows] == [("f\td\tu\ng\td\tu", None), ("f\td\tu", None)]


def test_a_chain_whose_header_is_missing_says_so():
    rows = samples("a 1 1.5: e: \n\tff f (d)\n\n\tfe g (d)\n\n")
    assert rows[1]["error"] == "line 4: not a perf sample: 'call chain without a header'"


def test_an_inlined_function_runs_in_the_mode_of_its_caller():
    (row,) = samples("a 1 1.5: e: \n\tff8 f (inlined)\n\tff g ([kernel.kallsyms])\n\tfe h (inlined)\n\tfe i (/bin/x)\n")
    assert row["callchain"].split("\n") == [
        "f\t(inlined)\tk",
        "g\t[kernel.kallsyms]\tk",
        "h\t(inlined)\tu",
        "i\t/bin/x\tu",
    ]


@pytest.mark.parametrize(
    ("line", "frame"),
    [
        ("\tff std::foo(int) const (/usr/lib/a b.so)", "std::foo(int) const\t/usr/lib/a b.so\tu"),
        ("\tff operator() (/memfd:x (deleted))", "operator()\t/memfd:x (deleted)\tu"),
        ("\tffffffffc0 mlx5e_napi_poll+0xde (/x/mlx5_core.ko.xz)", "mlx5e_napi_poll\t/x/mlx5_core.ko.xz\tk"),
        ("\tffffffffb8 net_rx_action+0x13a (/x/vmlinux-5.4)", "net_rx_action\t/x/vmlinux-5.4\tk"),
        ("\tffffffffc09ace93 bpf_prog_2b_lb (bpf_prog_2b_lb)", "bpf_prog_2b_lb\tbpf_prog_2b_lb\tk"),
        ("\taddress symbol (module)", "symbol\tmodule\tu"),
        ("\tffffffff81001234", "[unknown]\t[unknown]\tk"),
        ("\t7f9981001234 f", "f\t[unknown]\tu"),
    ],
)  # fmt: skip
def test_odd_frames_are_understood(line, frame):
    (row,) = samples(f"a 1 1.5: e: \n{line}\n")
    assert (row["callchain"], row["error"]) == (frame, None)


def test_source_lines_between_frames_are_left_out():
    (row,) = samples("a 1 1.5: e: \n\tff f (d)\n  tcp_input.c:123\n\tfe g (d)\n  tcp.c:9\n\n")
    assert row["callchain"] == "f\td\tu\ng\td\tu"


def test_a_sample_without_chain_takes_the_frame_behind_its_event():
    (row,) = samples("a 1 [000] 1.5: 1 cpu-clock:  ffffffff81 tcp_v4_rcv+0x1 ([kernel.kallsyms])\n")
    assert row["callchain"] == "tcp_v4_rcv\t[kernel.kallsyms]\tk"


def test_samples_without_blank_lines_between_them_are_told_apart():
    rows = samples("a 1 [0] 1.5: 1 e: \n\tff f (d)\nb 2 [0] 2.5: 1 e: \n\tff g (d)\n")
    assert [(row["comm"], row["callchain"]) for row in rows] == [("a", "f\td\tu"), ("b", "g\td\tu")]


def test_text_without_blank_lines_does_not_pile_up():
    line = "     swapper     0 [000]     1.500000: sched:sched_switch: prev_comm=a 3 b\n"
    tables = list(PerfText().tables([line * 1000] * 40))
    assert sum(table.height for table in tables) == 40_000
    assert len(tables) > 1


@pytest.mark.parametrize(
    "header",
    ["a 1 [000] 99999999999999999999.5: e: ", "a 99999999999 1.5: e: ", "a 1 1.5: 99999999999999999999 e: "],
)
def test_numbers_that_no_kernel_prints_are_damage(header):
    (row,) = samples(header + "\n")
    assert row["error"].startswith("line 1: not a perf sample")


@pytest.mark.parametrize(
    "line", [" " * 900_000 + "x", "a " * 300_000, "1 " * 300_000, "a 1 1.5: " + "e" * 900_000, "[" * 900_000]
)
def test_a_long_line_takes_no_long_time(line):
    (row,) = samples(line + "\n")
    assert row["error"]


def test_an_unreadable_line_is_a_row_that_says_where(tmp_path):
    table = scan_perf(written(tmp_path, TWO_SAMPLES + "what is this\n\n" + TWO_SAMPLES)).collect()
    errors = table.get_column("error").drop_nulls().to_list()
    assert table.height == 5
    assert errors == ["line 10: not a perf sample: 'what is this'"]


def test_gzip_is_told_by_content_not_by_name(tmp_path):
    file = tmp_path / "trace"
    file.write_bytes(gzip.compress(TWO_SAMPLES.encode()))
    assert scan_perf(file).collect().height == 2


def test_projection_and_predicate_reach_the_reader(tmp_path):
    scan = scan_perf(written(tmp_path, TWO_SAMPLES))
    assert scan.filter(pl.col("cpu") == 0).select("comm").collect().to_series().to_list() == ["swapper"]
    assert scan.head(1).collect().height == 1


def test_a_row_limit_counts_rows_of_the_file_before_the_filter(tmp_path):
    scan = scan_perf(written(tmp_path, TWO_SAMPLES))
    assert scan.head(1).filter(pl.col("cpu") == 0).collect().height == 0
    assert scan.filter(pl.col("cpu") == 0).head(1).collect().height == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no sample"),
        (b"just words\n", "no perf sample found"),
        (b"\x7fELF\0\0\0\0\0\0", "is a binary file"),
        (b"x" * 3_000_000, "a line is longer"),
    ],
)
def test_what_is_no_trace_is_refused_in_one_line(tmp_path, content, message):
    file = tmp_path / "perf.txt"
    file.write_bytes(content)
    with pytest.raises(TraceError) as caught:
        scan_perf(file).collect()
    assert message in str(caught.value)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_truncated_gzip_is_refused_with_its_name(tmp_path):
    file = tmp_path / "perf.txt.gz"
    file.write_bytes(gzip.compress(TWO_SAMPLES.encode() * 50)[:-30])
    with pytest.raises(TraceError, match=r"perf\.txt\.gz: compressed data is damaged or cut off"):
        scan_perf(file).collect()


def test_a_missing_file_is_refused_when_it_is_named():
    with pytest.raises(TraceError, match="No such file"):
        scan_perf("/nowhere/perf.txt")


@pytest.mark.skipif(not shutil.which("perf"), reason="needs perf")
def test_perf_data_gives_the_same_samples_as_the_text_perf_makes_of_it(tmp_path):
    data = tmp_path / "perf.data"
    run = ["perf", "record", "-q", "-a", "-e", "cpu-clock", "-F", "499", "-g", "-o", str(data), "--"]
    made = subprocess.run(
        [*run, "python3", "-c", "sum(range(3_000_000))"], capture_output=True, check=False, timeout=60
    )
    if made.returncode != 0 or not data.exists():
        pytest.skip(f"perf cannot record here: {made.stderr.decode()[:100]}")
    fields = "comm,pid,tid,cpu,time,period,event,ip,sym,dso"
    command = ["perf", "script", "--ns", "--force", "-F", fields, "-i", str(data)]
    text = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    direct = scan_perf(data).collect()
    assert direct.height > 0
    assert direct.equals(scan_perf(written(tmp_path, text.decode("utf-8", "replace"))).collect())
    packed = tmp_path / "perf.data.gz"
    packed.write_bytes(gzip.compress(data.read_bytes()))
    assert scan_perf(packed).collect().equals(direct)


def test_a_damaged_perf_data_is_refused_with_perfs_own_reason(tmp_path):
    file = tmp_path / "perf.data"
    file.write_bytes(b"PERFILE2" + b"\0" * 50)
    with pytest.raises(TraceError, match=r"perf could not read it|needs perf"):
        scan_perf(file).collect()
