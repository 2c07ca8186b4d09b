"""One source to its tables: what a process does that knows nothing of the others, on this machine or another."""

import threading
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import uuid4

import polars as pl

from zcanalysis.answer import Answer, answered, limited_flows, limits_of, sentence
from zcanalysis.errors import TraceError, ZcError
from zcanalysis.extensions import fingerprint
from zcanalysis.fleet.dataset import DATASET_VERSION, Dataset
from zcanalysis.fleet.sources import Looks, Source, as_text, looks
from zcanalysis.io.pcap_blocks import NO_STOP, Place
from zcanalysis.io.pcap_ranges import CaptureRange, can_be_split, meeting, write_range
from zcanalysis.io.recording import Recording, read_recording
from zcanalysis.own_code import VERSION
from zcanalysis.tables import LIMITS, RECORDINGS, polars_schema

KILLED: Final = "the run was killed while this was analysed, or it killed the run: out of memory?"
VERDICTS: Final = ("bad", "warn", "ok")

_one_at_a_time = threading.Lock()
"""An analysis uses its process's threads itself, and compiled code that is not made for two callers at once."""


class Job(NamedTuple):
    """What to do with one source: all that travels to another process."""

    source: Source
    directory: Path
    """Of the dataset: absolute, and seen by every process."""
    run: str
    """Which may write there."""
    link_gbps: float | None = None
    extensions: str = ""
    """Readers and stage maps that are installed where the batch was started: every process must have the same."""

    @property
    def dataset(self) -> Dataset:
        """Where its tables are kept."""
        return Dataset(self.directory, self.run)

    def state(self, seen: Looks) -> str:
        """What the tables depend on: as long as it stays the same, they are not made again."""
        return f"{VERSION} {DATASET_VERSION} {self.link_gbps} {seen.digest} {self.extensions}".rstrip()


class Outcome(NamedTuple):
    """What became of a source: all that travels back."""

    source: Source
    reason: str | None = None
    """Why it failed."""


def is_done(job: Job) -> bool:
    """Whether the dataset holds the source as it looks now.

    Parameters
    ----------
    job
        The source.
    """
    try:
        return job.dataset.is_done(job.source, job.state(looks(job.source)))
    except OSError:
        return False


def analyse(job: Job, ranges: list[CaptureRange] | None = None) -> Outcome:
    """Analyse a source and keep its tables in the dataset, or why that could not be.

    Parameters
    ----------
    job
        The source.
    ranges
        Its capture's packets, where they were decoded apart.

    Raises
    ------
    TraceError, OSError
        If the dataset cannot be written: that is no fault of the source.
    """
    dataset = job.dataset
    with _one_at_a_time:
        dataset.fail(job.source, KILLED)
        try:
            tables, state = _tables(job, ranges)
        except KeyboardInterrupt:
            dataset.forgive(job.source)
            raise
        except ZcError as error:
            return _failed(dataset, job.source, str(error))
        except OSError as error:
            return _failed(dataset, job.source, f"{error.filename or job.source.path}: {error.strerror or error}")
        except (Exception, pl.exceptions.PanicException) as error:
            return _failed(dataset, job.source, f"our own failure: {type(error).__name__}: {error}; please report it")
        dataset.keep(job.source, tables, state)
    return Outcome(job.source)


def splits(job: Job, part_bytes: int) -> list[tuple[int, int]]:
    """From where to where to decode a large capture in ranges; empty where it is not worth it, or not possible.

    Parameters
    ----------
    job
        The source.
    part_bytes
        Of a range.
    """
    try:
        capture = read_recording(job.source.path).capture
        if capture is None or capture.stat().st_size < 2 * part_bytes or not can_be_split(capture):
            return []
        edges = [*range(0, capture.stat().st_size - part_bytes + 1, part_bytes), NO_STOP]
    except (OSError, ZcError):
        return []  # whatever it is, the analysis will say it
    return list(pairwise(edges))


def decode(job: Job, begin: int | Place, stop_bytes: int) -> CaptureRange:
    """Decode one range of a source's capture.

    Parameters
    ----------
    job
        The source.
    begin
        Where a record begins, or the byte from which on to look for one.
    stop_bytes
        Where the next range is looked for.
    """
    job.dataset.check()
    capture = read_recording(job.source.path).capture
    if capture is None:
        raise TraceError(f"{job.source.path}: holds no capture any more")
    # a name of its own: a range that is decoded twice, by a worker that was given up, disturbs nobody
    return write_range(capture, begin, stop_bytes, job.dataset.parts(job.source) / f"{uuid4().hex}.parquet")


def _failed(dataset: Dataset, source: Source, reason: str) -> Outcome:
    dataset.fail(source, reason)
    return Outcome(source, reason)


def _tables(job: Job, ranges: list[CaptureRange] | None) -> tuple[dict[str, pl.DataFrame], str]:
    """Every table of a source, and the state it had from begin to end."""
    if fingerprint() != job.extensions:
        here, there = fingerprint() or "none", job.extensions or "none"
        raise TraceError(f"this process has other extensions ({here}) than the one that started the batch ({there})")
    seen = looks(job.source)
    recording = read_recording(job.source.path)
    if ranges is not None:
        recording = replace(recording, packets=_joined(job, ranges), capture=None)
    answer = answered(recording, job.link_gbps)
    tables = {
        "flows": limited_flows(answer),
        "costs": answer.costs,
        "blame": answer.blame,
        "limits": pl.DataFrame(limits_of(answer) or [], schema=polars_schema(LIMITS)),
        "audit": answer.audit,
        "recordings": pl.DataFrame([_row(job.source, seen, recording, answer)], schema=polars_schema(RECORDINGS)),
    }
    if looks(job.source) != seen:
        raise TraceError(f"{job.source.path}: changed while it was read; run again when it is complete")
    return tables, job.state(seen)


def _joined(job: Job, ranges: list[CaptureRange]) -> pl.LazyFrame:
    """The packets of ranges that meet."""
    met = meeting(ranges, lambda one, at: decode(job, at, one.stop_bytes))
    return pl.scan_parquet([one.file for one in met])


def _row(source: Source, seen: Looks, recording: Recording, answer: Answer) -> dict[str, Any]:
    host, limit = recording.host, answer.limit
    kind = "recording" if source.path.is_dir() else "trace" if recording.packets is None else "capture"
    unexplained = answer.blame.filter(pl.col("stage") == "unexplained").get_column("lost_gbps")
    doubts = answer.audit.filter(pl.col("verdict") != "ok").sort("verdict")  # bad before warn
    worst = next(one for one in VERDICTS if one == "ok" or one in answer.audit.get_column("verdict"))
    flows = answer.evidence.flows
    row = {
        "key": source.key, "path": source.shown, "name": recording.name, "kind": kind,
        "size_bytes": seen.size_bytes, "modified_ns": seen.modified_ns,
        "kernel": host.kernel, "cpus": host.cpus, "device": host.device, "driver": host.driver, "mtu": host.mtu,
        "label": host.label, "goodput_gbps": answer.goodput_gbps, "goodput_low_gbps": answer.low_gbps,
        "goodput_high_gbps": answer.high_gbps, "ceiling_gbps": answer.ceiling.gbps, "ceiling": answer.ceiling.kind,
        "limit": answer.held_back_by.kind, "limit_where": answer.held_back_by.where,
        "cpu": limit.cpu if limit else None, "cpu_busy_share": limit.busy_share if limit else None,
        "unexplained_gbps": unexplained.item(0) if len(unexplained) else None,
        "connections": flows.get_column("connection").n_unique(), "packets": flows.get_column("packets").sum(),
        "verdict": worst, "doubts": doubts.get_column("check").to_list(), "answer": sentence(answer),
    }  # fmt: skip
    return {name: as_text(value) if isinstance(value, str) else value for name, value in row.items()}
