"""A batch in one process: whole, resumed, and done anew only where something changed."""

import json
import multiprocessing
import os
import shutil
from pathlib import Path

import polars as pl
import pytest

from tests import builders as make
from tests.fleet.conftest import BAD, DAY_S, LARGE
from tests.fleet.datasets import EVERY, check_same, contents, leftovers
from zcanalysis.answer import answered, limited_flows, report_document
from zcanalysis.errors import TraceError
from zcanalysis.fleet import running, tasks
from zcanalysis.fleet.dataset import DATASET_VERSION, TABLES, dataset_in
from zcanalysis.fleet.running import Progress, batch, batch_document
from zcanalysis.fleet.sources import Source
from zcanalysis.fleet.tasks import KILLED
from zcanalysis.io.recording import read_recording
from zcanalysis.tables import FLOWS, RECORDINGS, polars_schema

CAPTURE = make.pcap([make.ethernet(make.ipv4(make.tcp(payload=b"x" * 100)))] * 3)


@pytest.fixture
def small(tmp_path) -> Path:
    """Six captures, one of them bad."""
    root = tmp_path / "small"
    root.mkdir()
    for number in range(5):
        (root / f"{number}.pcap").write_bytes(CAPTURE)
    (root / BAD).write_bytes(b"not a capture")
    return root


def test_all_but_the_bad_one_are_in_the_dataset_with_the_numbers_of_report(fleet, made):
    assert made.progress == Progress(done=24, failed=1, left=0, kept=0)
    assert made.recordings.schema == polars_schema(RECORDINGS)
    for path in (fleet / "veth-no-rps-1", fleet / "mtu-9000-2.pcap"):
        answer = answered(read_recording(path))
        document = report_document(answer)
        row = made.recordings.row(by_predicate=pl.col("path") == str(path), named=True)
        said = ("goodput_gbps", "goodput_low_gbps", "ceiling_gbps", "ceiling", "unexplained_gbps", "answer")
        assert {name: row[name] for name in said} == {name: document[name] for name in said}
        assert row["limit"] == answer.held_back_by.kind
        assert row["size_bytes"] == sum(file.stat().st_size for file in ([path] if path.is_file() else path.iterdir()))
        kept = {name: pl.read_parquet(made.directory / name / f"{row['key']}.parquet") for name in TABLES}
        assert all(table["key"].unique().to_list() in ([], [row["key"]]) for table in kept.values())
        assert kept["flows"].drop("key").equals(limited_flows(answer).cast(polars_schema(FLOWS)))
        assert kept["costs"].drop("key").equals(answer.costs)
        assert kept["blame"].drop("key").equals(answer.blame)
        assert kept["audit"].drop("key").equals(answer.audit)
        assert kept["limits"].height == len(document["limits"] or [])


def test_a_copy_made_a_day_later_says_the_same_a_day_later(fleet, made):
    flows = pl.scan_parquet(made.directory / "flows/*.parquet").collect()
    keys = [Source(fleet / f"mtu-65000-{day}.pcap").key for day in range(7)]
    first, last = (flows.filter(pl.col("key") == keys[day]) for day in (0, 6))
    same = ["packets", "unique_bytes", "goodput_gbps", "rtt_ms"]
    assert first.select(same).equals(last.select(same))
    assert ((last["first_ns"] - first["first_ns"]) == 6 * DAY_S * 10**9).all()


def test_the_bad_one_is_listed_with_its_reason_and_tried_again(small, tmp_path):
    made = batch([small], tmp_path / "out")
    (failure,) = made.failures
    assert failure.path == str(small / BAD)
    assert "not a perf sample" in failure.reason
    (small / BAD).write_bytes(CAPTURE)
    again = batch([small], tmp_path / "out")
    assert again.progress == Progress(done=1, failed=0, left=0, kept=5)
    assert again.failures == []
    assert again.recordings.height == 6


def test_files_say_what_they_are_and_what_their_columns_mean(made):
    for name in EVERY:
        file = next((made.directory / name).iterdir())
        said = pl.read_parquet_metadata(file)
        assert said["zcanalysis.schema"] == f"{name} {DATASET_VERSION}"
        assert list(json.loads(said["zcanalysis.columns"])) == pl.read_parquet(file).columns


def test_what_is_done_is_not_done_twice(small, tmp_path, monkeypatch):
    first = batch([small], tmp_path / "out")
    monkeypatch.setattr(tasks, "answered", None)  # whoever calls it fails
    second = batch([small], tmp_path / "out")
    assert second.progress == Progress(done=0, failed=1, left=0, kept=5)
    assert second.recordings.equals(first.recordings)


def test_a_changed_source_is_done_anew_and_counted_once(small, tmp_path):
    before = batch([small], tmp_path / "out").recordings
    (small / "3.pcap").write_bytes(make.pcap([make.ethernet(make.ipv4(make.tcp()))] * 9))
    made = batch([small], tmp_path / "out")
    assert made.progress == Progress(done=1, failed=1, left=0, kept=4)
    changed = pl.col("path") == str(small / "3.pcap")
    assert made.recordings.filter(~changed).equals(before.filter(~changed))
    assert made.recordings.filter(changed)["packets"].to_list() == [9]


def test_a_source_that_breaks_is_no_longer_in_the_dataset(small, tmp_path):
    batch([small], tmp_path / "out")
    (small / "3.pcap").write_bytes(b"broken now")
    made = batch([small], tmp_path / "out")
    assert made.recordings.height == 4
    assert [Path(one.path).name for one in made.failures] == ["3.pcap", BAD]
    assert all(len(files) == 4 for files in contents(made.directory).values())


def test_another_link_rate_does_all_of_it_anew(small, tmp_path):
    batch([small], tmp_path / "out")
    made = batch([small], tmp_path / "out", link_gbps=10)
    assert made.progress.done == 5
    assert made.recordings["ceiling_gbps"].to_list() == [10.0] * 5


@pytest.mark.parametrize("stop_after", [0, 1, 3])
def test_an_interrupted_run_goes_on_where_it_stopped(small, tmp_path, stop_after):
    whole = batch([small], tmp_path / "whole")

    def interrupt(progress: Progress) -> None:
        if progress.done == stop_after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        batch([small], tmp_path / "out", on_progress=interrupt)
    assert leftovers(tmp_path / "out") == []
    assert not (tmp_path / "out/.run").exists()
    resumed = batch([small], tmp_path / "out")
    assert resumed.progress.kept == stop_after
    assert resumed.progress.done == 5 - stop_after
    check_same(resumed.directory, whole.directory)


def test_an_interruption_in_the_middle_of_an_analysis_is_no_failure_of_its_source(small, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(tasks, "answered", interrupted)
    with pytest.raises(KeyboardInterrupt):
        batch([small], tmp_path / "out")
    assert list((tmp_path / "out/failed").iterdir()) == []
    assert "6 left to do" in (tmp_path / "out/index.html").read_text()


def test_a_source_that_kills_the_run_is_named_and_comes_last_the_next_time(small, tmp_path, monkeypatch):
    child = multiprocessing.get_context("spawn").Process(target=_killed_at, args=("1.pcap", [small], tmp_path / "out"))
    child.start()
    child.join(120)
    assert child.exitcode == 9
    order = []

    def told(job, ranges=None):
        order.append(job.source.path.name)
        return tasks.analyse(job, ranges)

    monkeypatch.setattr(running, "analyse", told)
    with dataset_in(tmp_path / "out") as dataset:
        assert [one.reason for one in dataset.failures()] == [KILLED]
        assert leftovers(dataset.directory) == []
    batch([small], tmp_path / "out")
    assert order == ["2.pcap", "3.pcap", "4.pcap", BAD, "1.pcap"]
    check_same(tmp_path / "out", batch([small], tmp_path / "whole").directory)


def _killed_at(name: str, paths: list[Path], directory: Path) -> None:
    """In a process of its own: a batch that ends like one without memory when it comes to a source."""

    def answered_or_killed(recording, link_gbps):
        if recording.path.name == name:
            os._exit(9)
        return answered(recording, link_gbps)

    tasks.answered = answered_or_killed
    batch(paths, directory)


def test_what_a_killed_run_left_half_done_is_swept(small, tmp_path):
    whole = batch([small], tmp_path / "whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "out")
    key = Source(small / "2.pcap").key
    (tmp_path / f"out/recordings/{key}.parquet").unlink()
    (tmp_path / f"out/flows/.{key}.draft.part").write_bytes(b"half")
    (tmp_path / "out/.parts" / key).mkdir(parents=True)
    with dataset_in(tmp_path / "out"):
        assert not (tmp_path / f"out/flows/{key}.parquet").exists()
        assert leftovers(tmp_path / "out") == []
    check_same(batch([small], tmp_path / "out").directory, whole.directory)


@pytest.mark.parametrize("name", ["flows", "recordings"])
@pytest.mark.parametrize("damage", [b"", None])
def test_a_dataset_with_a_table_lost_or_emptied_is_mended(small, tmp_path, name, damage):
    whole = batch([small], tmp_path / "out")
    shutil.copytree(tmp_path / "out", tmp_path / "whole")
    file = tmp_path / "out" / name / f"{Source(small / '2.pcap').key}.parquet"
    file.unlink()
    if damage is not None:
        file.write_bytes(damage)
    assert batch([], tmp_path / "out").recordings.height == 5 - (name == "recordings")
    mended = batch([small], tmp_path / "out")
    assert mended.progress.done == 1
    check_same(whole.directory, tmp_path / "whole")


def test_a_source_that_grows_while_it_is_read_is_refused_until_it_is_complete(small, tmp_path, monkeypatch):
    def slow(recording, link_gbps):
        with (small / "0.pcap").open("ab") as file:
            file.write(CAPTURE[24:])
        return answered(recording, link_gbps)

    with monkeypatch.context() as patched:
        patched.setattr(tasks, "answered", slow)
        made = batch([small / "0.pcap"], tmp_path / "out")
    assert "changed while it was read" in made.failures[0].reason
    assert batch([small / "0.pcap"], tmp_path / "out").recordings["packets"].to_list() == [6]


def test_a_failure_of_ours_stops_nothing_but_a_full_disk_does(small, tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(tasks, "answered", lambda *_: 1 / 0)
        made = batch([small], tmp_path / "out")
    assert made.progress.failed == 6
    assert "our own failure: ZeroDivisionError" in made.failures[0].reason

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("zcanalysis.fleet.dataset.Dataset.keep", full)
    with pytest.raises(OSError, match="No space"):
        batch([small], tmp_path / "out")


def test_names_from_the_wild_reach_dataset_and_page_as_text(tmp_path):
    root = tmp_path / "names"
    root.mkdir()
    names = [
        "<script>alert(1)<",
        '" onmouseover="x',
        "new\nline",
        "-o",
        "\N{RIGHT-TO-LEFT OVERRIDE}x",
        "a,b;c|d",
        "%s{}",
    ]
    for name in names:
        (root / f"{name}.pcap").write_bytes(CAPTURE)
    (root / os.fsdecode(b"\xff\xfe.pcap")).write_bytes(CAPTURE)
    (root / "<b>bad.pcap").write_bytes(b"")
    made = batch([root], tmp_path / "out")
    assert made.progress == Progress(done=8, failed=1, left=0, kept=0)
    kept = set(made.recordings["path"])
    assert {str(root / f"{name}.pcap") for name in names} <= kept
    assert str(root / "??.pcap") in kept
    page = made.page.read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert "<b>bad" not in page
    assert "&lt;b&gt;bad" in page
    json.dumps(batch_document(made), allow_nan=False).encode()


def test_a_folder_that_is_not_ours_is_not_written_into(small, tmp_path):
    with pytest.raises(TraceError, match="neither empty nor a dataset"):
        batch([small], small)
    assert len(list(small.iterdir())) == 6
    with pytest.raises(TraceError, match="is a file"):
        batch([small], small / BAD)
    (tmp_path / "old").mkdir()
    (tmp_path / "old/dataset.json").write_text('{"version": 0}')
    with pytest.raises(TraceError, match="version 0"):
        batch([small], tmp_path / "old")


def test_two_runs_do_not_write_one_dataset(small, tmp_path):
    with (
        dataset_in(tmp_path / "out"),
        pytest.raises(TraceError, match="another batch is writing"),
    ):
        batch([small], tmp_path / "out")


def test_large_is_large(fleet):
    assert (fleet / LARGE).stat().st_size > 1 << 20


def test_a_task_whose_run_is_over_writes_nothing(small, tmp_path):
    made = batch([small], tmp_path / "out")
    job = tasks.Job(Source(small / "2.pcap"), tmp_path / "out", "the run before")
    (small / "2.pcap").write_bytes(b"broken now")
    with pytest.raises(TraceError, match="is over"):
        tasks.analyse(job)
    with dataset_in(tmp_path / "out") as dataset:
        with pytest.raises(TraceError, match="is over"):
            tasks.analyse(job)
        assert dataset.recordings().equals(made.recordings)
