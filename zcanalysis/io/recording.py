"""A recording: the folder that `zcanalysis record` leaves, or a single capture or perf trace."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import polars as pl

from zcanalysis.clock import ClockShift, monotonic_to_epoch
from zcanalysis.errors import TableError, TraceError
from zcanalysis.io.bpftrace import Histograms, read_histograms
from zcanalysis.io.compressed import open_bytes
from zcanalysis.io.file_kind import begins_like, is_capture, refuse_empty
from zcanalysis.io.host_facts import HostFacts, read_host_facts
from zcanalysis.io.json_file import read_json
from zcanalysis.io.logged_sockets import recorded_sockets, with_logged
from zcanalysis.io.perf import scan_perf
from zcanalysis.io.readers import reader_of
from zcanalysis.io.socket_log import SocketLog, is_socket_log, read_socket_log
from zcanalysis.io.trace_events import scan_events
from zcanalysis.tables import COUNTERS, conform

LATEST_NS: Final = 1 << 62
COUNTERS_LIMIT_ROWS: Final = 5_000_000
GENERATED_CAPTURE: Final = "capture.generated.pcap"
GENERATED_PERF: Final = "perf.generated.txt"
CAPTURE_NAMES: Final = (
    *(f"capture.{kind}{packed}" for kind in ("pcap", "pcapng") for packed in ("", ".zst", ".gz")),
    GENERATED_CAPTURE,
)
PERF_NAMES: Final = (
    "perf.txt", "perf.txt.zst", "perf.txt.gz", "perf.data", "perf.data.zst", "perf.data.gz", GENERATED_PERF,
)  # fmt: skip
TRACE_NAMES: Final = ("trace.txt", "trace.txt.zst", "trace.txt.gz")
PACKED: Final = ("", ".zst", ".gz")
PACKET_TRACE_NAMES: Final = tuple(f"{name}{packed}" for name in ("packets.txt", "retis.json") for packed in PACKED)
BPFTRACE_NAMES: Final = tuple(f"bpftrace.{kind}{packed}" for kind in ("json", "txt") for packed in PACKED)
SOCKET_LOG_NAMES: Final = ("ss.txt", "ss.txt.zst", "ss.txt.gz")
SENDER_LOG_NAMES: Final = tuple(f"sender-{name}" for name in SOCKET_LOG_NAMES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Everything of one run. What was not recorded is None; big tables are lazy."""

    name: str
    """The folder's or file's name, and whether a model made it: never trusted text."""
    path: Path
    host: HostFacts = field(default_factory=HostFacts)
    counters: pl.DataFrame | None = None
    unreadable_counters: int = 0
    """Rows of counters.parquet that hold nothing, or no time: left out."""
    socket_logs: tuple[SocketLog, ...] = ()
    """Of `ss -tinm`; what they count with a time, of ends that the recorder did not see, is among `counters`."""
    recorded_sockets: frozenset[str] = frozenset()
    """Ends of connections that the recorder itself read: of these nothing is taken from logs."""
    samples: pl.LazyFrame | None = None
    """SAMPLES, on the epoch's time axis where the recording holds clock pairs."""
    packets: pl.LazyFrame | None = None
    capture: Path | None = None
    """The file that `packets` scans: `flows` and `tcp_sides` are quicker of it."""
    events: pl.LazyFrame | None = None
    """EVENTS of batches, of a tracing phase, on the same axis; they never price anything."""
    packet_events: pl.LazyFrame | None = None
    """EVENTS of packets, of a phase of their own, on the same axis: for `latency`."""
    histograms: Histograms | None = None
    """What bpftrace printed: for `spreads`."""
    load: Mapping[str, Any] | None = None
    clock: ClockShift | None = None
    reader: str | None = None
    """The extension that read the file, and who brings it; None where we did."""


def read_recording(path: str | Path, perf: str | Path | None = None) -> Recording:
    """A recording's tables, opened lazily.

    Parameters
    ----------
    path
        A recording folder, a capture (pcap, pcapng), a perf trace, a log of ``ss -tinm``, or a file that an extension
        reads; each may be compressed. Any folder that holds one of them as the recorder names it, or ``ss.txt`` or
        ``sender-ss.txt``, is a recording.
    perf
        A perf trace (or a file of samples that an extension reads) to use beside a capture, or instead of the folder's
        own.

    Raises
    ------
    TraceError
        If the path is missing, is no recording, or one of its files is damaged.
    """
    place = Path(path)
    if not place.exists():
        raise TraceError(f"{place}: No such file or directory")
    if not place.is_dir():
        return _single_file(place, perf)
    host_file = place / "host.json"
    host = read_host_facts(host_file) if host_file.exists() else HostFacts()
    clock = monotonic_to_epoch(host.clock) if host.clock else None
    capture = _first_of(place, CAPTURE_NAMES)
    trace = _first_of(place, PERF_NAMES)
    samples, reader = _given_samples(perf) if perf else (scan_perf(trace) if trace else None, None)
    events, packet_events = _first_of(place, TRACE_NAMES), _first_of(place, PACKET_TRACE_NAMES)
    bpftrace = _first_of(place, BPFTRACE_NAMES)
    counters = place / "counters.parquet"
    load = place / "load.json"
    logs = _socket_logs(place)
    if capture is None and samples is None and not logs and not counters.exists():
        raise TraceError(
            f"{place}: is no recording: it holds neither capture.pcap, perf.txt, counters.parquet nor ss.txt"
        )
    table = _read_counters(counters) if counters.exists() else None
    usable = None if table is None else table.drop_nulls().filter(pl.col("ts_ns").is_between(0, LATEST_NS))
    return Recording(
        name=f"{place.resolve().name} (generated)" if host.generated else place.resolve().name,
        path=place,
        host=host,
        counters=with_logged(usable, logs),
        socket_logs=logs,
        recorded_sockets=recorded_sockets(usable),
        unreadable_counters=0 if table is None or usable is None else table.height - usable.height,
        samples=None if samples is None else _on_epoch(samples, clock),
        packets=_scan_capture(capture) if capture else None,
        capture=capture,
        events=_on_epoch(scan_events(events), clock) if events else None,
        packet_events=_on_epoch(scan_events(packet_events), clock) if packet_events else None,
        histograms=read_histograms(bpftrace) if bpftrace else None,
        load=read_json(load) if load.exists() else None,
        clock=clock,
        reader=reader,
    )


def _single_file(file: Path, perf: str | Path | None) -> Recording:
    """A capture, with or without a perf trace; or one of the others alone, told by its first bytes."""
    samples, reader = _given_samples(perf) if perf else (None, None)
    refuse_empty(file)
    if is_capture(file):
        packets = _scan_capture(file)
        return Recording(name=file.name, path=file, packets=packets, capture=file, samples=samples, reader=reader)
    if begins_like(file, is_socket_log):
        logs = (read_socket_log(file),)
        counters = with_logged(None, logs)
        return Recording(name=file.name, path=file, counters=counters, socket_logs=logs, samples=samples, reader=reader)
    if (found := reader_of(file)) is not None:
        samples = found.samples if samples is None else samples
        return Recording(name=file.name, path=file, packets=found.packets, samples=samples, reader=found.origin)
    return Recording(name=file.name, path=file, samples=scan_perf(file))


def _socket_logs(place: Path) -> tuple[SocketLog, ...]:
    files = (_first_of(place, SOCKET_LOG_NAMES), _first_of(place, SENDER_LOG_NAMES))
    return tuple(read_socket_log(file) for file in files if file is not None)


def _given_samples(perf: str | Path) -> tuple[pl.LazyFrame, str | None]:
    """Samples of a file that was named, and the extension that reads it, where one does."""
    found = reader_of(Path(perf))
    samples = None if found is None else found.samples
    return (scan_perf(perf), None) if found is None or samples is None else (samples, found.origin)


def _scan_capture(file: Path) -> pl.LazyFrame:
    from zcanalysis.io.pcap import scan_pcap

    return scan_pcap(file)


def _first_of(folder: Path, names: tuple[str, ...]) -> Path | None:
    return next((folder / name for name in names if (folder / name).exists()), None)


def _read_counters(file: Path) -> pl.DataFrame:
    with open_bytes(file):  # refuses what is no regular file
        pass
    try:
        rows = pl.scan_parquet(file).select(pl.len()).collect().item()
        if rows > COUNTERS_LIMIT_ROWS:
            raise TraceError(f"{file}: has {rows:,} rows, expected at most {COUNTERS_LIMIT_ROWS:,}: not made by record")
        table = pl.read_parquet(file)
        if "repeat" not in table.columns:  # of the first recorder, which made each phase once
            table = table.with_columns(pl.lit(0).alias("repeat"))
        return conform(table, COUNTERS)
    except TableError as error:
        raise TraceError(f"{file}: {error}") from error
    except (OSError, pl.exceptions.PolarsError) as error:
        raise TraceError(f"{file}: is not a readable parquet file: {str(error).splitlines()[0]}") from error


def _on_epoch(samples: pl.LazyFrame, clock: ClockShift | None) -> pl.LazyFrame:
    return samples if clock is None else samples.with_columns(pl.col("ts_ns") + clock.offset_ns)
