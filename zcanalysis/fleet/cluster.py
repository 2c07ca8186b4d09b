"""The same tasks on a Dask cluster: what travels is paths, and what a task says of itself.

A task whose worker dies is run again by the scheduler; one that kills several workers is a failure of its source.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from zcanalysis.errors import HostError
from zcanalysis.fleet.tasks import Job, Outcome, analyse, decode, splits

if TYPE_CHECKING:
    from distributed import Client, Future

LOCAL: Final = "local"
AHEAD: Final = 3  # sources under way for each thread of the cluster
LEAST: Final = 8
ANSWERS_S: Final = 10


def analysed_on(scheduler: "str | Client", jobs: list[Job], part_bytes: int | None) -> Iterator[Outcome]:
    """What became of each job, in the order in which they end.

    Parameters
    ----------
    scheduler
        A client, a scheduler's address, or `LOCAL`.
    jobs
        What to do.
    part_bytes
        Captures of twice that size or more are decoded in parts of it; None: each in one piece.

    Raises
    ------
    HostError
        If dask is not installed, or the scheduler does not answer.
    TraceError, OSError
        If a worker cannot write the dataset.
    """
    if not jobs:
        return
    with _client(scheduler) as client:
        from distributed import as_completed

        coming = iter(jobs)
        under_way: dict[Future[Outcome], Job] = {}
        ended = as_completed()
        try:
            while True:
                for job in islice(coming, max(_room(client) - len(under_way), 0)):
                    future = _submitted(client, job, part_bytes)
                    under_way[future] = job
                    ended.add(future)
                if not under_way:
                    return
                future = next(ended)
                yield _outcome(future, under_way.pop(future))
        finally:
            ended.clear()
            client.cancel(list(under_way), force=True)


@contextmanager
def _client(scheduler: "str | Client") -> "Iterator[Client]":
    """A client of the scheduler, closed if it was made here."""
    if not isinstance(scheduler, str):
        yield scheduler
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise HostError("a scheduler needs dask: pip install 'zcanalysis[cluster]'") from error
    options: dict[str, Any] = {"address": scheduler, "timeout": ANSWERS_S}
    if scheduler == LOCAL:
        cpus = len(os.sched_getaffinity(0))
        options = {"n_workers": cpus, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
    try:
        client = Client(**options)
    except (OSError, ValueError) as error:
        raise HostError(f"{scheduler}: no scheduler answers there: {error}") from error
    with client:
        yield client


def _room(client: "Client") -> int:
    """How many sources may be under way: enough for every worker to have the next at hand."""
    threads = sum(client.ncores().values())
    return max(LEAST, AHEAD * int(threads))


def _submitted(client: "Client", job: Job, part_bytes: int | None) -> "Future[Outcome]":
    """The job's last task; those of the parts of a large capture come before it."""
    name = f"{job.run}-{job.source.key}"
    ranges = [
        client.submit(decode, job, begin, stop, key=f"zcanalysis-decode-{name}-{begin}", pure=False)
        for begin, stop in (splits(job, part_bytes) if part_bytes else ())
    ]
    return client.submit(analyse, job, ranges or None, key=f"zcanalysis-{name}", pure=False)


def _outcome(future: "Future[Outcome]", job: Job) -> Outcome:
    """What became of a task.

    Raises
    ------
    TraceError, OSError
        If it could not write.
    """
    from distributed import KilledWorker

    try:
        outcome: Outcome = future.result()
    except KilledWorker as error:
        reason = f"killed the {error.allowed_failures + 1} workers that tried to analyse it: out of memory?"
        job.dataset.fail(job.source, reason)
        outcome = Outcome(job.source, reason)
    job.dataset.drop_parts(job.source)  # by nobody else: a worker that was given up may still read them
    return outcome
