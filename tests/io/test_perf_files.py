"""Perf traces that nobody here wrote: each is read, or refused in one line."""

import gzip
import random
import re
import shutil
import subprocess
import sys
import time

import polars as pl
import pytest

from tests.builders import SHARED
from zcanalysis.errors import HostError, TraceError
from zcanalysis.io.perf import scan_perf
from zcanalysis.io.trace_events import scan_events

PERF = SHARED / "perf"
TEXTS = {
    "fg-example-perf-stacks.txt.gz": 1315,
    "fg-perf-dd-stacks-01.txt": 11,
    "fg-perf-funcab-pid-01.txt": 228,
    "fg-perf-iperf-stacks-pidtid-01.txt.gz": 201,
    "fg-perf-java-stacks-01.txt": 46,
    "fg-perf-mirageos-stacks-01.txt": 53,
    "fg-perf-rust-Yamakaky-dcpu.txt": 58,
    "fg-perf-vertx-stacks-01.txt.gz": 286,
    "firefox-gzip.perf.gz": 420,
    "firefox-test.perf.gz": 73,
    "flamescope-perf.test01": 9,
    "inferno-java-inline.txt": 22,
    "inferno-single-event.txt": 1,
    "inferno-single-line-stacks.txt": 2,
    "inferno-sourcepawn-jitdump.txt": 1,
    "inferno-versioned-vmlinux.txt": 1,
    "pair3-out.perf.gz": 249,
    "pair5-perf.script": 58,
    "perfview-exec_process.perf.data.dump": 1,
    "perfview-mixed_switches.perf.data.dump": 5,
    "perfview-no_stack_frames.perf.data.dump": 2,
    "perfview-no_stack_frames2.perf.data.dump": 1,
    "perfview-one_complete_switch.perf.data.dump": 2,
    "perfview-onegeneric.perf.data.dump": 1,
    "perfview-space_sep_command.perf.data.dump": 1,
    "perfview-two_small_generic.perf.data.dump": 2,
    "perfview-twodifferentlongstacks.perf.data.dump": 2,
    "perfview-twogenericsame.perf.data.dump": 2,
    "perfview-twogenericsamelongstacks.perf.data.dump": 2,
    "speedscope-forks.txt": 561,
    "speedscope-simple-with-header.txt": 136,
    "speedscope-simple-with-pid.txt": 137,
    "speedscope-system-wide.txt": 556,
}
DAMAGED = [
    path
    for folder in ("malformed/perf-data", "malformed/text", "perf", "perf/data", "perf/ftrace")
    for path in sorted((SHARED / folder).glob("*"))
    if path.is_file()
]
SECONDS_LIMIT = 5
KIB_LIMIT = 500 << 10
READ_ALL = """
import resource, sys
from zcanalysis.errors import ZcError
from zcanalysis.io.perf import scan_perf
from zcanalysis.io.trace_events import scan_events
for path in sys.argv[1:]:
    for scan in (scan_perf, scan_events):
        try:
            scan(path).collect()
        except ZcError:
            pass
# not ru_maxrss of this process: it begins with the peak of the process that started it
(peak,) = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(max(int(peak), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
"""

needs_shared = pytest.mark.skipif(not PERF.is_dir(), reason="ZC_SHARED has no perf traces")
needs_perf = pytest.mark.skipif(not shutil.which("perf"), reason="needs perf")


@needs_shared
@pytest.mark.parametrize("name", TEXTS)
def test_every_sample_of_a_foreign_text_is_read(name):
    packed = (PERF / name).read_bytes()
    text = (gzip.decompress(packed) if name.endswith(".gz") else packed).decode("utf-8-sig")
    table = scan_perf(PERF / name).collect()
    assert table.get_column("error").null_count() == table.height == TEXTS[name]
    # Written another way: what is neither indented, blank nor a comment is a header.
    heads = len(re.findall(r"^(?![\t#\n]| {6,}[0-9a-f]+ \S+ \()\s*\S", text, re.MULTILINE))
    assert table.height == heads or name.startswith(("inferno-single-event", "inferno-versioned"))


@needs_shared
def test_flame_graph_issues_do_not_repeat():
    comms = scan_perf(PERF / "perfview-space_sep_command.perf.data.dump").collect().get_column("comm").to_list()
    assert comms == ["comm and3 another part to the command line5 part3 part1"]


@needs_shared
@needs_perf
def test_text_and_binary_of_one_recording_agree():
    text = scan_perf(PERF / "pair3-out.perf.gz").collect()
    binary = scan_perf(PERF / "pair3-perf.data").collect()
    same = ["cpu", "tid", "comm", "event", "period", "error"]  # the text was printed without processes
    assert text.select(same).equals(binary.select(same))
    microseconds = pl.col("ts_ns") // 1000  # and by default perf prints no nanoseconds
    assert text.select(microseconds).equals(binary.select(microseconds))
    frames = pl.col("callchain").str.split("\n")
    places = frames.list.eval(pl.element().str.replace(r"^[^\t]*\t", ""))  # the libraries' symbols are not on this host
    assert text.select(places).equals(binary.select(places))


@needs_shared
@needs_perf
def test_a_file_that_this_perf_cannot_read_is_refused_with_its_reason():
    try:
        binary = scan_perf(PERF / "pair5-perf.data.gz").collect()
    except TraceError as error:
        assert re.search(r"perf could not read it: [^\n]+$", str(error))  # noqa: PT017
    else:
        assert binary.height == TEXTS["pair5-perf.script"]


def outcome(scan, path) -> pl.DataFrame | str:
    try:
        return scan(path).collect()
    except (TraceError, HostError) as error:
        return str(error)


@needs_shared
@pytest.mark.parametrize("path", DAMAGED, ids=lambda path: path.name)
@pytest.mark.parametrize("scan", [scan_perf, scan_events])
def test_a_foreign_or_damaged_file_gives_rows_or_one_line(scan, path):
    start = time.monotonic()
    result = outcome(scan, path)
    assert time.monotonic() - start < SECONDS_LIMIT
    if isinstance(result, str):
        assert "\n" not in result
        assert str(path) in result
    else:
        assert result.height > 0


@needs_shared
@pytest.mark.parametrize("scan", [scan_perf, scan_events])
@pytest.mark.parametrize("path", DAMAGED[::3], ids=lambda path: path.name)
def test_a_file_cut_anywhere_gives_rows_or_one_line(scan, path, tmp_path):
    content = path.read_bytes()
    dice = random.Random(path.name)
    for _ in range(3):
        cut = tmp_path / path.name
        cut.write_bytes(content[: dice.randrange(len(content) + 1)])
        start = time.monotonic()
        result = outcome(scan, cut)
        assert time.monotonic() - start < SECONDS_LIMIT
        assert not isinstance(result, str) or "\n" not in result


@needs_shared
@pytest.mark.parametrize("scan", [scan_perf, scan_events])
def test_text_with_bytes_flipped_gives_rows_or_one_line(scan, tmp_path):
    names = ["fg-perf-java-stacks-01.txt", "speedscope-forks.txt", "ftrace/panopticon-ftrace.txt"]
    dice = random.Random(5)
    for name in names * 3:
        content = bytearray((PERF / name).read_bytes())
        for _ in range(200):
            content[dice.randrange(len(content))] = dice.randrange(1, 256)
        damaged = tmp_path / "damaged.txt"
        damaged.write_bytes(bytes(content))
        result = outcome(scan, damaged)
        assert not isinstance(result, str) or "\n" not in result


@needs_shared
def test_no_foreign_or_damaged_file_takes_much_memory():
    command = [sys.executable, "-c", READ_ALL, *map(str, DAMAGED)]
    largest_kib = int(subprocess.run(command, capture_output=True, check=True, timeout=120).stdout)
    assert largest_kib < KIB_LIMIT
