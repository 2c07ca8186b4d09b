"""Writes host.json: the facts, the phases, who took part, what got lost and what is missing."""

import json
import os
from typing import Any, Final

import polars as pl

from zcanalysis.recorder.host_facts import shown_name
from zcanalysis.recorder.run_state import Run
from zcanalysis.recorder.socket_growth import goodput_by_phase, loud_sockets
from zcanalysis.recorder.sockets import parse_sockets

SCHEMA_VERSION: Final = 1
LOST: Final = (
    *("perf_events", "perf_chunks", "trace_events", "packet_events"),
    *("capture_dropped_packets", "capture_received_packets"),
)


def write_host(run: Run) -> None:
    """Write host.json in one step, so that no reader ever finds half of it."""
    host = run.facts | {
        "schema": SCHEMA_VERSION,
        "label": run.options.label,
        "device": shown_name(run.facts["device"]),
        "addresses": list(run.facts["addresses"] or ()),
        "clock": [pair._asdict() for pair in (run.clock.first, run.last) if pair],
        "command": list(run.options.command),
        "roles": _roles(run, run.counters),
        "phases": run.windows,
        "lost": dict.fromkeys(LOST) | run.lost,
        "probe": run.probe | {"sampler": _sampler_facts(run), "goodput_gbps": goodput_by_phase(run.counters)},
        "missing": run.missing + run.sampler.missing,
    }
    unfinished = run.directory / "host.json.part"
    unfinished.write_text(json.dumps(host, indent=1, sort_keys=True) + "\n")
    unfinished.replace(run.directory / "host.json")


def _sampler_facts(run: Run) -> dict[str, Any]:
    """Ourselves: share of one CPU's time that reading the counters took while a window was open."""
    share = run.sampler_cpu_ns / run.sampler_wall_ns if run.sampler_wall_ns else None
    comm = run.described.get(os.getpid(), {}).get("comm")
    return {"pid": os.getpid(), "comm": comm, "cpu_share": None if share is None else round(share, 5)}


def _roles(run: Run, counters: pl.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """Who reads and who sends: owners of loud sockets, and the senders we were told of."""
    named = [run.described[pid] for pid in run.options.sender_pids if pid in run.described]
    seen = [entry for entry in _owners(run, loud_sockets(counters, "bytes_acked")) if entry not in named]
    return {"reader": _owners(run, loud_sockets(counters, "bytes_received")), "sender": named + seen}


def _owners(run: Run, names: set[str]) -> list[dict[str, Any]]:
    readings = (reading for reading in run.sampler.readings if reading.source.name == "socket")
    sockets = (connection for reading in readings for connection in parse_sockets(reading.content))
    inodes = {connection.inode for connection in sockets if connection.name in names}
    pids = sorted({pid for inode in inodes for pid in run.owners.get(inode, ())})
    return [run.described[pid] for pid in pids if pid in run.described]
