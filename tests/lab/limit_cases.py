"""Recordings whose limit is known, because the lab made them so: recorded anew, or kept small in traces/limits.

`python -m tests.lab.limit_cases DIRECTORY [CASE …]` records them as root and keeps of each what the tests need. On a
machine that others use, run it under ``nice -n -15``, and again for a case whose CPUs they took.
"""

import hashlib
import json
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from zcanalysis.lab import LabOptions, Scenario, run_scenario
from zcanalysis.lab.scenarios import scenario_named
from zcanalysis.recorder import Phase

SECONDS = 2.0
FIRST_PACKETS = 7_000
LARGEST_BYTES = 300_000
KEPT = ("counters.parquet", "host.json", "first.pcap.zst")
COMMAND = "nice -n -15 python -m tests.lab.limit_cases traces/limits"


class Case(NamedTuple):
    """A scenario and what limits it."""

    name: str
    scenario: Scenario
    limit: str
    """What counters of both ends must name."""
    in_capture: frozenset[str]
    """What its first packets alone may be called; `unknown` where a capture cannot show it."""


CASES = (
    Case("window", Scenario(name="window", rcvbuf_bytes=65_536), "receive window", frozenset({"receive window"})),
    Case("link", Scenario(name="link", mtu=9000, link_rate_gbps=2.0), "link", frozenset({"link"})),
    Case("paced", scenario_named("paced"), "sender application", frozenset({"sender application"})),
    Case("cpu-hog", scenario_named("cpu-hog"), "receiver cpu", frozenset({"unknown", "reader"})),
    Case("delayed-ack", scenario_named("requests"), "delayed ack", frozenset({"delayed ack"})),
    Case("loss", scenario_named("lossy"), "loss", frozenset({"loss"})),
    Case("slow-reader", scenario_named("slow-reader"), "reader", frozenset({"reader"})),
)


def recorded(case: Case, directory: Path) -> Path:
    """Record a case: its beginning as a capture, then undisturbed counters."""
    options = LabOptions(plan=(Phase("counters", SECONDS),), warmup_seconds=1.0, first_packets=FIRST_PACKETS)
    return run_scenario(case.scenario, directory, options)


def keep(directory: Path, names: list[str]) -> None:
    """Record cases, all if none is named; what the tests need goes into one folder, and into the manifest above it."""
    directory.mkdir(parents=True, exist_ok=True)
    for case in (case for case in CASES if case.name in names or not names):
        with tempfile.TemporaryDirectory() as scratch:
            place = recorded(case, Path(scratch) / case.name)
            for name in KEPT:
                (directory / f"{case.name}.{name}").write_bytes((place / name).read_bytes())
            host = json.loads((place / "host.json").read_text())
    manifest = directory.parent / "manifest.json"
    document = json.loads(manifest.read_text())
    document["captures"][directory.name] = {
        "what": "counters of both ends and the first packets of TCP transfers over veth, each made to have one limit: "
        + ", ".join(f"{case.name} ({case.limit})" for case in CASES),
        "kernel": host["kernel"],
        "machine": host["machine"],
        "device": f"{host['device']} ({host['driver']})",
        "command": COMMAND,
        "licence": "BSD-3-Clause, recorded by this project; no payload beyond 96 bytes a packet",
        "files": {
            file.name: {"bytes": file.stat().st_size, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
            for file in sorted(directory.iterdir())
        },
    }
    manifest.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    keep(Path(sys.argv[1]), sys.argv[2:])
