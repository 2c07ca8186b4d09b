"""`python -m tests.fuzz`: damaged files for FUZZ_SECONDS, 600 unless told; FUZZ_SEED repeats a run.

Every case is on disk before it is read, so that even a crash leaves it behind.
"""
# ruff: noqa: T201 - a program that prints

import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final

from tests.fuzz import cases, seeds
from tests.fuzz.mutations import damaged

PLACE: Final = Path("build/fuzz")
CASE_SECONDS: Final = 5.0
CASE_BYTES: Final = 500_000_000
REPORT_SECONDS: Final = 60.0
PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")

Holds = Callable[[Path, Random], None]


class Watchdog:
    """Ends the process when one case takes too long or too much memory."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._usual_bytes = resident_bytes()
        threading.Thread(target=self._watch, daemon=True).start()

    def next_case(self) -> None:
        """The clock starts anew."""
        self._started = time.monotonic()

    def _watch(self) -> None:
        while True:
            time.sleep(0.05)
            grown_bytes = resident_bytes() - self._usual_bytes
            if time.monotonic() - self._started > CASE_SECONDS or grown_bytes > CASE_BYTES:
                took = time.monotonic() - self._started
                print(f"FAILED: {took:.1f} s, {grown_bytes:,} bytes more than at first: {PLACE}/case", flush=True)
                os._exit(1)


def resident_bytes() -> int:
    """Memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


def main() -> int:
    """Number of failures."""
    PLACE.mkdir(parents=True, exist_ok=True)
    number = int(os.environ.get("FUZZ_SEED", time.time_ns() % 1_000_000))
    chance = Random(number)
    kinds: list[tuple[Holds, list[bytes]]] = [
        (cases.capture_holds, seeds.captures()),
        (cases.capture_holds, seeds.captures()),
        (cases.perf_text_holds, seeds.perf_texts()),
    ]
    for holds, good in kinds:  # compiles, and shows that the seeds are good
        for content in good:
            holds(saved(content), chance)
    end = time.monotonic() + float(os.environ.get("FUZZ_SECONDS", "600"))
    watchdog, done, failed, reported = Watchdog(), 0, 0, time.monotonic()
    while time.monotonic() < end:
        holds, good = chance.choice(kinds)
        watchdog.next_case()
        failed += not passes(holds, damaged(chance.choice(good), chance.choice(good), chance), chance, failed)
        done += 1
        if time.monotonic() > reported + REPORT_SECONDS:
            reported = time.monotonic()
            print(f"{done:,} cases, {failed} failed, {resident_bytes() / 1e6:.0f} MB", flush=True)
    print(f"FUZZ_SEED={number}: {done:,} cases, {failed} failed")
    return failed


def saved(content: bytes) -> Path:
    """The case on disk."""
    path = PLACE / "case"
    path.write_bytes(content)
    return path


def passes(holds: Holds, content: bytes, chance: Random, failed: int) -> bool:
    """Whether one case holds; if not it is kept under a name of its own."""
    path = saved(content)
    try:
        holds(path, chance)
    except Exception:  # the point of it all
        kept = path.rename(PLACE / f"failed-{os.getpid()}-{failed}")
        print(f"FAILED: {kept}\n{traceback.format_exc(limit=-4)}", flush=True)
        return False
    return True


if __name__ == "__main__":
    sys.exit(min(main(), 1))
