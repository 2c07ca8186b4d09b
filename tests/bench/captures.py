"""The captures that the benchmarks read: recorded here between two namespaces, once, and kept in build/bench."""

import shutil
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from zcanalysis.errors import HostError
from zcanalysis.lab.namespaces import RECEIVER_ADDRESS, RECEIVER_DEVICE, SENDER_DEVICE, inside, run_tool, two_hosts
from zcanalysis.lab.scenarios import Scenario

PLACE: Final = Path("build/bench")
PACKETS: Final = 3_000_000
LOSSY_PACKETS: Final = 3_000_000
SNAP_BYTES: Final = 96
BUFFER_KIB: Final = 1 << 18
PATIENCE_S: Final = 180.0
BOTTLENECK: Final = ("tbf", "rate", "1200mbit", "burst", "16kb", "limit", "48kb")  # 32 packets, then drops
PCAP_HEADER_BYTES: Final = 24


def clean_capture() -> Path:
    """Four bulk transfers without loss, 96 bytes a packet."""
    return _kept("clean.pcap", PACKETS, ())


def lossy_capture() -> Path:
    """Four bulk transfers through a short queue that drops."""
    return _kept("lossy.pcap", LOSSY_PACKETS, BOTTLENECK)


def repeated_capture(path: Path, least_bytes: int) -> Path:
    """The capture's packets over and over, whole, until the file is as large as asked for."""
    large = PLACE / f"large-{path.name}"
    with large.open("wb") as out:
        while out.tell() < least_bytes:
            with path.open("rb") as source:
                source.seek(PCAP_HEADER_BYTES if out.tell() else 0)
                shutil.copyfileobj(source, out, 1 << 22)
    return large


def _kept(name: str, packets: int, bottleneck: tuple[str, ...]) -> Path:
    path = PLACE / name
    if not path.exists():
        PLACE.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".draft")
        _record(draft, packets, bottleneck)
        draft.rename(path)
    return path


def _record(path: Path, packets: int, bottleneck: tuple[str, ...]) -> None:
    with two_hosts(Scenario(name="bench")) as (sender, receiver), ExitStack() as cleanup:
        if bottleneck:
            run_tool(["tc", "-n", sender, "qdisc", "add", "dev", SENDER_DEVICE, "root", *bottleneck])
        capture = ["tcpdump", "-i", RECEIVER_DEVICE, "-s", str(SNAP_BYTES), "-B", str(BUFFER_KIB)]
        capture += ["-c", str(packets), "-w", str(path), "tcp"]
        tap = _started(cleanup, receiver, capture)
        _started(cleanup, receiver, ["iperf3", "--server"])
        time.sleep(1.0)
        load = ["iperf3", "--client", RECEIVER_ADDRESS, "--time", f"{PATIENCE_S:.0f}", "--parallel", "4"]
        _started(cleanup, sender, load)
        try:
            tap.wait(PATIENCE_S)
        except subprocess.TimeoutExpired as error:
            raise HostError(f"{path}: fewer than {packets:,} packets in {PATIENCE_S:.0f} s") from error


def _started(cleanup: ExitStack, namespace: str, arguments: list[str]) -> "subprocess.Popen[bytes]":
    quiet = subprocess.DEVNULL
    child = subprocess.Popen(inside(namespace, arguments), stdin=quiet, stdout=quiet, stderr=quiet)
    cleanup.callback(child.wait)
    cleanup.callback(child.kill)
    return child
