"""Many recordings through `batch`, in one process and on two, against one answer at a time in the same run.

The machine may be shared: what is compared is sources per second of CPU time, of all processes that work. Both
datasets are held against each other, table by table. `FLEET_SOURCES` says how many (500).
"""
# ruff: noqa: T201 - a benchmark prints

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from distributed import Client, LocalCluster

from tests.bench.captures import PLACE
from tests.bench.history import note
from tests.fleet.datasets import check_same
from tests.shifted import shifted_recording
from zcanalysis.answer import answered
from zcanalysis.fleet.dataset import Dataset
from zcanalysis.fleet.running import batch
from zcanalysis.fleet.sources import found
from zcanalysis.io.recording import read_recording

SOURCES = int(os.environ.get("FLEET_SOURCES", "500"))
ORIGINALS = ("veth-small-buffer", "veth-no-rps", "veth-cpu-hog", "fragmented-udp")
ALONE = "one answer at a time"
TURN = 50
HOUR_S = 3600
TRACES = Path("traces")


class Way(NamedTuple):
    """One way to do it."""

    worked_s: Callable[[], float]
    """CPU time so far of those who work."""
    run: Callable[[list[Path]], object]


def main() -> None:
    """Print sources per second, by the clock and by CPU time, of three ways that take turns."""
    paths = [source.path for source in found([_fleet()])]
    here, there = (PLACE / f"dataset-{name}" for name in ("here", "there"))
    for directory in (here, there):
        shutil.rmtree(directory, ignore_errors=True)
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster) as client,
    ):

        def workers_s() -> float:
            return float(sum(client.run(time.process_time).values()))

        ways = {
            ALONE: Way(time.process_time, lambda some: [answered(read_recording(path)) for path in some]),
            "batch, this process": Way(time.process_time, lambda some: batch(some, here)),
            "batch, two workers": Way(workers_s, lambda some: batch(some, there, scheduler=client)),
        }
        client.run(_compile, paths[0])
        _compile(paths[0])
        spent = {name: [0.0, 0.0] for name in ways}
        for first in range(0, len(paths), TURN):
            for name, way in ways.items():
                seconds = _seconds(way, paths[first : first + TURN])
                spent[name] = [so_far + more for so_far, more in zip(spent[name], seconds, strict=True)]
            _print(spent, min(first + TURN, len(paths)))
    for name, (_, cpu_s) in spent.items():
        if name != ALONE:
            note(f"{SOURCES} sources: {name} over {ALONE}, by CPU time", spent[ALONE][1] / cpu_s)
    check_same(here, there)
    assert Dataset(here, "").recordings().height == SOURCES
    print("both datasets are equal, and whole")


def _fleet() -> Path:
    """As many copies as asked for, each an hour later than the one before; kept."""
    root = PLACE / f"fleet-{SOURCES}"
    if not root.exists():
        draft = root.with_suffix(".draft")
        shutil.rmtree(draft, ignore_errors=True)
        for number in range(SOURCES):
            name = ORIGINALS[number % len(ORIGINALS)]
            shifted_recording(TRACES / name, draft / f"{name}-{number}", number * HOUR_S)
        draft.rename(root)
    return root


def _compile(path: Path) -> None:
    answered(read_recording(path))


def _seconds(way: Way, paths: list[Path]) -> tuple[float, float]:
    """By the clock and of CPU."""
    began_s, before_s = time.monotonic(), way.worked_s()
    way.run(paths)
    return time.monotonic() - began_s, way.worked_s() - before_s


def _print(spent: dict[str, list[float]], done: int) -> None:
    alone_s = spent[ALONE][1]
    print(f"{done} sources so far, {TURN} a turn; load {os.getloadavg()[0]:.1f}")
    for name, (wall_s, cpu_s) in spent.items():
        rates = f"{done / wall_s:6.2f} a second, {done / cpu_s:6.2f} a second of CPU time"
        print(f"{name:22} {rates}, {alone_s / cpu_s:.2f} of {ALONE}", flush=True)


if __name__ == "__main__":
    main()
