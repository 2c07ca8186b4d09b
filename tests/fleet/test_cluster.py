"""The same dataset on a real cluster of two processes, whatever dies or is interrupted meanwhile."""

import logging
import os
import signal
import time
from pathlib import Path

import pytest

from tests.fleet.conftest import BAD, LARGE
from tests.fleet.datasets import check_same, leftovers
from zcanalysis.errors import HostError, TraceError
from zcanalysis.fleet.cluster import analysed_on
from zcanalysis.fleet.running import Progress, batch
from zcanalysis.fleet.sources import Source
from zcanalysis.fleet.tasks import Job, splits

distributed = pytest.importorskip("distributed")
dask = pytest.importorskip("dask")

PART_BYTES = 1 << 18


@pytest.fixture(scope="module")
def client():
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=logging.CRITICAL
        ) as cluster,
        distributed.Client(cluster) as connected,
    ):
        yield connected


def test_a_worker_killed_in_the_middle_loses_and_doubles_nothing(fleet, made, client, tmp_path):
    assert len(splits(Job(Source(fleet / LARGE), tmp_path, ""), PART_BYTES)) >= 4
    killed = []

    def kill_one(progress: Progress) -> None:
        if progress.done == 5 and not killed:
            killed.append(sorted(client.run(os.getpid).values())[0])
            os.kill(killed[0], signal.SIGKILL)

    out = tmp_path / "out"
    there = batch([fleet], out, scheduler=client, on_progress=kill_one, part_bytes=PART_BYTES)
    assert killed
    assert there.progress == made.progress
    assert there.recordings.equals(made.recordings)
    check_same(out, made.directory)
    assert leftovers(out) == []


def test_an_interrupted_batch_goes_on_by_address(fleet, made, client, tmp_path):
    def interrupt(progress: Progress) -> None:
        if progress.done + progress.failed == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        batch([fleet], tmp_path / "out", scheduler=client, on_progress=interrupt, part_bytes=PART_BYTES)
    address = client.scheduler.address
    resumed = batch([fleet], tmp_path / "out", scheduler=address, part_bytes=PART_BYTES)
    assert resumed.progress.kept >= 3
    assert resumed.progress.done + resumed.progress.kept == 24
    assert leftovers(tmp_path / "out") == []
    check_same(tmp_path / "out", made.directory)


def test_a_source_that_kills_its_workers_is_a_failure_of_its_own(client, tmp_path, monkeypatch):
    root = tmp_path / "root"
    root.mkdir()
    (root / BAD).write_bytes(b"bad")
    monkeypatch.setattr("zcanalysis.fleet.cluster.analyse", _end_the_process)
    made = batch([root], tmp_path / "out", scheduler=client)
    assert "killed the 2 workers" in made.failures[0].reason
    assert made.progress == Progress(done=0, failed=1, left=0, kept=0)


def _end_the_process(job, ranges=None) -> None:
    del job, ranges
    time.sleep(0.1)
    os._exit(1)


def test_a_dataset_that_workers_do_not_see_ends_the_batch(client, tmp_path):
    (tmp_path / "a.pcap").write_bytes(b"")
    job = Job(Source(tmp_path / "a.pcap"), Path("/nowhere"), "")
    with pytest.raises(TraceError, match="must be shared"):
        list(analysed_on(client, [job], PART_BYTES))


def test_a_scheduler_that_is_not_there_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("zcanalysis.fleet.cluster.ANSWERS_S", 1)
    (tmp_path / "a.pcap").write_bytes(b"")
    with pytest.raises(HostError, match="no scheduler answers"):
        batch([tmp_path / "a.pcap"], tmp_path / "out", scheduler="tcp://127.0.0.1:9")
    with pytest.raises(HostError, match="no scheduler answers"):
        batch([tmp_path / "a.pcap"], tmp_path / "out", scheduler="nonsense://")
