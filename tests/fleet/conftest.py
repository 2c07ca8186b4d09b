"""A fleet of shifted copies of real recordings and captures, and what one process makes of it."""

from pathlib import Path

import pytest

from tests.shifted import shifted_pcap, shifted_recording, unpacked
from zcanalysis.fleet.running import Batch, batch

TRACES = Path(__file__).parents[2] / "traces"
DAY_S = 86_400
RECORDINGS = ("veth-small-buffer", "veth-no-rps", "fragmented-udp")
CAPTURES = ("mtu-65000", "mtu-65000-low-latency", "mtu-9000")
COPIES = 7
LARGE = "large.pcap"
BAD = "bad.pcap"


@pytest.fixture(scope="session")
def fleet(tmp_path_factory) -> Path:
    """24 sources that can be analysed, one of them large, and one that cannot."""
    root = tmp_path_factory.mktemp("fleet") / "recorded"
    for day, name in enumerate(RECORDINGS):
        shifted_recording(TRACES / name, root / f"{name}-{day}", day * DAY_S)
    for name in CAPTURES:
        content = unpacked(TRACES / "prequeue-4.10" / f"{name}.pcap.gz")
        for day in range(COPIES - (name == CAPTURES[-1])):
            (root / f"{name}-{day}.pcap").write_bytes(shifted_pcap(content, day * DAY_S))
    (root / LARGE).write_bytes(unpacked(TRACES / "veth-1500/capture.pcap.zst"))
    (root / BAD).write_bytes(b"\xd4\xc3\xb2\xa1 and then nothing")
    return root


@pytest.fixture(scope="session")
def made(fleet, tmp_path_factory) -> Batch:
    """The dataset of the fleet, made in this process; whoever changes it changes it for all."""
    return batch([fleet], tmp_path_factory.mktemp("datasets") / "here")
