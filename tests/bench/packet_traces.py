"""Events a second from a trace of packets to latencies, beside a walk event by event in plain Python.

Run as ``python -m tests.bench.packet_traces``. Times are printed, the bytes that both joined are compared.
"""

import time
from typing import Final

from tests.bench.history import note
from tests.cpu.test_latency_traces import NEW, PACKETS, events_of, walked
from zcanalysis.cpu.latency import latency

ROUNDS: Final = 3


def main() -> None:
    """Print both rates for each trace."""
    for name in NEW:
        trace = PACKETS / name
        events = sum(1 for _ in events_of(trace))
        ours_s, walk_s = [], []
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            found = latency(trace)
            ours_s.append(time.perf_counter() - begun)
            begun = time.perf_counter()
            ranges = walked(trace)
            walk_s.append(time.perf_counter() - begun)
            joined = found.ranges.filter("complete")["bytes"].sum()
            assert joined == sum(row[0] for row in ranges if None not in row)
        best, walk = min(ours_s), min(walk_s)
        rates = (
            f"{events / best:,.0f} events/s, a plain Python walk {events / walk:,.0f} ({walk / best:.1f} times as fast)"
        )
        note(f"latency of {name} over a plain Python walk", walk / best)
        print(f"latency of {name}: {events:,} events, {rates}")  # noqa: T201


if __name__ == "__main__":
    main()
