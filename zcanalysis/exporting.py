"""A recording in forms that other programs draw: Perfetto, flame graphs, speedscope."""

import json
from collections.abc import Iterator
from itertools import chain, pairwise
from pathlib import Path
from typing import Final, Literal, NamedTuple, get_args

import polars as pl

from zcanalysis.answer import Answer, answered
from zcanalysis.cpu.kernel_stages import STAGES
from zcanalysis.errors import TraceError
from zcanalysis.goodput import window_rates
from zcanalysis.io.folded import folded_stacks, folded_text
from zcanalysis.io.perfetto import Counter, Slice, Track, trace_events, write_trace
from zcanalysis.io.recording import Recording
from zcanalysis.io.recording_folder import is_part_of
from zcanalysis.io.speedscope import speedscope_document
from zcanalysis.journey_work import all_work
from zcanalysis.journeys import replay
from zcanalysis.tables import PIECES_OF_WORK, WORK, empty
from zcanalysis.whole_file import appearing_whole

Format = Literal["perfetto", "folded", "speedscope"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)
PACKETS_SHOWN: Final = 20_000
"""Of a capture: what the Perfetto UI scrolls through at ease."""


class Exported(NamedTuple):
    """What was written."""

    number: int
    what: str
    left_out: str
    """What the file does not hold, in words; empty if it holds all."""


def export(recording: Recording | Answer, form: Format, target: str | Path, *, overwrite: bool = False) -> Exported:
    """Write a recording in a form that another program draws.

    Parameters
    ----------
    recording
        As read by `read_recording`; or an answer already worked out.
    form
        "folded": call chains, one a line, for flame graphs. "speedscope": the same in order of time, a profile a CPU.
        "perfetto": what each CPU did by stage (sampled), the limits and the goodput over time, and the way of the
        capture's first packets through the stages of the calibrated host (replayed), as arrows.
    target
        The file. It appears under this name only when it is whole.
    overwrite
        Replace a target that exists.

    Raises
    ------
    TraceError
        If the recording does not hold what the form shows, or the target exists and `overwrite` is not set.
    ValueError
        If there is no such form.
    """
    if form not in FORMATS:
        raise ValueError(f"form must be one of {', '.join(FORMATS)}, got {form!r}")
    source = recording.recording if isinstance(recording, Answer) else recording
    file = Path(target)
    if file.exists() and not overwrite:
        raise TraceError(f"{file}: exists already; name another file, or use --overwrite")
    if file.is_dir() or is_part_of(source.path, file):
        raise TraceError(f"{file}: is a folder, or part of the recording; name another file")
    with appearing_whole(file) as part:
        return _written(recording, source, form, part)


def _written(recording: Recording | Answer, source: Recording, form: Format, part: Path) -> Exported:
    if form == "perfetto":
        return _perfetto(recording if isinstance(recording, Answer) else answered(recording), part)
    if source.samples is None:
        raise TraceError(f"{source.path}: holds no CPU samples (perf.txt or perf.data); {form} shows call chains")
    if form == "folded":
        stacks = folded_stacks(source.samples)
        part.write_text(folded_text(stacks), encoding="utf-8")
        return Exported(stacks.height, "call chains", "")
    document = speedscope_document(source.samples, source.name, "zcanalysis")
    part.write_text(json.dumps(document, separators=(",", ":"), allow_nan=False), encoding="utf-8")
    return Exported(sum(len(one["samples"]) for one in document["profiles"]), "samples", "")


def _perfetto(answer: Answer, part: Path) -> Exported:
    packets, left_out = _steps(answer)
    sampled = answer.evidence.stages
    counters = pl.DataFrame({"ts_ns": []}) if answer.recording.counters is None else answer.recording.counters
    times = [
        table.get_column(name).min()
        for table, name in ((packets, "from_ns"), (sampled, "ts_ns"), (answer.limits, "from_ns"), (counters, "ts_ns"))
        if not table.is_empty()
    ]
    if not times:
        raise TraceError(f"{answer.recording.path}: holds neither CPU samples nor TCP packets; nothing to draw")
    first_ns = min(int(str(one)) for one in times)
    things: Iterator[Slice | Counter] = chain(_limits(answer), _goodput(answer), _sampled(sampled), _journeys(packets))
    about = {"recording": answer.recording.name, "first_ns": str(first_ns), "exporter": "zcanalysis"}
    written = write_trace(part, trace_events(things, first_ns), about)
    return Exported(written, "events", left_out)


def _steps(answer: Answer) -> tuple[pl.DataFrame, str]:
    """The replayed way of the first packets, and what is not shown of them."""
    nothing = empty(WORK)
    if answer.recording.packets is None:
        return nothing, "no capture, so no packets"
    if answer.model is None:
        return nothing, f"no packets: {answer.no_model}"
    try:
        journeys = replay(answer.recording.packets, answer.model.calibration.host)
    except TraceError as error:
        return nothing, f"no packets: {error}"
    shown = all_work(journeys.head(PACKETS_SHOWN))
    more = journeys.height - PACKETS_SHOWN
    return shown, f"{more:,} packets behind the first {PACKETS_SHOWN:,}" if more > 0 else ""


def _journeys(steps: pl.DataFrame) -> Iterator[Slice]:
    """Stages as tracks in path order, and an arrow from each to the next along a packet's way."""
    order = {(piece, stage): at for at, (piece, stage) in enumerate(_stages())}
    ways = sorted(steps.rows(named=True), key=lambda row: (row["from_ns"], order[row["piece"], row["stage"]]))
    for row in ways:
        track = Track("packets, replayed", f"{row['piece']}: {row['stage']}")
        yield Slice(track, row["stage"], row["from_ns"], row["to_ns"], {"packet": row["packet"]}, row["packet"])


def _stages() -> Iterator[tuple[str, str]]:
    return ((piece, stage) for piece, stages in PIECES_OF_WORK.items() for stage in stages)


def _sampled(stages: pl.DataFrame) -> Iterator[Slice]:
    """What each CPU did: a sample stands for the time until the next one, at most its weight."""
    for (cpu,), mine in stages.sort("ts_ns").group_by("cpu", maintain_order=True):
        rows = mine.select("ts_ns", "weight_ns", "stage", "function", "context", "comm").rows(named=True)
        ends = [*(after["ts_ns"] for _, after in pairwise(rows)), None]
        for row, end_ns in zip(rows, ends, strict=True):
            if row["stage"] == "idle":
                continue
            until_ns = row["ts_ns"] + max(row["weight_ns"], 1)
            args = {name: row[name] for name in ("function", "context", "comm")}
            track = Track("CPUs, sampled", f"CPU {cpu}")
            last_ns = until_ns if end_ns is None else min(until_ns, end_ns)
            yield Slice(track, STAGES[row["stage"]], row["ts_ns"], last_ns, args)


def _limits(answer: Answer) -> Iterator[Slice]:
    for row in answer.limits.iter_rows(named=True):
        track = Track("limits", row["connection"])
        yield Slice(track, row["limit"], row["from_ns"], row["to_ns"], {"evidence": row["evidence"]})


def _goodput(answer: Answer) -> Iterator[Counter]:
    counters = answer.recording.counters
    if counters is None:
        return
    for phase in counters.get_column("phase").unique(maintain_order=True):
        for row in window_rates(answer.recording, phase).iter_rows(named=True):
            yield Counter("goodput", f"Gbit/s, {phase}", row["from_ns"], row["gbps"])
            yield Counter("goodput", f"Gbit/s, {phase}", row["to_ns"], 0.0)
