"""Recordings of hosts that nobody can record any more: replayed by the model, and labelled as generated everywhere.

They are read as any recording is, so that what reads them can be tried, and a reader of 2002 finds the functions of his
kernel. They prove nothing: what went in comes out.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from zcanalysis.errors import HostError
from zcanalysis.hosts import Host, preset
from zcanalysis.hosts.replayed import linux24
from zcanalysis.io.recording import GENERATED_CAPTURE, GENERATED_PERF
from zcanalysis.lab.generated_packets import HANDSHAKE_NS, capture, stamped_ns
from zcanalysis.lab.generated_samples import READER, SAMPLED_HZ, perf_text
from zcanalysis.model.linux24 import Worked, replay_work
from zcanalysis.rates import BITS_PER_BYTE

BASE_NS: Final = 1_025_201_779_000_000_000  # 27 June 2002, 12:16:19 -0600: the mail that asked
UPTIME_NS: Final = 1_000_000_000_000
"""The samples' clock at that moment."""
SECONDS: Final = 1.0
CAPTURED_BYTES: Final = 4 << 20
HEADER_BYTES: Final = 52


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """A host to be generated."""

    name: str
    preset: str
    says: str
    prices: tuple[tuple[str, float], ...] = ()
    settings: tuple[tuple[str, int | bool | str], ...] = ()

    def host(self) -> Host:
        """The preset with its changes."""
        made = preset(self.preset)
        for name, price in self.prices:
            made = made.with_price(name, price)
        for field, setting in self.settings:
            made = made.changed(field, setting)
        return made


GENERATED: Final = (
    Generated(name="quadrics", preset="quadrics_elan3",
              says="the host of June 2002, its driver's price fitted to 0.9 Gbit/s"),
    Generated(name="quadrics-quick-driver", preset="quadrics_elan3", prices=(("driver.packet_ns", 1500.0),),
              says="the same with a driver of 1500 ns a packet"),
    Generated(name="quadrics-summed", preset="quadrics_elan3", settings=(("nic.hardware_checksum", "verified"),),
              says="the same where the driver sets ip_summed"),
    Generated(name="host-2002", preset="host_2002", says="a host of 2002 with Gigabit Ethernet"),
    Generated(name="host-2002-kleen", preset="host_2002",
              settings=(("nic.hardware_checksum", "verified"), ("tcp.kleen_bypass", True)),
              says="the same with checksums in hardware and Kleen's patch"),
)  # fmt: skip
NAMES: Final = tuple(one.name for one in GENERATED)


def generate(name: str, directory: Path) -> Path:
    """Writes a recording of a replayed host: capture, CPU samples and host.json; the same bytes each time.

    Parameters
    ----------
    name
        One of `NAMES`.
    directory
        Made, or empty.

    Raises
    ------
    HostError
        If there is none of that name, or the folder holds something.
    """
    if name not in NAMES:
        raise HostError(f"{name}: nothing of that name can be generated; there are {', '.join(NAMES)}")
    directory.mkdir(parents=True, exist_ok=True)
    if any(directory.iterdir()):
        raise HostError(f"{directory}: is not empty")
    chosen = GENERATED[NAMES.index(name)]
    host = chosen.host()
    replayed = linux24(host)
    worked = replay_work(replayed, _packets(host))
    few = min(worked.packets.size, -(-CAPTURED_BYTES // host.link.mss_bytes))
    (directory / GENERATED_CAPTURE).write_bytes(capture(replayed, worked, BASE_NS, few))
    (directory / GENERATED_PERF).write_text(perf_text(host, worked, UPTIME_NS))
    captured_ns = int(stamped_ns(replayed, worked)[few - 1])
    document = _document(chosen, host, worked, captured_ns)
    (directory / "host.json").write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
    return directory


def _packets(host: Host) -> int:
    """As many as such a host receives in some seconds, by a short replay."""
    few = 1000
    rows = replay_work(linux24(host), few).packets["copied_ns"]
    return int(few * SECONDS * 1e9 / int(rows[-1]))


def _document(chosen: Generated, host: Host, worked: Worked, captured_ns: int) -> dict[str, Any]:
    """host.json."""
    last_ns = int(np.max(worked.work["end"]))
    said = f"replayed by the model of linux-2.4: {chosen.says}"
    gbps = BITS_PER_BYTE * host.link.mss_bytes * worked.packets.size / int(worked.packets["copied_ns"][-1])
    return {
        "generated": said,
        "label": f"generated: {chosen.says}",
        "generation": host.generation,
        "kernel": "2.4.17 (generated)",
        "hz": 100,
        "cpus": 1,
        "device": "generated0",
        "driver": "generated",
        "mtu": host.link.mss_bytes + HEADER_BYTES,
        "physical": True,
        "speed_mbps": None if host.link.gbps is None else round(1000 * host.link.gbps.value),
        "machine": {"architecture": "i686", "cpu_model": "generated", "virtual": False},
        "phases": [
            {"name": "sampling", "repeat": 0, "from_ns": BASE_NS, "to_ns": BASE_NS + last_ns},
            {"name": "capture", "repeat": 0, "from_ns": BASE_NS - HANDSHAKE_NS, "to_ns": BASE_NS + captured_ns},
        ],
        "clock": [{"realtime_ns": BASE_NS, "monotonic_ns": UPTIME_NS, "width_ns": 0}],
        "roles": {"reader": [{"pid": READER[1], "comm": READER[0], "cpus": [0]}]},
        "model": {
            "preset": chosen.preset,
            "prices": dict(chosen.prices),
            "settings": dict(chosen.settings),
            "goodput_gbps": round(gbps, 4),
            "sampled_hz": SAMPLED_HZ,
        },
    }
