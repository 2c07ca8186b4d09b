"""A batch: every source that the dataset does not hold as it is now, one after the other or on a cluster."""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from zcanalysis.extensions import fingerprint
from zcanalysis.fleet.dataset import Dataset, Failure, dataset_in
from zcanalysis.fleet.page import write_index
from zcanalysis.fleet.sources import found
from zcanalysis.fleet.tasks import Job, Outcome, analyse, is_done

if TYPE_CHECKING:
    from distributed import Client


class Progress(NamedTuple):
    """How far a batch is."""

    done: int
    """Analysed in this run."""
    failed: int
    left: int
    kept: int
    """Analysed by an earlier run, and unchanged since."""

    def words(self) -> str:
        """In one line."""
        earlier = f", {self.kept:,} before" if self.kept else ""
        return f"{self.done:,} done{earlier}, {self.failed:,} failed, {self.left:,} left"


class Batch(NamedTuple):
    """What a batch leaves."""

    directory: Path
    recordings: pl.DataFrame
    """RECORDINGS: all that the dataset holds, by path."""
    failures: list[Failure]
    """All that could not be analysed, by path."""
    progress: Progress

    @property
    def page(self) -> Path:
        """The page that lists them."""
        return self.directory / "index.html"


def batch(
    paths: Iterable[str | Path],
    directory: str | Path,
    *,
    scheduler: "str | Client | None" = None,
    link_gbps: float | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    part_bytes: int | None = None,
) -> Batch:
    """Analyse many recordings and captures into one dataset.

    Parameters
    ----------
    paths
        Recordings, captures, perf traces; folders that hold such at any depth; patterns.
    directory
        Of the dataset. What it holds already is done anew only where its source changed, or failed.
    scheduler
        None: in this process, one after the other. Else a Dask ``Client``, or the address of a scheduler
        (``tcp://host:8786``), or ``local``: as many processes on this machine as it has CPUs.
    link_gbps
        The link's rate, where the recordings do not say it.
    on_progress
        Told how far it is, at the begin and after every source.
    part_bytes
        On a cluster: captures of twice that size or more are decoded in parts of it, by several workers. It pays only
        where reading is slow: of 12 million packets in memory, decoding in parts took 5.5 s of CPU time and the rest,
        on one worker, 6.4 to 7.4 s; all of it in one piece 8.3 to 9.0 s.

    Returns
    -------
    Batch
        A source that could not be analysed stops nothing: it is among the failures, and is tried again next time.

    Raises
    ------
    TraceError
        If the directory holds something else than a dataset, or cannot be seen by a worker.
    HostError
        If a scheduler is named and dask is not installed, or does not answer.

    Notes
    -----
    Ctrl-C, or a kill, leaves a dataset of whole tables, which the next run completes. The dataset is the same however
    it is made.
    """
    with dataset_in(Path(os.path.abspath(directory))) as dataset:  # noqa: PTH100 - links stay
        given = (dataset.directory, dataset.run, link_gbps, fingerprint())
        jobs = [Job(source, *given) for source in found(paths)]
        todo = sorted((job for job in jobs if not is_done(job)), key=lambda job: dataset.has_failed(job.source))
        progress = Progress(0, 0, len(todo), len(jobs) - len(todo))
        on_progress(progress)
        try:
            for outcome in _outcomes(todo, scheduler, part_bytes):
                failed = outcome.reason is not None
                progress = Progress(
                    progress.done + (not failed), progress.failed + failed, progress.left - 1, progress.kept
                )
                on_progress(progress)
        finally:
            made = _written(dataset, progress)
    return made


def batch_document(made: Batch) -> dict[str, Any]:
    """The JSON of `batch`.

    Parameters
    ----------
    made
        A batch.
    """
    return {
        "directory": str(made.directory),
        "index": str(made.page),
        **made.progress._asdict(),
        "failures": [one._asdict() for one in made.failures],
        "recordings": made.recordings.to_dicts(),
    }


def _outcomes(jobs: list[Job], scheduler: "str | Client | None", part_bytes: int | None) -> Iterator[Outcome]:
    if scheduler is None:
        return map(analyse, jobs)
    from zcanalysis.fleet.cluster import analysed_on

    return analysed_on(scheduler, jobs, part_bytes)


def _written(dataset: Dataset, progress: Progress) -> Batch:
    made = Batch(dataset.directory, dataset.recordings(), dataset.failures(), progress)
    write_index(made.page, made.recordings, made.failures, progress.left)
    return made
