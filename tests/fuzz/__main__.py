"""`python -m tests.fuzz`: damaged and hostile files for FUZZ_SECONDS, 600 unless told.

FUZZ_SEED repeats a run, with FUZZ_CASE one case of it.

Every case is on disk before it is read, so that even a crash leaves it behind.
"""
# ruff: noqa: T201 - a program that prints

import os
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from random import Random
from typing import Final

from tests.fuzz import cases, laws, seeds, traffic
from tests.fuzz.mutations import damaged

PLACE: Final = Path("build/fuzz")
CASE_SECONDS: Final = 5.0  # of CPU time: other work on the machine is no failure
STUCK_SECONDS: Final = 120.0  # of any time
CASE_BYTES: Final = 500_000_000
KEPT_BYTES: Final = 1_500_000_000  # allocators keep some 500 MB of what they gave out
REPORT_SECONDS: Final = 60.0
PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")

Holds = Callable[[Path, Random], None]
Source = Callable[[Random], bytes]


class Watchdog:
    """Ends the process when one case takes too long or too much memory, or all together keep too much."""

    def __init__(self) -> None:
        self._first_bytes = resident_bytes()
        self.next_case("none")
        threading.Thread(target=self._watch, daemon=True).start()

    def next_case(self, name: str) -> None:
        """The clock starts anew."""
        self._name, self._usual_bytes = name, resident_bytes()
        self._spent, self._started = time.process_time(), time.monotonic()

    def _watch(self) -> None:
        while True:
            time.sleep(0.05)
            took, now_bytes = time.process_time() - self._spent, resident_bytes()
            grown_bytes, kept_bytes = now_bytes - self._usual_bytes, now_bytes - self._first_bytes
            stuck = time.monotonic() - self._started > STUCK_SECONDS
            if stuck or took > CASE_SECONDS or grown_bytes > CASE_BYTES or kept_bytes > KEPT_BYTES:
                print(
                    f"FAILED: {self._name}: {took:.1f} s CPU, {grown_bytes:,} bytes, {kept_bytes:,} in all", flush=True
                )
                os._exit(1)


def resident_bytes() -> int:
    """Memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


def main() -> int:
    """Number of failures."""
    warnings.simplefilter("error")
    PLACE.mkdir(parents=True, exist_ok=True)
    number = int(os.environ.get("FUZZ_SEED", time.time_ns() % 1_000_000))
    kinds = warmed_up()
    end = time.monotonic() + float(os.environ.get("FUZZ_SECONDS", "600"))
    watchdog, failed, reported = Watchdog(), 0, time.monotonic()
    wanted = os.environ.get("FUZZ_CASE")
    for case in [int(wanted)] if wanted else count():
        if time.monotonic() > end:
            break
        chance = Random(f"{number}, case {case}")
        holds, source = chance.choice(kinds)
        name = f"failed-{number}-{case}"
        watchdog.next_case(f"FUZZ_SEED={number} FUZZ_CASE={case}, {PLACE}/case")
        failed += not passes(holds, source(chance), chance, name)
        if time.monotonic() > reported + REPORT_SECONDS:
            reported = time.monotonic()
            print(f"{case + 1:,} cases, {failed} failed, {resident_bytes() / 1e6:.0f} MB", flush=True)
    print(f"FUZZ_SEED={number}: {case:,} cases, {failed} failed")
    return failed


def warmed_up() -> list[tuple[Holds, Source]]:
    """What must hold of which files; everything is compiled, and the seeds are shown to be good."""
    captures, perf_texts = seeds.captures(), seeds.perf_texts()
    for holds, good in ((cases.capture_holds, captures), (cases.perf_text_holds, perf_texts)):
        for content in good:
            holds(saved(content), Random(1))
    for law in laws.LAWS:
        law(traffic.as_table(traffic.hostile_rows(Random(1))), Random(1))
    return [
        *2 * [(cases.capture_holds, damages(captures))],
        (cases.perf_text_holds, damages(perf_texts)),
        *2 * [(cases.wire_holds, hostile)],
        (cases.wire_holds, damages(captures)),
        (cases.follow_holds, damages(captures)),
        (cases.follow_holds, hostile),
    ]


def damages(good: Sequence[bytes]) -> Source:
    """Good files, damaged."""
    return lambda chance: damaged(chance.choice(good), chance.choice(good), chance)


def hostile(chance: Random) -> bytes:
    """Packets of hostile hosts, whole; now and then damaged as well."""
    made = traffic.as_capture(traffic.hostile_rows(chance, most=chance.choice((20, 100, 400))))
    return damaged(made, made, chance) if chance.random() < 0.2 else made


def saved(content: bytes) -> Path:
    """The case on disk."""
    path = PLACE / "case"
    path.write_bytes(content)
    return path


def passes(holds: Holds, content: bytes, chance: Random, name: str) -> bool:
    """Whether one case holds; if not it is kept under its name."""
    path = saved(content)
    try:
        holds(path, chance)
    except Exception:  # the point of it all
        kept = path.rename(PLACE / name)
        print(f"FAILED: {kept}\n{traceback.format_exc(limit=-4)}", flush=True)
        return False
    return True


if __name__ == "__main__":
    sys.exit(min(main(), 1))
