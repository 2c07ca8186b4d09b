"""A relay on this machine, copying and by splice(2), in turns: what a forwarded byte costs its CPU.

`python -m zcanalysis.lab.relays FILE` writes the pairs as JSON. Sender, relay and sink are processes joined by TCP over
loopback: no card, no bus, and the sender's and the sink's copies stay. It shows what the relay itself saves.
"""

import json
import os
import platform
import resource
import socket
import sys
import time
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import numpy as np

CHUNK_BYTES: Final = 1 << 16
RUN_BYTES: Final = 1 << 30
PAIRS: Final = 7


def measured_pairs(pairs: int = PAIRS, run_bytes: int = RUN_BYTES) -> list[dict[str, Any]]:
    """Both relays in turns, the first of each pair changing.

    Returns
    -------
    list
        One dict a run: `pair`, `design`, `bytes`, `elapsed_s`, `cpu_s` (of the relay's process, both modes).
    """
    runs = []
    for pair in range(pairs):
        designs = list(RELAYS) if pair % 2 == 0 else list(RELAYS)[::-1]
        runs += [{"pair": pair, "design": design, **relayed(design, run_bytes)} for design in designs]
    return runs


def relayed(design: str, run_bytes: int) -> dict[str, Any]:
    """One run: what the relay forwarded, how long that took, and the CPU time it had."""
    context = get_context("fork")
    source, inward = _joined()
    outward, sink = _joined()
    told, tell = context.Pipe(duplex=False)
    ends = (source, inward, outward, sink)
    jobs = [
        context.Process(target=_alone, args=(ends, source, _send, source, run_bytes)),
        context.Process(target=_alone, args=(ends, sink, _drain, sink)),
        context.Process(target=_forward, args=(ends, (inward, outward), RELAYS[design], tell)),
    ]
    for job in jobs:
        job.start()
    for end in (*ends, tell):
        end.close()
    try:
        forwarded, elapsed_s, cpu_s = told.recv()
    finally:
        for job in jobs:
            job.join()
    return {"bytes": forwarded, "elapsed_s": elapsed_s, "cpu_s": cpu_s}


def copying(inward: socket.socket, outward: socket.socket) -> int:
    """Forward by recv and send until the sender closes; returns the bytes."""
    buffer = memoryview(bytearray(CHUNK_BYTES))
    total = 0
    while got := inward.recv_into(buffer):
        outward.sendall(buffer[:got])
        total += got
    return total


def splicing(inward: socket.socket, outward: socket.socket) -> int:
    """Forward by splice(2) through a pipe: pages change hands, the payload is not touched."""
    out_of, into = os.pipe()
    total = 0
    while got := os.splice(inward.fileno(), into, CHUNK_BYTES):  # type: ignore[attr-defined,unused-ignore]
        left = got
        while left:
            left -= os.splice(out_of, outward.fileno(), left)  # type: ignore[attr-defined,unused-ignore]
        total += got
    os.close(into)
    os.close(out_of)
    return total


RELAYS: Final[dict[str, Callable[[socket.socket, socket.socket], int]]] = {"copying": copying, "splice": splicing}


def _joined() -> tuple[socket.socket, socket.socket]:
    """Two ends of a TCP connection over loopback."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        return near, server.accept()[0]


def _alone(
    ends: tuple[socket.socket, ...],
    mine: socket.socket,
    work: Callable[..., None],
    *arguments: Any,  # noqa: ANN401
) -> None:
    for end in ends:
        if end is not mine:
            end.close()
    work(*arguments)
    mine.close()


def _send(source: socket.socket, run_bytes: int) -> None:
    chunk = bytes(CHUNK_BYTES)
    for _ in range(run_bytes // CHUNK_BYTES):
        source.sendall(chunk)


def _drain(sink: socket.socket) -> None:
    buffer = bytearray(CHUNK_BYTES * 4)
    while sink.recv_into(buffer):
        pass


def _forward(
    ends: tuple[socket.socket, ...],
    mine: tuple[socket.socket, socket.socket],
    relay: Callable[[socket.socket, socket.socket], int],
    tell: Connection,
) -> None:
    for end in ends:
        if end not in mine:
            end.close()
    began_s, began = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    total = relay(*mine)
    ended_s, ended = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    for end in mine:
        end.close()
    cpu_s = ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime
    tell.send((total, ended_s - began_s, cpu_s))


def main(place: Path) -> None:
    """Measure, and write the runs with what they were measured on."""
    runs = measured_pairs()
    document = {
        "what": "a relay between TCP connections of one machine, over loopback: copying and splice(2) in turns",
        "kernel": platform.release(),
        "cpus": os.cpu_count(),
        "load_before": os.getloadavg()[0],
        "chunk_bytes": CHUNK_BYTES,
        "runs": runs,
    }
    place.write_text(json.dumps(document, indent=1) + "\n")
    by = {name: [run["cpu_s"] / run["bytes"] * 1e9 for run in runs if run["design"] == name] for name in RELAYS}
    said = ", ".join(f"{name} {np.median(ns):.3f} ns a byte" for name, ns in by.items())
    sys.stdout.write(f"{said}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
