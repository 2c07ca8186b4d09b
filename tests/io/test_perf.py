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


def test_text_in_small_pieces_gives_the_same_samples():
    whole = list(PerfText().samples([TWO_SAMPLES]))
    pieces = [TWO_SAMPLES[i : i + 7] for i in range(0, len(TWO_SAMPLES), 7)]
    assert list(PerfText().samples(pieces)) == whole


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
    (sample,) = PerfText().samples([header + "\n\n"])
    assert (sample.comm, sample.tid, sample.cpu, sample.ts_ns, sample.error) == (comm, tid, cpu, 1_500_000_000, None)


def test_a_sample_without_chain_takes_the_frame_behind_its_event():
    (sample,) = PerfText().samples(["a 1 [000] 1.5: 1 cpu-clock:  ffffffff81 tcp_v4_rcv+0x1 ([kernel.kallsyms])\n"])
    assert sample.callchain == "tcp_v4_rcv\t[kernel.kallsyms]\tk"


def test_samples_without_blank_lines_between_them_are_told_apart():
    text = "a 1 [0] 1.5: 1 e: \n\tff f (d)\nb 2 [0] 2.5: 1 e: \n\tff g (d)\n"
    assert [sample.comm for sample in PerfText().samples([text])] == ["a", "b"]


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
        (b"", "is empty"),
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
