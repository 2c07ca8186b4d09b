"""Folded call chains equal those of stackcollapse-perf."""

import gzip
import os
import re
from pathlib import Path

import polars as pl
import pytest

from zcanalysis.io.folded import folded_stacks, folded_text
from zcanalysis.io.perf import scan_perf

SHARED = Path(os.environ.get("ZC_SHARED", Path(__file__).parents[3] / "shared"))
PERF = SHARED / "data" / "perf"
ORACLES = sorted((PERF / "fg-oracle").glob("*-collapsed-*")) if PERF.is_dir() else []
OPTIONS = {
    "all": {"marks": ("kernel", "jit", "inlined")},
    "kernel": {"marks": ("kernel", "inlined")},
    "pid": {"label": "pid"},
    "tid": {"label": "tid"},
}


# stackcollapse prints no name at all for a frame that perf printed without one; for perf's "[unknown]" it prints the
# file. We print the file for both.
NAMELESS = (re.compile(r"; (?= \d+$)"), ";[libc-2.15.so]")


def content(path: Path) -> str:
    packed = path.read_bytes()
    return (gzip.decompress(packed) if path.suffix == ".gz" else packed).decode()


@pytest.mark.skipif(not ORACLES, reason="ZC_SHARED has no stackcollapse outputs")
@pytest.mark.parametrize("oracle", ORACLES, ids=lambda path: path.name)
def test_stacks_and_counts_equal_those_of_stackcollapse(oracle):
    source, option = re.fullmatch(r"(.*)-collapsed-(\w+)\.txt(?:\.gz)?", oracle.name).groups()
    inputs = list(PERF.glob(f"fg-{source}.txt*"))
    if not inputs:
        pytest.skip(f"the trace {source} was not kept")
    samples = scan_perf(inputs[0]).collect()
    if not content(inputs[0]).endswith("\n\n"):
        samples = samples.head(-1)  # stackcollapse loses a last sample that no blank line ends; we do not
    theirs = [NAMELESS[0].sub(NAMELESS[1], line) for line in content(oracle).splitlines()]
    assert folded_text(folded_stacks(samples, **OPTIONS[option])).splitlines() == sorted(theirs)


def samples_of(*rows: tuple[str, str, int | None]) -> pl.DataFrame:
    table = pl.DataFrame(
        {
            "comm": [comm for comm, _, _ in rows],
            "callchain": [chain for _, chain, _ in rows],
            "period": pl.Series([period for _, _, period in rows], dtype=pl.Int64),
        }
    )
    return table.with_columns(event=pl.lit("e"), pid=pl.lit(1), tid=pl.lit(2), error=pl.lit(None, pl.String))


@pytest.mark.parametrize(
    ("comm", "frame", "folded"),
    [
        ("Web Content", "f\td\tu", "Web_Content;f 1"),
        ("a;b", "f(int, char)\td\tu", "a:b;f 1"),
        ("go", "net/http.(*Client).Do\td\tu", "go;net/http.(*Client).Do 1"),
        ("c", "(anonymous namespace)::f(int)\td\tu", "c;(anonymous namespace)::f 1"),
        ("java", "Ljava/lang/String;.a\t/tmp/perf-1.map\tu", "java;java/lang/String:.a_[j] 1"),
        ("java", "La;::f->Lb;::g\t/tmp/perf-1.map\tu", "java;La:::f_[j];Lb:::g_[i] 1"),
        ("c", "P::operator->\td\tu", "c;P::operator-> 1"),
        ("c", "f\t(inlined)\tk\ng\tvmlinux\tk", "c;g_[k];f_[i] 1"),
        ("c", "[unknown]\t/usr/lib/x.so\tu", "c;[x.so] 1"),
        ("c", "[unknown]\t[unknown]\tu", "c;[unknown] 1"),
        ("c", "", "c 1"),
    ],
)
def test_names_are_tidied_and_marked(comm, frame, folded):
    table = folded_stacks(samples_of((comm, frame, None)), marks=("kernel", "jit", "inlined"))
    assert folded_text(table) == folded + "\n"


def test_periods_are_what_is_counted_and_chains_that_look_alike_are_one():
    table = folded_stacks(samples_of(("a", "f(int)\td\tu", 5), ("a", "f(char)\td\tu", 7), ("a", "f\td\tu", 0)))
    assert table.rows() == [("a;f", 13)]


def test_only_the_first_event_counts_unless_another_is_named():
    samples = pl.concat(
        [samples_of(("a", "f\td\tu", 1)), samples_of(("a", "g\td\tu", 1)).with_columns(event=pl.lit("other"))]
    )
    assert folded_stacks(samples).rows() == [("a;f", 1)]
    assert folded_stacks(samples, event="other").rows() == [("a;g", 1)]


def test_rows_that_are_no_samples_are_not_counted():
    damaged = samples_of(("a", "", None)).with_columns(error=pl.lit("line 1: damage"))
    assert folded_stacks(damaged).height == 0


def test_the_idle_tasks_thread_is_0_and_not_unknown():
    idle = samples_of(("swapper", "cpu_idle\tvmlinux\tk", None)).with_columns(pid=pl.lit(0), tid=pl.lit(0))
    assert folded_stacks(idle, label="tid").rows() == [("swapper-0/0;cpu_idle", 1)]
    assert folded_stacks(idle.with_columns(pid=pl.lit(None, pl.Int64)), label="pid").rows() == [
        ("swapper-?;cpu_idle", 1)
    ]
